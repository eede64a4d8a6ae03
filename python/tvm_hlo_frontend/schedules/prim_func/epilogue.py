"""What was fused with a contraction: element-wise blocks that read its sums, computed tile by tile."""

from __future__ import annotations

from typing import Any

from ..channel_tiles import IN_TILE, UNROLLED
from ..tensor_blocks.blocks import Block, block_of, blocks_of
from ..tensor_blocks.expressions import weight
from ..tensor_blocks.producers import inline, is_worth_inlining
from .injective import loads_own_index


def epilogue_of(schedule: Any, total: Block) -> list[Any]:
    """The blocks that depend on `total`, in order, after all those that can be became part of their readers; the last
    one is the result."""
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
        if sum(weight(reader.value) for reader in readers) <= UNROLLED:
            _inline_if_worth(schedule, block)
    dependent, found = [total.name], []
    for block in blocks_of(schedule):
        producers = [str(schedule.get(handle).name_hint) for handle in schedule.get_producers(block.handle)]
        if any(name in dependent for name in producers):
            dependent.append(block.name)
            found.append(block.handle)
    return found


def of_tiles(schedule: Any, total: Block, epilogue: list[Any]) -> tuple[list[Any], list[Any]]:
    """The blocks of an epilogue that are computed in the tile, and those with loops of their own behind all tiles: what
    has more elements than `total`, as padding has, or reads them elsewhere, what depends on such blocks, and all of it
    if it is long."""
    rank = len(total.node.writes[0].region)
    extents, near = total.extents[:rank], {total.name: total}
    far: list[Any] = []
    for handle in epilogue:
        block = block_of(schedule, handle)
        producers = {str(schedule.get(each).name_hint) for each in schedule.get_producers(handle)}
        depends_on_far = any(schedule.get(each).name_hint in producers for each in far)
        read = [each for name, each in near.items() if name in producers]
        at_own_index = all(loads_own_index(block, each.buffer) for each in read)
        if depends_on_far or not at_own_index or not _is_within(block, extents):
            far.append(handle)
        else:
            near[block.name] = block
    blocks = list(near.values())[1:]
    if sum(weight(block.value) for block in blocks) > IN_TILE:
        return [], epilogue
    return [block.handle for block in blocks], far


def _is_within(block: Block, extents: list[int | None]) -> bool:
    """Whether a block has no more elements than there are; with fewer it keeps what is no filling."""
    if len(block.extents) != len(extents):
        return False
    return all(own is not None and most is not None and own <= most for own, most in zip(block.extents, extents))


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
