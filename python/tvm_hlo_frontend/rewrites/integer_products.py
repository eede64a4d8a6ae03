"""Products of narrow integers in parts whose sums are exact in f32, in which processors multiply fastest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ..analysis.accumulators import exact_depth
from ..hlo.ir.attributes import DotAttributes, SliceAttributes
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import array_shape
from .capabilities import Capabilities

# more parts cost more than they gain
MAX_PARTS = 8
_PRODUCTS = frozenset({"dot", "convolution"})


def narrow_integer_products(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with dots and convolutions to s32 of operands that were converted to it as those of what they were, and
    with deep dots of such as sums of less deep ones."""
    ruled = _PRODUCTS - capabilities.replaced
    if "convert" in capabilities.replaced or not any(
        instruction.opcode in ruled and instruction.shape.element_type == "s32" for instruction in module.instructions
    ):
        return module

    def change(
        builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
    ) -> HloInstruction | None:
        if instruction.opcode not in ruled or instruction.shape.element_type != "s32":
            return None
        sources = [_source(operand) for operand in operands]
        depth = exact_depth(*(source.shape.element_type for source in sources))
        if not depth or not all(shape.is_static for shape in (instruction.shape, *(each.shape for each in sources))):
            return None
        if instruction.opcode == "dot":
            parts = _parts(instruction, sources, depth)
            if len(parts) > 1:
                return _sum(builder, instruction, sources, parts)
        if sources == list(operands):
            return None
        return builder.add(
            instruction.opcode, sources, instruction.shape, instruction.attributes,
            name=instruction.name, metadata=instruction.metadata,
        )  # fmt: skip

    return transform(module, change)


def _source(operand: HloInstruction) -> HloInstruction:
    """What was converted to s32, if that is narrower."""
    if operand.opcode == "convert" and exact_depth(*[operand.operands[0].shape.element_type] * 2):
        return operand.operands[0]
    return operand


Part = tuple[tuple[int, int, int], tuple[int, int, int]]  # of either operand: dimension, start, limit


def _parts(instruction: HloInstruction, sources: Sequence[HloInstruction], depth: int) -> list[Part]:
    """The largest contracting dimension in as few equal parts as are summed exactly; one where that is no gain."""
    numbers = instruction.attributes_as(DotAttributes).dimension_numbers
    pairs = list(zip(numbers.lhs_contracting, numbers.rhs_contracting))
    sizes = [sources[0].shape.sizes[left] for left, _ in pairs]
    if math.prod(sizes) <= depth:
        return []
    size, (left, right) = max(zip(sizes, pairs))
    count = -(-size // max(1, depth // (math.prod(sizes) // size)))
    if not size or count > MAX_PARTS:
        return []
    edges = [size * number // count for number in range(count + 1)]
    return [((left, start, limit), (right, start, limit)) for start, limit in itertools.pairwise(edges)]


def _sum(
    builder: RewriteBuilder, instruction: HloInstruction, sources: Sequence[HloInstruction], parts: Sequence[Part]
) -> HloInstruction:
    """Products of parts, added; s32 wraps, in whichever order."""
    total: HloInstruction | None = None
    for part in parts:
        operands = [_part_of(builder, source, *where) for source, where in zip(sources, part)]
        product = builder.add("dot", operands, instruction.shape, instruction.attributes, metadata=instruction.metadata)
        total = (
            product
            if total is None
            else builder.add("add", [total, product], instruction.shape, metadata=instruction.metadata)
        )
    assert total is not None
    return total


def _part_of(builder: RewriteBuilder, value: HloInstruction, dimension: int, start: int, limit: int) -> HloInstruction:
    sizes = value.shape.sizes
    starts = tuple(start if axis == dimension else 0 for axis in range(len(sizes)))
    limits = tuple(limit if axis == dimension else size for axis, size in enumerate(sizes))
    shape = array_shape(value.shape.element_type, [high - low for low, high in zip(starts, limits)])
    return builder.add("slice", [value], shape, SliceAttributes(starts, limits, (1,) * len(sizes)))
