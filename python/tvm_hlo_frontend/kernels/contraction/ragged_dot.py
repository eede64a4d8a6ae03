"""ragged-dot: a matrix product whose rows, or whose summed elements, are in groups of sizes known at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...tensor_ir.compat import tir
from ...tensor_ir.loops import PARALLEL_WORK, Loops, extern, static
from ...tensor_ir.tiles import MAX_TILE_VECTORS, TILE_ROWS, VECTOR_BITS
from ..spec import KernelSpec
from ..table import KernelTable
from .sums import convert_sum

table = KernelTable()

# rows of the result that one thread takes at a time: the columns of rhs that they need stay in the cache
BLOCK_ROWS = 64

Access = Callable[[Any, Any], Any]


@table.kernel("ragged_dot", "extern")
def ragged_dot(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Products of groups (rule 91; XLA's RaggedDotRewriter, JAX's ragged_dot_general; rule 48 for each product).

    Inputs are lhs, rhs and group sizes s64[P or 1, G]. Parameters:

    - ``ragged``: ``rows`` for lhs[P, R, K] . rhs[G, B, K, N] -> [P, R, N], where P is a multiple of B, group g of the
      rows meets rhs[g], and rows of no group are zero; ``depth`` for lhs[B, X, R, M] . rhs[B, X, R, N] -> [G, B, M, N],
      where P = B * X and result g sums over group g of every R;
    - ``inner``: rows that one element of a group stands for;
    - ``accumulator``: the dtype in which products are formed and summed.
    """
    problem = _Problem(spec, inputs, results)

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        lhs, rhs, sizes = ins
        bounds = _Bounds(loops, sizes, problem)
        for piece in problem.pieces:
            if problem.by_rows:
                _ragged_rows(loops, problem, piece, lhs, rhs, bounds, outs[0])
            else:
                _ragged_depth(loops, problem, piece, lhs, rhs, bounds, outs[0])

    return extern(inputs, results, generate, "hlo_ragged_dot")


@dataclass(frozen=True)
class _Piece:
    """Columns that are computed by the same code: `panels` tiles of `vectors` vectors of `lanes`, from `first` on."""

    first: int
    panels: int
    lanes: int
    vectors: int

    @property
    def width(self) -> int:
        return self.lanes * self.vectors


class _Problem:
    """Sizes, from the buffers."""

    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> None:
        self.accumulator, self.inner = spec.parameters["accumulator"], int(spec.parameters["inner"])
        self.by_rows = spec.parameters["ragged"] == "rows"
        lhs, rhs, (self.counts, self.groups) = (static(tensor.shape) for tensor in inputs)
        self.dtype, self.columns = results[0][1], rhs[-1]
        if self.by_rows:
            self.prefixes, self.extent, self.depth = lhs
            self.batch, self.rows, work = rhs[1], self.extent, self.extent * self.depth
        else:
            self.batch, self.outer, self.extent, self.rows = lhs
            self.prefixes, work = self.batch * self.outer, self.extent * self.rows
        self.is_parallel = self.prefixes * work * self.columns >= PARALLEL_WORK
        self.pieces = self._pieces()

    def _pieces(self) -> list[_Piece]:
        lanes = VECTOR_BITS // (64 if self.accumulator.endswith("64") else 32)
        width = lanes * MAX_TILE_VECTORS
        panels, rest = divmod(self.columns, width)
        vectors, single = divmod(rest, lanes)
        pieces = [
            _Piece(0, panels, lanes, MAX_TILE_VECTORS),
            _Piece(panels * width, 1 if vectors else 0, lanes, vectors),
            _Piece(self.columns - single, 1 if single else 0, single, 1),
        ]
        return [piece for piece in pieces if piece.panels]


