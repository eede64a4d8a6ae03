"""Where an addition, subtraction or multiplication must be hidden from TVM's simplifiers.

TVM treats floats as reals: within one fused kernel (x + y) - y becomes x and x - x becomes 0, constants are folded
(x * 0, x + 0), and SimplifyExpr reassociates chains of + and * with constants. An instruction named here is emitted in
the form that the simplifiers cannot see through.
"""

from __future__ import annotations

import numpy as np

from ..hlo.ir.attributes import ConstantAttributes
from ..hlo.ir.module import HloComputation, HloInstruction
from .fusible import is_fusible, through_movement

ARITHMETIC = frozenset({"add", "subtract", "multiply"})
# beyond so many leaves a value is taken to share operands with everything
MAX_LEAVES = 32


def exact_arithmetic(computation: HloComputation) -> set[HloInstruction]:
    """Float instructions of `computation` for which an ordinary operator of TVM could be simplified wrongly."""
    leaves: dict[HloInstruction, frozenset[object] | None] = {}
    native: set[HloInstruction] = set()
    exact: set[HloInstruction] = set()
    for instruction in computation.instructions:
        leaves[instruction] = _leaves(instruction, leaves)
        if instruction.opcode not in ARITHMETIC:
            continue
        if instruction.shape.kind == "float" and (
            _shares_leaves(instruction, leaves)
            or any(through_movement(operand) in native for operand in instruction.operands)
            or any(_is_special_constant(through_movement(operand)) for operand in instruction.operands)
        ):
            exact.add(instruction)
        else:
            native.add(instruction)
    return exact


def _leaves(
    instruction: HloInstruction, known: dict[HloInstruction, frozenset[object] | None]
) -> frozenset[object] | None:
    """What the expression of `instruction` reads from memory; None for too many. Equal constants are one leaf."""
    if instruction.opcode == "constant":
        return frozenset({_constant_key(instruction)})
    if not is_fusible(instruction):
        return frozenset({instruction})
    parts = [known[operand] for operand in instruction.operands]
    if any(part is None for part in parts):
        return None
    union: frozenset[object] = frozenset().union(*parts)  # type: ignore[arg-type]
    return union if len(union) <= MAX_LEAVES else None


def _constant_key(instruction: HloInstruction) -> object:
    literal = np.asarray(instruction.attributes_as(ConstantAttributes).literal)
    first = literal.reshape(-1)[:1]
    if literal.size and (literal == first).all():
        return ("splat", literal.dtype, first.tobytes())
    return instruction


def _shares_leaves(instruction: HloInstruction, leaves: dict[HloInstruction, frozenset[object] | None]) -> bool:
    left, right = (leaves[operand] for operand in instruction.operands)
    # x * x and x * f(x) meet no rule of the simplifier, only sums and differences cancel
    return instruction.opcode != "multiply" and (left is None or right is None or bool(left & right))


def _is_special_constant(instruction: HloInstruction) -> bool:
    """Zero, infinity or NaN anywhere in it: TVM folds x * 0 and x + 0 whatever x is."""
    if instruction.opcode != "constant":
        return False
    values = np.asarray(instruction.attributes_as(ConstantAttributes).literal, np.float64)
    return bool(((values == 0) | ~np.isfinite(values)).any())
