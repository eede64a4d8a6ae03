"""dot, on one thread: tiles of sums in registers along whichever dimension is contiguous."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.array_program import ArrayNode
from ...analysis.scalar_expression import elementwise_expression
from ...tensor_ir.compat import dtype_of, tir
from .. import plans
from ..dtypes import TVM_DTYPES
from ..elementwise.scalar.evaluate import evaluate
from .value import Memory, Storage, Value, ravel

# sums of one tile: rows that share what is loaded of the vectors, vectors of a row
TILE_ROWS, TILE_VECTORS = 8, 2
ROW_VECTORS = 4
# results of one tile where vectors lie along the sums: rows, columns, columns of a single row
SUM_ROWS, SUM_COLUMNS, SUM_COLUMNS_OF_ROW = 4, 4, 8
# tiles of rows that pay for putting the elements that they share side by side, and elements that may be
PACKED_TILES, PACKED_ELEMENTS = 2, 1 << 18


# the element at an index along the sums and a number of a column
Streamed = Callable[[Sequence[Any], Any], Any]


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
    elif sides.streamed_axes and sides.streamed_axes[-1] < 0 and sides.depths[-1 - sides.streamed_axes[-1]] > 1:
        _rows(storage, node, sides, memory)
    else:
        _one_by_one(storage, node, sides, memory)
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


def _own_axis(axes: Sequence[int], others: Sequence[int]) -> int | None:
    """The last dimension of the result that belongs to one operand alone."""
    return next((axis for axis in reversed(axes) if axis >= 0 and axis not in others), None)


def _work(node: ArrayNode, sides: _Sides) -> int:
    return math.prod(node.dimensions) * math.prod(sides.depths)


@dataclass(frozen=True)
class _Part:
    """A part of one dimension of the result; of none if it has no such dimension."""

    axis: int | None
    first: Any
    size: int


def _parts(node: ArrayNode, axis: int | None, limit: int) -> tuple[int, int]:
    """Size of the parts of a dimension, and how many there are; the last one overlaps the one before."""
    size = node.dimensions[axis] if axis is not None else 1
    part = min(limit, size)
    return part, -(-size // part)


def _part(node: ArrayNode, axis: int | None, size: int, number: Any) -> _Part:
    whole = node.dimensions[axis] if axis is not None else 1
    return _Part(axis, tir.min(number * size, whole - size), size)


def _at(place: Sequence[Any], *positions: tuple[_Part, Any]) -> list[Any]:
    """Index of a result: at `place`, but for positions in parts of dimensions."""
    index = list(place)
    for part, position in positions:
        if part.axis is not None:
            index[part.axis] = part.first + position
    return index


def _columns(storage: Storage, node: ArrayNode, sides: _Sides, memory: Memory) -> None:
    """Vectors along a dimension of the result."""
    vector_axis = sides.streamed_axes[-1]
    rows_axis = _own_axis(sides.other_axes, sides.streamed_axes)
    rows, row_tiles = _parts(node, rows_axis, TILE_ROWS)
    width, lanes = node.dimensions[vector_axis], plans.lanes_of(TVM_DTYPES[node.element_type])
    while lanes > width:
        lanes //= 2
    vectors = max(1, min(TILE_VECTORS if rows > 1 else ROW_VECTORS, width // lanes))
    step, column_tiles = _parts(node, vector_axis, lanes * vectors)
    outer = [1 if axis in (vector_axis, rows_axis) else size for axis, size in enumerate(node.dimensions)]
    pieces = min(row_tiles, -(-plans.WANTED_PIECES // (math.prod(outer) * column_tiles)))
    tiles = -(-row_tiles // pieces)
    packs = tiles >= PACKED_TILES and math.prod(sides.depths) * step <= PACKED_ELEMENTS
    for *place, column_tile, piece in storage.tasks([*outer, column_tiles, pieces], _work(node, sides)):
        columns = _part(node, vector_axis, step, column_tile)

        streamed = _streamed(sides, place, columns)
        if packs:
            streamed = _packed(storage, node, sides, step, streamed)
        for (tile,) in storage.indices([tiles]):
            part = _part(node, rows_axis, rows, piece * tiles + tile)
            _tile(storage, node, sides, memory, (place, part, columns, lanes), streamed)


def _streamed(sides: _Sides, place: Sequence[Any], columns: _Part) -> Streamed:
    """The elements of some columns where they are."""
    return lambda depth, column: _element(sides.streamed, sides.streamed_axes, _at(place, (columns, column)), depth)


def _packed(storage: Storage, node: ArrayNode, sides: _Sides, step: int, streamed: Streamed) -> Streamed:
    """The elements of a tile's columns side by side."""
    panel = storage.loops.scratch(math.prod(sides.depths) * step, TVM_DTYPES[node.element_type], "panel")
    for depth in storage.indices(sides.depths):
        with storage.loops.vector(step) as column:
            panel[ravel(depth, sides.depths) * step + column] = streamed(depth, column)
    return lambda depth, column: panel[ravel(depth, sides.depths) * step + column]


