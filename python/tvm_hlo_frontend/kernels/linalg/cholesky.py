"""Cholesky factorisation, by rows of the upper factor in blocks whose products are register tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.primitives import is_nan
from ...tensor_ir.tiles import TILE_ROWS, Sums, Tile, choose_tile, for_row, is_parallel, minus_product, round_up
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()


@table.kernel("cholesky", "extern")
def cholesky(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """a[B, n, n] (one tensor per part) -> its factor, zeros in the other triangle (XLA: CholeskyExpander).

    Reads the triangle that ``lower`` names. A matrix that is not positive definite gives NaN everywhere, whatever the
    others of the batch are (rule 73). Imaginary parts of the diagonal are ignored, as LAPACK's potrf does.
    """
    batch, n, _ = extents(results[0][0])
    dtype, parts, lower = results[0][1], len(inputs), bool(spec.parameters["lower"])
    over_batch, inside = is_parallel(batch, n * n * n // 3 * parts * parts)
    tile = choose_tile(n, dtype, parts)
    size = round_up(n, max(tile.columns, TILE_ROWS))
    tile = Tile(tile.lanes, min(size, max(tile.columns, TILE_ROWS)) // tile.lanes)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            work = num.scratch_matrix(loops, size, size, dtype, parts)
            failed = loops.scratch(1, "int32", "failed")
            failed[0] = 0
            _load(loops, num.batch_matrix(ins, b, dtype), work, n, size, lower, inside)
            _Factorization(loops, work, tile, size, failed, inside).run()
            _store(loops, num.batch_matrix(outs, b, dtype), work, n, failed, lower, inside)

    return extern(inputs, results, generate, "hlo_cholesky")


def _load(loops: Loops, a: Matrix, work: Matrix, n: int, size: int, lower: bool, parallel: bool) -> None:
    """The triangle as an upper one, the identity in what fills up the blocks."""
    with loops.loop(size, "row", parallel) as i:
        with loops.loop(size, "column") as j:
            with loops.when(tir.all(i < n, i <= j, j < n)):
                work[i, j] = num.conjugate(a[j, i]) if lower else a[i, j]
            with loops.otherwise():
                work[i, j] = num.real_number(tir.Select(i == j, *_one_zero(work.dtype)), work.parts)


def _one_zero(dtype: str) -> tuple[Any, Any]:
    return tir.const(1, dtype), tir.const(0, dtype)


def _store(loops: Loops, out: Matrix, work: Matrix, n: int, failed: Any, lower: bool, parallel: bool) -> None:
    nan = tuple(tir.const(float("nan"), work.dtype) for _ in work.arrays)
    with loops.loop(n, "row", parallel) as i:
        with loops.loop(n, "column") as j:
            with loops.when(failed[0] != 0):
                out[i, j] = nan
            with loops.otherwise():
                with loops.when(i >= j if lower else i <= j):
                    out[i, j] = num.conjugate(work[j, i]) if lower else work[i, j]
                with loops.otherwise():
                    out[i, j] = work.zero()


class _Factorization:
    """A = U^H U in place: a block of rows at a time, first where it meets the diagonal, then the rest of it."""

    def __init__(self, loops: Loops, work: Matrix, tile: Tile, size: int, failed: Any, parallel: bool) -> None:
        self.loops, self.work, self.tile, self.size = loops, work, tile, size
        self.failed, self.parallel = failed, parallel

    def run(self) -> None:
        step = self.tile.columns
        blocks = self.size // step
        with self.loops.loop(blocks, "block") as block:
            begin = block * step
            self._diagonal(begin)
            with self.loops.loop(blocks - 1 - block, "tile", self.parallel) as other:
                self._rows(begin, begin + (other + 1) * step)

    def _transposed(self, i: Any, k: Any) -> Any:
        return num.conjugate(self.work[k, i])

    def _rows(self, begin: Any, j: Any) -> None:
        """Rows of a block right of the diagonal: a triangular solve with what is above and on the diagonal."""
        sums = Sums(self.loops, self.tile, self.work.dtype, self.work.parts)
        with self.loops.loop(self.tile.columns // TILE_ROWS, "rows") as rows:
            i = begin + rows * TILE_ROWS
            sums.load(self.work, i, j)
            sums.subtract(self._transposed, self.work, i, j, 0, i)
            sums.solve(self._transposed, i, divide=True)
            sums.store(self.work, i, j)

    def _diagonal(self, begin: Any) -> None:
        sums = Sums(self.loops, self.tile, self.work.dtype, self.work.parts)
        with self.loops.loop(self.tile.columns // TILE_ROWS, "rows") as rows:
            i = begin + rows * TILE_ROWS
            sums.load(self.work, i, begin)
            sums.subtract(self._transposed, self.work, i, begin, 0, i)
            sums.store(self.work, i, begin)
            for r in range(TILE_ROWS):
                self._pivot(i, r, begin)

    def _pivot(self, i: Any, r: int, begin: Any) -> None:
        """Row i + r, from the rows before it among the TILE_ROWS."""
        loops, work, row = self.loops, self.work, i + r
        end = begin + self.tile.columns
        for s in range(r):
            factor = tuple(loops.values(self._transposed(row, i + s), "factor"))

            def update(j: Any, factor: Any = factor, s: int = s) -> None:
                work[row, j] = minus_product(work[row, j], factor, work[i + s, j])

            for_row(loops, begin, end, self.tile.lanes, update)
        (pivot,) = loops.values([work[row, row][0]], "pivot")
        with loops.when(tir.any(pivot <= tir.const(0, work.dtype), is_nan(pivot))):
            self.failed[0] = 1
        (root,) = loops.values([tir.sqrt(pivot)], "root")

        def divide(j: Any) -> None:
            work[row, j] = tuple(part / root for part in work[row, j])

        for_row(loops, begin, end, self.tile.lanes, divide)
        work[row, row] = num.real_number(root, work.parts)
