"""Instructions that cannot be converted, as errors tell of them."""

from __future__ import annotations

from ..errors import Refusal
from ..hlo.ir.attributes import CustomCallAttributes
from ..hlo.ir.module import HloComputation, HloInstruction


def refusal_of(computation: HloComputation, instruction: HloInstruction, reason: str) -> Refusal:
    """Refusal of one instruction, with where it came from."""
    opcode = instruction.opcode
    if opcode == "custom-call":
        opcode = f"custom-call({instruction.attributes_as(CustomCallAttributes).target})"
    return Refusal(instruction.name, opcode, computation.name, reason, str(instruction.metadata))
