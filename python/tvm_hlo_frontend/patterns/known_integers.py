"""Integers and truth values that are known before a module runs: sizes, and indexes of branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..hlo.attributes import CompareAttributes, ConstantAttributes, DimensionsAttributes, TupleIndexAttributes
from ..hlo.module import HloInstruction

# what keeps a scalar as it is
_SAME = frozenset({"copy", "reshape", "broadcast", "opt-barrier"})
_BINARY: dict[str, Callable[..., np.generic]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
_DIRECTIONS: dict[str, Callable[..., np.bool_]] = {
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}
MAX_DEPTH = 32


def known_integer(instruction: HloInstruction, depth: int = MAX_DEPTH) -> int | None:
    """Value of a scalar of integers or truth values, where constants and static sizes tell; else None."""
    value = _known(instruction, depth)
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


def _known(instruction: HloInstruction, depth: int) -> Any:
    shape = instruction.shape
    if depth == 0 or not shape.is_array or shape.dimensions or shape.kind not in ("pred", "signed", "unsigned"):
        return None
    attributes, operands = instruction.attributes, instruction.operands
    if isinstance(attributes, ConstantAttributes):
        return np.asarray(attributes.literal)[()]
    if instruction.opcode == "get-dimension-size" and isinstance(attributes, DimensionsAttributes):
        size = operands[0].shape.dimensions[attributes.dimensions[0]]
        return np.int32(size) if isinstance(size, int) else None
    if isinstance(attributes, TupleIndexAttributes) and operands[0].opcode == "tuple":
        return _known(operands[0].operands[attributes.index], depth - 1)
    if instruction.opcode in _SAME:
        return _known(operands[0], depth - 1)
    if instruction.opcode not in ("not", "convert", "compare", *_BINARY):
        return None
    values = [_known(operand, depth - 1) for operand in operands]
    return None if any(value is None for value in values) else _computed(instruction, values)


def _computed(instruction: HloInstruction, values: Sequence[Any]) -> Any:
    attributes = instruction.attributes
    if isinstance(attributes, CompareAttributes):
        return _DIRECTIONS[attributes.direction](*values)
    if instruction.opcode in ("not", "convert"):
        value = np.asarray(values[0])
        return (np.invert(value) if instruction.opcode == "not" else value.astype(instruction.shape.numpy_dtype))[()]
    with np.errstate(over="ignore"):  # integers wrap
        return _BINARY[instruction.opcode](*values)
