"""Which well-known window a reduce-window has."""

from __future__ import annotations

from dataclasses import dataclass

from ..hlo.ir.attributes import Window, WindowDimension
from ..hlo.ir.shape import Dimension
from ..hlo.ir.sizes import is_smaller


@dataclass(frozen=True)
class Cumulative:
    """A running reduction along one dimension (cumsum, cumprod, cummax …).

    Attributes
    ----------
    dimension : int
    reverse : bool
        From the end to the beginning.
    """

    dimension: int
    reverse: bool


def match_cumulative(window: Window, dimensions: tuple[Dimension, ...]) -> Cumulative | None:
    """The running reduction that a window over an operand of `dimensions` is, or None.

    JAX's cumsum is a reduce-window as large as the dimension, with size - 1 of padding on the low side, or on the high
    side for the reverse form.
    """
    active = [axis for axis, dimension in enumerate(window.dimensions) if not is_trivial(dimension)]
    if len(active) != 1:
        return None
    (axis,) = active
    reverse = cumulative_direction(window.dimensions[axis], dimensions[axis])
    return None if reverse is None else Cumulative(axis, reverse)


def cumulative_direction(dimension: WindowDimension, size: Dimension) -> bool | None:
    """Whether a window along a dimension of `size` is a running reduction: False forward, True reverse, None if not."""
    if (dimension.stride, dimension.window_dilation, dimension.base_dilation) != (1, 1, 1):
        return None
    if dimension.padding_low + dimension.padding_high + 1 != dimension.size:
        return None
    # a window that reaches at least to the edge sees everything on that side
    if not (dimension.size == size or is_smaller(size, dimension.size)):
        return None
    if dimension.padding_high == 0:
        return False
    return True if dimension.padding_low == 0 else None


def is_trivial(dimension: WindowDimension) -> bool:
    """Whether the window does nothing along this dimension.

    Base dilation by itself inserts holes, so a window of one element still changes the dimension.
    """
    return (
        dimension.size == 1
        and dimension.stride == 1
        and dimension.padding_low == 0
        and dimension.padding_high == 0
        and dimension.base_dilation == 1
    )
