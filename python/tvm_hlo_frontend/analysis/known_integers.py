"""Integers and truth values that are known before a module runs: sizes, and indexes of branches."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..hlo.ir.attributes import ConstantAttributes, DimensionsAttributes, TupleIndexAttributes
from ..hlo.ir.module import HloInstruction
from .constant_values import computed

_EXACT = frozenset(
    "add subtract multiply minimum maximum and or xor not copy opt-barrier reshape broadcast convert slice concatenate "
    "compare".split()
)
# sizes and indexes come in small arrays, by short ways
MAX_ELEMENTS = 64
MAX_DEPTH = 64


def known_integer(instruction: HloInstruction) -> int | None:
    """Value of a scalar of integers or truth values, where constants and static sizes tell; else None."""
    if instruction.shape.dimensions:
        return None
    value = _known(instruction, MAX_DEPTH, {})
    return None if value is None else int(value)


def chosen_branch(conditional: HloInstruction) -> int | None:
    """Number of the branch that a `conditional` always takes, None if its selector is not known.

    Parameters
    ----------
    conditional : HloInstruction
        By XLA's semantics true is the first of two branches, and an index without a branch is the last one.
    """
    selector, count = conditional.operands[0], len(conditional.called_computations)
    value = known_integer(selector)
    if value is None:
        return None
    if selector.shape.kind == "pred":
        return 0 if value else 1
    return value if 0 <= value < count else count - 1


def _known(instruction: HloInstruction, depth: int, seen: dict[HloInstruction, Any]) -> Any:
    """Elements of an integer array, None if they are not known; `seen` holds what was asked for already."""
    shape = instruction.shape
    if depth == 0 or not shape.is_array or not shape.is_static or shape.element_count > MAX_ELEMENTS:
        return None
    if shape.kind not in ("pred", "signed", "unsigned"):
        return None
    if instruction not in seen:
        seen[instruction] = _value(instruction, depth - 1, seen)
    return seen[instruction]


def _value(instruction: HloInstruction, depth: int, seen: dict[HloInstruction, Any]) -> Any:
    attributes, operands, opcode = instruction.attributes, instruction.operands, instruction.opcode
    if isinstance(attributes, ConstantAttributes):
        return np.asarray(attributes.literal).reshape(instruction.shape.sizes)
    if opcode == "get-dimension-size" and isinstance(attributes, DimensionsAttributes):
        size = operands[0].shape.dimensions[attributes.dimensions[0]]
        return np.array(size, np.int32) if isinstance(size, int) else None
    if isinstance(attributes, TupleIndexAttributes):
        pair = operands[0]
        return _known(pair.operands[attributes.index], depth, seen) if pair.opcode == "tuple" else None
    if opcode not in _EXACT:
        return None
    values = [_known(operand, depth, seen) for operand in operands]
    return None if any(value is None for value in values) else computed(instruction, values)
