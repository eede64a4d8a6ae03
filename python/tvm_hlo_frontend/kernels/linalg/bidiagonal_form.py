"""Real bidiagonal form of square matrices by Householder reflectors from both sides."""

from __future__ import annotations

from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import LaneSums, choose_tile, for_row
from .qr import set_identity
from .reflectors import Reflectors


class BidiagonalForm:
    """A = Q B P^H with a real upper bidiagonal B (LAPACK gebd2); A is in `work`, with columns up to a whole tile."""

    def __init__(self, loops: Loops, work: Matrix, n: int, parallel: bool) -> None:
        self.loops, self.work, self.n, self.parallel = loops, work, n, parallel
        dtype, parts = work.dtype, work.parts
        self.tile = choose_tile(n, dtype, parts)
        self.reflectors = Reflectors(loops, dtype, parts, self.tile, n, parallel)
        self.columns = self.reflectors.columns
        self.d, self.e = (num.scratch_vector(loops, n, dtype, 1, name) for name in ("diagonal", "beside"))
        self.left, self.right = (
            num.scratch_matrix(loops, n, self.columns, dtype, parts, name) for name in ("left", "right")
        )
        self.left_taus, self.right_taus = (num.scratch_vector(loops, n, dtype, parts, "taus") for _ in range(2))
        self.product = num.scratch_vector(loops, self.columns, dtype, parts, "product")

    def reduce(self) -> None:
        """B in d and e; reflector k of Q in row k of `left`, its 1 in column k; of P in `right`, in column k + 1."""
        loops, n = self.loops, self.n
        with loops.loop(n, "step") as k:
            with loops.loop(self.columns, "column") as j:
                self.left[k, j] = self.left.zero()
            with loops.loop(n - k, "row") as row:
                self.left[k, k + row] = self.work[k + row, k]
            beta, tau = self.reflectors.make(self.left, lambda i: (k, i), k, n)
            self.d[k] = (beta,)
            self.left_taus[k] = tau
            self.left[k, k] = self.left.one()
            self.e[k] = self.e.zero()
            with loops.when(k < n - 1):
                self._right(k, num.conjugate(tau))

    def _right(self, k: Any, tau: tuple) -> None:
        """H^H from the left on all behind column k, then the reflector of row k from the right, row by row."""
        loops, work, p, lanes = self.loops, self.work, self.product, self.tile.lanes
        self._row_product(k, tau)
        zero = tir.const(0, work.dtype)
        with loops.loop(self.columns, "column") as j:
            row = num.conjugate(num.subtract(work[k, j], p[j]))
            self.right[k, j] = tuple(tir.if_then_else(j > k, part, zero) for part in row)
        beta, turn = self.reflectors.make(self.right, lambda i: (k, i), k + 1, self.n)
        self.e[k] = (beta,)
        self.right_taus[k] = turn
        self.right[k, k + 1] = self.right.one()
        with loops.loop(self.n - 1 - k, "row", self.parallel) as step:
            i = k + 1 + step
            v = self.left.load(loops, k, i)
            sums = LaneSums(loops, work.parts, lanes, work.dtype)
            for_row(
                loops, k + 1, self.n, lanes,
                lambda j: work.store(loops, [i, j], num.subtract(work[i, j], num.multiply(v, p[j]))),
            )  # fmt: skip
            total = sums.over(k + 1, self.n, lambda j: list(num.multiply(work[i, j], self.right[k, j])))
            factor = tuple(loops.values(num.multiply(turn, tuple(total)), "factor"))

            def subtract(j: Any) -> None:
                change = num.multiply(factor, num.conjugate(self.right[k, j]))
                work.store(loops, [i, j], num.subtract(work[i, j], change))

            for_row(loops, k + 1, self.n, lanes, subtract)

    def _row_product(self, k: Any, tau: tuple) -> None:
        """tau v^H A in `product`, for all columns of the tiles behind column k."""
        loops, work, width, lanes = self.loops, self.work, self.tile.columns, self.tile.lanes
        start = tir.indexdiv(k, width)
        with loops.loop(self.columns // width - start, "tile", self.parallel) as tile:
            offset = (start + tile) * width
            sums = [num.scratch_vector(loops, lanes, work.dtype, work.parts, "sum") for _ in range(self.tile.vectors)]
            for total in sums:
                with loops.vector(lanes) as lane:
                    total[lane] = total.zero()
            with loops.loop(self.n - k, "row") as step:
                factor = tuple(loops.values(num.conjugate(self.left[k, k + step]), "factor"))
                for v, total in enumerate(sums):
                    with loops.vector(lanes) as lane:
                        element = work[k + step, offset + v * lanes + lane]
                        total[lane] = num.add(total[lane], num.multiply(factor, element))
            for v, total in enumerate(sums):
                with loops.vector(lanes) as lane:
                    self.product[offset + v * lanes + lane] = num.multiply(tau, total[lane])

    def columns_in_rows(self, target: Matrix, vectors: Matrix, taus: Matrix, count: int, behind: int) -> None:
        """The columns of the product of reflectors in the rows of `target`; `work` is overwritten."""
        loops, n, z = self.loops, self.n, self.work
        set_identity(loops, z, n, self.columns)
        if count:
            self.reflectors.apply_product(
                z, lambda k, i: vectors[k, i], taus, count, lambda k: k + behind, n, from_identity=True
            )
        with loops.loop(n, "row") as i:
            with loops.loop(n, "column") as j:
                target[j, i] = z[i, j]
            with loops.loop(self.columns - n, "column") as j:
                target[i, n + j] = target.zero()
