"""Tiles, thresholds and names of stages: plans choose them, kernels and schedules obey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# stages of `kernels.contraction.dot`: the result, the sums of products, the right operand in panels, the left one in
# tiles of rows, and where rows are contiguous the sums per lane, those of the lanes, and what does not fill the lanes
DOT_OUT, DOT_PRODUCT, DOT_PANEL, DOT_ROWS = "dot_out", "dot_product", "dot_panel", "dot_rows"
DOT_LANES, DOT_SUM, DOT_TAIL = "dot_lanes", "dot_sum", "dot_tail"
# of `kernels.contraction.convolution`
CONVOLUTION_PADDED, CONVOLUTION_SUM, CONVOLUTION_OUT = "convolution_padded", "convolution_sum", "convolution_out"
# of `kernels.contraction.channels_last`
CHANNELS_LAST_SUM, CHANNELS_LAST_OUT = "channels_last_sum", "channels_last_out"
# of `kernels.reduction.reduce`: all begin so; a reduction over a last dimension too short for lanes; partial results
REDUCE, REDUCE_SHORT, LANES_SUFFIX = "hlo_reduce", "hlo_reduce_short", "_lanes"

# products

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
    return max(4, VECTOR_BITS // max(32, np.dtype(dtype).itemsize * 8))


def channel_lanes(outputs: int, dtype: str) -> int:
    """Elements of a vector of output channels that divides those of a group; 0 if there are too few."""
    lanes = lanes_of(dtype)
    return next((n for n in (lanes, lanes // 2, lanes // 4) if n >= MIN_LANES and outputs % n == 0), 0)


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


def columns_step(batch: int, columns: int, dtype: str) -> int:
    """Columns of one piece of the streaming form: whole vectors if there is one, enough pieces for the threads."""
    lanes = lanes_of(dtype)
    if columns < lanes:
        return columns
    step = min(STREAM_COLUMNS, columns - columns % lanes)
    while step > lanes and batch * columns < WANTED_PIECES * step:
        step = step // 2 // lanes * lanes if step > 2 * lanes else lanes
    return step


# convolutions with channels last

# positions of one register tile
MOST_POSITIONS, FEWEST_POSITIONS = 14, 6


def filled_width(width: int) -> int:
    """A last spatial dimension filled up so that it can be cut into equal tiles of positions."""
    if width <= MOST_POSITIONS:
        return width
    return min(-(-width // size) * size for size in range(MOST_POSITIONS, FEWEST_POSITIONS - 1, -1))


# reductions

# partial results side by side in one row: the loop over them is one or a few vector instructions
LANE_BYTES = 128
MIN_PARTIAL_LANES = 8
# lanes of the last partial results, which are taken one by one
LAST_LANES = 8
# columns accumulated in one go where the last dimension is kept: they stay in the first-level cache
MAX_COLUMNS = 1024


def lane_count(length: int, dtype: str, dimension_count: int) -> int:
    """Lanes for a reduction over a last dimension of `length` and maybe others; 0 if it is too short for any."""
    lanes = LANE_BYTES // np.dtype(dtype).itemsize
    while lanes >= MIN_PARTIAL_LANES and lanes * 2 > length:
        lanes //= 2
    if dimension_count > 1:  # the remainder would be as many sums as there are rows, one by one
        halves = (lanes, lanes // 2, lanes // 4)
        dividing = [count for count in halves if count >= MIN_PARTIAL_LANES and length % count == 0]
        lanes = dividing[0] if dividing else lanes
    return lanes if lanes >= MIN_PARTIAL_LANES else 0


def dividing_columns(length: int) -> int:
    """Largest divisor that is at most MAX_COLUMNS; all of `length` if that is too small to be of use."""
    best = max(size for size in range(1, MAX_COLUMNS + 1) if length % size == 0)
    return best if best >= 64 else length


# element-wise kernels

MAX_LANES = 16
# fewer lanes are left to LLVM, which makes vectors of whole loops
MIN_LANES = 4
# tasks that keep many cores busy
ENOUGH_TASKS = 64


def parallel_loops(extents: Sequence[int | None]) -> int:
    """How many of the outermost loops make enough tasks."""
    product = 1
    for count, extent in enumerate(extents):
        if product >= ENOUGH_TASKS:
            return count
        product *= ENOUGH_TASKS if extent is None else extent
    return len(extents)


def lanes_of_extent(extent: int | None) -> int:
    """Lanes that divide an extent, at most `MAX_LANES`; 0 for too few."""
    if extent is None:
        return 0
    lanes = MAX_LANES
    while lanes >= MIN_LANES and extent % lanes:
        lanes //= 2
    return lanes if lanes >= MIN_LANES else 0
