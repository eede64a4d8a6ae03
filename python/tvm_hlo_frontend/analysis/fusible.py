"""Which opcodes TVM may inline into the kernel of their consumer."""

from __future__ import annotations

from collections.abc import Collection

from ..hlo.ir.module import HloInstruction
from ..hlo.opcodes import ELEMENTWISE, MOVES_ELEMENTS

# those of static sizes, and what reads the bits of each element where they stand
MOVEMENT = MOVES_ELEMENTS - {"dynamic-reshape", "set-dimension-size"} | {"bitcast", "bitcast-convert", "opt-barrier"}
FUSIBLE = ELEMENTWISE | MOVEMENT | {"batch-norm-inference"}


def through_movement(instruction: HloInstruction, also: Collection[str] = ()) -> HloInstruction:
    """What an instruction takes its elements from, in another order or number; `also` is looked through too."""
    while (instruction.opcode in MOVEMENT or instruction.opcode in also) and len(instruction.operands) == 1:
        instruction = instruction.operands[0]
    return instruction


def is_fusible(instruction: HloInstruction) -> bool:
    """Whether the value may never be stored, so that consumers see its expression."""
    return instruction.opcode in FUSIBLE and not instruction.shape.is_tuple
