"""Collectives with a root among groups of one device, where every device is its own root (rule 89)."""

from __future__ import annotations

from ...hlo.ir.attributes import CollectiveAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.shape_inference.collectives import has_root_operand
from ..expansion import Expansion


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """collective-reduce as all-reduce, and no operand that numbers the root; both stay among several devices."""
    attributes = instruction.attributes_as(CollectiveAttributes)
    if any(len(group) > 1 for group in attributes.replica_groups):
        return None
    if has_root_operand([operand.shape for operand in operands], instruction.shape):
        operands = operands[:-1]
    opcode = "all-reduce" if instruction.opcode == "collective-reduce" else instruction.opcode
    called = [builder.rewritten(body) for body in instruction.called_computations]
    return builder.add(
        opcode, operands, instruction.shape, attributes, called, name=instruction.name, metadata=instruction.metadata
    )


def _is_rooted_broadcast(instruction: HloInstruction) -> bool:
    return has_root_operand([operand.shape for operand in instruction.operands], instruction.shape)


EXPANSIONS = {
    "collective-broadcast": Expansion(_expand, _is_rooted_broadcast),
    "collective-reduce": Expansion(_expand),
}
