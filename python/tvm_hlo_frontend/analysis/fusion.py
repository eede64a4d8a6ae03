"""Where a chain of fusible instructions has to be cut: TVM inlines a producer at every use, so the expression of
x * x * … grows exponentially unless intermediate values are stored."""

from __future__ import annotations

from collections.abc import Sequence

from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.opcodes import ELEMENTWISE
from .fusible import is_fusible

# scalar operations in one kernel; about what still compiles in well under a second
MAX_INLINED_OPERATIONS = 256
# opcodes whose code reads an operand several times
READS = {
    "tanh": 8, "erf": 8, "maximum": 3, "minimum": 3, "clamp": 4, "compare": 2, "sign": 3, "convert": 4, "sinh": 2,
    "cosh": 2, "logistic": 2, "power": 2, "divide": 3, "remainder": 4, "cbrt": 3, "round-nearest-afz": 3,
    "reduce-precision": 6, "log-plus-one": 4, "exponential-minus-one": 4, "atan2": 2, "asinh": 3, "acosh": 3,
    "atanh": 3, "select": 1, "batch-norm-inference": 1,
}  # fmt: skip
# TVM 0.17 simplifies the operands of such arithmetic on integers several times at every level
INTEGER_ARITHMETIC = frozenset({"add", "subtract", "multiply"})
INTEGER_READS = 2
# variables that the kernel of an opcode binds; TVM's simplifier visits what they are bound to several times at every
# level, so kernels with bindings inside of bindings take exponentially long to compile
BINDINGS = {
    "exponential": 8, "exponential-minus-one": 8, "log": 8, "log-plus-one": 8, "logistic": 8, "erf": 8, "tanh": 8,
    "reduce-precision": 3, "round-nearest-even": 2, "round-nearest-afz": 3, "clamp": 2, "sign": 1, "maximum": 1,
    "minimum": 1, "convert": 1, "compare": 1, "shift-left": 1, "shift-right-logical": 1, "shift-right-arithmetic": 1,
    "divide": 1, "remainder": 1, "gather": 2,
}  # fmt: skip
# of integers, which have neither NaN nor two zeros
INTEGER_BINDINGS = {
    "compare": 0, "maximum": 2, "minimum": 2, "clamp": 4, "popcnt": 5, "count-leading-zeros": 3, "mulhi": 14, "abs": 1,
}  # fmt: skip
# every result in half precision is rounded on its bits
HALF_BINDINGS = 3
NESTING_FACTOR = 4
# how many operands, the first ones, are read at places that others tell
INDEXED = {"dynamic-slice": 1, "dynamic-update-slice": 2, "gather": 1}
MAX_NESTED_BINDINGS = 24


def fusion_boundaries(computation: HloComputation) -> set[HloInstruction]:
    """Instructions whose value must be stored instead of inlined into their consumers."""
    size: dict[HloInstruction, int] = {}
    nested: dict[HloInstruction, int] = {}
    boundaries: set[HloInstruction] = set()
    for instruction in computation.instructions:
        for operand in _indexing_themselves(instruction, boundaries):
            boundaries.add(operand)
            size[operand], nested[operand] = 1, 0
        if not is_fusible(instruction):
            size[instruction], nested[instruction] = 1, 0
            continue
        if instruction.opcode == "concatenate":
            # TVM stores each operand in a loop of its own, and a variable must not be bound in several
            bound = {operand for operand in instruction.operands if nested[operand]}
            boundaries |= bound if len(bound) > 1 else set()
            size |= {operand: 1 for operand in bound & boundaries}
            nested |= {operand: 0 for operand in bound & boundaries}
        own = bindings(instruction)
        factor = NESTING_FACTOR if own else 1
        within = own + factor * sum([nested[operand] for operand in instruction.operands])
        # stored before they are nested too deeply: one more level costs as much again as all that are there
        while within > MAX_NESTED_BINDINGS and within > own:
            operand = max(instruction.operands, key=nested.__getitem__)
            boundaries.add(operand)
            size[operand], nested[operand] = 1, 0
            within = own + factor * sum([nested[operand] for operand in instruction.operands])
        nested[instruction] = within
        inlined = 1 + _reads(instruction) * sum([size[operand] for operand in instruction.operands])
        if inlined > MAX_INLINED_OPERATIONS:
            boundaries.add(instruction)
            inlined, nested[instruction] = 1, 0
        size[instruction] = inlined
    return boundaries


def _indexing_themselves(instruction: HloInstruction, boundaries: set[HloInstruction]) -> list[HloInstruction]:
    """Operands with something inlined that is inlined into the places where they are read as well: TVM 0.17 would
    inline it into itself for ever."""
    count = INDEXED.get(instruction.opcode, 0)
    if not count:
        return []
    places = _inlined(instruction.operands[count:], boundaries)
    return [each for each in instruction.operands[:count] if not places.isdisjoint(_inlined([each], boundaries))]


def _inlined(instructions: Sequence[HloInstruction], boundaries: set[HloInstruction]) -> set[HloInstruction]:
    """Fusible instructions that are computed where these are used."""
    found: set[HloInstruction] = set()
    waiting = list(instructions)
    while waiting:
        instruction = waiting.pop()
        if instruction not in found and instruction not in boundaries and is_fusible(instruction):
            found.add(instruction)
            waiting += instruction.operands
    return found


def _reads(instruction: HloInstruction) -> int:
    """How often its code reads an operand, or TVM's passes do."""
    if instruction.opcode in INTEGER_ARITHMETIC and instruction.shape.kind in ("signed", "unsigned"):
        return INTEGER_READS
    return READS.get(instruction.opcode, 1)


def bindings(instruction: HloInstruction) -> int:
    """Variables that its kernel binds; integers of the machine's own operations bind none."""
    if instruction.shape.is_array and instruction.shape.element_type == "f16" and instruction.opcode in ELEMENTWISE:
        return BINDINGS.get(instruction.opcode, 0) + HALF_BINDINGS
    is_float = instruction.operands[0].shape.kind == "float" if instruction.operands else False
    if instruction.opcode in INTEGER_BINDINGS and not is_float:
        return INTEGER_BINDINGS[instruction.opcode]
    if instruction.opcode == "convert" and instruction.shape.kind == "float":
        return 0
    return BINDINGS.get(instruction.opcode, 0)
