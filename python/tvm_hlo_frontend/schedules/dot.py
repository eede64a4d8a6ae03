"""CPU schedules of matrix products: register tiles over packed panels, and a streaming form for a few rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import te

# rows up to which the right operand is streamed once in its own layout instead of being packed
THIN_ROWS = 4
VECTOR_BITS = 512
# parallel pieces that are worth splitting rows for; threads of a machine are not known here
WANTED_PIECES = 16
# columns of one streaming step: their sums stay in the first-level cache
STREAM_COLUMNS = 256
# independent sums that hide the latency of a multiply-add
STREAM_ROWS = 4


@dataclass(frozen=True)
class Tiles:
    """Register tile of a packed product: `rows` x `columns` sums, `lanes` elements per vector."""

    rows: int
    columns: int
    lanes: int


def lanes_of(dtype: str) -> int:
    """Elements of one vector register."""
    return max(4, VECTOR_BITS // max(32, tvm.DataType(dtype).bits))


def choose_tiles(m: int, n: int, dtype: str) -> Tiles:
    """Register tile for an m x n result: sixteen vector sums where the sizes allow it."""
    lanes = lanes_of(dtype)
    rows = m if m <= 8 else next((size for size in (8, 7, 6, 5) if m % size == 0), 8)
    if n >= 4 * lanes and rows <= 4:
        return Tiles(rows, 4 * lanes, lanes)
    if n > lanes:
        return Tiles(rows, 2 * lanes, lanes)
    while lanes >= 2 * max(n, 2):
        lanes //= 2
    return Tiles(rows, lanes, lanes)


def has_vectors(target: Any) -> bool:
    """Whether code generation for `target` knows vector types (the C code generator does not)."""
    return target is None or target.kind.name == "llvm"


def stages_of(outputs: Sequence[Any]) -> dict[str, Any]:
    """Compute stages that lead to `outputs`, by name."""
    found: dict[str, Any] = {}
    pending = [tensor.op for tensor in outputs]
    while pending:
        op = pending.pop()
        if isinstance(op, te.ComputeOp) and op.name not in found:
            found[op.name] = op
            pending.extend(tensor.op for tensor in op.input_tensors)
    return found


def schedule_dot(outputs: Sequence[Any], target: Any) -> Any:
    """Schedule of ``kernels.dot``; the stages' names say which of its forms it is."""
    schedule = te.create_schedule([output.op for output in outputs])
    stages = stages_of(outputs)
    vectors = has_vectors(target)
    if "dot_panel" in stages:
        _schedule_packed(schedule, stages, vectors)
    elif "dot_lanes" in stages:
        _schedule_rows(schedule, stages, vectors)
    else:
        _schedule_columns(schedule, stages, vectors)
    return schedule


def _schedule_packed(schedule: Any, stages: dict[str, Any], vectors: bool) -> None:
    out, product, panel = (schedule[stages[name]] for name in ("dot_out", "dot_product", "dot_panel"))
    tiles = Tiles(*(int(stages["dot_product"].attrs[name]) for name in ("rows", "columns", "lanes")))
    batch, m, n = out.op.axis
    columns = -(-n.dom.extent.value // tiles.columns)
    row_tiles = -(-m.dom.extent.value // tiles.rows)
    n_outer, n_inner = out.split(n, tiles.columns)
    m_outer, m_inner = out.split(m, tiles.rows)
    pieces = 1
    if batch.dom.extent.value * columns < WANTED_PIECES:
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
    if "dot_rows" in stages:
        rows = schedule[stages["dot_rows"]]
        rows.parallel(rows.fuse(*rows.op.axis[:2]))


def _schedule_tile(product: Any, tiles: Tiles, vectors: bool) -> None:
    batch, m, n = product.op.axis
    (k,) = product.op.reduce_axis
    n_outer, n_inner = product.split(n, tiles.lanes)
    product.reorder(batch, k, m, n_outer, n_inner)
    if vectors:
        product.unroll(m)
        product.unroll(n_outer)
        product.vectorize(n_inner)


def columns_step(batch: int, columns: int, dtype: str) -> int:
    """Columns of one piece of the streaming form: whole vectors if there is one, enough pieces for the threads."""
    lanes = lanes_of(dtype)
    if columns < lanes:
        return columns
    step = min(STREAM_COLUMNS, columns - columns % lanes)
    while step > lanes and batch * columns < WANTED_PIECES * step:
        step = step // 2 // lanes * lanes if step > 2 * lanes else lanes
    return step


def _schedule_columns(schedule: Any, stages: dict[str, Any], vectors: bool) -> None:
    """Few rows times a right operand whose columns are contiguous: it is read row by row, in pieces of columns."""
    out, product = schedule[stages["dot_out"]], schedule[stages["dot_product"]]
    batch, piece, m, n = product.op.axis
    (k,) = product.op.reduce_axis
    lanes, step, depth = lanes_of(stages["dot_product"].output(0).dtype), n.dom.extent.value, k.dom.extent.value
    product.parallel(product.fuse(batch, piece))
    out.parallel(out.fuse(*out.op.axis[:2]))
    if not vectors or step % lanes:
        product.reorder(k, m, n)
        return
    k_outer, k_inner = product.split(k, next(size for size in (STREAM_ROWS, 3, 2, 1) if depth % size == 0))
    n_outer, n_inner = product.split(n, lanes)
    product.reorder(k_outer, n_outer, m, k_inner, n_inner)
    product.unroll(k_inner)
    product.unroll(m)
    product.vectorize(n_inner)


def _schedule_rows(schedule: Any, stages: dict[str, Any], vectors: bool) -> None:
    """Few rows times a right operand whose rows are contiguous: each row is one inner product over vector lanes."""
    out, sums, product = (schedule[stages[name]] for name in ("dot_out", "dot_sum", "dot_lanes"))
    batch, m, n = out.op.axis
    n_outer, n_inner = out.split(n, STREAM_ROWS)
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
    if "dot_tail" in stages:
        schedule[stages["dot_tail"]].compute_at(out, piece)
