"""Convolutions: register tiles of output channels by positions, or rows of one channel if a group has few outputs."""

from __future__ import annotations

from typing import Any

from tvm.ir import TensorLoad

from ...kernels import plans
from ...tensor_ir.compat import is_call, tir
from ..channel_tiles import ChannelTile, divisor
from ..registers import sums_per_load
from ..tensor_blocks.blocks import Block, by_name, has_vectors, loop_extent, start_sums
from ..tensor_blocks.producers import inline
from .injective import loads_own_index, schedule_loops
from .reduction import vectorize_result

# vector sums that are kept in registers, of 32
MAX_SUMS = 28


def schedule_convolution(schedule: Any, target: Any) -> None:
    """Schedule of ``kernels.contraction.convolution``."""
    blocks = by_name(schedule)
    padded, total, out = (
        blocks[name] for name in (plans.CONVOLUTION_PADDED, plans.CONVOLUTION_SUM, plans.CONVOLUTION_OUT)
    )
    if not (is_plain_copy(padded) and inline(schedule, padded)):
        schedule_loops(schedule, padded, target)
    tile = channel_tile(padded, total)
    if tile is None or not has_vectors(target):
        _schedule_rows(schedule, total, out, target)
    else:
        _schedule_channels(schedule, total, out, tile)


def is_plain_copy(padded: Block) -> bool:
    """Whether nothing is padded or converted, so that the operand can be read in its place."""
    value = padded.value
    element = value.args[1] if is_call(value) else value
    if not isinstance(element, TensorLoad):
        return False
    return bool(padded.analyzer().can_prove(value.args[0])) if is_call(value) else loads_own_index(padded)


def channel_tile(padded: Block, total: Block) -> ChannelTile | None:
    """The tile with most sums per operand loaded; None where a group has too few outputs to fill a vector."""
    outputs = outputs_of_group(padded, total)
    spatial = total.extents[2 : len(padded.extents)]
    if not outputs or not spatial:
        return None
    lanes = plans.channel_lanes(outputs, str(total.buffer.dtype))
    if not lanes:
        return None
    height, width = (spatial[-2] if len(spatial) > 1 else 1), spatial[-1]
    found = []
    for vectors in (1, 2, 4):
        if height is None or width is None or outputs % (vectors * lanes):
            continue
        positions = MAX_SUMS // vectors
        columns = divisor(width, positions)
        rows = divisor(height, positions // columns)
        found.append(ChannelTile(lanes, vectors, rows, columns))
    return max(found, key=lambda tile: sums_per_load(tile.vectors, tile.rows * tile.columns), default=None)


def outputs_of_group(padded: Block, total: Block) -> int | None:
    """Output channels that read the same input channels; None if that is known only at run time."""
    dimensions = len(padded.extents)
    all_channels, outputs, channels = padded.extents[1], total.extents[1], total.extents[dimensions]
    if all_channels is None or channels is None:
        is_one_group = total.analyzer().can_prove_equal(
            padded.node.iter_vars[1].dom.extent, total.node.iter_vars[dimensions].dom.extent
        )
        return outputs if is_one_group else None
    if not all_channels or not outputs:
        return None
    return outputs * channels // all_channels


def _schedule_channels(schedule: Any, total: Block, out: Block, tile: ChannelTile) -> None:
    """Vectors of output channels: what is read of the operand is a number, wherever it is."""
    rank = len(out.extents)
    weight = schedule.cache_read(total.handle, 1, "global")
    _pack_weight(schedule, weight, tile)
    schedule.transform_layout(total.handle, ("write", 0), lambda n, o, *position: (n, *position, o))
    stored = schedule.cache_write(total.handle, 0, "global")
    n, o, *loops = schedule.get_loops(total.handle)
    spatial, reduced = loops[: rank - 2], loops[rank - 2 :]
    o, vector, lane = schedule.split(o, [None, tile.vectors, tile.lanes])
    inner = [vector, lane]
    spatial[-1], column = schedule.split(spatial[-1], [None, tile.columns])
    inner.insert(0, column)
    if len(spatial) > 1:
        spatial[-2], row = schedule.split(spatial[-2], [None, tile.rows])
        inner.insert(0, row)
    # the weights of one tile are read for all images
    schedule.reorder(o, n, *spatial, *reduced, *inner)
    for loop in inner[:-1]:
        schedule.unroll(loop)
    schedule.vectorize(lane)
    schedule.parallel(schedule.fuse(o, n, *spatial[:-1]))
    at = spatial[-1]
    schedule.reverse_compute_at(stored, at)
    loops = schedule.get_loops(stored)
    _, lane = schedule.split(loops[-1], [None, tile.lanes])
    for loop in schedule.get_loops(stored)[2:-1]:  # inside of the task and of `at`
        schedule.unroll(loop)
    schedule.vectorize(lane)
    schedule.reverse_compute_at(out.handle, at)
    start_sums(schedule, total.handle, reduced[0])


def _pack_weight(schedule: Any, weight: Any, tile: ChannelTile) -> None:
    """The output channels of one tile side by side."""
    channels = tile.vectors * tile.lanes
    schedule.transform_layout(
        weight,
        ("write", 0),
        lambda o, c, *window: (tir.indexdiv(o, channels), c, *window, tir.indexmod(o, channels)),
    )
    schedule.parallel(schedule.get_loops(weight)[0])


def _schedule_rows(schedule: Any, total: Block, out: Block, target: Any) -> None:
    """Vectors of neighbouring positions of one channel."""
    rank = len(out.extents)
    n, o, *loops = schedule.get_loops(total.handle)
    spatial, reduced = loops[: rank - 2], loops[rank - 2 :]
    if not spatial:
        schedule.parallel(schedule.fuse(n, o))
        start_sums(schedule, total.handle, reduced[0])
        schedule_loops(schedule, out, target)
        return
    width = loop_extent(schedule, spatial[-1])
    lanes = plans.lanes_of_extent(width)
    inner = [spatial[-1]]
    if lanes and width:
        columns = divisor(width // lanes, 8)
        outer, column, lane = schedule.split(spatial[-1], [None, columns, lanes])
        spatial[-1], inner = outer, [column, lane]
        schedule.reorder(n, o, *spatial, *reduced, *inner)
        if has_vectors(target):
            schedule.unroll(column)
            schedule.vectorize(lane)
    else:
        spatial = spatial[:-1]
        schedule.reorder(n, o, *spatial, *reduced, *inner)
    task = schedule.fuse(n, o)
    schedule.parallel(task)
    # without a loop of its own its last one would be the task, around all sums
    schedule.reverse_compute_at(out.handle, spatial[-1] if spatial else task, preserve_unit_loops=True)
    vectorize_result(schedule, out.handle, target)
    start_sums(schedule, total.handle, reduced[0])
