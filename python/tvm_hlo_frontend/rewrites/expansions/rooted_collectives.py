"""Collectives with a root among groups of one device, where every device is its own root (rule 89)."""

from __future__ import annotations

from ...hlo.ir.attributes import CollectiveAttributes
from ...hlo.ir.builder import RewriteBuilder, transform
from ...hlo.ir.module import HloInstruction, HloModule
from ...hlo.shape_inference.collectives import has_root_operand
from ..capabilities import Capabilities


def expand_rooted_collectives(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with collective-reduce as all-reduce, and without operands that number the root."""
    return transform(module, _expand) if any(map(_is_rooted, module.instructions)) else module


def _is_rooted(instruction: HloInstruction) -> bool:
    if instruction.opcode == "collective-reduce":
        return True
    shapes = [operand.shape for operand in instruction.operands]
    return instruction.opcode == "collective-broadcast" and has_root_operand(shapes, instruction.shape)


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    attributes = instruction.attributes
    if not isinstance(attributes, CollectiveAttributes) or not _is_rooted(instruction):
        return None
    if any(len(group) > 1 for group in attributes.replica_groups):
        return None
    if has_root_operand([operand.shape for operand in operands], instruction.shape):
        operands = operands[:-1]
    opcode = "all-reduce" if instruction.opcode == "collective-reduce" else instruction.opcode
    called = [builder.rewritten(body) for body in instruction.called_computations]
    return builder.add(
        opcode, operands, instruction.shape, attributes, called, name=instruction.name, metadata=instruction.metadata
    )
