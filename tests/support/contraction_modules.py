"""Modules with many dots or convolutions at once, so that a test compiles few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import (
    ConvolutionAttributes,
    ConvolutionDimensionNumbers,
    DotAttributes,
    DotDimensionNumbers,
    Window,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, tuple_shape

WIDTH_AND_HEIGHT_LAST = ("bf01", "oi01", "bf01")
CHANNELS_LAST = ("b01f", "01io", "b01f")


def random_array(shape: Shape, random: np.random.Generator) -> np.ndarray:
    """Normal floats, integers over the whole range of the type."""
    if shape.kind == "float":
        return random.standard_normal(shape.sizes).astype(shape.numpy_dtype)
    if shape.kind == "pred":
        return random.random(shape.sizes) < 0.3
    info = np.iinfo(shape.numpy_dtype)
    return random.integers(info.min, info.max, shape.sizes, shape.numpy_dtype, endpoint=True)


class Contractions:
    """Collects instructions with parameters of their own; `module` returns all results as a tuple."""

    def __init__(self, seed: int = 0) -> None:
        self.builder = ComputationBuilder("main")
        self.arguments: list[np.ndarray] = []
        self.results: list[HloInstruction] = []
        self.random = np.random.default_rng(seed)

    def parameter(self, shape: Shape, value: np.ndarray | None = None) -> HloInstruction:
        """A new parameter with a random value."""
        self.arguments.append(random_array(shape, self.random) if value is None else value)
        return self.builder.parameter(len(self.arguments) - 1, shape)

    def dot(
        self,
        types: tuple[str, str, str],
        lhs: Sequence[int],
        rhs: Sequence[int],
        numbers: DotDimensionNumbers,
    ) -> HloInstruction:
        """A dot of lhs, rhs and result of these element types."""
        operands = [self.parameter(array_shape(kind, list(sizes))) for kind, sizes in zip(types, (lhs, rhs))]
        sizes = [lhs[axis] for axis in numbers.lhs_batch]
        sizes += [s for axis, s in enumerate(lhs) if axis not in (*numbers.lhs_batch, *numbers.lhs_contracting)]
        sizes += [s for axis, s in enumerate(rhs) if axis not in (*numbers.rhs_batch, *numbers.rhs_contracting)]
        self.results.append(self.builder.add("dot", operands, array_shape(types[2], sizes), DotAttributes(numbers)))
        return self.results[-1]

    def convolution(self, **case: Any) -> HloInstruction:
        """A convolution, see `convolve`."""
        self.results.append(convolve(self, **case))
        return self.results[-1]

    def module(self) -> HloModule:
        """Everything so far."""
        root = self.builder.add("tuple", self.results, tuple_shape(*(result.shape for result in self.results)))
        return module("contractions", self.builder.build(root))


def dimension_numbers(labels: Sequence[str]) -> ConvolutionDimensionNumbers:
    """From three labels as in HLO text: ``("b01f", "01io", "b01f")``."""

    def spatial(label: str) -> tuple[int, ...]:
        return tuple(label.index(letter) for letter in sorted(label) if letter.isdigit())

    data, kernel, result = labels
    return ConvolutionDimensionNumbers(
        data.index("b"), data.index("f"), spatial(data),
        kernel.index("i"), kernel.index("o"), spatial(kernel),
        result.index("b"), result.index("f"), spatial(result),
    )  # fmt: skip


def place(label: str, sizes: dict[str, int]) -> list[int]:
    """Sizes in the order of a label."""
    return [sizes[letter] for letter in label]


def window_count(size: int, w: WindowDimension) -> int:
    """Positions of a window along a dimension."""
    padded = ((size - 1) * w.base_dilation + 1 if size else 0) + w.padding_low + w.padding_high
    reach = (w.size - 1) * w.window_dilation + 1
    return max(0, (padded - reach) // w.stride + 1) if padded >= reach else 0


def convolve(
    into: Contractions,
    *,
    labels: Sequence[str] = CHANNELS_LAST,
    batch: int = 2,
    features: int,
    outputs: int,
    sizes: Sequence[int],
    window: Sequence[WindowDimension],
    groups: int = 1,
    batch_groups: int = 1,
    kind: str = "f32",
    result: str | None = None,
    data: HloInstruction | None = None,
) -> HloInstruction:
    """A convolution with a kernel (and, without `data`, an input) of its own.

    Parameters
    ----------
    labels : three strings
        Layouts of data, kernel and result.
    batch, features, outputs, sizes
        Sizes of the data and the number of output features.
    window : sequence of WindowDimension
    """
    spatial = {str(axis): size for axis, size in enumerate(sizes)}
    if data is None:
        data = into.parameter(array_shape(kind, place(labels[0], {"b": batch, "f": features, **spatial})))
    taps = {str(axis): w.size for axis, w in enumerate(window)}
    kernel = into.parameter(array_shape(kind, place(labels[1], {"i": features // groups, "o": outputs, **taps})))
    counts = {str(axis): window_count(size, w) for axis, (size, w) in enumerate(zip(sizes, window))}
    made = place(labels[2], {"b": batch // batch_groups, "f": outputs, **counts})
    attributes = ConvolutionAttributes(Window(tuple(window)), dimension_numbers(labels), groups, batch_groups)
    return into.builder.add("convolution", [data, kernel], array_shape(result or kind, made), attributes)
