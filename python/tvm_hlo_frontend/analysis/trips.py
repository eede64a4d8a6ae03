"""How often a counted loop runs, where constants tell."""

from __future__ import annotations

import numpy as np

from ..hlo.ir.attributes import CompareAttributes, ConstantAttributes, ParameterAttributes, TupleIndexAttributes
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Shape

# direction -> the same with its operands exchanged
_EXCHANGED = {"LT": "GT", "GT": "LT", "LE": "GE", "GE": "LE", "NE": "NE", "EQ": "EQ"}


def known_trips(loop: HloInstruction) -> int | None:
    """Trips of a `while` whose condition compares a counter with a constant.

    Parameters
    ----------
    loop : HloInstruction
        A ``while``.

    Returns
    -------
    int or None
        None unless the counter is an element of the state that starts at a constant, grows by a constant in the body
        and meets the limit before its type ends.
    """
    body, condition = loop.called_computations
    test = condition.root
    if not isinstance(test.attributes, CompareAttributes) or loop.operands[0].opcode != "tuple":
        return None
    direction, (counter, limit) = test.attributes.direction, test.operands
    if _state_index(counter) is None:
        direction, counter, limit = _EXCHANGED[direction], limit, counter
    index, last = _state_index(counter), _integer(limit)
    if index is None or last is None or body.root.opcode != "tuple":
        return None
    first, step = _integer(loop.operands[0].operands[index]), _step(body.root.operands[index], index)
    if first is None or not step or test.attributes.type != counter.shape.kind.upper():
        return None
    trips = _count(first, step, last, direction)
    return trips if trips is not None and _holds(counter.shape, first + trips * step) else None


def _holds(shape: Shape, value: int) -> bool:
    """Whether a counter of this type reaches `value` without wrapping, after which it might go on."""
    bounds = np.iinfo(shape.numpy_dtype)
    return bool(bounds.min <= value <= bounds.max)


def _count(first: int, step: int, last: int, direction: str) -> int | None:
    distance, pace = (last - first, step) if direction in ("LT", "LE", "NE") else (first - last, -step)
    if direction in ("LE", "GE"):
        distance += 1
    if direction == "NE" and (distance % pace or distance * pace < 0):
        return None
    if direction == "EQ" or (pace < 0 and direction != "NE"):
        return None
    return max(0, -(-distance // pace))


def _step(new: HloInstruction, index: int) -> int | None:
    """What the body adds to element `index` of the state."""
    if new.opcode not in ("add", "subtract"):
        return None
    first, second = new.operands
    if new.opcode == "add" and _state_index(first) is None:
        first, second = second, first
    amount = _integer(second)
    if _state_index(first) != index or amount is None:
        return None
    return amount if new.opcode == "add" else -amount


def _state_index(instruction: HloInstruction) -> int | None:
    """Index of the element of a computation's only parameter that `instruction` is."""
    attributes = instruction.attributes
    if not isinstance(attributes, TupleIndexAttributes):
        return None
    return attributes.index if isinstance(instruction.operands[0].attributes, ParameterAttributes) else None


def _integer(instruction: HloInstruction) -> int | None:
    attributes = instruction.attributes
    if not isinstance(attributes, ConstantAttributes) or instruction.shape.kind not in ("signed", "unsigned"):
        return None
    return int(np.asarray(attributes.literal)) if not instruction.shape.dimensions else None