def _tile(
    storage: Storage,
    node: ArrayNode,
    sides: _Sides,
    memory: Memory,
    where: tuple[list[Any], _Part, _Part, int],
    streamed: Streamed,
) -> None:
    """All sums of one tile."""
    loops, dtype = storage.loops, TVM_DTYPES[node.element_type]
    place, rows, columns, lanes = where
    vectors = columns.size // lanes
    sums = [[loops.scratch(lanes, dtype, "sum") for _ in range(vectors)] for _ in range(rows.size)]
    for each in (each for row in sums for each in row):
        with loops.vector(lanes) as lane:
            each[lane] = tir.const(0, dtype)
    for depth in storage.indices(sides.depths):
        factors = [
            loops.values([_element(sides.other, sides.other_axes, _at(place, (rows, row)), depth)], "factor")[0]
            for row in range(rows.size)
        ]
        for number in range(vectors):
            for factor, row_sums in zip(factors, sums):
                with loops.vector(lanes) as lane:
                    element = streamed(depth, number * lanes + lane)
                    row_sums[number][lane] = _plus_product(row_sums[number][lane], factor, element, node.element_type)
    for row, row_sums in enumerate(sums):
        for number, each in enumerate(row_sums):
            with loops.vector(lanes) as lane:
                index = _at(place, (rows, row), (columns, number * lanes + lane))
                memory.store(ravel(index, node.dimensions), each[lane])


def _rows(storage: Storage, node: ArrayNode, sides: _Sides, memory: Memory) -> None:
    """Vectors along the last contracting dimension of the streamed operand: sums of lanes, then of those."""
    number = -1 - sides.streamed_axes[-1]
    lanes = plans.lanes_of(TVM_DTYPES[node.element_type])
    while lanes > sides.depths[number]:
        lanes //= 2
    rows_axis = _own_axis(sides.other_axes, sides.streamed_axes)
    columns_axis = _own_axis(sides.streamed_axes, sides.other_axes)
    row_size, row_tiles = _parts(node, rows_axis, SUM_ROWS)
    column_size, column_tiles = _parts(node, columns_axis, SUM_COLUMNS if row_size > 1 else SUM_COLUMNS_OF_ROW)
    outer = [1 if axis in (rows_axis, columns_axis) else size for axis, size in enumerate(node.dimensions)]
    for *place, column_tile, row_tile in storage.tasks([*outer, column_tiles, row_tiles], _work(node, sides)):
        rows = _part(node, rows_axis, row_size, row_tile)
        columns = _part(node, columns_axis, column_size, column_tile)
        _sums_of_lanes(storage, node, sides, memory, (place, rows, columns, number, lanes))


def _sums_of_lanes(
    storage: Storage,
    node: ArrayNode,
    sides: _Sides,
    memory: Memory,
    where: tuple[list[Any], _Part, _Part, int, int],
) -> None:
    """All sums of one tile, whose lanes lie along contracting dimension `number`."""
    loops, dtype = storage.loops, TVM_DTYPES[node.element_type]
    place, rows, columns, number, lanes = where
    whole = sides.depths[number] // lanes
    sums = [loops.scratch(lanes, dtype, "sum") for _ in range(rows.size * columns.size)]
    for each in sums:
        with loops.vector(lanes) as lane:
            each[lane] = tir.const(0, dtype)

    def product(total: Any, index: Sequence[Any], depth: Sequence[Any]) -> Any:
        factor = _element(sides.other, sides.other_axes, index, depth)
        element = _element(sides.streamed, sides.streamed_axes, index, depth)
        return _plus_product(total, factor, element, node.element_type)

    for depth in storage.indices([whole if axis == number else size for axis, size in enumerate(sides.depths)]):
        for result, each in enumerate(sums):
            index = _at(place, (rows, result // columns.size), (columns, result % columns.size))
            with loops.vector(lanes) as lane:
                at = [k * lanes + lane if axis == number else k for axis, k in enumerate(depth)]
                each[lane] = product(each[lane], index, at)
    rest = sides.depths[number] - whole * lanes
    lined, total = loops.scratch(columns.size * lanes, dtype, "lined"), loops.scratch(1, dtype, "total")
    for row in range(rows.size):
        for column in range(columns.size):
            with loops.vector(lanes) as lane:
                lined[column * lanes + lane] = sums[row * columns.size + column][lane]
        for (column,) in storage.indices([columns.size]):
            index = _at(place, (rows, row), (columns, column))
            total[0] = tir.const(0, dtype)
            for (lane,) in storage.indices([lanes]):
                total[0] = _plus(total[0], lined[column * lanes + lane], node.element_type)
            left = [rest if axis == number else size for axis, size in enumerate(sides.depths)]
            for depth in storage.indices(left) if rest else ():
                total[0] = product(total[0], index, [k + whole * lanes * (a == number) for a, k in enumerate(depth)])
            memory.store(ravel(index, node.dimensions), total[0])


def _one_by_one(storage: Storage, node: ArrayNode, sides: _Sides, memory: Memory) -> None:
    """Every result on its own."""
    dtype = TVM_DTYPES[node.element_type]
    for index in storage.tasks(node.dimensions, _work(node, sides)):
        total = storage.loops.scratch(1, dtype, "total")
        total[0] = tir.const(0, dtype)
        for depth in storage.indices(sides.depths):
            factor = _element(sides.other, sides.other_axes, index, depth)
            element = _element(sides.streamed, sides.streamed_axes, index, depth)
            total[0] = _plus_product(total[0], factor, element, node.element_type)
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
