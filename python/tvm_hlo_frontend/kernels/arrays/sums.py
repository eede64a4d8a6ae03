"""reduce with one operand, on one thread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...analysis.array_program import ArrayNode
from ...analysis.reducers import identity_element, match_reducer
from ...analysis.scalar_body import constant_node
from ...analysis.scalar_expression import ScalarExpression
from ...tensor_ir.compat import tir
from .. import plans
from ..dtypes import TVM_DTYPES
from ..elementwise.scalar.evaluate import evaluate
from .value import Memory, Storage, Value, ravel

Combine = Callable[[Any, Any], Any]
# reductions whose elements may be combined in any order
_LANES = frozenset({"sum", "max", "min", "any", "all", "and", "or", "xor"})


def reduce(storage: Storage, node: ArrayNode, x: Value, start: Value) -> Value:
    """reduce: body(… body(init, x0) …, xn), init exactly once (rule 64)."""
    body = node.body
    assert body is not None

    def combine(total: Any, element: Any) -> Any:
        return evaluate(body, [total, element])[0]

    kept = [axis for axis in range(len(x.dimensions)) if axis not in node.attributes]
    memory = storage.new(math.prod(node.dimensions), node.element_type)
    last = max((axis for axis, size in enumerate(x.dimensions) if size > 1), default=-1)
    if last in kept:
        _over_rows(storage, node, (x, start), kept, memory, combine)
    else:
        _along_rows(storage, node, (x, start), kept, memory, combine)
    result = storage.whole(memory, node.element_type, node.dimensions)
    return result if node.dimensions else storage.scalar(node.element_type, result.scalar())


def _index(kept: list[int], rank: int, outer: list[Any], inner: list[Any]) -> list[Any]:
    """Index of an element: `outer` along kept dimensions, `inner` along the others."""
    left, right = iter(outer), iter(inner)
    return [next(left) if axis in kept else next(right) for axis in range(rank)]


def _over_rows(
    storage: Storage, node: ArrayNode, given: tuple[Value, Value], kept: list[int], memory: Memory, combine: Combine
) -> None:
    """Row after row is added to the results, which are neighbours as its elements are."""
    x, start = given
    with storage.loops.loop(math.prod(node.dimensions), "place") as place:
        memory.store(place, start.scalar())
    for inner in storage.indices([x.dimensions[axis] for axis in node.attributes]):
        for outer in storage.indices(node.dimensions):
            place = ravel(outer, node.dimensions)
            element = x.at(_index(kept, len(x.dimensions), outer, _ordered(node, inner)))
            memory.store(place, combine(memory.load(place, node.element_type), element))


def _along_rows(
    storage: Storage, node: ArrayNode, given: tuple[Value, Value], kept: list[int], memory: Memory, combine: Combine
) -> None:
    """Every result on its own, the lanes of a long row side by side where that gives the same."""
    x, start = given
    loops, dtype, rank = storage.loops, TVM_DTYPES[node.element_type], len(x.dimensions)
    sizes = [x.dimensions[axis] for axis in sorted(node.attributes)]
    lanes = _lanes(node, sizes)
    for outer in storage.indices(node.dimensions):
        total = Memory(loops.scratch(1, "int8" if dtype == "bool" else dtype, "total"), -1)
        total.store(0, start.scalar())

        def add(inner: list[Any], total: Memory = total, outer: list[Any] = outer) -> None:
            element = x.at(_index(kept, rank, outer, inner))
            total.store(0, combine(total.load(0, node.element_type), element))

        if lanes:

            def element(inner: list[Any], outer: list[Any] = outer) -> Any:
                return x.at(_index(kept, rank, outer, inner))

            found = _in_lanes(storage, node, element, sizes, lanes, combine)
            total.store(0, combine(total.load(0, node.element_type), found))
        else:
            for inner in storage.indices(sizes):
                add(inner)
        memory.store(ravel(outer, node.dimensions), total.load(0, node.element_type))


def _in_lanes(
    storage: Storage,
    node: ArrayNode,
    element: Callable[[list[Any]], Any],
    sizes: list[int],
    lanes: int,
    combine: Combine,
) -> Any:
    """All elements along the last of `sizes`, and the others: lanes side by side, then halves of the lanes."""
    loops, length, neutral = storage.loops, sizes[-1], _identity(node)
    partial = loops.scratch(lanes, TVM_DTYPES[node.element_type], "partial")
    with loops.vector(lanes) as lane:
        partial[lane] = neutral
    for inner in storage.indices([*sizes[:-1], length // lanes]):
        with loops.vector(lanes) as lane:
            partial[lane] = combine(partial[lane], element([*inner[:-1], inner[-1] * lanes + lane]))
    rest = length % lanes
    if rest:  # one more vector, whose first lanes were there already
        for inner in storage.indices(sizes[:-1]):
            with loops.vector(lanes) as lane:
                last = element([*inner, lane + (length - lanes)])
                partial[lane] = combine(partial[lane], tir.Select(lane >= lanes - rest, last, neutral))
    while lanes > 1:
        lanes //= 2
        with loops.vector(lanes) as lane:
            partial[lane] = combine(partial[lane], partial[lane + lanes])
    return partial[0]


def _ordered(node: ArrayNode, inner: list[Any]) -> list[Any]:
    """Positions along the reduced dimensions, in the order of these."""
    return [position for _, position in sorted(zip(node.attributes, inner), key=lambda pair: pair[0])]


def _lanes(node: ArrayNode, sizes: list[int]) -> int:
    """Lanes that may be combined on their own; 0 if the order of the elements matters, or the rows are short."""
    assert node.body is not None
    reducer, dtype = match_reducer(node.body), TVM_DTYPES[node.element_type]
    plain = reducer is not None and reducer.kind in _LANES and reducer.accumulator_type == node.element_type
    if not plain or reducer.rounding or dtype in ("bool", "float16") or not sizes:  # type: ignore[union-attr]
        return 0
    return plans.lane_count(sizes[-1], dtype, 1)


def _identity(node: ArrayNode) -> Any:
    assert node.body is not None
    reducer = match_reducer(node.body)
    assert reducer is not None
    neutral = identity_element(reducer.kind, node.element_type)
    if reducer.kind == "sum" and neutral.dtype.kind == "f":
        neutral = -neutral  # a sum of nothing but -0 is -0
    constant = ScalarExpression((constant_node(neutral.reshape(-1)[0], node.element_type),), (0,))
    return evaluate(constant, [])[0]
