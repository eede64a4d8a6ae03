"""Dynamic dimensions whose size is known: those that are set to their bound (rules 45, 90)."""

from __future__ import annotations

from ..hlo.builder import RewriteBuilder, clone, transform
from ..hlo.module import HloInstruction, HloModule
from ..hlo.shape_inference import infer_shape
from ..patterns.known_sizes import at_bounds, reshapes_to_full_size, sets_full_size
from .capabilities import Capabilities

# of these the number of elements, or the dimensions, are those of the first operand
FOLLOW_OPERAND = frozenset({"reshape", "convert", "bitcast-convert", "stochastic-convert"})


def settle_known_dimensions(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with static shapes where every size is known: dimensions that are set to a constant equal to their
    bound, and whatever is computed from static operands alone."""
    if all(instruction.shape.is_static for instruction in module.instructions):
        return module
    return transform(module, _settle)


def _settle(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    if instruction.shape.is_static or not all(operand.shape.is_static for operand in operands):
        return None
    if instruction.opcode == "set-dimension-size":
        return operands[0] if sets_full_size(instruction) else None
    shape = at_bounds(instruction.shape)
    if not shape.is_static:
        return None
    called = [builder.rewritten(computation) for computation in instruction.called_computations]
    if instruction.opcode == "dynamic-reshape":
        if not reshapes_to_full_size(instruction):
            return None
    elif instruction.opcode not in FOLLOW_OPERAND:
        inferred = infer_shape(instruction.opcode, [o.shape for o in operands], instruction.attributes, called)
        if inferred is None or not inferred.same_type(shape):
            return None
    return builder.copy(clone(instruction, shape=shape), operands, called)
