"""What the dialects compute of results in the same way: dimensions, and the arrays of nested values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..hlo.ir.attributes import Window
from ..hlo.ir.shape import Dimension
from .values import Tensor


def sliced_dimensions(starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> tuple[Dimension, ...]:
    """Dimensions of a slice."""
    counts = (-(-(limit - start) // stride) for start, limit, stride in zip(starts, limits, strides))
    # in HLO no limit is below its start
    return tuple(max(0, count) if isinstance(count, int) else count for count in counts)


def concatenated_dimensions(tensors: Sequence[Tensor], dimension: int) -> tuple[Dimension, ...]:
    """Dimensions of tensors one behind the other."""
    first, *others = tensors
    size: Any = first.dimensions[dimension]
    for other in others:
        size = size + other.dimensions[dimension]
    return (*first.dimensions[:dimension], size, *first.dimensions[dimension + 1 :])


def taken_dimensions(x: Tensor, indices: Tensor, dimension: int) -> tuple[Dimension, ...]:
    """Dimensions of rows of `x`."""
    return (*x.dimensions[:dimension], *indices.dimensions, *x.dimensions[dimension + 1 :])


def convolved_dimensions(data: Tensor, kernel: Tensor, window: Window) -> tuple[Dimension, ...]:
    """Dimensions of a channels-first convolution, see `Dialect.convolution`."""
    spatial: list[Dimension] = [
        (size + w.padding_low + w.padding_high - (w.size - 1) * w.window_dilation - 1) // w.stride + 1  # type: ignore[operator]
        for size, w in zip(data.dimensions[2:], window.dimensions)
    ]
    return (data.dimensions[0], kernel.dimensions[0], *spatial)


def flat_tensors(value: Any) -> list[Any]:
    """TVM's arrays of nested tuples of them, depth first."""
    return [value] if hasattr(value, "numpy") else [tensor for part in value for tensor in flat_tensors(part)]
