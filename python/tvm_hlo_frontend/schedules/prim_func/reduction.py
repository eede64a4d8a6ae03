"""Reductions: kept dimensions outside and parallel; vectors along the last dimension, kept or not (see
`kernels.reduction.reduce`)."""

from __future__ import annotations

from typing import Any

from ...kernels import plans
from ...tensor_ir.compat import free_variables
from ..tensor_blocks.blocks import (
    SPATIAL,
    Block,
    block_of,
    blocks_of,
    fuse,
    has_vectors,
    loop_extent,
    loops_by_kind,
    realize_of,
    start_sums,
)
from ..tensor_blocks.expressions import loads_of
from ..tensor_blocks.producers import inline_producers
from .injective import Nest, reads_same_index, schedule_blocks, schedule_loops


def schedule_reductions(schedule: Any, target: Any) -> None:
    """Schedule of a function with reductions and what was fused with them."""
    inline_producers(schedule)
    blocks = blocks_of(schedule)
    own = [block for block in blocks if block.name.startswith(plans.REDUCE)]
    if len(own) > 1 and own[-1] is blocks[-1]:
        blocks = _schedule_rows(schedule, blocks, own, target)
    schedule_blocks(schedule, blocks, schedule_block, target)


def schedule_block(schedule: Any, block: Block, target: Any) -> Nest:
    """Loops of one block of any kind."""
    return (schedule_plain if block.is_reduction else schedule_loops)(schedule, block, target)


def _schedule_rows(schedule: Any, blocks: list[Block], own: list[Block], target: Any) -> list[Block]:
    """The stages of one reduction over the last dimension, row by row, and what they read; the blocks that are left."""
    stages = [block.handle for block in own]
    producers: list[Block] = []
    for block in reversed(blocks):
        if block not in own and is_read_by_rows(schedule, block, own, producers):
            producers.append(block)
    output = stages[-1]
    row = fuse(schedule, loops_by_kind(schedule, output)[0])
    schedule.parallel(row)
    for stage in reversed(stages[:-1]):
        schedule.compute_at(stage, row, preserve_unit_loops=True)
    for producer in producers:
        schedule.compute_at(producer.handle, row, preserve_unit_loops=True)
        vectorize_result(schedule, producer.handle, target)
    for stage in stages:
        block = block_of(schedule, stage)
        if not block.is_reduction:
            continue
        spatial, reduced = loops_by_kind(schedule, stage)
        if block.name.endswith(plans.LANES_SUFFIX):
            lane = lane_loop(schedule, stage, spatial)
            schedule.reorder(*reduced, lane)
            if has_vectors(target):
                schedule.vectorize(lane)
        if block.name.endswith(("_last_lanes", "_total")):  # lanes with fixed subscripts stay in registers
            schedule.unroll(reduced[-1])
        start_sums(schedule, stage, reduced[0])
    return [block for block in blocks if block not in own and block not in producers]


def is_read_by_rows(schedule: Any, block: Block, own: list[Block], producers: list[Block]) -> bool:
    """Whether `block` is read by stages of the reduction and their producers only, and each row of the result reads
    other elements of it."""
    if block.is_reduction:
        return False
    stages, between = {stage.name for stage in own}, {producer.name for producer in producers}
    readers = [block_of(schedule, handle) for handle in schedule.get_consumers(block.handle)]
    kept_count = len(own[-1].node.body.indices)
    return all(
        reads_same_index(reader, block)
        if reader.name in between
        else reader.name in stages and reads_own_row(reader, block, kept_count)
        for reader in readers
    )


def reads_own_row(stage: Block, block: Block, kept_count: int) -> bool:
    """Whether every kept dimension of a stage is a subscript of what it reads of `block`."""
    kept = [axis.var for axis in stage.node.iter_vars[:kept_count]]
    return all(
        any(variable.same_as(index) for index in load.indices)
        for load in loads_of(stage.value, block.buffer)
        for variable in kept
    )


def lane_loop(schedule: Any, handle: Any, spatial: list[Any]) -> Any:
    """The one of the loops `spatial` that is the last dimension of a block's result."""
    realize = realize_of(schedule, handle)
    last = realize.block.body.indices[-1]
    value = next(value for value, axis in zip(realize.iter_values, realize.block.iter_vars) if axis.var.same_as(last))
    used = free_variables(value)
    return next(loop for loop in reversed(spatial) if schedule.get(loop).loop_var in used)


def schedule_plain(schedule: Any, block: Block, target: Any) -> Nest:
    """Kept dimensions outside and parallel, then the reduction, then a stretch of the last dimension if it is kept."""
    loops = schedule.get_loops(block.handle)
    kinds = [axis.iter_type for axis in block.node.iter_vars]
    kept = [loop for loop, kind in zip(loops, kinds) if kind == SPATIAL]
    reduced = [loop for loop, kind in zip(loops, kinds) if kind != SPATIAL]
    if not kept or not reduced:
        return Nest(None, 0)
    nest = Nest(reduced[-1], 0)
    if reads_along_kept(block):
        length = loop_extent(schedule, kept[-1])
        columns = plans.dividing_columns(length) if length is not None and length > plans.MAX_COLUMNS else length
        if columns is not None:
            kept[-1], within = schedule.split(kept[-1], [None, columns])
            schedule.reorder(*kept, *reduced, within)
            lanes = plans.lanes_of_extent(columns)
            nest = Nest(within, 0)
            if lanes and has_vectors(target):
                outer, vector = schedule.split(within, [None, lanes])
                schedule.vectorize(vector)
                nest = Nest(outer, lanes)
    schedule.parallel(fuse(schedule, kept))
    start_sums(schedule, block.handle, reduced[0])
    return nest


def reads_along_kept(block: Block) -> bool:
    """Whether neighbours in memory belong to different results: no last subscript of a load is reduced."""
    reduced = [axis.var for axis in block.node.iter_vars if axis.iter_type != SPATIAL]
    last = [load.indices[-1] for load in loads_of(block.value) if load.indices]
    return not any(any(variable.same_as(index) for variable in reduced) for index in last)


def vectorize_result(schedule: Any, block: Any, target: Any) -> None:
    """Vectors along the innermost loop of a block, where it has lanes enough."""
    if not has_vectors(target):
        return
    loop = schedule.get_loops(block)[-1]
    lanes = plans.lanes_of_extent(loop_extent(schedule, loop))
    if lanes:
        schedule.vectorize(schedule.split(loop, [None, lanes])[1])
