"""Dynamic dimensions whose size is known: set to a constant, computed from static arrays alone, or made by the branch
that a conditional always takes (rules 45, 90)."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.known_integers import known_integer
from ..analysis.known_sizes import known_shape
from ..hlo.ir.attributes import DimensionsAttributes, SliceAttributes, TupleIndexAttributes
from ..hlo.ir.builder import RewriteBuilder, clone, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import Symbol, array_shape
from ..hlo.opcodes import ELEMENTWISE
from .capabilities import Capabilities
from .inline_calls import body_in_place, called_body


def settle_known_dimensions(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with static shapes where every size is known. A bound is never taken for a size."""
    if all(instruction.shape.is_static for instruction in module.instructions):
        return module
    # a body learns what it is given where it is called, which may decide the branches in it
    while any(called_body(instruction) is not None for instruction in module.instructions):
        module = transform(module, _settle)
    return transform(module, _settle)


def _settle(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    in_place = body_in_place(builder, instruction, operands)
    if in_place is not None:
        return in_place
    attributes = instruction.attributes
    if isinstance(attributes, TupleIndexAttributes) and operands[0].opcode == "tuple":
        return operands[0].operands[attributes.index]
    if instruction.shape.is_static or not all(operand.shape.is_static for operand in operands):
        return None
    if instruction.opcode == "set-dimension-size":
        return _cut(builder, instruction, operands)
    if instruction.opcode in ELEMENTWISE:
        operands = _aligned(builder, instruction, operands)
    called = [builder.rewritten(computation) for computation in instruction.called_computations]
    shape = known_shape(instruction, operands, called)
    return None if shape is None else builder.copy(clone(instruction, shape=shape), operands, called)


def _cut(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """The elements within the size that is set, where that is known; what lies behind it has no values."""
    (dimension,), (operand, wanted) = instruction.attributes_as(DimensionsAttributes).dimensions, operands
    size, limits = known_integer(wanted), list(operand.shape.sizes)
    if size is None or not 0 <= size <= limits[dimension]:
        return None
    if size == limits[dimension]:
        return operand
    limits[dimension] = size
    return _first(builder, operand, limits, instruction)


def _aligned(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> tuple[HloInstruction, ...]:
    """Operands of an elementwise instruction, of one size: next to a dynamic dimension XLA lets a static one of its
    bound stand, whose elements behind the size do not count."""
    sizes = [
        {
            operand.shape.sizes[axis]
            for old, operand in zip(instruction.operands, operands)
            if old.shape.dimensions and isinstance(old.shape.dimensions[axis], Symbol)
        }
        for axis in range(instruction.shape.rank)
    ]

    def fitted(old: HloInstruction, operand: HloInstruction) -> HloInstruction:
        limits = [
            min(found) if len(found) == 1 and isinstance(declared, int) else size
            for found, declared, size in zip(sizes, old.shape.dimensions, operand.shape.sizes)
        ]
        smaller = any(limit < size for limit, size in zip(limits, operand.shape.sizes))
        return _first(builder, operand, limits, instruction) if smaller else operand

    return tuple(map(fitted, instruction.operands, operands))


def _first(
    builder: RewriteBuilder, operand: HloInstruction, limits: Sequence[int], instruction: HloInstruction
) -> HloInstruction:
    """The first elements of `operand` along every dimension, for the sake of `instruction`."""
    whole = SliceAttributes((0,) * len(limits), tuple(limits), (1,) * len(limits))
    shape = array_shape(operand.shape.element_type, limits)
    return builder.add("slice", [operand], shape, whole, name=instruction.name, metadata=instruction.metadata)
