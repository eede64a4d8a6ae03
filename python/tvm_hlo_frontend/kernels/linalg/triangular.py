"""Triangular solve: columns of the right-hand side in register tiles, against a triangle packed by rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern, quotient_up, several
from ...tensor_ir.numbers import Matrix, Number
from ...tensor_ir.tiles import TILE_ROWS, Sums, Tile, choose_tile, is_parallel, round_up
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

# for which the tile of a right-hand side with an unknown number of columns is chosen
UNKNOWN_COLUMNS = 64


@table.kernel("triangular_solve", "extern")
def triangular_solve(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """x with op(a) x = b, or x op(a) = b (XLA operation semantics: TriangularSolve; rule 74).

    a[B, n, n] and b[B, n, m] (``left_side``) or b[B, m, n], each one tensor per part. Parameters are XLA's own:
    ``left_side``, ``lower``, ``unit_diagonal``, ``transpose``. The other triangle of a is never read, nor is the
    diagonal with ``unit_diagonal``.
    """
    plan = _Plan(spec, inputs, results)
    return extern(inputs, results, plan.generate, "hlo_triangular_solve")


class _Plan:
    """Every case as forward substitution with a lower triangle, by reading a and b in another order."""

    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Sequence[Any]) -> None:
        parameters = spec.parameters
        self.left = bool(parameters["left_side"])
        self.unit = bool(parameters["unit_diagonal"])
        self.conjugated = parameters["transpose"] == "ADJOINT"
        # x op(a) = b is op(a)^T x^T = b^T
        self.transposed = (parameters["transpose"] != "NO_TRANSPOSE") == self.left
        self.reversed = bool(parameters["lower"]) == self.transposed
        self.parts, self.dtype = len(results), results[0][1]
        self.batch, rows, columns = extents(results[0][0])
        self.n, self.m = (rows, columns) if self.left else (columns, rows)
        self.size = round_up(self.n, TILE_ROWS)
        columns = self.m if isinstance(self.m, int) else UNKNOWN_COLUMNS
        self.tile = choose_tile(columns, self.dtype, self.parts)
        work = self.n * self.n * columns * self.parts * self.parts
        self.over_batch, self.inside = is_parallel(self.batch, work)

    def generate(self, loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(self.batch, "batch", self.over_batch) as b:
            a = num.batch_matrix(ins[: self.parts], b, self.dtype)
            right = num.batch_matrix(ins[self.parts :], b, self.dtype)
            triangle = self._pack(loops, a)
            tiles = quotient_up(self.m, self.tile.columns)
            with loops.loop(tiles, "tile", self.inside and several(tiles)) as position:
                self._solve(loops, triangle, right, num.batch_matrix(outs, b, self.dtype), position * self.tile.columns)

    def _element(self, a: Matrix, i: Any, k: Any) -> Number:
        if self.reversed:
            i, k = self.n - 1 - i, self.n - 1 - k
        return num.conjugate_if(a[k, i] if self.transposed else a[i, k], self.conjugated)

    def _pack(self, loops: Loops, a: Matrix) -> Matrix:
        """The triangle, TILE_ROWS rows side by side, in the order in which the products read it."""
        arrays = [loops.scratch(self.size * self.size, self.dtype, "triangle") for _ in range(self.parts)]

        def subscripts(i: Any, k: Any) -> Any:
            return tir.indexdiv(i, TILE_ROWS) * (TILE_ROWS * self.size) + k * TILE_ROWS + tir.indexmod(i, TILE_ROWS)

        triangle = Matrix(arrays, subscripts, self.dtype)
        with loops.loop(self.size // TILE_ROWS, "rows", self.inside) as rows:
            with loops.loop((rows + 1) * TILE_ROWS, "k") as k:
                for r in range(TILE_ROWS):
                    i = rows * TILE_ROWS + r
                    is_read = tir.all(i < self.n, k < i if self.unit else k <= i)
                    with loops.when(is_read):
                        triangle[i, k] = self._element(a, i, k)
                    with loops.otherwise():
                        one, zero = tir.const(1, self.dtype), tir.const(0, self.dtype)
                        triangle[i, k] = num.real_number(tir.Select(i == k, one, zero), self.parts)
        return triangle

    def _solve(self, loops: Loops, triangle: Matrix, right: Matrix, out: Matrix, begin: Any) -> None:
        """One tile of columns, from `begin` on."""
        width = self.tile.columns
        x = num.scratch_matrix(loops, self.size, width, self.dtype, self.parts)
        self._copy_in(loops, right, x, begin)
        sums = Sums(loops, Tile(self.tile.lanes, self.tile.vectors), self.dtype, self.parts)
        with loops.loop(self.size // TILE_ROWS, "rows") as rows:
            i = rows * TILE_ROWS
            sums.load(x, i, 0)
            sums.subtract(lambda row, k: triangle[row, k], x, i, 0, 0, i)
            sums.solve(lambda row, k: triangle[row, k], i, divide=not self.unit)
            sums.store(x, i, 0)
        with loops.loop(self.n, "row") as i:
            with loops.loop(width, "column") as j:
                with loops.when(begin + j < self.m):
                    out[self._place(i, begin + j)] = x[i, j]

    def _copy_in(self, loops: Loops, right: Matrix, x: Matrix, begin: Any) -> None:
        with loops.loop(self.size, "row") as i:
            with loops.loop(self.tile.columns, "column") as j:
                with loops.when(tir.all(i < self.n, begin + j < self.m)):
                    x[i, j] = right[self._place(i, begin + j)]
                with loops.otherwise():
                    x[i, j] = x.zero()

    def _place(self, i: Any, j: Any) -> tuple[Any, Any]:
        """Where row i and column j of the canonical problem are."""
        i = self.n - 1 - i if self.reversed else i
        return (i, j) if self.left else (j, i)
