"""Shorthand for the element-wise HLO that rewrites are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from ..hlo.ir.attributes import (
    Attributes,
    CompareAttributes,
    DimensionsAttributes,
    PadAttributes,
    SliceAttributes,
    TupleIndexAttributes,
)
from ..hlo.ir.builder import ComputationBuilder
from ..hlo.ir.module import NO_METADATA, HloComputation, HloInstruction, Metadata
from ..hlo.ir.shape import Dimension, Shape, array_shape

Number = Union[int, float, bool]
Operand = Union[HloInstruction, int, float, bool]

_COMPARISONS = {"pred": "UNSIGNED", "unsigned": "UNSIGNED", "signed": "SIGNED"}


class Emitter:
    """Adds instructions that stand for one instruction of the old module, with its metadata.

    Parameters
    ----------
    builder : ComputationBuilder
    metadata : Metadata
    """

    def __init__(self, builder: ComputationBuilder, metadata: Metadata = NO_METADATA) -> None:
        self.builder = builder
        self.metadata = metadata

    def __call__(
        self,
        opcode: str,
        *operands: Operand,
        shape: Shape | None = None,
        attributes: Attributes | None = None,
        called: Sequence[HloComputation] = (),
    ) -> HloInstruction:
        """Add an instruction; numbers among the operands become constants like the first operand that is none."""
        tensors = [operand for operand in operands if isinstance(operand, HloInstruction)]
        inputs = [
            operand if isinstance(operand, HloInstruction) else self.full(operand, tensors[0].shape)
            for operand in operands
        ]
        return self.builder.add(opcode, inputs, shape, attributes, called, metadata=self.metadata)

    def full(self, value: Number, shape: Shape) -> HloInstruction:
        """Array of equal elements."""
        with np.errstate(over="ignore"):
            constant = self.builder.constant(value, shape.element_type)
        if not shape.dimensions:
            return constant
        return self("broadcast", constant, shape=plain(shape), attributes=DimensionsAttributes(()))

    def constant(self, array: np.ndarray, element_type: str) -> HloInstruction:
        """Constant array."""
        return self.builder.constant(array, element_type)

    def convert(self, x: HloInstruction, element_type: str) -> HloInstruction:
        """convert, unless it has the type already."""
        if x.shape.element_type == element_type:
            return x
        return self("convert", x, shape=array_shape(element_type, x.shape.dimensions))

    def bits(self, x: HloInstruction, element_type: str) -> HloInstruction:
        """bitcast-convert to a type of the same width."""
        return self("bitcast-convert", x, shape=array_shape(element_type, x.shape.dimensions))

    def compare(self, direction: str, x: HloInstruction, y: Operand) -> HloInstruction:
        """compare with the ordinary comparison of the type."""
        attributes = CompareAttributes(direction, _COMPARISONS.get(x.shape.kind, "FLOAT"))
        return self("compare", x, y, attributes=attributes)

    def select(self, which: HloInstruction, on_true: Operand, on_false: Operand) -> HloInstruction:
        """select between arrays or numbers, at least one an array."""
        like = on_true if isinstance(on_true, HloInstruction) else on_false
        assert isinstance(like, HloInstruction)
        chosen = [x if isinstance(x, HloInstruction) else self.full(x, like.shape) for x in (on_true, on_false)]
        return self("select", which, *chosen)

    def reshape(self, x: HloInstruction, dimensions: Sequence[Dimension]) -> HloInstruction:
        """reshape, unless it has the dimensions already."""
        if x.shape.dimensions == tuple(dimensions):
            return x
        return self("reshape", x, shape=array_shape(x.shape.element_type, dimensions))

    def transpose(self, x: HloInstruction, permutation: Sequence[int]) -> HloInstruction:
        """transpose, unless nothing moves."""
        if list(permutation) == list(range(x.shape.rank)):
            return x
        return self("transpose", x, attributes=DimensionsAttributes(tuple(permutation)))

    def slice(self, x: HloInstruction, axis: int, start: int, limit: int, stride: int = 1) -> HloInstruction:
        """slice along one dimension."""
        sizes = x.shape.dimensions
        starts, limits, strides = [0] * len(sizes), list(sizes), [1] * len(sizes)
        starts[axis], limits[axis], strides[axis] = start, limit, stride
        rows: Any = (tuple(starts), tuple(limits), tuple(strides))
        return self("slice", x, attributes=SliceAttributes(*rows))

    def concatenate(self, parts: Sequence[HloInstruction], axis: int) -> HloInstruction:
        """concatenate along one dimension."""
        return self("concatenate", *parts, attributes=DimensionsAttributes((axis,)))

    def pad_end(self, x: HloInstruction, axis: int, size: int) -> HloInstruction:
        """`x` with zeros behind it, `size` elements along `axis`."""
        high = [0] * x.shape.rank
        high[axis] = size - x.shape.dimensions[axis]  # type: ignore[operator]
        none = (0,) * x.shape.rank
        zero = self.builder.constant(0, x.shape.element_type)
        return self("pad", x, zero, attributes=PadAttributes(none, tuple(high), none))

    def along(self, x: HloInstruction, shape: Shape, dimensions: Sequence[int]) -> HloInstruction:
        """broadcast to the dimensions of `shape`."""
        target = array_shape(x.shape.element_type, shape.dimensions)
        return self("broadcast", x, shape=target, attributes=DimensionsAttributes(tuple(dimensions)))

    def element(self, x: HloInstruction, index: int) -> HloInstruction:
        """get-tuple-element, taken directly from a tuple instruction."""
        if x.opcode == "tuple":
            return x.operands[index]
        return self("get-tuple-element", x, attributes=TupleIndexAttributes(index))

    def tuple(self, parts: Sequence[HloInstruction]) -> HloInstruction:
        """tuple of values."""
        return self.builder.add("tuple", parts, metadata=self.metadata)


def plain(shape: Shape) -> Shape:
    """`shape` without a layout."""
    return Shape(shape.element_type, shape.dimensions)
