"""QR factorisation by Householder reflectors, and the product of reflectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern
from ...tensor_ir.numbers import Matrix, Number
from ...tensor_ir.tiles import Tile, choose_tile, is_parallel, round_up
from ..spec import KernelSpec
from ..table import KernelTable
from .reflectors import Reflectors

table = KernelTable()


@table.kernel("qr", "extern")
def qr(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """a[B, m, n] -> R with the reflectors below it, taus[B, min(m, n)] (LAPACK geqrf, XLA's custom-call Qr).

    With the parameter ``pivoted`` also the 1-based permutation[B, n] of the columns, the longest remaining one first
    (LAPACK geqp3).
    """
    parts, dtype, pivoted = len(inputs), results[0][1], bool(spec.parameters.get("pivoted"))
    batch, m, n = extents(results[0][0])
    over_batch, inside = is_parallel(batch, m * n * min(m, n) * parts * parts)
    tile = choose_tile(n, dtype, parts)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            work = load_work(loops, num.batch_matrix(ins, b, dtype), m, n, tile)
            out = num.batch_matrix(outs[:parts], b, dtype)
            taus = num.batch_matrix(outs[parts : 2 * parts], b, dtype)
            columns = num.batch_matrix(outs[2 * parts :], b, "int32") if pivoted else None
            factor(loops, work, taus, m, n, tile, inside, columns)
            num.copy_matrix(loops, out, work, m, n)

    return extern(inputs, results, generate, "hlo_qr")


@table.kernel("householder_product", "extern")
def householder_product(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """reflectors[B, m, n], taus[B, k] -> the first n columns of H1 H2 .. Hk (LAPACK orgqr, ungqr)."""
    parts, dtype = len(results), results[0][1]
    batch, m, n = extents(results[0][0])
    count = extents(inputs[-1].shape)[1]
    over_batch, inside = is_parallel(batch, m * n * count * parts * parts)
    tile = choose_tile(n, dtype, parts)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            packed, taus = num.batch_matrix(ins[:parts], b, dtype), num.batch_matrix(ins[parts:], b, dtype)
            q = num.scratch_matrix(loops, m, round_up(n, tile.columns), dtype, parts)
            set_identity(loops, q, m, round_up(n, tile.columns))
            multiply(loops, packed, taus, q, count, m, n, tile, inside)
            out = num.batch_matrix(outs, b, dtype)
            num.copy_matrix(loops, out, q, m, n)

    return extern(inputs, results, generate, "hlo_householder_product")


@table.kernel("householder_multiply", "extern")
def householder_multiply(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """reflectors[B, m, r], taus[B, k], c[B, m, n] -> H1 H2 .. Hk c, or with ``adjoint`` its inverse (LAPACK ormqr)."""
    parts, dtype, adjoint = len(results), results[0][1], bool(spec.parameters["adjoint"])
    batch, m, n = extents(results[0][0])
    count = extents(inputs[parts].shape)[1]
    over_batch, inside = is_parallel(batch, m * n * count * parts * parts)
    tile = choose_tile(n, dtype, parts)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", over_batch) as b:
            packed, taus, c = (num.batch_matrix(ins[k * parts : (k + 1) * parts], b, dtype) for k in range(3))
            work = load_work(loops, c, m, n, tile)
            multiply(loops, packed, taus, work, count, m, n, tile, inside, from_identity=False, adjoint=adjoint)
            out = num.batch_matrix(outs, b, dtype)
            num.copy_matrix(loops, out, work, m, n)

    return extern(inputs, results, generate, "hlo_householder_multiply")


def load_work(loops: Loops, a: Matrix, m: int, n: int, tile: Tile) -> Matrix:
    """Working copy of an m x n matrix, filled up with columns of zeros."""
    columns = round_up(n, tile.columns)
    work = num.scratch_matrix(loops, m, columns, a.dtype, a.parts)
    with loops.loop(m, "row") as i:
        with loops.loop(columns, "column") as j:
            with loops.when(j < n):
                work[i, j] = a[i, j]
            with loops.otherwise():
                work[i, j] = work.zero()
    return work


def set_identity(loops: Loops, target: Matrix, rows: int, columns: int) -> None:
    """Ones on the diagonal, zeros elsewhere."""
    one, zero = tir.const(1, target.dtype), tir.const(0, target.dtype)
    with loops.loop(rows, "row") as i:
        with loops.loop(columns, "column") as j:
            target[i, j] = num.real_number(tir.Select(i == j, one, zero), target.parts)


def factor(
    loops: Loops,
    work: Matrix,
    taus: Matrix,
    m: int,
    n: int,
    tile: Tile,
    parallel: bool = False,
    columns: Matrix | None = None,
) -> None:
    """QR factorisation of `work` in place (LAPACK geqrf; with `columns`, which it fills, geqp3)."""
    reflectors = Reflectors(loops, work.dtype, work.parts, tile, n, parallel)
    if columns is None:
        _factor_panels(loops, work, taus, m, n, reflectors)
        return
    with loops.loop(n, "column") as j:
        columns[j] = (j + 1,)
    with loops.loop(min(m, n), "step") as k:
        _longest_first(loops, work, columns, k, m, n)
        beta, tau = reflectors.make(work, lambda i: (i, k), k, m)
        taus[k] = tau
        # H^H from the left
        reflectors.apply(work, lambda i: work[i, k], num.conjugate(tau), k, m, k, after=k)
        work[k, k] = num.real_number(beta, work.parts)


def _factor_panels(loops: Loops, work: Matrix, taus: Matrix, m: int, n: int, reflectors: Reflectors) -> None:
    """The columns of a tile, then all of their reflectors on each tile behind it."""
    width, steps = reflectors.tile.columns, min(m, n)
    vectors = num.scratch_matrix(loops, width, m, work.dtype, work.parts, "panel")
    tiles = reflectors.columns // width

    def element(step: Any, i: Any) -> Number:
        return vectors[step, i]

    with loops.loop(-(-steps // width), "panel") as panel:
        first = panel * width
        count = width if steps % width == 0 else tir.min(width, steps - first)
        with loops.loop(count, "step") as step:
            k = first + step
            beta, tau = reflectors.make(work, lambda i: (i, k), k, m)
            taus[k] = tau
            with loops.loop(m - k, "row") as row:
                vectors[step, k + row] = work[k + row, k]
            # H^H from the left
            reflectors.apply_within(work, lambda i: vectors[step, i], num.conjugate(tau), k, m)
            work[k, k] = num.real_number(beta, work.parts)
        with loops.loop(tiles - 1 - panel, "tile", reflectors.parallel) as behind:
            with loops.loop(count, "step") as step:
                k = first + step
                tau = num.conjugate(taus.load(loops, k))
                offset = (panel + 1 + behind) * width
                reflectors.apply_to_tile(work, partial(element, step), tau, k, m, offset)


def multiply(
    loops: Loops,
    packed: Matrix,
    taus: Matrix,
    target: Matrix,
    count: int,
    m: int,
    n: int,
    tile: Tile,
    parallel: bool = False,
    from_identity: bool = True,
    adjoint: bool = False,
) -> None:
    """target = H1 H2 .. Hcount target, for a target that starts as the identity unless `from_identity` is off.

    With `adjoint` the inverse product instead.
    """
    vectors = num.scratch_matrix(loops, max(count, 1), m, target.dtype, target.parts, "vectors")
    with loops.loop(m, "row") as i:
        with loops.loop(count, "reflector") as k:
            vectors[k, i] = packed[i, k]
    Reflectors(loops, target.dtype, target.parts, tile, n, parallel).apply_product(
        target, lambda k, i: vectors[k, i], taus, count, lambda k: k, m, from_identity=from_identity, adjoint=adjoint
    )


def _longest_first(loops: Loops, work: Matrix, columns: Matrix, k: Any, m: int, n: int) -> None:
    """Swap the column whose part below row k is longest to place k; the first of equals."""
    zero = tir.const(0, work.dtype)
    best, length = loops.scratch(1, work.dtype, "best"), loops.scratch(1, work.dtype, "length")
    chosen = loops.scratch(1, "int32", "chosen")
    best[0] = tir.const(-1, work.dtype)
    chosen[0] = k
    with loops.loop(n - k, "column") as step:
        length[0] = zero
        with loops.loop(m - k, "row") as row:
            length[0] = length[0] + num.square(work[k + row, k + step])
        with loops.when(length[0] > best[0]):
            best[0] = length[0]
            chosen[0] = k + step
    with loops.when(chosen[0] != k):
        (other,) = loops.values([chosen[0]], "chosen")
        with loops.loop(m, "row") as i:
            left, right = work.load(loops, i, k), work.load(loops, i, other)
            work[i, k] = right
            work[i, other] = left
        left, right = columns.load(loops, k), columns.load(loops, other)
        columns[k] = right
        columns[other] = left
