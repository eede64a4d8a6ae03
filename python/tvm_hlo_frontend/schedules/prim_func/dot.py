"""Matrix products: the tiles of `schedules.te.dot` in loops of the product, into which its neighbours are put."""

from __future__ import annotations

from typing import Any

from ...kernels import plans
from ..channel_tiles import divisor
from ..registers import registers_of
from ..tensor_blocks.blocks import Block, by_name, fuse, has_vectors, loop_extent, start_sums
from .injective import schedule_loops
from .reduction import vectorize_result

# neighbouring columns whose inner products are taken together, best first
_TOGETHER = (plans.STREAM_ROWS, 5, 6, 7, 8, 3, 2, 1)


def schedule_dot(schedule: Any, target: Any) -> None:
    """Schedule of ``kernels.contraction.dot``; the blocks' names say which of its forms it is."""
    blocks = by_name(schedule)
    if plans.DOT_PANEL in blocks:
        _schedule_packed(schedule, blocks, target)
    elif plans.DOT_LANES in blocks:
        _schedule_rows(schedule, blocks, target)
    else:
        _schedule_columns(schedule, blocks, target)


def _schedule_packed(schedule: Any, blocks: dict[str, Block], target: Any) -> None:
    product, panel = blocks[plans.DOT_PRODUCT].handle, blocks[plans.DOT_PANEL].handle
    rows, columns, lanes = (
        int(blocks[plans.DOT_PRODUCT].node.annotations[name]) for name in ("rows", "columns", "lanes")
    )
    dtype, registers = str(blocks[plans.DOT_PRODUCT].buffer.dtype), registers_of(target)
    # vectors of which a part is kept: LLVM makes masked stores of a loop over memory, not over registers
    stored = schedule.cache_write(product, 0, "local") if columns_are_cut(blocks, columns) else None
    if stored is None:
        schedule.set_scope(product, 0, "local")
    lanes = divisor(lanes, registers.lanes(dtype))
    rows_inside, vectors = registers.tile(rows, columns // lanes)
    batch, m, n, k = schedule.get_loops(product)
    row_tile, row = schedule.split(m, [None, rows])
    column_tile, column = schedule.split(n, [None, columns])
    pieces = row_pieces(loop_extent(schedule, row_tile), blocks[plans.DOT_PANEL].extents)
    piece, row_tile = schedule.split(row_tile, [pieces, None])
    part, vector, lane = schedule.split(column, [None, vectors, lanes])
    strip, row = schedule.split(row, [None, rows_inside])
    schedule.reorder(batch, piece, column_tile, row_tile, part, strip, k, row, vector, lane)
    task = schedule.fuse(batch, piece, column_tile)
    schedule.parallel(task)
    if has_vectors(target):
        schedule.unroll(row)
        schedule.unroll(vector)
        schedule.vectorize(lane)
    if plans.DOT_ROWS in blocks:
        schedule_loops(schedule, blocks[plans.DOT_ROWS], target)
    if pieces == 1:  # a panel is packed by the thread that uses it, for all rows
        schedule.compute_at(panel, task, preserve_unit_loops=True)
        if stored is None:
            vectorize_result(schedule, panel, target)
    else:
        schedule_loops(schedule, blocks[plans.DOT_PANEL], target)
    if stored is not None:
        schedule.reverse_compute_at(stored, strip, preserve_unit_loops=True)
        *_, row, column = schedule.get_loops(stored)
        vector, lane = schedule.split(column, [None, lanes])
        if has_vectors(target):
            schedule.unroll(row)
            schedule.unroll(vector)
            schedule.vectorize(lane)
    schedule.reverse_compute_at(blocks[plans.DOT_OUT].handle, strip, preserve_unit_loops=True)
    if stored is None:
        vectorize_result(schedule, blocks[plans.DOT_OUT].handle, target)
    start_sums(schedule, product, k)


def columns_are_cut(blocks: dict[str, Block], columns: int) -> bool:
    """Whether the last panel has more columns than are kept."""
    kept = blocks[plans.DOT_OUT].extents[-1]
    return kept is not None and kept % columns != 0


def row_pieces(row_tiles: int | None, panel_extents: list[int | None]) -> int:
    """Into how many pieces the rows are split: more than one only where columns alone make too few tasks."""
    batch, columns, *_ = panel_extents
    if row_tiles is None or batch is None or columns is None or batch * columns >= plans.WANTED_PIECES:
        return 1
    return next(pieces for pieces in range(min(4, row_tiles), row_tiles + 1) if row_tiles % pieces == 0)


def _schedule_columns(schedule: Any, blocks: dict[str, Block], target: Any) -> None:
    """Few rows times a right operand whose columns are contiguous: it is read row by row, in pieces of columns."""
    product = blocks[plans.DOT_PRODUCT]
    lanes = plans.lanes_of(str(product.buffer.dtype))
    _, _, _, step, depth = product.extents
    batch, piece, m, n, k = schedule.get_loops(product.handle)
    if has_vectors(target) and step and step % lanes == 0:
        together = next(size for size in (plans.STREAM_ROWS, 3, 2, 1) if depth and depth % size == 0)
        k, k_inner = schedule.split(k, [None, together])
        vector, lane = schedule.split(n, [None, lanes])
        schedule.reorder(batch, piece, k, vector, m, k_inner, lane)
        schedule.unroll(k_inner)
        schedule.unroll(m)
        schedule.vectorize(lane)
    else:
        schedule.reorder(batch, piece, k, m, n)
    schedule.parallel(schedule.fuse(batch, piece))
    start_sums(schedule, product.handle, k)
    schedule_loops(schedule, blocks[plans.DOT_OUT], target)


def _schedule_rows(schedule: Any, blocks: dict[str, Block], target: Any) -> None:
    """Few rows times a right operand whose rows are contiguous: each row is one inner product over vector lanes."""
    out = blocks[plans.DOT_OUT].handle
    batch, m, n = schedule.get_loops(out)
    columns = loop_extent(schedule, n)
    together = next(size for size in _TOGETHER if columns and columns % size == 0)
    n_outer, n_inner = schedule.split(n, [None, together])
    schedule.reorder(batch, n_outer, m, n_inner)
    task = fuse(schedule, [batch, n_outer])
    schedule.parallel(task)
    for name in (plans.DOT_TAIL, plans.DOT_SUM, plans.DOT_LANES):
        if name not in blocks:
            continue
        block = blocks[name].handle
        schedule.compute_at(block, task, preserve_unit_loops=True)
        if name == plans.DOT_LANES:
            _, _, m, n, lane, k = schedule.get_loops(block)[-6:]
            schedule.reorder(k, m, n, lane)
            if has_vectors(target):
                schedule.unroll(m)
                schedule.unroll(n)
                schedule.vectorize(lane)
        else:
            k = schedule.get_loops(block)[-1]
        start_sums(schedule, block, k)
