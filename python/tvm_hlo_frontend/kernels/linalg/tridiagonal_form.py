"""Tridiagonal form of symmetric and Hermitian matrices by Householder reflectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import LaneSums, choose_tile, for_row, is_parallel, round_up
from ..spec import KernelSpec
from ..table import KernelTable
from .qr import set_identity
from .reflectors import Reflectors

table = KernelTable()


@table.kernel("tridiagonal_form", "extern")
def tridiagonal_form(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """a[B, n, n] -> packed, diagonal[B, n], beside[B, n - 1], taus[B, n - 1] for n > 1 (LAPACK sytrd, hetrd).

    Reads the triangle that ``lower`` names. `packed` holds T and the reflectors in that triangle and `a` in the other.
    """
    parts, dtype, lower = len(inputs), results[0][1], bool(spec.parameters["lower"])
    batch, n, _ = extents(results[0][0])
    over_batch, inside = is_parallel(batch, 2 * n * n * n * parts * parts)
    columns = round_up(n, choose_tile(n, dtype, parts).columns)

    def place(i: Any) -> Any:
        # the upper form is the lower one of the matrix with rows and columns in reverse
        return i if lower else n - 1 - i

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            a, packed = num.batch_matrix(ins, b, dtype), num.batch_matrix(outs[:parts], b, dtype)
            diagonal, beside = (num.batch_matrix([out], b, dtype) for out in outs[parts : parts + 2])
            taus = num.batch_matrix(outs[parts + 2 :], b, dtype)
            work = num.scratch_matrix(loops, n, columns, dtype, parts)
            _load(loops, a, work, n, columns, place)
            d, e = (num.scratch_vector(loops, n, dtype, 1, name) for name in ("diagonal", "beside"))
            form = TridiagonalForm(loops, work, d, e, n, inside)
            form.reduce()
            _store(loops, form, a, packed, place)
            with loops.loop(n, "row") as i:
                diagonal[place(i)] = d[i]
            with loops.loop(n - 1, "row") as i:
                target = i if lower else n - 2 - i
                beside[target] = e[i]
                taus[target] = form.taus[i]

    return extern(inputs, results, generate, "hlo_tridiagonal_form")


def _load(loops: Loops, a: Matrix, work: Matrix, n: int, columns: int, place: Callable[[Any], Any]) -> None:
    """The whole Hermitian matrix from the triangle below the diagonal."""
    with loops.loop(n, "row") as i:
        with loops.loop(columns, "column") as j:
            with loops.when(j < i):
                work[i, j] = a[place(i), place(j)]
            with loops.otherwise():
                with loops.when(tir.all(i < j, j < n)):
                    work[i, j] = num.conjugate(a[place(j), place(i)])
                with loops.otherwise():
                    work[i, j] = work.zero()
        work[i, i] = num.real_number(a[place(i), place(i)][0], a.parts)


def _store(loops: Loops, form: TridiagonalForm, a: Matrix, packed: Matrix, place: Callable[[Any], Any]) -> None:
    """T and the reflectors below the diagonal, and what was above it."""
    n = form.n
    with loops.loop(n, "row") as i:
        with loops.loop(n, "column") as j:
            with loops.when(j + 1 < i):
                packed[place(i), place(j)] = form.vectors[j, i]
            with loops.otherwise():
                packed[place(i), place(j)] = a[place(i), place(j)]
        packed[place(i), place(i)] = num.real_number(form.d[i][0], a.parts)
    with loops.loop(n - 1, "row") as i:
        packed[place(i + 1), place(i)] = num.real_number(form.e[i][0], a.parts)


class TridiagonalForm:
    """A = Q T Q^H with a real T (LAPACK hetd2, lower); all of A is in `work`, with columns up to a whole tile."""

    def __init__(self, loops: Loops, work: Matrix, d: Matrix, e: Matrix, n: int, parallel: bool) -> None:
        self.loops, self.work, self.d, self.e, self.n, self.parallel = loops, work, d, e, n, parallel
        dtype, parts = work.dtype, work.parts
        self.tile = choose_tile(n, dtype, parts)
        self.columns = columns = round_up(n, self.tile.columns)
        self.vectors = num.scratch_matrix(loops, n, columns, dtype, parts, "reflectors")
        self.taus = num.scratch_vector(loops, n, dtype, parts, "taus")
        self.product = num.scratch_vector(loops, columns, dtype, parts, "product")
        self.reflectors = Reflectors(loops, dtype, parts, self.tile, n, parallel)

    def reduce(self) -> None:
        """T in d and e; reflector k in row k of `vectors`, its 1 in column k + 1."""
        n, work = self.n, self.work
        if n > 1:  # TVM gives what only a loop without trips uses a negative size
            with self.loops.loop(n - 1, "step") as k:
                self._reflect(k)
        self.d[n - 1] = (work[n - 1, n - 1][0],)
        self.e[n - 1] = (tir.const(0, work.dtype),)

    def _reflect(self, k: Any) -> None:
        """Zeros below the place under the diagonal of column k."""
        loops, work = self.loops, self.work
        zero = tir.const(0, work.dtype)
        self.d[k] = (work[k, k][0],)
        with loops.loop(self.columns, "column") as j:
            inside = j > k
            row = num.conjugate(work[k, j])
            self.vectors[k, j] = tuple(tir.if_then_else(inside, part, zero) for part in row)
        beta, tau = self.reflectors.make(self.vectors, lambda i: (k, i), k + 1, self.n)
        self.vectors[k, k + 1] = self.vectors.one()
        self.e[k] = (beta,)
        self.taus[k] = tau
        self._update(k, tau)

    def _update(self, k: Any, tau: tuple) -> None:
        """A = H^H A H for the part right of and below k, as a Hermitian rank-2 update."""
        loops, work, p, n = self.loops, self.work, self.product, self.n
        lanes = self.tile.lanes

        def v(j: Any) -> tuple:
            return self.vectors[k, j]

        with loops.loop(self.columns, "column") as j:
            p[j] = p.zero()
        with loops.loop(n - 1 - k, "row", self.parallel) as step:
            i = k + 1 + step
            sums = LaneSums(loops, work.parts, lanes, work.dtype)
            total = sums.over(k + 1, n, lambda j: list(num.multiply(work[i, j], v(j))))
            p[i] = num.multiply(tau, tuple(total))
        sums = LaneSums(loops, work.parts, lanes, work.dtype)
        inner = tuple(sums.over(k + 1, n, lambda j: list(num.multiply(num.conjugate(p[j]), v(j)))))
        half = tir.const(-0.5, work.dtype)
        alpha = tuple(loops.values(num.scale(num.multiply(tau, inner), half), "alpha"))
        for_row(loops, k + 1, n, lanes, lambda j: p.store(loops, [j], num.add(p[j], num.multiply(alpha, v(j)))))
        with loops.loop(n - 1 - k, "row", self.parallel) as step:
            i = k + 1 + step
            v_i, p_i = tuple(loops.values(v(i), "v")), p.load(loops, i)

            def subtract(j: Any) -> None:
                change = num.add(num.multiply(v_i, num.conjugate(p[j])), num.multiply(p_i, num.conjugate(v(j))))
                work.store(loops, [i, j], num.subtract(work[i, j], change))

            for_row(loops, k + 1, n, lanes, subtract)

    def accumulate(self, z: Matrix) -> None:
        """Q = H0 H1 .. in z."""
        loops, n = self.loops, self.n
        set_identity(loops, z, n, self.columns)
        if n == 1:
            return
        self.reflectors.apply_product(
            z, lambda k, i: self.vectors[k, i], self.taus, n - 1, lambda k: k + 1, n, from_identity=True
        )