def _ragged_rows(loops: Loops, problem: _Problem, piece: _Piece, lhs: Any, rhs: Any, bounds: _Bounds, out: Any) -> None:
    blocks = -(-problem.rows // BLOCK_ROWS)
    with loops.loop(problem.prefixes * piece.panels * blocks, "item", problem.is_parallel) as item:
        p, first, j = loops.values(
            [
                tir.indexdiv(item, blocks * piece.panels),
                tir.indexmod(item, blocks) * BLOCK_ROWS,
                piece.first + tir.indexmod(tir.indexdiv(item, blocks), piece.panels) * piece.width,
            ],
            "place",
        )
        last, b = loops.values(
            [tir.min(first + BLOCK_ROWS, problem.rows), tir.indexdiv(p, problem.prefixes // problem.batch)], "place"
        )
        with loops.loop(last - first, "row") as row:
            with loops.loop(piece.width, "column") as column:
                out[p, first + row, j + column] = convert_sum(tir.const(0, problem.accumulator), problem.dtype)
        with loops.loop(problem.groups, "group") as g:
            begin, end = loops.values([tir.max(bounds.begin(p, g), first), tir.min(bounds.end(p, g), last)], "bound")
            (tiles,) = loops.values([tir.indexdiv(tir.max(end - begin, 0), TILE_ROWS)], "tiles")
            for rows in (TILE_ROWS, 1):
                start = begin if rows > 1 else begin + tiles * TILE_ROWS
                with loops.loop(tiles if rows > 1 else tir.max(end - start, 0), "rows") as step:
                    (i,) = loops.values([start + step * rows], "row")
                    tile = _Tile(loops, problem, piece, rows)
                    # sizes below zero can give a row to several groups, whose products are summed
                    tile.start(lambda r, c: out[p, i + r, j + c])  # noqa: B023
                    tile.add(lambda r, k: lhs[p, i + r, k], lambda k, c: rhs[g, b, k, j + c], 0, problem.depth)  # noqa: B023
                    tile.store(lambda r, c: (p, i + r, j + c), out)  # noqa: B023


def _ragged_depth(
    loops: Loops, problem: _Problem, piece: _Piece, lhs: Any, rhs: Any, bounds: _Bounds, out: Any
) -> None:
    rows = min(TILE_ROWS, problem.rows)
    tiles = -(-problem.rows // rows)
    with loops.loop(problem.groups * problem.batch * piece.panels * tiles, "item", problem.is_parallel) as item:
        which = tir.indexdiv(item, tiles * piece.panels)
        g, b, i, j = loops.values(
            [
                tir.indexdiv(which, problem.batch),
                tir.indexmod(which, problem.batch),
                # the last tile overlaps the one before it
                tir.min(tir.indexmod(item, tiles) * rows, problem.rows - rows),
                piece.first + tir.indexmod(tir.indexdiv(item, tiles), piece.panels) * piece.width,
            ],
            "place",
        )
        tile = _Tile(loops, problem, piece, rows)
        tile.start(lambda r, c: tir.const(0, problem.accumulator))
        with loops.loop(problem.outer, "outer") as x:
            p = b * problem.outer + x
            begin, end = loops.values([bounds.begin(p, g), bounds.end(p, g)], "bound")
            tile.add(lambda r, k: lhs[b, x, k, i + r], lambda k, c: rhs[b, x, k, j + c], begin, tir.max(end, begin))
        tile.store(lambda r, c: (g, b, i + r, j + c), out)


class _Bounds:
    """Where every group begins and ends: within the operands, whatever the sizes are."""

    def __init__(self, loops: Loops, sizes: Any, problem: _Problem) -> None:
        self.groups, self.counts = problem.groups, problem.counts
        self.begins, self.ends = (loops.scratch(self.counts * self.groups, "int32", "bounds") for _ in range(2))
        total = loops.scratch(1, "int64", "total")

        def row(position: Any) -> Any:
            elements = tir.const(problem.extent // problem.inner, "int64")
            inside = tir.min(tir.max(position, tir.const(0, "int64")), elements)
            return inside.astype("int32") * problem.inner

        with loops.loop(self.counts, "prefix") as p:
            total[0] = tir.const(0, "int64")
            with loops.loop(self.groups, "group") as g:
                self.begins[p * self.groups + g] = row(total[0])
                total[0] = total[0] + sizes[p, g]
                self.ends[p * self.groups + g] = row(total[0])

    def begin(self, p: Any, g: Any) -> Any:
        return self.begins[self._place(p, g)]

    def end(self, p: Any, g: Any) -> Any:
        return self.ends[self._place(p, g)]

    def _place(self, p: Any, g: Any) -> Any:
        return g if self.counts == 1 else p * self.groups + g


class _Tile:
    """Sums of one register tile of `rows` rows."""

    def __init__(self, loops: Loops, problem: _Problem, piece: _Piece, rows: int) -> None:
        self.loops, self.piece, self.kind, self.dtype = loops, piece, problem.accumulator, problem.dtype
        self.sums = [[loops.scratch(piece.lanes, self.kind, "sum") for _ in range(piece.vectors)] for _ in range(rows)]

    def start(self, value: Access) -> None:
        """Begin with ``value(row, column)``."""
        for r, row in enumerate(self.sums):
            for v, sums in enumerate(row):
                with self.loops.vector(self.piece.lanes) as lane:
                    sums[lane] = value(r, v * self.piece.lanes + lane).astype(self.kind)

    def add(self, left: Access, right: Access, begin: Any, end: Any) -> None:
        """Plus the sum of left(row, k) * right(k, column) over k from `begin` to `end`."""
        with self.loops.loop(end - begin, "k") as step:
            k = begin + step
            factors = self.loops.values([left(r, k).astype(self.kind) for r in range(len(self.sums))], "factor")
            for v in range(self.piece.vectors):
                for factor, row in zip(factors, self.sums):
                    with self.loops.vector(self.piece.lanes) as lane:
                        element = right(k, v * self.piece.lanes + lane).astype(self.kind)
                        row[v][lane] = row[v][lane] + factor * element

    def store(self, place: Callable[[int, Any], tuple[Any, ...]], out: Any) -> None:
        """``out[place(row, column)]`` becomes the sum."""
        for r, row in enumerate(self.sums):
            for v, sums in enumerate(row):
                with self.loops.vector(self.piece.lanes) as lane:
                    out[place(r, v * self.piece.lanes + lane)] = convert_sum(sums[lane], self.dtype)
