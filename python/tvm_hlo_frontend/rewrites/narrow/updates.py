"""Updates of donated bf16 arguments as updates of their bits: in place means not to convert the whole array."""

from __future__ import annotations

from ...analysis.donation import updates_in_place
from ...hlo.ir.builder import ComputationBuilder, RewriteBuilder, transform
from ...hlo.ir.module import HloComputation, HloInstruction, HloModule
from ...hlo.ir.shape import Shape, array_shape
from ..capabilities import Capabilities
from ..emit import Emitter

NARROW, BITS = "bf16", "u16"


def update_bits(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with reshapes and updates between a donated bf16 argument and its result on the bits."""
    if not module.aliases or NARROW in capabilities.element_types:
        return module
    on_bits = frozenset(filter(_only_moves, updates_in_place(module, ())))

    def rule(
        builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        if old not in on_bits:
            return None
        emit = Emitter(builder, old.metadata)
        given = [emit.bits(x, BITS) if x.shape.element_type == NARROW else x for x in operands]
        called = [_assignment(each.name) for each in old.called_computations]
        shape = array_shape(BITS, old.shape.dimensions)
        return emit.bits(builder.add(old.opcode, given, shape, old.attributes, called, metadata=old.metadata), NARROW)

    return transform(module, rule) if on_bits else module


def _only_moves(instruction: HloInstruction) -> bool:
    """Whether an instruction moves elements of bf16, whatever they are."""
    if instruction.shape.is_tuple or instruction.shape.element_type != NARROW:
        return False
    if instruction.opcode == "scatter":
        (body,) = instruction.called_computations
        return len(body.parameters) == 2 and body.root is body.parameters[1]
    return instruction.opcode in ("dynamic-update-slice", "reshape")


def _assignment(name: str) -> HloComputation:
    """The body of a scatter that takes the updates."""
    builder, scalar = ComputationBuilder(name), Shape(BITS, ())
    builder.parameter(0, scalar)
    return builder.build(builder.parameter(1, scalar))
