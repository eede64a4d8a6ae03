"""Which element-wise blocks become part of the expressions that read them."""

from __future__ import annotations

from typing import Any

from ...tensor_ir.compat import holds_lets
from ...tensor_ir.trees import ScheduleError
from .blocks import Block, block_of, blocks_of
from .expressions import integer_nesting, loads, weight

# operations that storing an element and loading it again is worth
STORE_WEIGHT = 8
# an element's operations, up to which it is computed again for each element of a broadcast
CHEAP_WEIGHT = 2
# operations of one expression: TVM's passes recur into it, and some take longer than linear time
MAX_WEIGHT = 4000
# sums and products of integers, one inside of the other: simplifiers visit their operands several times at every level
MAX_INTEGER_NESTING = 8


def inline_producers(schedule: Any) -> None:
    """Inline every element-wise block whose readers would not compute it much more often than it is stored now."""
    for block in blocks_of(schedule):
        now = block_of(schedule, block.handle)
        if now.is_reduction or now.node.init is not None:
            continue
        readers = [block_of(schedule, handle) for handle in schedule.get_consumers(block.handle)]
        if readers and is_worth_inlining(now, readers):
            inline(schedule, now)


def inline(schedule: Any, block: Block) -> bool:
    """Inline `block` where that can be done; whether it was."""
    try:
        schedule.compute_inline(block.handle)
    except ScheduleError:
        return False  # an output, or not one element at each index
    return True


def is_worth_inlining(block: Block, readers: list[Block]) -> bool:
    """Whether computing `block` in `readers` costs less than storing it."""
    own = weight(block.value)
    counts = [loads(reader.value, block.buffer) for reader in readers]
    if any(weight(reader.value) + own * count > MAX_WEIGHT for reader, count in zip(readers, counts)):
        return own == 0
    nesting = integer_nesting(block.value)
    if nesting and any(nesting + integer_nesting(reader.value) > MAX_INTEGER_NESTING for reader in readers):
        return False  # TVM's simplifiers take exponential time in them
    if holds_lets(block.value) and any(holds_lets(reader.value) for reader in readers):
        return False  # TVM's passes take exponential time in Lets of Lets
    if own <= CHEAP_WEIGHT:
        return True
    is_broadcast = any(reader.work > block.work for reader in readers)
    return not is_broadcast and (sum(counts) - 1) * own <= STORE_WEIGHT
