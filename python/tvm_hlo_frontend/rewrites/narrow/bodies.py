"""Bodies of reductions over narrow types."""

from __future__ import annotations

from ...hlo.ir.builder import ComputationBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import array_shape

COMMUTATIVE = frozenset({"add", "multiply", "maximum", "minimum"})
_CONVERSIONS = frozenset({"convert", "reduce-precision"})


def plain_opcode(body: HloComputation, element_type: str) -> str | None:
    """The opcode of a body that is one commutative operation on its two parameters of `element_type`, maybe computed
    in a wider type; None for any other."""
    root = _behind(body.root)
    if root.opcode not in COMMUTATIVE or len(body.parameters) != 2 or root.shape.kind != body.root.shape.kind:
        return None
    if root.shape.bits < body.root.shape.bits:
        return None
    if {_behind(operand) for operand in root.operands} != set(body.parameters):
        return None
    types = {instruction.shape.element_type for instruction in (body.root, *body.parameters)}
    return root.opcode if types == {element_type} else None


def _behind(instruction: HloInstruction) -> HloInstruction:
    while instruction.opcode in _CONVERSIONS:
        instruction = instruction.operands[0]
    return instruction


def plain_body(name: str, opcode: str, carrier: str) -> HloComputation:
    """`opcode` on two scalars of the carrier."""
    builder = ComputationBuilder(name)
    scalar = array_shape(carrier)
    return builder.build(builder.add(opcode, [builder.parameter(0, scalar), builder.parameter(1, scalar)]))
