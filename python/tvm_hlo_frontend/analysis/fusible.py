"""Which opcodes TVM may inline into the kernel of their consumer."""

from __future__ import annotations

from ..hlo.ir.module import HloInstruction
from ..hlo.opcodes import ELEMENTWISE

MOVEMENT = frozenset(
    """
bitcast bitcast-convert broadcast concatenate copy dynamic-slice dynamic-update-slice gather pad reshape reverse
slice transpose opt-barrier
""".split()
)
FUSIBLE = ELEMENTWISE | MOVEMENT | {"batch-norm-inference"}


def is_fusible(instruction: HloInstruction) -> bool:
    """Whether the value may never be stored, so that consumers see its expression."""
    return instruction.opcode in FUSIBLE and not instruction.shape.is_tuple
