"""Dimensions that HLO wants to be no larger than others: what is read or written lies within the operand."""

from __future__ import annotations

from collections.abc import Iterable

from ..hlo.ir.attributes import (
    DynamicSliceAttributes,
    GatherAttributes,
    ScatterAttributes,
    SliceAttributes,
    TopKAttributes,
)
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Dimension
from ..hlo.ir.sizes import Size

Pair = tuple[Dimension, Dimension]


def bounded_sizes(instruction: HloInstruction) -> list[Pair]:
    """Pairs of sizes of which the first must be at most the second, where one of them is no number."""
    return [pair for pair in _pairs(instruction) if any(isinstance(size, Size) for size in pair)]


def _pairs(instruction: HloInstruction) -> Iterable[Pair]:
    shapes, attributes = [operand.shape for operand in instruction.operands], instruction.attributes
    yield from ((0, size) for array in instruction.shape.arrays() for size in array.dimensions)
    if isinstance(attributes, SliceAttributes):
        yield from zip(attributes.limits, shapes[0].dimensions)
        yield from zip(attributes.starts, attributes.limits)
        yield from ((0, start) for start in attributes.starts)
    elif isinstance(attributes, DynamicSliceAttributes):
        yield from zip(attributes.sizes, shapes[0].dimensions)
    elif instruction.opcode == "dynamic-update-slice":
        yield from zip(shapes[1].dimensions, shapes[0].dimensions)
    elif isinstance(attributes, GatherAttributes):
        yield from zip(attributes.slice_sizes, shapes[0].dimensions)
    elif isinstance(attributes, TopKAttributes):
        yield attributes.k, shapes[0].dimensions[-1]
    elif isinstance(attributes, ScatterAttributes):
        dropped = (*attributes.inserted_window_dims, *attributes.input_batching_dims)
        updates = shapes[len(shapes) // 2 + 1]
        windows = [size for axis, size in enumerate(shapes[0].dimensions) if axis not in dropped]
        yield from zip((updates.dimensions[axis] for axis in attributes.update_window_dims), windows)
