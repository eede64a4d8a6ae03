"""Whether a program may compute a result in the memory of an argument: from the steps it runs, in their order.

Nothing is taken for granted: what reads the old elements must have run before they are overwritten. An alias of HLO is
a permission, so where that is not sure it is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One call of a program, on values that are numbers.

    Attributes
    ----------
    reads, writes : tuple of int
    over : tuple of int
        For each written value the position in `reads` of what it may overwrite, see `kernels.in_place`; may be empty.
    view : bool
        Whether what it writes is the memory of what it reads.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]
    over: tuple[int, ...] = ()
    view: bool = False


def shared_values(steps: Sequence[Step], argument: int, result: int, results: Sequence[int]) -> frozenset[int] | None:
    """All values that lie in the memory of `argument` if `result` is computed there; None if it cannot be.

    Parameters
    ----------
    steps : sequence of Step
        In the order in which they run.
    argument, result : int
    results : sequence of int
        All results of the program, `result` among them.
    """
    base = _bases(steps)
    made = {value: (place, position) for place, step in enumerate(steps) for position, value in enumerate(step.writes)}
    current, shared = base.get(result, result), set()
    if sum(base.get(other, other) == current for other in results) != 1:
        return None
    shared.add(current)
    while current != argument:
        place, position = made.get(current, (-1, 0))
        if place < 0 or not steps[place].over:
            return None
        operand = steps[place].over[position]
        value = steps[place].reads[operand]
        current = base.get(value, value)
        if not _is_last_use(steps, base, current, place, operand) or any(base.get(r, r) == current for r in results):
            return None
        shared.add(current)
    return frozenset({*shared, *(value for value, memory in base.items() if memory in shared)})


def bases(steps: Sequence[Step], values: Sequence[int]) -> list[int]:
    """For each of `values` the one whose memory it is: itself, unless it is a view."""
    base = _bases(steps)
    return [base.get(value, value) for value in values]


def _bases(steps: Sequence[Step]) -> dict[int, int]:
    """For every view the value whose memory it is."""
    base: dict[int, int] = {}
    for step in steps:
        if step.view:
            base.update((value, base.get(step.reads[0], step.reads[0])) for value in step.writes)
    return base


def _is_last_use(steps: Sequence[Step], base: dict[int, int], value: int, place: int, operand: int) -> bool:
    """Whether step number `place` is the last that reads `value` or a view of it, and reads it as `operand` alone."""
    for number, step in enumerate(steps):
        readers = [at for at, read in enumerate(step.reads) if base.get(read, read) == value]
        if step.view or not readers:
            continue
        if number > place or (number == place and readers != [operand]):
            return False
    return True
