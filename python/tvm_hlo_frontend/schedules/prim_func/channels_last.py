"""Convolutions with channels last: register tiles of output channels by positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...kernels import plans
from .blocks import Block, by_name, has_vectors
from .convolution import divisor, is_plain_copy
from .epilogue import epilogue_of
from .injective import schedule_loops
from .producers import inline
from .reduction import start_sums
from .registers import Registers, registers_of

# input channels up to which they are taken together with the last dimension of the window
FEW_CHANNELS = 16


@dataclass(frozen=True)
class ChannelTile:
    """`vectors` times `lanes` output channels by `rows` times `columns` positions of the last two dimensions."""

    lanes: int
    vectors: int
    rows: int
    columns: int


def schedule_channels_last(schedule: Any, target: Any) -> None:
    """Schedule of ``kernels.contraction.channels_last`` and of what was fused with it."""
    blocks = by_name(schedule)
    padded, total = blocks[plans.CONVOLUTION_PADDED], blocks[plans.CHANNELS_LAST_SUM]
    if not (is_plain_copy(padded) and inline(schedule, padded)):
        schedule_loops(schedule, padded, target)
    epilogue = epilogue_of(schedule, total)
    rank = len(padded.extents)
    spatial, dtype = total.extents[1 : rank - 1], str(total.buffer.dtype)
    registers = registers_of(target)
    group, lanes = (int(total.node.annotations[name]) for name in ("outputs", "lanes"))
    tile = channel_tile(registers, group, divisor(lanes, registers.lanes(dtype)), [size or 1 for size in spatial])
    _schedule_tiles(schedule, total, epilogue, tile, target)


def channel_tile(registers: Registers, outputs: int, lanes: int, spatial: list[int]) -> ChannelTile:
    """The tile that takes fewest cycles per product, the one with most sums per operand loaded if there are several."""
    height, width = (spatial[-2] if len(spatial) > 1 else 1), spatial[-1]
    found = []
    for vectors in (1, 2, 4):
        if outputs % (vectors * lanes):
            continue
        for columns in range(1, min(width, registers.count) + 1):
            if width % columns:
                continue
            rows = divisor(height, registers.count // columns) if columns == width else 1
            for rows in {1, rows}:
                cycles = registers.cycles(vectors, rows * columns)
                found.append((cycles, -_sums_per_load(vectors, rows * columns), vectors, rows, columns))
    _, _, vectors, rows, columns = min(found)
    return ChannelTile(lanes, vectors, rows, columns)


def _sums_per_load(vectors: int, positions: int) -> float:
    return vectors * positions / (vectors + positions)


def _schedule_tiles(schedule: Any, total: Block, epilogue: list[Any], tile: ChannelTile, target: Any) -> None:
    rank = len(total.node.writes[0].region)
    schedule.set_scope(total.handle, 0, "local")
    n, *loops = schedule.get_loops(total.handle)
    spatial, o, reduced = loops[: rank - 2], loops[rank - 2], loops[rank - 1 :]
    o, vector, lane = schedule.split(o, [None, tile.vectors, tile.lanes])
    inner = [vector, lane]
    spatial[-1], column = schedule.split(spatial[-1], [None, tile.columns])
    inner.insert(0, column)
    if len(spatial) > 1:
        spatial[-2], row = schedule.split(spatial[-2], [None, tile.rows])
        inner.insert(0, row)
    # the weights of one tile are read for all images
    schedule.reorder(o, n, *spatial, *reduced, *inner)
    if has_vectors(target):
        for loop in inner[:-1]:
            schedule.unroll(loop)
        schedule.vectorize(lane)
    schedule.parallel(schedule.fuse(o, n, *spatial[:-1]))
    at = spatial[-1]
    depth = len(schedule.get_loops(total.handle)) - len(reduced) - len(inner)
    for block in epilogue:
        schedule.reverse_compute_at(block, at)
        _tile_loops(schedule, block, depth, tile, target)
    start_sums(schedule, total.handle, reduced[0])


def _tile_loops(schedule: Any, block: Any, depth: int, tile: ChannelTile, target: Any) -> None:
    """Vectors of the lanes of a block within a tile, all else unrolled."""
    if not has_vectors(target):
        return
    loops = schedule.get_loops(block)[depth:]
    *outer, last = loops
    last, lane = schedule.split(last, [None, tile.lanes])
    for loop in [*outer, last]:
        schedule.unroll(loop)
    schedule.vectorize(lane)
