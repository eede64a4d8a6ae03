"""call, fusion and composite bodies, and branches that are always taken, in place: analyses and converters then see
one flat computation (rule 80)."""

from __future__ import annotations

from ..analysis.known_integers import chosen_branch
from ..hlo.ir.builder import RewriteBuilder, replace_operands, transform
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from .capabilities import Capabilities

# for the support table: opcodes that never reach a converter
INLINED = dict.fromkeys(("call", "fusion"), "the body in place")


def inline_calls(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without call and fusion instructions, and without conditionals whose branch is known; bodies of reduce,
    while … stay computations of their own."""
    if all(called_body(instruction) is None for instruction in module.instructions):
        return module
    return transform(module, body_in_place)


def called_body(instruction: HloInstruction) -> tuple[HloComputation, tuple[HloInstruction, ...]] | None:
    """The computation that an instruction always runs, once, with its arguments; None if there is no such."""
    if instruction.opcode in INLINED:
        return instruction.called_computations[0], instruction.operands
    branch = chosen_branch(instruction) if instruction.opcode == "conditional" else None
    if branch is None:
        return None
    return instruction.called_computations[branch], instruction.operands[branch + 1 : branch + 2]


def body_in_place(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """What `called_body` says, in place of the instruction; for `transform`."""
    # the new operands may tell the branch where the old ones did not
    found = called_body(replace_operands(instruction, operands))
    return None if found is None else builder.inline(*found)
