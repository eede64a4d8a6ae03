"""Singular values and vectors by one-sided Jacobi rotations behind a QR factorisation (Demmel, Veselic; Drmac)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix, Number
from ...tensor_ir.tiles import choose_tile, is_parallel, round_up
from ..spec import KernelSpec
from ..table import KernelTable
from .jacobi import OneSidedJacobi, complete_rows
from .qr import factor, multiply
from .scaling import Scaling

table = KernelTable()


@table.kernel("svd", "extern")
def svd(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """a[B, m, n] -> descending singular values, u, vt, info[B] (LAPACK gesdd); u and vt only with ``compute_uv``.

    Whether u and vt are square or have min(m, n) columns and rows is in their shapes. info is 0, or 1 where the
    matrix holds NaN or infinity or the iteration did not end; everything is NaN then.
    """
    plan = _Plan(spec, inputs, results)
    return extern(inputs, results, plan.generate, "hlo_svd")


class _Plan:
    """The tall case; a wide matrix is the conjugate transpose of a tall one, with u and v in each other's place."""

    def __init__(self, spec: KernelSpec, inputs: Sequence[Any], results: Sequence[Any]) -> None:
        self.parts, self.dtype = len(inputs), results[0][1]
        self.batch, rows, columns = extents(inputs[0].shape)
        self.wide = rows < columns
        self.m, self.n = (columns, rows) if self.wide else (rows, columns)
        self.with_vectors = bool(spec.parameters["compute_uv"])
        shape = extents(results[1 + (self.parts if self.wide else 0)][0]) if self.with_vectors else (0, 0, 0)
        self.u_columns = shape[1] if self.wide else shape[2]
        self.tile = choose_tile(self.n, self.dtype, self.parts)
        work = self.n * self.n * (self.m + 16 * self.n) * self.parts * self.parts
        self.over_batch, self.inside = is_parallel(self.batch, work)

    def generate(self, loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(self.batch, "batch", self.over_batch) as b:
            a = num.batch_matrix(ins, b, self.dtype)
            values, info = num.batch_matrix(outs[:1], b, self.dtype), Matrix([outs[-1]], lambda _: [b], "int32")
            scaling = Scaling(loops, self.dtype)
            work = self._load(loops, a, scaling)
            taus = num.scratch_vector(loops, self.n, self.dtype, self.parts, "taus")
            factor(loops, work, taus, self.m, self.n, self.tile)
            jacobi = self._jacobi(loops, work, scaling)
            jacobi.run()
            jacobi.sort()
            info[0] = (scaling.failed[0],)
            with loops.loop(self.n, "value") as i:
                nan = tir.const(float("nan"), self.dtype)
                sigma = jacobi.values[i][0] * scaling.inverse
                values[i] = (tir.if_then_else(scaling.failed[0] != 0, nan, sigma),)
            if self.with_vectors:
                first = num.batch_matrix(outs[1 : 1 + self.parts], b, self.dtype)
                second = num.batch_matrix(outs[1 + self.parts : 1 + 2 * self.parts], b, self.dtype)
                self._vectors(loops, work, taus, jacobi, first, second, scaling)

    def _load(self, loops: Loops, a: Matrix, scaling: Scaling) -> Matrix:
        rows, columns = (self.n, self.m) if self.wide else (self.m, self.n)
        scaling.measure(a, rows, columns)
        padded = round_up(self.n, self.tile.columns)
        work = num.scratch_matrix(loops, self.m, padded, self.dtype, self.parts)
        with loops.loop(self.m, "row") as i:
            with loops.loop(padded, "column") as j:
                with loops.when(j < self.n):
                    element = num.conjugate(a[j, i]) if self.wide else a[i, j]
                    work[i, j] = num.scale(element, scaling.factor)
                with loops.otherwise():
                    work[i, j] = work.zero()
        return work

    def _jacobi(self, loops: Loops, work: Matrix, scaling: Scaling) -> OneSidedJacobi:
        """R^H = G, to be rotated: column i of G is the conjugate of row i of R, in row i."""
        jacobi = OneSidedJacobi(loops, self.n, self.dtype, self.parts, scaling.failed, self.with_vectors)
        with loops.loop(self.n, "row") as i:
            with loops.loop(jacobi.columns, "column") as j:
                with loops.when(tir.all(i <= j, j < self.n)):
                    jacobi.rows[i, j] = num.conjugate(work[i, j])
                with loops.otherwise():
                    jacobi.rows[i, j] = work.zero()
        return jacobi

    def _vectors(
        self, loops: Loops, work: Matrix, taus: Matrix, jacobi: OneSidedJacobi, first: Matrix, second: Matrix,
        scaling: Scaling,
    ) -> None:  # fmt: skip
        """A = Q R, R^H = G = W S V^H  =>  A = (Q V) S W^H: the left vectors are Q V, the right ones W."""
        complete_rows(loops, jacobi, scaling.failed)
        tile = choose_tile(self.u_columns, self.dtype, self.parts)
        padded = round_up(self.u_columns, tile.columns)
        left = num.scratch_matrix(loops, self.m, padded, self.dtype, self.parts, "left")
        one, zero = tir.const(1, self.dtype), tir.const(0, self.dtype)
        with loops.loop(self.m, "row") as i:
            with loops.loop(padded, "column") as j:
                with loops.when(tir.all(i < self.n, j < self.n)):
                    left[i, j] = jacobi.rotations[jacobi.order[j], i]
                with loops.otherwise():
                    left[i, j] = num.real_number(tir.Select(i == j, one, zero), self.parts)
        multiply(loops, work, taus, left, self.n, self.m, self.u_columns, tile, self.inside, first=0)
        self._store(loops, left, jacobi, first, second, scaling)

    def _store(
        self, loops: Loops, left: Matrix, jacobi: OneSidedJacobi, first: Matrix, second: Matrix, scaling: Scaling
    ) -> None:
        def kept(value: Number) -> Number:
            nan = tir.const(float("nan"), self.dtype)
            return tuple(tir.if_then_else(scaling.failed[0] != 0, nan, part) for part in value)

        # tall: u = left, vt = conj(right)^T. wide, A^H = left S right^H: u = right, vt = left^H
        with loops.loop(self.m, "row") as i:
            with loops.loop(self.u_columns, "column") as j:
                if self.wide:
                    second[j, i] = kept(num.conjugate(left[i, j]))
                else:
                    first[i, j] = kept(left[i, j])
        with loops.loop(self.n, "vector") as i:
            with loops.loop(self.n, "element") as k:
                right = jacobi.rows[jacobi.order[i], k]
                if self.wide:
                    first[k, i] = kept(right)
                else:
                    second[i, k] = kept(num.conjugate(right))
