"""Computes of te: a thread for each element of a result, which folds what is reduced in order."""

from __future__ import annotations

import math
from typing import Any

from ..tensor_blocks.blocks import SPATIAL, Block, blocks_of, fuse, is_understood, loops_by_kind, start_sums, static
from ..tensor_blocks.producers import inline_producers
from .threads import GRID, THREADS, THREADS_AXIS


def schedule_elements(schedule: Any, function: Any) -> None:
    """Bind the blocks of a function that have dimensions; others are statements whose loops are final."""
    if is_understood(function):
        inline_producers(schedule)
    for block in blocks_of(schedule):
        if block.node.iter_vars or is_one_store(block):
            bind_elements(schedule, block)


def is_one_store(block: Block) -> bool:
    """Whether a block without dimensions stores one element, as a compute of a scalar does."""
    return not block.node.iter_vars and hasattr(block.node.body, "buffer") and hasattr(block.node.body, "indices")


def bind_elements(schedule: Any, block: Block) -> None:
    """A thread for each element that a block computes; one alone where it has dimensions without elements."""
    loops = schedule.get_loops(block.handle)
    spatial, reduced = loops_by_kind(schedule, block.handle) if block.is_reduction else (loops, [])
    count = math.prod(extent or 0 for extent, axis in zip(block.extents, block.node.iter_vars) if is_kept(axis))
    if not spatial or 0 in [static(schedule.get(loop).extent) for loop in loops]:
        spatial, count = [schedule.add_unit_loop(loops[0] if loops else block.handle)], 1
    else:
        schedule.reorder(*spatial, *reduced)
    outer, inner = schedule.split(fuse(schedule, spatial), [None, min(THREADS, max(1, count))])
    schedule.bind(outer, GRID)
    schedule.bind(inner, THREADS_AXIS)
    if reduced and block.node.init is not None:
        start_sums(schedule, block.handle, reduced[0])


def is_kept(axis: Any) -> bool:
    """Whether a dimension of a block is one of its result."""
    return bool(axis.iter_type == SPATIAL)
