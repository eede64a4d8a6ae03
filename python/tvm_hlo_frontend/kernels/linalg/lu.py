"""LU factorisation with partial pivoting: panels by columns, everything right of them in register tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix, Number
from ...tensor_ir.tiles import TILE_ROWS, Sums, choose_tile, for_row, is_parallel, minus_product, round_up
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

PANEL = 32


@table.kernel("lu", "extern")
def lu(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """a[B, m, n] -> factors, pivots[B, min(m, n)], info[B], permutation[B, m] (LAPACK getrf).

    The pivot is the first element of greatest |re| + |im| (LAPACK i?amax). ``info`` is the 1-based column of the
    first pivot that is zero, or 0. ``permutation`` are the rows of a in the order of the factors. Parameter
    ``one_based``: whether pivots count from 1 (LAPACK) or 0 (XLA's LuDecomposition).
    """
    plan = _Plan(spec, inputs, results)
    return extern(inputs, results, plan.generate, "hlo_lu")


class _Plan:
    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Sequence[Any]) -> None:
        self.base = 1 if spec.parameters["one_based"] else 0
        self.parts, self.dtype = len(inputs), results[0][1]
        self.batch, self.m, self.n = extents(results[0][0])
        self.k = min(self.m, self.n)
        self.panel = min(PANEL, round_up(self.k, TILE_ROWS))
        self.tile = choose_tile(self.n, self.dtype, self.parts)
        # tiles begin behind a panel, so the last one may reach so far
        self.columns = round_up(self.n, self.panel) + round_up(self.tile.columns, self.panel)
        self.rows = round_up(self.m, self.panel)
        work = self.m * self.n * self.k * self.parts * self.parts
        self.over_batch, self.inside = is_parallel(self.batch, work)

    def generate(self, loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        parts = self.parts
        with loops.loop(self.batch, "batch", self.over_batch) as b:
            work = num.scratch_matrix(loops, self.rows, self.columns, self.dtype, parts)
            a, out = num.batch_matrix(ins, b, self.dtype), num.batch_matrix(outs[:parts], b, self.dtype)
            with loops.loop(self.rows, "row") as i:
                with loops.loop(self.columns, "column") as j:
                    with loops.when(tir.all(i < self.m, j < self.n)):
                        work[i, j] = a[i, j]
                    with loops.otherwise():
                        work[i, j] = work.zero()
            pivots, _, order = (num.batch_matrix([array], b, "int32") for array in outs[parts:])
            _Factorization(loops, self, work, pivots, Matrix([outs[parts + 1]], lambda _: [b], "int32"), order).run()
            num.copy_matrix(loops, out, work, self.m, self.n)


class _Factorization:
    """One matrix, in place; right of a panel only when the panel is done."""

    def __init__(self, loops: Loops, plan: _Plan, work: Matrix, pivots: Matrix, info: Matrix, order: Matrix) -> None:
        self.loops, self.plan, self.work = loops, plan, work
        self.pivots, self.info, self.order = pivots, info, order
        self.best = loops.scratch(1, work.dtype, "best")
        self.chosen = loops.scratch(1, "int32", "chosen")
        self.mask = loops.scratch(plan.panel, "int32", "mask")

    def run(self) -> None:
        loops, plan = self.loops, self.plan
        self.info[0] = (0,)
        with loops.loop(plan.m, "row") as i:
            self.order[i] = (i,)
        with loops.loop(-(-plan.k // plan.panel), "panel") as panel:
            begin = panel * plan.panel
            with loops.loop(plan.panel, "step") as step:
                with loops.when(begin + step < plan.k):
                    self._column(begin, begin + step)
            if plan.n > plan.panel:
                self._right(begin)

    def _column(self, begin: Any, column: Any) -> None:
        """Pivot of one column, and its multiples subtracted within the panel."""
        loops, work, plan = self.loops, self.work, self.plan
        self._search(column)
        (chosen,) = loops.values([self.chosen[0]], "pivot")
        self.pivots[column] = (chosen + plan.base,)
        pivot = work.load(loops, chosen, column)
        with loops.loop(plan.panel, "place") as place:
            self.mask[place] = tir.Select(begin + place > column, tir.const(1, "int32"), tir.const(0, "int32"))
        with loops.when(tir.any(*(part != tir.const(0, work.dtype) for part in pivot))):
            with loops.when(chosen != column):
                self._swap(column, chosen)
            with loops.loop(plan.m - 1 - column, "below") as below:
                self._eliminate(begin, column, column + 1 + below, pivot)
        with loops.otherwise():
            with loops.when(self.info[0][0] == 0):
                self.info[0] = (column + 1,)
            with loops.loop(plan.m - 1 - column, "below") as below:
                self._eliminate(begin, column, column + 1 + below, None)

    def _search(self, column: Any) -> None:
        loops, work = self.loops, self.work

        def size_of(i: Any) -> Any:
            return sum((num.magnitude(part) for part in work[i, column][1:]), num.magnitude(work[i, column][0]))

        self.best[0] = size_of(column)
        self.chosen[0] = column
        with loops.loop(self.plan.m - 1 - column, "below") as below:
            i = column + 1 + below
            (size,) = loops.values([size_of(i)], "size")
            with loops.when(size > self.best[0]):
                self.best[0] = size
                self.chosen[0] = i

    def _swap(self, i: Any, k: Any) -> None:
        loops, work = self.loops, self.work
        lanes = self.plan.tile.lanes

        def swap(j: Any) -> None:
            upper, lower = work.load(loops, i, j), work.load(loops, k, j)
            work[i, j] = lower
            work[k, j] = upper

        for_row(loops, 0, round_up(self.plan.n, lanes), lanes, swap)
        upper, lower = self.order.load(loops, i), self.order.load(loops, k)
        self.order[i] = lower
        self.order[k] = upper

    def _eliminate(self, begin: Any, column: Any, i: Any, pivot: Number | None) -> None:
        """Multiple of row `column` subtracted from row `i`; a pivot of zero has only zeros below."""
        loops, work = self.loops, self.work
        factor = work.load(loops, i, column)
        if pivot is not None:
            factor = tuple(loops.values(num.divide(loops, factor, pivot), "factor"))

        def update(j: Any) -> None:
            old = work[i, j]
            new = minus_product(old, factor, work[column, j])
            # a mask in memory: TVM 0.17 mistakes `j > column` for whole vectors where column has known divisors
            is_right = self.mask[j - begin] != 0
            work.store(loops, [i, j], tuple(tir.Select(is_right, after, before) for after, before in zip(new, old)))

        lanes = min(self.plan.tile.lanes, self.plan.panel)
        for_row(loops, begin, begin + self.plan.panel, lanes, update)
        work[i, column] = factor

    def _right(self, begin: Any) -> None:
        """What is right of a panel: rows of U, then the product of both subtracted from the rest."""
        loops, plan, work = self.loops, self.plan, self.work
        edge, width = begin + plan.panel, plan.tile.columns
        tiles = tir.max(0, tir.indexdiv(plan.n - edge + width - 1, width))
        with loops.loop(tiles, "tile", plan.inside) as tile:
            sums = Sums(loops, plan.tile, work.dtype, work.parts)
            with loops.loop(plan.panel // TILE_ROWS, "rows") as rows:
                i, j = begin + rows * TILE_ROWS, edge + tile * width
                sums.load(work, i, j)
                sums.subtract(lambda row, k: work[row, k], work, i, j, begin, i)
                sums.solve(lambda row, k: work[row, k], i, divide=False)
                sums.store(work, i, j)
        below = tir.max(0, tir.indexdiv(plan.m - edge + TILE_ROWS - 1, TILE_ROWS))
        with loops.loop(below, "rows", plan.inside) as rows:
            sums = Sums(loops, plan.tile, work.dtype, work.parts)
            with loops.loop(tiles, "tile") as tile:
                i, j = edge + rows * TILE_ROWS, edge + tile * width
                sums.load(work, i, j)
                sums.subtract(lambda row, k: work[row, k], work, i, j, begin, edge)
                sums.store(work, i, j)
