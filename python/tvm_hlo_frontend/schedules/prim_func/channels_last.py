"""Convolutions with channels last: register tiles of output channels by positions."""

from __future__ import annotations

import math
from typing import Any

from ...kernels import plans
from ..channel_tiles import ChannelTile, Sums, TaskPlan, planned
from ..tensor_blocks.blocks import Block, block_of, by_name, has_vectors, start_sums
from ..tensor_blocks.producers import inline
from .convolution import is_plain_copy
from .epilogue import epilogue_of, inlined, of_tiles
from .injective import schedule_blocks, schedule_loops, stores_vectors


def schedule_channels_last(schedule: Any, target: Any) -> None:
    """Schedule of ``kernels.contraction.channels_last`` and of what was fused with it."""
    blocks = by_name(schedule)
    padded, total = blocks[plans.CONVOLUTION_PADDED], blocks[plans.CHANNELS_LAST_SUM]
    if not (is_plain_copy(padded) and inline(schedule, padded)):
        schedule_loops(schedule, padded, target)
    epilogue = epilogue_of(schedule, total)
    extents = [size or 1 for size in total.extents]
    rank = len(padded.extents)
    group, lanes = (int(total.node.annotations[name]) for name in ("outputs", "lanes"))
    sums = Sums(str(total.buffer.dtype), extents[:rank], extents[rank:], group, lanes)
    tile, plan = planned(sums, math.prod(size or 1 for size in padded.extents), target)
    _schedule_tiles(schedule, total, epilogue, tile, plan, target)


def _schedule_tiles(
    schedule: Any, total: Block, epilogue: list[Any], tile: ChannelTile, plan: TaskPlan, target: Any
) -> None:
    rank = len(total.node.writes[0].region)
    epilogue, behind = of_tiles(schedule, total, epilogue)
    schedule_blocks(schedule, inlined(schedule, behind), schedule_loops, target)
    if epilogue:
        schedule.set_scope(total.handle, 0, "local")
    else:
        epilogue = [schedule.cache_write(total.handle, 0, "local")]
    loops = schedule.get_loops(total.handle)
    outer, o, reduced = loops[: rank - 1], loops[rank - 1], loops[rank:]
    o, vector, lane = schedule.split(o, [None, tile.vectors, tile.lanes])
    inner = [vector, lane]
    outer[-1], column = schedule.split(outer[-1], [None, tile.columns])
    inner.insert(0, column)
    if len(outer) > 1:
        outer[-2], row = schedule.split(outer[-2], [None, tile.rows])
        inner.insert(0, row)
    piece, at = schedule.split(outer.pop(), [plan.pieces, None])
    tasks = [o, *outer, piece] if plan.outputs_first else [*outer, piece, o]
    schedule.reorder(*tasks, at, *reduced, *inner)
    if has_vectors(target):
        for loop in inner[:-1]:
            schedule.unroll(loop)
        schedule.vectorize(lane)
    schedule.parallel(schedule.fuse(*tasks))
    depth = len(schedule.get_loops(total.handle)) - len(reduced) - len(inner)
    readers = [schedule.get_sref(handle) for handle in schedule.get_consumers(total.handle)]
    for block in epilogue:
        schedule.reverse_compute_at(block, at)
        # sums with fixed subscripts stay in registers
        unrolled = any(schedule.get_sref(block).same_as(reader) for reader in readers)
        _tile_loops(schedule, block, depth, tile, unrolled, target)
    start_sums(schedule, total.handle, reduced[0])


def _tile_loops(schedule: Any, block: Any, depth: int, tile: ChannelTile, unrolled: bool, target: Any) -> None:
    """Vectors of the lanes of a block within a tile."""
    if not has_vectors(target):
        return
    *outer, last = schedule.get_loops(block)[depth:]
    last, lane = schedule.split(last, [None, tile.lanes])
    for loop in [*outer, last] if unrolled else []:
        schedule.unroll(loop)
    if stores_vectors(schedule, block_of(schedule, block), target):
        schedule.vectorize(lane)
