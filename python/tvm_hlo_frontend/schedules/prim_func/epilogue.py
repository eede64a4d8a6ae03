"""What was fused with a contraction: element-wise blocks that read its sums, computed tile by tile."""

from __future__ import annotations

from typing import Any

from .blocks import Block, block_of, blocks_of
from .expressions import weight
from .producers import inline, is_worth_inlining

# operations of what follows, up to which it is unrolled with the tile
UNROLLED_WEIGHT = 12
# ... up to which it is computed in the tile: the store and the load of an element cost less than loops over few of them
LONG_WEIGHT = 64


def epilogue_of(schedule: Any, total: Block) -> list[Any]:
    """The blocks that depend on `total`, in order, after all those that can be became part of their readers; the last
    one is the result. The first one is cheap: it may be unrolled."""
    own = {str(schedule.get(handle).name_hint) for handle in schedule.get_consumers(total.handle)}
    later = []
    for block in blocks_of(schedule):
        if block.name == total.name or block.is_reduction:
            continue
        if block.name in own:
            later.append(block)
        else:
            _inline_if_worth(schedule, block)
    for block in later:
        readers = [block_of(schedule, handle) for handle in schedule.get_consumers(block.handle)]
        if sum(weight(reader.value) for reader in readers) <= UNROLLED_WEIGHT:
            _inline_if_worth(schedule, block)
    dependent, found = [total.name], []
    for block in blocks_of(schedule):
        producers = [str(schedule.get(handle).name_hint) for handle in schedule.get_producers(block.handle)]
        if any(name in dependent for name in producers):
            dependent.append(block.name)
            found.append(block.handle)
    return found


def is_long(schedule: Any, epilogue: list[Any]) -> bool:
    """Whether an epilogue has loops of its own, behind all tiles."""
    blocks = [block_of(schedule, handle) for handle in epilogue]
    return sum(weight(block.value) for block in blocks) > LONG_WEIGHT


def inlined(schedule: Any, epilogue: list[Any]) -> list[Block]:
    """What is left of an epilogue after all blocks that can be became part of their readers."""
    blocks = [block_of(schedule, handle) for handle in epilogue]
    for block in blocks:
        _inline_if_worth(schedule, block)
    names = {block.name for block in blocks}
    return [block for block in blocks_of(schedule) if block.name in names]


def _inline_if_worth(schedule: Any, block: Block) -> None:
    now = block_of(schedule, block.handle)
    readers = [block_of(schedule, handle) for handle in schedule.get_consumers(now.handle)]
    if readers and not any(reader.is_reduction for reader in readers) and is_worth_inlining(now, readers):
        inline(schedule, now)
