"""Element-wise instructions whose loops are loops over vectors."""

from __future__ import annotations

from ..hlo.ir.module import HloInstruction
from ..hlo.opcodes import ROWS

# what has converters of its own, or no scalar definition
_APART = frozenset({"power", "complex", "real", "imag"})
# of what is no single instruction those that are vectors too; the others are calls, which keep a loop from being one
VECTOR_FUNCTIONS = frozenset("exponential exponential-minus-one log log-plus-one logistic erf tanh rsqrt sqrt".split())
# element-wise opcodes whose loops are loops over vectors
VECTOR_OPCODES = (
    frozenset(info.name for info in ROWS if info.family == "elementwise" and info.cost != "transcendental")
    | VECTOR_FUNCTIONS
) - _APART
VECTOR_TYPES = frozenset("pred s8 s16 s32 s64 u8 u16 u32 u64 f32 f64".split())


def is_vector(instruction: HloInstruction) -> bool:
    """Whether an element-wise instruction is vectors in any loop."""
    opcode, kind = instruction.opcode, instruction.shape.element_type
    kinds = {kind, *(operand.shape.element_type for operand in instruction.operands)}
    if opcode not in VECTOR_OPCODES or not kinds <= VECTOR_TYPES:
        return False
    return opcode not in VECTOR_FUNCTIONS - {"sqrt", "rsqrt"} or kind == "f32"
