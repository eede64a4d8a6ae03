"""scaled-dot as a dot of scaled operands (XLA's ScaledDotRewriter; JAX's scaled_dot)."""

from __future__ import annotations

import numpy as np

from ...hlo.ir.attributes import ConstantAttributes, DotAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, array_shape
from ..emit import Emitter
from ..expansion import Expansion

LEAST_BITS = 16


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """With a scalar scale other than the constant 1 it stays: XLA leaves scalar scales out of account."""
    if not all(map(_is_understood, operands[2:])):
        return None
    attributes, result = instruction.attributes_as(DotAttributes), instruction.shape
    emit = Emitter(builder, instruction.metadata)
    left, right = (_scaled(emit, operands[side], operands[side + 2]) for side in (0, 1))
    common = common_type(left.shape.element_type, right.shape.element_type)
    left, right = emit.convert(left, common), emit.convert(right, common)
    shape = array_shape(common_type(common, result.element_type), result.dimensions)
    product = emit("dot", left, right, shape=shape, attributes=attributes)
    return emit.convert(product, result.element_type)


def _is_understood(scale: HloInstruction) -> bool:
    """A scale with the dimensions of its operand, or a scalar that is known to be 1."""
    if scale.shape.dimensions:
        return True
    attributes = scale.attributes
    return isinstance(attributes, ConstantAttributes) and float(np.asarray(attributes.literal)) == 1


def common_type(first: str, second: str) -> str:
    """Element type in which two are multiplied: bf16 for two narrow ones, else the wider, f32 for two different ones
    of equal width."""
    bits, other = BY_NAME[first].bits, BY_NAME[second].bits
    if max(bits, other) < LEAST_BITS:
        return "bf16"
    if bits == other:
        return first if first == second else "f32"
    return first if bits > other else second


def _scaled(emit: Emitter, operand: HloInstruction, scale: HloInstruction) -> HloInstruction:
    """`operand` times the scale of the block that each element is in."""
    if not scale.shape.dimensions:
        return operand
    kind = common_type(operand.shape.element_type, scale.shape.element_type)
    sizes: list[int] = []
    places: list[int] = []
    for size, blocks in zip(operand.shape.sizes, scale.shape.sizes):
        places.append(len(sizes))
        sizes += [blocks] if size == blocks else [blocks, size // blocks]
    spread = emit.along(emit.convert(scale, kind), array_shape(kind, sizes), places)
    return emit("multiply", emit.convert(operand, kind), emit.reshape(spread, operand.shape.dimensions))


EXPANSIONS = {"scaled-dot": Expansion(_expand)}
