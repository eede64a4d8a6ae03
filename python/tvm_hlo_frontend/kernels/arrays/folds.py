"""reduce with several operands, on one thread."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...analysis.array_program import ArrayNode, ArrayProgram
from ...analysis.reducers import ARGUMENT_KINDS, counts_to, match_reducer
from ..dtypes import TVM_DTYPES
from ..reduction.fold import Fold
from .value import Places, Storage, Value


def fold(storage: Storage, node: ArrayNode, program: ArrayProgram, operands: Sequence[Value]) -> list[Value]:
    """reduce of several operands: the body on all of them, element after element (rules 64 and 66)."""
    assert node.body is not None
    count = len(operands) // 2
    data, inits = [storage.loaded(x) for x in operands[:count]], operands[count:]
    sizes, reduced = data[0].dimensions, sorted(node.attributes)
    kept = tuple(size for axis, size in enumerate(sizes) if axis not in reduced)
    memories = [storage.new(math.prod(kept), x.element_type) for x in data]
    outs = [Places(storage.whole(memory, x.element_type, kept or (1,))) for memory, x in zip(memories, data)]
    starts = [storage.loops.in_memory(init.scalar(), "init") for init in inits]
    dtypes = [TVM_DTYPES[x.element_type] for x in data]
    Fold(storage.loops, node.body, sizes, tuple(reduced), data, starts, outs, dtypes).write(_direction(node, program))
    found = [storage.whole(memory, x.element_type, kept) for memory, x in zip(memories, data)]
    return found if kept else [storage.scalar(x.element_type, x.scalar()) for x in found]


def _direction(node: ArrayNode, program: ArrayProgram) -> str | None:
    """argmax or argmin where the node is one over increasing indices."""
    assert node.body is not None
    reducer = match_reducer(node.body)
    if reducer is None or reducer.kind not in ARGUMENT_KINDS:
        return None
    return reducer.kind if counts_up(program, node.operands[1], max(node.attributes)) else None


def counts_up(program: ArrayProgram, index: int, axis: int) -> bool:
    """Whether a node is 0, 1, 2 … along `axis`."""
    node = program.nodes[index]
    if node.opcode == "broadcast":
        return axis in node.attributes and counts_up(program, node.operands[0], node.attributes.index(axis))
    counts = node.opcode == "iota" and node.attributes == (axis,)
    return counts and counts_to(node.element_type, node.dimensions[axis])
