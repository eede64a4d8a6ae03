"""Singular values and vectors: QR factorisation of what is not square, bidiagonal form, implicit QR (Golub, Kahan)."""

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
from .bidiagonal_form import BidiagonalForm
from .bidiagonal_qr import BidiagonalQR
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
            square = work
            if self.m > self.n:
                factor(loops, work, taus, self.m, self.n, self.tile, self.inside)
                square = self._triangle(loops, work)
            form = BidiagonalForm(loops, square, self.n, self.inside)
            form.reduce()
            sides = self._sides(loops, form) if self.with_vectors else []
            BidiagonalQR(
                loops, form.d, form.e, sides, scaling.failed, self.n, form.columns, self.tile, self.inside
            ).run()  # fmt: skip
            order = self._sorted(loops, form.d)
            info[0] = (scaling.failed[0],)
            with loops.loop(self.n, "value") as i:
                nan = tir.const(float("nan"), self.dtype)
                sigma = num.magnitude(form.d[order[i]][0]) * scaling.inverse
                values[i] = (tir.if_then_else(scaling.failed[0] != 0, nan, sigma),)
            if self.with_vectors:
                first = num.batch_matrix(outs[1 : 1 + self.parts], b, self.dtype)
                second = num.batch_matrix(outs[1 + self.parts : 1 + 2 * self.parts], b, self.dtype)
                left = self._left(loops, work, taus, sides[0], order)
                self._store(loops, left, (sides[1], form.d, order), first, second, scaling)

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

    def _triangle(self, loops: Loops, work: Matrix) -> Matrix:
        """R alone."""
        padded = round_up(self.n, self.tile.columns)
        square = num.scratch_matrix(loops, self.n, padded, self.dtype, self.parts, "square")
        with loops.loop(self.n, "row") as i:
            with loops.loop(padded, "column") as j:
                with loops.when(i <= j):
                    square[i, j] = work[i, j]
                with loops.otherwise():
                    square[i, j] = square.zero()
        return square

    def _sides(self, loops: Loops, form: BidiagonalForm) -> list[Matrix]:
        """Columns of Q and of P, in rows."""
        left, right = (
            num.scratch_matrix(loops, self.n, form.columns, self.dtype, self.parts, name) for name in ("left", "right")
        )
        form.columns_in_rows(left, form.left, form.left_taus, self.n, 0)
        form.columns_in_rows(right, form.right, form.right_taus, self.n - 1, 1)
        return [left, right]

    def _sorted(self, loops: Loops, d: Matrix) -> Any:
        """Places of the singular values in descending order."""
        order, largest = loops.scratch(self.n, "int32", "order"), loops.scratch(1, "int32", "largest")
        with loops.loop(self.n, "place") as i:
            order[i] = i
        with loops.loop(self.n, "place") as i:
            largest[0] = i
            with loops.loop(self.n - 1 - i, "candidate") as step:
                j = i + 1 + step
                with loops.when(num.magnitude(d[order[j]][0]) > num.magnitude(d[order[largest[0]]][0])):
                    largest[0] = j
            chosen, other = loops.values([order[largest[0]], order[i]], "order")
            order[largest[0]] = other
            order[i] = chosen
        return order

    def _left(self, loops: Loops, work: Matrix, taus: Matrix, rows: Matrix, order: Any) -> Matrix:
        """Left vectors of the tall matrix: those of the square one, behind the reflectors that made it square."""
        tile = choose_tile(self.u_columns, self.dtype, self.parts)
        padded = round_up(self.u_columns, tile.columns)
        left = num.scratch_matrix(loops, self.m, padded, self.dtype, self.parts, "left")
        one, zero = tir.const(1, self.dtype), tir.const(0, self.dtype)
        with loops.loop(self.m, "row") as i:
            with loops.loop(padded, "column") as j:
                with loops.when(tir.all(i < self.n, j < self.n)):
                    left[i, j] = rows[order[j], i]
                with loops.otherwise():
                    left[i, j] = num.real_number(tir.Select(i == j, one, zero), self.parts)
        if self.m > self.n:
            multiply(loops, work, taus, left, self.n, self.m, self.u_columns, tile, self.inside, from_identity=False)
        return left

    def _store(
        self, loops: Loops, left: Matrix, right: tuple[Matrix, Matrix, Any], first: Matrix, second: Matrix,
        scaling: Scaling,
    ) -> None:  # fmt: skip
        """`right` are the right vectors in rows, values whose signs they take, and the order of both."""

        def kept(value: Number) -> Number:
            nan = tir.const(float("nan"), self.dtype)
            return tuple(tir.if_then_else(scaling.failed[0] != 0, nan, part) for part in value)

        rows, d, order = right
        one, zero = tir.const(1, self.dtype), tir.const(0, self.dtype)
        # tall: u = left, vt = conj(right)^T. wide, A^H = left S right^H: u = right, vt = left^H
        with loops.loop(self.m, "row") as i:
            with loops.loop(self.u_columns, "column") as j:
                if self.wide:
                    second[j, i] = kept(num.conjugate(left[i, j]))
                else:
                    first[i, j] = kept(left[i, j])
        with loops.loop(self.n, "vector") as i:
            with loops.loop(self.n, "element") as k:
                vector = num.scale(rows[order[i], k], tir.Select(d[order[i]][0] < zero, zero - one, one))
                if self.wide:
                    first[k, i] = kept(vector)
                else:
                    second[i, k] = kept(num.conjugate(vector))
