"""dot, on one thread: tiles of sums in registers along whichever dimension is contiguous."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.array_program import ArrayNode
from ...analysis.scalar_expression import elementwise_expression
from ...tensor_ir.compat import dtype_of, tir
from .. import plans
from ..dtypes import TVM_DTYPES
from ..elementwise.scalar.evaluate import evaluate
from .value import Storage, Value, ravel

# sums of one tile: rows that share what is loaded of the vectors, vectors of a row
TILE_ROWS, TILE_VECTORS = 4, 2
ROW_VECTORS = 4


@dataclass(frozen=True)
class _Sides:
    """A product's operands: `streamed` has the vectors, `other` the factors; where their dimensions are in the result.

    Attributes
    ----------
    streamed_axes, other_axes : tuple of int
        For every dimension the one of the result, or -1 - k for contracting dimension k.
    """

    streamed: Value
    other: Value
    streamed_axes: tuple[int, ...]
    other_axes: tuple[int, ...]
    depths: tuple[int, ...]


def dot(storage: Storage, node: ArrayNode, lhs: Value, rhs: Value) -> Value:
    """dot: dimensions of the result are batch, lhs free, rhs free (rule 48)."""
    memory = storage.new(math.prod(node.dimensions), node.element_type)
    sides = _sides(node, storage.loaded(lhs), storage.loaded(rhs))
    if _may_stream(sides, len(node.attributes[1])):
        _columns(storage, node, sides, memory)
    else:
        _rows(storage, node, sides, memory)
    return storage.whole(memory, node.element_type, node.dimensions)


def _sides(node: ArrayNode, lhs: Value, rhs: Value) -> _Sides:
    contracting, batch = node.attributes
    left, right = [0] * len(lhs.dimensions), [0] * len(rhs.dimensions)
    for number, (a, b) in enumerate(contracting):
        left[a] = right[b] = -1 - number
    for number, (a, b) in enumerate(batch):
        left[a] = right[b] = number
    place = len(batch)
    for axes, taken in (
        (left, {a for a, _ in (*contracting, *batch)}),
        (right, {b for _, b in (*contracting, *batch)}),
    ):
        for axis in range(len(axes)):
            if axis not in taken:
                axes[axis], place = place, place + 1
    depths = tuple(lhs.dimensions[a] for a, _ in contracting)
    ways = [
        _Sides(rhs, lhs, tuple(right), tuple(left), depths),
        _Sides(lhs, rhs, tuple(left), tuple(right), depths),
    ]
    fitting = [way for way in ways if _may_stream(way, len(batch))]
    return max(fitting or ways, key=lambda way: way.streamed.size)


def _may_stream(sides: _Sides, batches: int) -> bool:
    """Whether neighbours of the streamed operand belong to neighbours of the result, whose others they do not touch."""
    return bool(sides.streamed.dimensions) and sides.streamed.dimensions[-1] > 1 and sides.streamed_axes[-1] >= batches


def _element(x: Value, axes: Sequence[int], index: Sequence[Any], depth: Sequence[Any]) -> Any:
    return x.at([index[axis] if axis >= 0 else depth[-1 - axis] for axis in axes])


def _columns(storage: Storage, node: ArrayNode, sides: _Sides, memory: Any) -> None:
    """Vectors along a dimension of the result; the last ones overlap those before instead of being cut off."""
    dtype, vector_axis = TVM_DTYPES[node.element_type], sides.streamed_axes[-1]
    width = node.dimensions[vector_axis]
    rows_axis = next((a for a in reversed(sides.other_axes) if a >= 0 and a not in sides.streamed_axes), None)
    height = node.dimensions[rows_axis] if rows_axis is not None else 1
    rows = min(TILE_ROWS, height)
    lanes = plans.lanes_of(dtype)
    while lanes > width:
        lanes //= 2
    vectors = max(1, min(TILE_VECTORS if rows > 1 else ROW_VECTORS, width // lanes))
    step = lanes * vectors
    outer = [1 if axis in (vector_axis, rows_axis) else size for axis, size in enumerate(node.dimensions)]
    for index in storage.indices([*outer, -(-height // rows), -(-width // step)]):
        *place, row_tile, column_tile = index
        first_row = tir.min(row_tile * rows, height - rows)
        first_column = tir.min(column_tile * step, width - step)
        _tile(storage, node, sides, memory, place, (rows_axis, first_row, rows), (first_column, lanes, vectors))


def _tile(
    storage: Storage,
    node: ArrayNode,
    sides: _Sides,
    memory: Any,
    place: list[Any],
    row_part: tuple[int | None, Any, int],
    column_part: tuple[Any, int, int],
) -> None:
    """All sums of one tile."""
    loops, dtype = storage.loops, TVM_DTYPES[node.element_type]
    rows_axis, first_row, rows = row_part
    first, lanes, vectors = column_part
    sums = [[loops.scratch(lanes, dtype, "sum") for _ in range(vectors)] for _ in range(rows)]

    def at(row: int, column: Any) -> list[Any]:
        index = list(place)
        index[sides.streamed_axes[-1]] = column
        if rows_axis is not None:
            index[rows_axis] = first_row + row
        return index

    for each in (each for row in sums for each in row):
        with loops.vector(lanes) as lane:
            each[lane] = tir.const(0, dtype)
    for depth in storage.indices(sides.depths):
        factors = [
            loops.values([_element(sides.other, sides.other_axes, at(row, first), depth)], "factor")[0]
            for row in range(rows)
        ]
        for number in range(vectors):
            for factor, row_sums in zip(factors, sums):
                with loops.vector(lanes) as lane:
                    column = first + number * lanes + lane
                    element = _element(sides.streamed, sides.streamed_axes, at(0, column), depth)
                    row_sums[number][lane] = _plus_product(row_sums[number][lane], factor, element, node.element_type)
    for row, row_sums in enumerate(sums):
        for number, each in enumerate(row_sums):
            with loops.vector(lanes) as lane:
                memory.store(ravel(at(row, first + number * lanes + lane), node.dimensions), each[lane])


def _rows(storage: Storage, node: ArrayNode, sides: _Sides, memory: Any) -> None:
    """Sums of the lanes along the last contracting dimension of the streamed operand, then of those."""
    loops, dtype = storage.loops, TVM_DTYPES[node.element_type]
    number = -1 - sides.streamed_axes[-1] if sides.streamed_axes else -1  # below 0 where that is a batch
    depths = list(sides.depths)
    lanes = plans.lanes_of(dtype) if number >= 0 else 1
    while number >= 0 and lanes > depths[number]:
        lanes //= 2
    whole = depths[number] // lanes if number >= 0 else 1
    for index in storage.indices(node.dimensions):
        sums = loops.scratch(lanes, dtype, "sum")
        total = loops.scratch(1, dtype, "total")

        def factors(depth: Sequence[Any], index: list[Any] = index) -> tuple[Any, Any]:
            return (
                _element(sides.other, sides.other_axes, index, depth),
                _element(sides.streamed, sides.streamed_axes, index, depth),
            )

        with loops.vector(lanes) as lane:
            sums[lane] = tir.const(0, dtype)
        counts = [whole if axis == number else size for axis, size in enumerate(depths)]
        for depth in storage.indices(counts):
            with loops.vector(lanes) as lane:
                at = [k * lanes + lane if axis == number else k for axis, k in enumerate(depth)]
                sums[lane] = _plus_product(sums[lane], *factors(at), node.element_type)
        total[0] = tir.const(0, dtype)
        with loops.loop(lanes, "lane") as lane:
            total[0] = _plus(total[0], sums[lane], node.element_type)
        rest = depths[number] - whole * lanes if number >= 0 else 0
        if rest:
            for depth in storage.indices([rest if axis == number else size for axis, size in enumerate(depths)]):
                at = [k + whole * lanes if axis == number else k for axis, k in enumerate(depth)]
                total[0] = _plus_product(total[0], *factors(at), node.element_type)
        memory.store(ravel(index, node.dimensions), total[0])


def _plus_product(total: Any, x: Any, y: Any, element_type: str) -> Any:
    if dtype_of(total).startswith("float"):
        return total + x * y
    product = evaluate(elementwise_expression("multiply", element_type, (element_type,) * 2), [x, y])[0]
    return _plus(total, product, element_type)


def _plus(total: Any, x: Any, element_type: str) -> Any:
    if dtype_of(total).startswith("float"):
        return total + x
    return evaluate(elementwise_expression("add", element_type, (element_type,) * 2), [total, x])[0]
