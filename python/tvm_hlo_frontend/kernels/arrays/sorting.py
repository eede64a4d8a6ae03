"""sort and topk, on one thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...analysis.array_program import ArrayNode
from ...tensor_ir.primitives import bits_of
from ..dtypes import TVM_DTYPES
from ..indexing.sort import Line, first_of_line, sort_line
from .value import Places, Storage, Value


def sort(storage: Storage, node: ArrayNode, operands: Sequence[Value]) -> list[Value]:
    """sort: stable, several operands along, any comparator (rule 71)."""
    assert node.body is not None
    (axis,) = node.attributes
    given = [storage.loaded(x) for x in operands]
    sizes = given[0].dimensions
    results = [storage.whole(storage.new(x.size, x.element_type), x.element_type, sizes) for x in given]
    for index in storage.indices([1 if number == axis else size for number, size in enumerate(sizes)]):
        lines, targets = (
            [Line(Places(x), index[:axis], index[axis + 1 :]) for x in values] for values in (given, results)
        )
        sort_line(storage.loops, node.body, lines, targets, sizes[axis])
    return results


def topk(storage: Storage, node: ArrayNode, x: Value) -> list[Value]:
    """topk: values and s32 positions in total order, equal ones by position (rule 72)."""
    assert node.body is not None
    (k,) = node.attributes
    x = storage.loaded(x)
    *outer, length = x.dimensions
    sizes = (*outer, k)
    results = [storage.whole(storage.new(math.prod(sizes), kind), kind, sizes) for kind in (x.element_type, "s32")]
    largest = node.body.nodes[node.body.results[0]].attributes[0] == "GT"
    for index in storage.indices(outer):
        line, targets = Line(Places(x), index), [Line(Places(result), index) for result in results]
        if bits_of(TVM_DTYPES[x.element_type]) <= 32:
            first_of_line(storage.loops, line, (targets[0], targets[1]), (length, k), largest)
            continue
        whole = [storage.new(length, kind).array for kind in (x.element_type, "s32")]
        sort_line(storage.loops, node.body, [line, _Positions()], whole, length)
        with storage.loops.loop(k, "slot") as slot:
            for target, array in zip(targets, whole):
                target[slot] = array[slot]
    return results


class _Positions(Line):
    """The positions 0, 1, 2 … themselves."""

    def __init__(self) -> None:
        self.dtype = "int32"

    def __getitem__(self, position: Any) -> Any:
        return position
