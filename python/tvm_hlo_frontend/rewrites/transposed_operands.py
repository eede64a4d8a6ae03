"""Products and slices of transposed arrays read the array that was transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..hlo.ir.attributes import Axes, DimensionsAttributes, DotAttributes, SliceAttributes
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import array_shape
from .capabilities import Capabilities

_RULED = frozenset({"dot", "slice"})


def read_transposed_operands(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with dots of what is transposed as dots over other dimensions, and slices before transposes, so that
    no array is moved for a product that can read it as it is, nor for those that want a part of it."""
    ruled = _RULED - capabilities.replaced
    if "transpose" in capabilities.replaced or not any(
        instruction.opcode in ruled and any(map(_is_transpose, instruction.operands))
        for instruction in module.instructions
    ):
        return module

    def change(
        builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
    ) -> HloInstruction | None:
        if instruction.opcode not in ruled:
            return None
        return (_dot if instruction.opcode == "dot" else _slice)(builder, instruction, operands)

    return transform(module, change)


def _is_transpose(instruction: HloInstruction) -> bool:
    return instruction.opcode == "transpose" and instruction.shape.is_static and instruction.shape.rank > 0


def _permutation(transpose: HloInstruction) -> Axes:
    return transpose.attributes_as(DimensionsAttributes).dimensions


def _slice(
    builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction | None:
    """A slice of a transpose, as the transpose of a slice."""
    (moved,) = operands
    if not _is_transpose(moved):
        return None
    attributes, permutation = instruction.attributes_as(SliceAttributes), _permutation(moved)
    rows = zip(*sorted(zip(permutation, attributes.starts, attributes.limits, attributes.strides)))
    axes, starts, limits, strides = rows
    kind, sizes = instruction.shape.element_type, dict(zip(permutation, instruction.shape.dimensions))
    part = builder.add(
        "slice",
        moved.operands,
        array_shape(kind, [sizes[axis] for axis in axes]),
        SliceAttributes(starts, limits, strides),
        metadata=instruction.metadata,
    )
    shape = array_shape(kind, instruction.shape.dimensions)
    return builder.add("transpose", [part], shape, moved.attributes, metadata=moved.metadata)


def _dot(
    builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction | None:
    """A dot of transposes, as one over dimensions of what is transposed."""
    attributes = instruction.attributes_as(DotAttributes)
    numbers, (lhs, rhs) = attributes.dimension_numbers, operands
    left = _unmoved(lhs, numbers.lhs_batch, numbers.lhs_contracting)
    right = _unmoved(rhs, numbers.rhs_batch, numbers.rhs_contracting)
    if left is None and right is None:
        return None
    if left is not None:
        lhs, batch, contracting = left
        numbers = replace(numbers, lhs_batch=batch, lhs_contracting=contracting)
    if right is not None:
        rhs, batch, contracting = right
        numbers = replace(numbers, rhs_batch=batch, rhs_contracting=contracting)
    made = replace(attributes, dimension_numbers=numbers)
    return builder.add("dot", [lhs, rhs], instruction.shape, made, metadata=instruction.metadata)


def _unmoved(operand: HloInstruction, batch: Axes, contracting: Axes) -> tuple[HloInstruction, Axes, Axes] | None:
    """What a transpose moves, with its dimensions in the place of the operand's; None where free ones would come in
    another order, in which the result has them."""
    if not _is_transpose(operand):
        return None
    permutation = _permutation(operand)
    free = [source for axis, source in enumerate(permutation) if axis not in (*batch, *contracting)]
    if free != sorted(free):
        return None
    return operand.operands[0], tuple(permutation[a] for a in batch), tuple(permutation[a] for a in contracting)
