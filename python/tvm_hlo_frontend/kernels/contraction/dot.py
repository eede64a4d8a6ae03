"""dot: batches of matrix products with any accumulator, where the dialect's own operators are slow or unsure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tvm import te

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import extent
from .. import plans
from ..spec import KernelSpec
from ..table import KernelTable
from .open_dot import open_dot
from .sums import convert_sum

table = KernelTable()

Access = Callable[[Any, Any, Any], Any]


@table.kernel("dot", "extern")
def dot(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """lhs[B, M, K] . rhs[B, K, N] -> [B, M, N] (XLA operation semantics: DotGeneral; rule 48).

    Parameters of the spec: ``lhs`` is ``MK`` or ``KM``, ``rhs`` is ``KN`` or ``NK`` (order of the dimensions after
    the batch), ``accumulator`` the dtype in which products are formed and summed.
    """
    lhs, rhs = inputs
    accumulator = spec.parameters["accumulator"]
    lhs_is_mk, rhs_is_kn = spec.parameters["lhs"] == "MK", spec.parameters["rhs"] == "KN"
    dimensions, dtype = results[0]
    sizes = tuple(extent(size) for size in (*dimensions, lhs.shape[2 if lhs_is_mk else 1]))
    if not all(isinstance(size, int) for size in sizes):
        return open_dot(spec, inputs, results)
    batch, m, n, _ = sizes

    def left(b: Any, i: Any, k: Any) -> Any:
        return (lhs(b, i, k) if lhs_is_mk else lhs(b, k, i)).astype(accumulator)

    def right(b: Any, k: Any, j: Any) -> Any:
        return (rhs(b, k, j) if rhs_is_kn else rhs(b, j, k)).astype(accumulator)

    if m <= plans.THIN_ROWS:
        make = _columns if rhs_is_kn else _rows
        summed = make(left, right, sizes, accumulator)
    else:
        copied = not lhs_is_mk or dtype_of(lhs) != accumulator
        summed = _packed(left, right, sizes, accumulator, copied)
    return [te.compute((batch, m, n), lambda b, i, j: convert_sum(summed(b, i, j), dtype), name=plans.DOT_OUT)]


def _columns(left: Access, right: Access, sizes: tuple[int, ...], accumulator: str) -> Access:
    """Pieces of whole vectors; the last one overlaps the one before it instead of being cut off by a condition."""
    batch, m, n, depth = sizes
    step = plans.columns_step(batch, n, accumulator)
    k = te.reduce_axis((0, depth), name="k")

    def start(piece: Any) -> Any:
        return piece * step if n % step == 0 else tir.min(piece * step, n - step)

    product = te.compute(
        (batch, -(-n // step), m, step),
        lambda b, p, i, j: te.sum(left(b, i, k) * right(b, k, start(p) + j), axis=k),
        name=plans.DOT_PRODUCT,
    )

    def element(b: Any, i: Any, j: Any) -> Any:
        piece = tir.indexdiv(j, step)
        return product(b, piece, i, j - start(piece))

    return element


def _rows(left: Access, right: Access, sizes: tuple[int, ...], accumulator: str) -> Any:
    """Sums per vector lane first, so that no lane waits for another; what does not fill the lanes on its own."""
    batch, m, n, depth = sizes
    lanes = plans.lanes_of(accumulator)
    while lanes > depth:
        lanes //= 2
    whole = depth // lanes
    k = te.reduce_axis((0, whole), name="k")
    lane_sums = te.compute(
        (batch, m, n, lanes),
        lambda b, i, j, lane: te.sum(left(b, i, k * lanes + lane) * right(b, k * lanes + lane, j), axis=k),
        name=plans.DOT_LANES,
    )
    lane = te.reduce_axis((0, lanes), name="lane")
    total = te.compute((batch, m, n), lambda b, i, j: te.sum(lane_sums(b, i, j, lane), axis=lane), name=plans.DOT_SUM)
    if whole * lanes == depth:
        return total
    rest = te.reduce_axis((whole * lanes, depth), name="rest")
    tail = te.compute(
        (batch, m, n), lambda b, i, j: te.sum(left(b, i, rest) * right(b, rest, j), axis=rest), name=plans.DOT_TAIL
    )
    return lambda b, i, j: total(b, i, j) + tail(b, i, j)


def _packed(left: Access, right: Access, sizes: tuple[int, ...], accumulator: str, copied: bool) -> Any:
    """Panels of columns, contiguous along the vector; sizes that the tiles do not divide are filled up with zeros."""
    batch, m, n, depth = sizes
    tiles = plans.choose_tiles(m, n, accumulator)
    row_tiles, panels = -(-m // tiles.rows), -(-n // tiles.columns)
    zero = tir.const(0, accumulator)

    def inside(position: Any, count: int, tile: int, value: Any) -> Any:
        return value if count % tile == 0 else tir.if_then_else(position < count, value, zero)

    panel = te.compute(
        (batch, panels, depth, tiles.columns),
        lambda b, p, k, j: inside(p * tiles.columns + j, n, tiles.columns, right(b, k, p * tiles.columns + j)),
        name=plans.DOT_PANEL,
    )
    read = left
    if copied or m % tiles.rows:
        rows = te.compute(
            (batch, row_tiles, depth, tiles.rows),
            lambda b, t, k, i: inside(t * tiles.rows + i, m, tiles.rows, left(b, t * tiles.rows + i, k)),
            name=plans.DOT_ROWS,
        )

        def read(b: Any, i: Any, k: Any) -> Any:
            return rows(b, tir.indexdiv(i, tiles.rows), k, tir.indexmod(i, tiles.rows))

    k = te.reduce_axis((0, depth), name="k")
    return te.compute(
        (batch, row_tiles * tiles.rows, panels * tiles.columns),
        lambda b, i, j: te.sum(
            read(b, i, k) * panel(b, tir.indexdiv(j, tiles.columns), k, tir.indexmod(j, tiles.columns)), axis=k
        ),
        name=plans.DOT_PRODUCT,
        attrs={"rows": tiles.rows, "columns": tiles.columns, "lanes": tiles.lanes},
    )
