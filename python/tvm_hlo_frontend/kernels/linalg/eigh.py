"""Eigenvalues and eigenvectors of symmetric and Hermitian matrices: tridiagonal form, then implicit QL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import choose_tile, is_parallel, round_up
from ..spec import KernelSpec
from ..table import KernelTable
from .scaling import Scaling
from .tridiagonal_form import TridiagonalForm
from .tridiagonal_ql import TridiagonalQL

table = KernelTable()


@table.kernel("eigh", "extern")
def eigh(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """a[B, n, n] -> eigenvectors in columns, ascending eigenvalues[B, n], info[B] (LAPACK syevd, heevd).

    Reads the triangle that ``lower`` names. info is 0, or 1 where the matrix holds NaN or infinity or the iteration
    did not end; everything is NaN then.
    """
    parts, dtype, lower = len(inputs), results[0][1], bool(spec.parameters["lower"])
    batch, n, _ = extents(results[0][0])
    over_batch, inside = is_parallel(batch, 4 * n * n * n * parts * parts)
    tile = choose_tile(n, dtype, parts)
    columns = round_up(n, tile.columns)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            a, vectors = num.batch_matrix(ins, b, dtype), num.batch_matrix(outs[:parts], b, dtype)
            values, info = num.batch_matrix([outs[parts]], b, dtype), Matrix([outs[-1]], lambda _: [b], "int32")
            work = num.scratch_matrix(loops, n, columns, dtype, parts)
            z = num.scratch_matrix(loops, n, columns, dtype, parts)
            scaling = Scaling(loops, dtype)
            _load(loops, a, work, n, columns, lower, scaling)
            d, e = (num.scratch_vector(loops, n, dtype, 1, name) for name in ("diagonal", "beside"))
            form = TridiagonalForm(loops, work, d, e, n, inside)
            form.reduce()
            form.accumulate(z)
            # rows of the transpose are what rotations act on
            with loops.loop(n, "row") as i:
                with loops.loop(n, "column") as j:
                    work[j, i] = z[i, j]
            TridiagonalQL(loops, work, d, e, scaling.failed, n, columns, tile, inside).run()
            _store_sorted(loops, work, d, vectors, values, info, scaling, n)

    return extern(inputs, results, generate, "hlo_eigh")


def _load(loops: Loops, a: Matrix, work: Matrix, n: int, columns: int, lower: bool, scaling: Scaling) -> None:
    """Both triangles from one, scaled, zeros behind them."""

    def is_stored(i: Any, j: Any) -> Any:
        return j <= i if lower else i <= j

    scaling.measure(a, n, n, is_stored)
    with loops.loop(n, "row") as i:
        with loops.loop(columns, "column") as j:
            with loops.when(tir.all(j < n, i == j)):
                work[i, j] = num.real_number(a[i, j][0] * scaling.factor, a.parts)
            with loops.otherwise():
                with loops.when(tir.all(j < n, is_stored(i, j))):
                    work[i, j] = num.scale(a[i, j], scaling.factor)
                with loops.otherwise():
                    with loops.when(j < n):
                        work[i, j] = num.scale(num.conjugate(a[j, i]), scaling.factor)
                    with loops.otherwise():
                        work[i, j] = work.zero()


def _store_sorted(
    loops: Loops, rows: Matrix, d: Matrix, vectors: Matrix, values: Matrix, info: Matrix, scaling: Scaling, n: int
) -> None:
    """Eigenvalues in ascending order, each with its row of `rows` as a column."""
    nan = tir.const(float("nan"), d.dtype)
    smallest = loops.scratch(1, "int32", "smallest")
    info[0] = (scaling.failed[0],)
    with loops.when(scaling.failed[0] != 0):
        with loops.loop(n, "row") as i:
            values[i] = (nan,)
            with loops.loop(n, "column") as j:
                vectors[i, j] = tuple(nan for _ in range(rows.parts))
    with loops.otherwise():
        order = loops.scratch(n, "int32", "order")
        with loops.loop(n, "place") as i:
            order[i] = i
        with loops.loop(n, "place") as i:
            smallest[0] = i
            with loops.loop(n - 1 - i, "candidate") as step:
                j = i + 1 + step
                with loops.when(d[order[j]][0] < d[order[smallest[0]]][0]):
                    smallest[0] = j
            chosen, other = loops.values([order[smallest[0]], order[i]], "order")
            order[smallest[0]] = other
            order[i] = chosen
            values[i] = (d[chosen][0] * scaling.inverse,)
            with loops.loop(n, "row") as k:
                vectors[k, i] = rows[chosen, k]
