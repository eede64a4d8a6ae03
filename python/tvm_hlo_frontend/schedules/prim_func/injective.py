"""Element-wise and moving functions: tasks from the outer dimensions, vectors along the last (see
`schedules.te.injective`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...kernels import plans
from ...tensor_ir.compat import dtype_of, free_variables
from ..tensor_blocks.blocks import Block, block_of, blocks_of, fuse, has_vectors, loop_extent
from ..tensor_blocks.expressions import loads_of, weight
from ..tensor_blocks.producers import inline_producers


@dataclass(frozen=True)
class Nest:
    """Loops of a result: `task` is the last one outside of the vector, `vector` that of the lanes, if there are any."""

    task: Any | None
    lanes: int


def schedule_injective(schedule: Any, target: Any) -> None:
    """Schedule of a function without reductions."""
    inline_producers(schedule)
    schedule_blocks(schedule, blocks_of(schedule), schedule_loops, target)


def schedule_blocks(schedule: Any, blocks: list[Block], schedule_block: Callable[..., Nest], target: Any) -> None:
    """Each block in the loops of its readers where it can be, and in loops that ``schedule_block(schedule, block,
    target)`` makes where not."""
    results = {block_of(schedule, handle).name for handle in schedule.get_output_blocks("root")}
    nests: dict[str, Nest] = {}
    for block in reversed(blocks):
        nest = None if block.name in results else nest_of_readers(schedule, block, nests)
        if nest is not None:
            compute_with(schedule, block, nest, target)
        else:
            nest = schedule_block(schedule, block, target)
        # a reduction has another name now
        nests[block_of(schedule, block.handle).name] = nest


def nest_of_readers(schedule: Any, block: Block, nests: dict[str, Nest]) -> Nest | None:
    """The loops in which `block` can be computed, lanes at a time: only there, and at the same index."""
    if block.is_reduction or dtype_of(block.buffer) == "bool":
        return None  # see stores_vectors
    readers = [block_of(schedule, handle) for handle in schedule.get_consumers(block.handle)]
    found = [nests.get(reader.name) for reader in readers]
    first = found[0] if found else None
    if first is None or first.task is None or any(nest is not first for nest in found):
        return None
    return first if all(reads_same_index(reader, block) for reader in readers) else None


def reads_same_index(reader: Block, block: Block) -> bool:
    """Whether each element of `reader`, or each term of its sums, needs another element of `block` and no more."""
    if reader.is_reduction:  # its dimensions are in another order
        own = [axis.var for axis in reader.node.iter_vars]
        found = [list(load.indices) for load in loads_of(reader.value, block.buffer)]
        return (
            len(found) == 1
            and len(found[0]) == len(own)
            and all(any(index.same_as(variable) for index in found[0]) for variable in own)
        )
    return reader.extents == block.extents and loads_own_index(reader, block.buffer)


def loads_own_index(block: Block, buffer: Any = None) -> bool:
    """Whether all that `block` loads from `buffer`, by default from any, is at the index of what it computes."""
    own = [axis.var for axis in block.node.iter_vars]
    return all(
        len(load.indices) == len(own)  # a block of no dimensions runs over one of size 1
        and all(index.same_as(variable) for index, variable in zip(load.indices, own))
        for load in loads_of(block.value, buffer)
    )


def compute_with(schedule: Any, block: Block, nest: Nest, target: Any) -> None:
    """`block` in the loops of its readers."""
    schedule.compute_at(block.handle, nest.task)
    if nest.lanes and has_vectors(target):
        schedule.vectorize(schedule.get_loops(block.handle)[-1])


def schedule_loops(schedule: Any, block: Block, target: Any) -> Nest:
    """Parallel and vector loops of one block without sums."""
    loops = schedule.get_loops(block.handle)
    if not loops:
        return Nest(None, 0)
    across = dimension_across(block)
    if across is not None:
        return schedule_tiles(schedule, block, across, target)
    extents = [loop_extent(schedule, loop) for loop in loops]
    lanes = plans.lanes_of_extent(extents[-1])
    whole = None
    if lanes:
        loops[-1], vector = schedule.split(loops[-1], [None, lanes])
        extents[-1] = (extents[-1] or 0) // lanes
        if stores_vectors(schedule, block, target):
            schedule.vectorize(vector)
    elif len(loops) > 1:
        whole = loops.pop()  # for LLVM
    count = plans.parallel_loops(extents[: len(loops)])
    tasks = fuse(schedule, loops[:count])
    schedule.parallel(tasks)
    inner = whole if whole is not None else [tasks, *loops[count:]][-1]
    return Nest(inner, lanes)


def stores_vectors(schedule: Any, block: Block, target: Any) -> bool:
    """Whether vectors of `block` may be stored: those of truth values that others read come back as bytes."""
    return has_vectors(target) and not (dtype_of(block.buffer) == "bool" and schedule.get_consumers(block.handle))


def dimension_across(block: Block) -> int | None:
    """The dimension along which an operand is contiguous, where that is not the result's last one, as in a transpose;
    None if there is none, or neither can be cut into tiles."""
    if not tile_of(block.extents[-1]):
        return None
    variables, analyzer = [axis.var for axis in block.node.iter_vars], block.analyzer()
    for load in loads_of(block.value):
        *others, last = [analyzer.simplify(index) for index in load.indices] or [None]
        if not any(variables[-1] in free_variables(index) for index in others):
            continue
        for dimension, variable in enumerate(variables[:-1]):
            if variable.same_as(last) and tile_of(block.extents[dimension]):
                return dimension
    return None


def tile_of(extent: int | None) -> int:
    """Side of a tile that divides an extent, 0 if there is none."""
    if extent is None:
        return 0
    return next((size for size in range(plans.MAX_LANES, plans.MIN_LANES - 1, -1) if extent % size == 0), 0)


def schedule_tiles(schedule: Any, block: Block, across: int, target: Any) -> Nest:
    """Square tiles over the last dimension and the one along which the operand is contiguous: every cache line that is
    loaded is used before it is gone."""
    loops = schedule.get_loops(block.handle)
    across_outer, across_inner = schedule.split(loops.pop(across), [None, tile_of(block.extents[across])])
    lanes = tile_of(block.extents[-1])
    last_outer, last_inner = schedule.split(loops.pop(), [None, lanes])
    schedule.reorder(*loops, last_outer, across_outer, across_inner, last_inner)
    # gathers into vectors are no faster than scalar loads, so they have to be worth it
    vectors = stores_vectors(schedule, block, target) and weight(block.value) > 0
    if vectors:
        schedule.vectorize(last_inner)
    outer = [*loops, last_outer, across_outer]
    count = plans.parallel_loops([loop_extent(schedule, loop) for loop in outer])
    schedule.parallel(fuse(schedule, outer[:count]))
    return Nest(across_inner, lanes if vectors else 0)
