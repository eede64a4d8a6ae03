"""gather and scatter, on one thread."""

from __future__ import annotations

import math
from typing import Any

from ...analysis.array_program import ArrayNode
from ...tensor_ir.compat import tir
from ..elementwise.scalar.evaluate import evaluate
from ..indexing.gather import clamped, within
from .value import Memory, Storage, Value, ravel


def gather(storage: Storage, node: ArrayNode, x: Value, indices: Value) -> Value:
    """gather: slices from starts that are moved so that the slices lie inside (rule 57), in memory."""
    offset_dims, collapsed, start_map, vector_dim, sizes, batching, index_batching = node.attributes
    memory = storage.new(math.prod(node.dimensions), node.element_type)
    kept = [axis for axis in range(len(x.dimensions)) if axis not in collapsed and axis not in batching]
    for index in storage.indices(node.dimensions):
        batch = [i for axis, i in enumerate(index) if axis not in offset_dims]
        position: list[Any] = [tir.const(0, "int32")] * len(x.dimensions)
        for number, axis in enumerate(start_map):
            place = [*batch[:vector_dim], number, *batch[vector_dim:]][: len(indices.dimensions)]
            position[axis] = clamped(indices.at(place), x.dimensions[axis] - sizes[axis])
        for axis, source in zip(batching, index_batching):
            position[axis] = batch[source - (source > vector_dim)]
        for axis, offset in zip(kept, [index[axis] for axis in offset_dims]):
            position[axis] = position[axis] + offset
        memory.store(ravel(index, node.dimensions), x.at(position))
    return storage.whole(memory, node.element_type, node.dimensions)


def scatter_into(storage: Storage, node: ArrayNode, memory: Memory, indices: Value, updates: Value) -> None:
    """scatter: updates in row-major order, a window is dropped whole if any part is outside (rules 58, 60 to 62)."""
    window_dims, inserted, start_map, vector_dim, batching, index_batching = node.attributes
    loops, body = storage.loops, node.body
    assert body is not None
    kept = [axis for axis in range(len(node.dimensions)) if axis not in inserted and axis not in batching]
    windows = {axis: updates.dimensions[dim] for axis, dim in zip(kept, window_dims)}
    outer = [1 if axis in window_dims else size for axis, size in enumerate(updates.dimensions)]
    for index in storage.indices(outer):
        batch = [i for axis, i in enumerate(index) if axis not in window_dims]
        first: list[Any] = [tir.const(0, "int32")] * len(node.dimensions)
        inside: Any = tir.const(True, "bool")
        for number, axis in enumerate(start_map):
            place = [*batch[:vector_dim], number, *batch[vector_dim:]][: len(indices.dimensions)]
            (start,) = loops.values([indices.at(place)], "start")
            inside = tir.all(inside, *within(start, node.dimensions[axis] - windows.get(axis, 1)))
            first[axis] = start.astype("int32")
        for axis, source in zip(batching, index_batching):
            first[axis] = batch[source - (source > vector_dim)]
        with loops.when(inside):
            sizes = [updates.dimensions[dim] for dim in window_dims]
            for offsets in storage.indices(sizes):
                position, at = list(first), list(index)
                for axis, dim, offset in zip(kept, window_dims, offsets):
                    position[axis], at[dim] = position[axis] + offset, offset
                place = ravel(position, node.dimensions)
                old = memory.load(place, node.element_type)
                memory.store(place, evaluate(body, [old, updates.at(at)])[0])
