"""CPU schedules of matrix products: register tiles over packed panels, and a streaming form for a few rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te

from ...kernels import plans
from .stages import stages_of


def has_vectors(target: Any) -> bool:
    """Whether code generation for `target` knows vector types (the C code generator does not)."""
    return target is None or target.kind.name == "llvm"


def schedule_dot(outputs: Sequence[Any], target: Any) -> Any:
    """Schedule of ``kernels.contraction.dot``; the stages' names say which of its forms it is."""
    schedule = te.create_schedule([output.op for output in outputs])
    stages = stages_of(outputs)
    vectors = has_vectors(target)
    if plans.DOT_PANEL in stages:
        _schedule_packed(schedule, stages, vectors)
    elif plans.DOT_LANES in stages:
        _schedule_rows(schedule, stages, vectors)
    else:
        _schedule_columns(schedule, stages, vectors)
    return schedule


def _schedule_packed(schedule: Any, stages: dict[str, Any], vectors: bool) -> None:
    out, product, panel = (schedule[stages[name]] for name in (plans.DOT_OUT, plans.DOT_PRODUCT, plans.DOT_PANEL))
    tiles = plans.Tiles(*(int(stages[plans.DOT_PRODUCT].attrs[name]) for name in ("rows", "columns", "lanes")))
    batch, m, n = out.op.axis
    columns = -(-n.dom.extent.value // tiles.columns)
    row_tiles = -(-m.dom.extent.value // tiles.rows)
    n_outer, n_inner = out.split(n, tiles.columns)
    m_outer, m_inner = out.split(m, tiles.rows)
    pieces = 1
    if batch.dom.extent.value * columns < plans.WANTED_PIECES:
        pieces = min(4, row_tiles)
    m_piece, m_outer = out.split(m_outer, nparts=pieces)
    out.reorder(batch, m_piece, n_outer, m_outer, m_inner, n_inner)
    piece = out.fuse(out.fuse(batch, m_piece), n_outer)
    out.parallel(piece)
    product.compute_at(out, m_outer)
    _schedule_tile(product, tiles, vectors)
    if vectors:
        out.vectorize(n_inner)
    if pieces == 1:
        # a panel is packed by the thread that uses it, for all rows
        panel.compute_at(out, piece)
    else:
        panel.parallel(panel.fuse(*panel.op.axis[:2]))
    if vectors:
        panel.vectorize(panel.op.axis[3])
    if plans.DOT_ROWS in stages:
        rows = schedule[stages[plans.DOT_ROWS]]
        rows.parallel(rows.fuse(*rows.op.axis[:2]))


def _schedule_tile(product: Any, tiles: plans.Tiles, vectors: bool) -> None:
    batch, m, n = product.op.axis
    (k,) = product.op.reduce_axis
    n_outer, n_inner = product.split(n, tiles.lanes)
    product.reorder(batch, k, m, n_outer, n_inner)
    if vectors:
        product.unroll(m)
        product.unroll(n_outer)
        product.vectorize(n_inner)


def _schedule_columns(schedule: Any, stages: dict[str, Any], vectors: bool) -> None:
    """Few rows times a right operand whose columns are contiguous: it is read row by row, in pieces of columns."""
    out, product = schedule[stages[plans.DOT_OUT]], schedule[stages[plans.DOT_PRODUCT]]
    batch, piece, m, n = product.op.axis
    (k,) = product.op.reduce_axis
    lanes, step, depth = (
        plans.lanes_of(stages[plans.DOT_PRODUCT].output(0).dtype),
        n.dom.extent.value,
        k.dom.extent.value,
    )
    product.parallel(product.fuse(batch, piece))
    out.parallel(out.fuse(*out.op.axis[:2]))
    if not vectors or step % lanes:
        product.reorder(k, m, n)
        return
    k_outer, k_inner = product.split(k, next(size for size in (plans.STREAM_ROWS, 3, 2, 1) if depth % size == 0))
    n_outer, n_inner = product.split(n, lanes)
    product.reorder(k_outer, n_outer, m, k_inner, n_inner)
    product.unroll(k_inner)
    product.unroll(m)
    product.vectorize(n_inner)


def _schedule_rows(schedule: Any, stages: dict[str, Any], vectors: bool) -> None:
    """Few rows times a right operand whose rows are contiguous: each row is one inner product over vector lanes."""
    out, sums, product = (schedule[stages[name]] for name in (plans.DOT_OUT, plans.DOT_SUM, plans.DOT_LANES))
    batch, m, n = out.op.axis
    n_outer, n_inner = out.split(n, plans.STREAM_ROWS)
    out.reorder(batch, n_outer, m, n_inner)
    piece = out.fuse(batch, n_outer)
    out.parallel(piece)
    sums.compute_at(out, piece)
    product.compute_at(out, piece)
    batch, m, n, lane = product.op.axis
    (k,) = product.op.reduce_axis
    product.reorder(batch, k, m, n, lane)
    if vectors:
        product.unroll(m)
        product.unroll(n)
        product.vectorize(lane)
    if plans.DOT_TAIL in stages:
        schedule[stages[plans.DOT_TAIL]].compute_at(out, piece)
