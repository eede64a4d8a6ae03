"""Hessenberg form of general matrices by Householder reflectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import Tile, choose_tile, is_parallel, round_up
from ..spec import KernelSpec
from ..table import KernelTable
from .qr import load_work
from .reflectors import Reflectors

table = KernelTable()


@table.kernel("hessenberg", "extern")
def hessenberg(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """a[B, n, n] -> H with the reflectors below it, taus[B, n - 1] for n > 1 (LAPACK gehrd).

    Rows and columns from ``low`` to ``high``, counted from 1, are reduced; the rest is triangular already.
    """
    parts, dtype = len(inputs), results[0][1]
    batch, n, _ = extents(results[0][0])
    low, high = spec.parameters["low"], spec.parameters["high"]
    over_batch, inside = is_parallel(batch, 4 * n * n * n * parts * parts)
    tile = choose_tile(n, dtype, parts)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            work = load_work(loops, num.batch_matrix(ins, b, dtype), n, n, tile)
            out, taus = (num.batch_matrix(arrays, b, dtype) for arrays in (outs[:parts], outs[parts:]))
            with loops.loop(n - 1, "step") as k:
                taus[k] = taus.zero()
            _reduce(loops, work, taus, n, low - 1, high, tile, inside)
            num.copy_matrix(loops, out, work, n, n)

    return extern(inputs, results, generate, "hlo_hessenberg")


def _reduce(loops: Loops, work: Matrix, taus: Matrix, n: int, begin: int, end: int, tile: Tile, parallel: bool) -> None:
    """H^H A H for the reflectors of columns `begin` to `end` - 2 in turn (LAPACK gehd2)."""
    reflectors = Reflectors(loops, work.dtype, work.parts, tile, n, parallel)
    columns = round_up(n, tile.columns)
    v = num.scratch_vector(loops, columns, work.dtype, work.parts, "reflector")
    with loops.loop(max(0, end - 1 - begin), "step") as step:
        k = begin + step
        beta, tau = reflectors.make(work, lambda i: (i, k), k + 1, end)
        taus[k] = tau
        with loops.loop(columns, "column") as j:
            with loops.when(tir.all(j > k + 1, j < end)):
                v[j] = work[j, k]
            with loops.otherwise():
                v[j] = num.real_number(tir.Select(j == k + 1, v.one()[0], v.zero()[0]), v.parts)
        reflectors.apply_right(work, v, tau, end, k + 1, end)
        reflectors.apply(work, lambda i: v[i], num.conjugate(tau), k + 1, end, k + 1, after=k)
        work[k + 1, k] = num.real_number(beta, work.parts)
