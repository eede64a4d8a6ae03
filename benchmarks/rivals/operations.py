"""Products and convolutions as data: their sizes, and how much work they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True)
class Dot:
    """Rows times a constant matrix, or with `batch` batches of two matrices that are both arguments.

    Attributes
    ----------
    m, k, n : int
    batch : int, optional
    transposed : bool
        Whether the right one of two arguments is n x k.
    dtype : str
    """

    m: int
    k: int
    n: int
    batch: int | None = None
    transposed: bool = False
    dtype: str = "float32"

    channels_last = False

    @property
    def flops(self) -> int:
        return 2 * (self.batch or 1) * self.m * self.k * self.n

    @property
    def bytes_moved(self) -> int:
        """Each operand read once, the result written once."""
        read = (self.m + self.n) * self.k * ELEMENT_BYTES[self.dtype]
        written = self.m * self.n * (4 if self.dtype == "int8" else ELEMENT_BYTES[self.dtype])
        return (self.batch or 1) * (read + written)

    def inputs(self) -> list[np.ndarray]:
        left = random_array((self.m, self.k), self.dtype, 0)
        if self.batch is None:
            return [left]
        right = (self.n, self.k) if self.transposed else (self.k, self.n)
        shapes = ((self.batch, self.m, self.k), (self.batch, *right))
        return [random_array(shape, self.dtype, number) for number, shape in enumerate(shapes)]

    def weights(self) -> np.ndarray:
        return random_array((self.k, self.n), self.dtype, 1, self.k**-0.5)


@dataclass(frozen=True)
class Convolution:
    """A convolution of one image, channels last, with constant weights; where padded, without a stride it would keep
    the image's size.

    Attributes
    ----------
    size : tuple of int
        Of the image.
    channels, features : int
    kernel : tuple of int
    stride, dilation, groups : int
    padded : bool
    transposed : bool
        The transposed convolution of that stride, which makes the image larger.
    """

    size: tuple[int, ...]
    channels: int
    features: int
    kernel: tuple[int, ...]
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padded: bool = True
    transposed: bool = False

    dtype = "float32"
    channels_last = True

    @property
    def padding(self) -> tuple[int, ...]:
        return tuple(self.padded * self.dilation * (extent - 1) // 2 for extent in self.kernel)

    @property
    def result_size(self) -> tuple[int, ...]:
        if self.transposed:
            return tuple(
                (size - 1) * self.stride - 2 * pad + extent
                for size, pad, extent in zip(self.size, self.padding, self.kernel)
            )
        return tuple(
            (size + 2 * pad - self.dilation * (extent - 1) - 1) // self.stride + 1
            for size, pad, extent in zip(self.size, self.padding, self.kernel)
        )

    @property
    def weight_count(self) -> int:
        return math.prod(self.kernel) * self.channels // self.groups * self.features

    @property
    def flops(self) -> int:
        return 2 * math.prod(self.size if self.transposed else self.result_size) * self.weight_count

    @property
    def bytes_moved(self) -> int:
        """Image and weights read once, the result written once."""
        images = math.prod(self.size) * self.channels + math.prod(self.result_size) * self.features
        return 4 * (images + self.weight_count)

    def inputs(self) -> list[np.ndarray]:
        return [random_array((1, *self.size, self.channels), "float32", 0)]

    def weights(self) -> np.ndarray:
        """As PyTorch has them: features first, or channels first where transposed."""
        outer, inner = (self.channels, self.features) if self.transposed else (self.features, self.channels)
        shape = (outer, inner // self.groups, *self.kernel)
        return random_array(shape, "float32", 1, (self.weight_count / self.features) ** -0.5)


Operation = Dot | Convolution


def random_array(shape: Sequence[int], dtype: str, seed: int, scale: float = 1.0) -> Any:
    """Normal numbers; integers from -100 to 100."""
    import ml_dtypes

    rng = np.random.default_rng(seed)
    if dtype == "int8":
        return rng.integers(-100, 101, shape).astype(np.int8)
    values = (rng.normal(size=shape) * scale).astype(np.float32)
    return values.astype(ml_dtypes.bfloat16) if dtype == "bfloat16" else values
