"""Tiles of output channels by positions, and the tasks that compute them: kernels with channels last on either TVM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels import plans
from .registers import Registers, registers_of, sums_per_load

# of the second-level cache of a core, of which there are at least so many
CACHE_BYTES = 1 << 20
# operations of what follows a tile, up to which it is unrolled with it
UNROLLED = 12
# ... up to which it is computed in the tile: the store and the load of an element cost less than loops over few of them
IN_TILE = 64


@dataclass(frozen=True)
class ChannelTile:
    """`vectors` times `lanes` output channels by `rows` times `columns` positions of the last two dimensions."""

    lanes: int
    vectors: int
    rows: int
    columns: int


@dataclass(frozen=True)
class TaskPlan:
    """Into how many pieces the last dimension's tiles are cut for tasks, and whether all positions are computed with
    one tile of weights before the next, or all outputs of a piece of positions."""

    pieces: int
    outputs_first: bool


@dataclass(frozen=True)
class Sums:
    """Sums of products with channels last.

    Attributes
    ----------
    dtype : str
    extents : sequence of int
        All dimensions, the output channels last.
    reduced : sequence of int
    outputs, lanes : int
        Output channels of a group, and those that lie side by side in the weights.
    """

    dtype: str
    extents: Sequence[int]
    reduced: Sequence[int]
    outputs: int
    lanes: int


def planned(sums: Sums, data: int, target: Any) -> tuple[ChannelTile, TaskPlan]:
    """The tile of sums of `data` elements of an operand, and the tasks that compute its tiles."""
    *outer, outputs = sums.extents
    registers, element = registers_of(target), np.dtype(sums.dtype).itemsize
    tile = channel_tile(registers, sums.outputs, divisor(sums.lanes, registers.lanes(sums.dtype)), outer)
    return tile, plan_of(tile, outer, outputs, element * data, element * outputs * math.prod(sums.reduced))


def plan_of(tile: ChannelTile, outer: list[int], outputs: int, data: int, weights: int) -> TaskPlan:
    """The order that brings fewer bytes into a core's own cache, and tasks that fit it, enough for many cores."""
    tiles_of_outputs, rows = outputs // (tile.vectors * tile.lanes), math.prod(outer[:-1]) // tile.rows
    columns = outer[-1] // tile.columns
    wanted = max(1, -(-plans.WANTED_PIECES // (tiles_of_outputs * rows)), -(-data // (rows * CACHE_BYTES // 2)))
    pieces = next((size for size in range(wanted, columns + 1) if columns % size == 0), columns)
    outputs_first = weights + data * (1 if data <= CACHE_BYTES else tiles_of_outputs)
    positions_first = data + weights * (1 if weights <= CACHE_BYTES else rows * pieces)
    return TaskPlan(pieces, outputs_first <= positions_first)


def channel_tile(registers: Registers, outputs: int, lanes: int, outer: list[int]) -> ChannelTile:
    """The tile that takes fewest cycles per product, the one with most sums per operand loaded if there are several."""
    height, width = (outer[-2] if len(outer) > 1 else 1), outer[-1]
    found = []
    for vectors in (1, 2, 4):
        if outputs % (vectors * lanes):
            continue
        for columns in range(1, min(width, registers.count) + 1):
            if width % columns:
                continue
            most = divisor(height, registers.count // columns) if columns == width else 1
            for rows in {1, most}:
                cycles = registers.cycles(vectors, rows * columns)
                found.append((cycles, -sums_per_load(vectors, rows * columns), vectors, rows, columns))
    _, _, vectors, rows, columns = min(found)
    return ChannelTile(lanes, vectors, rows, columns)


def divisor(extent: int, limit: int) -> int:
    """Largest divisor up to `limit`."""
    return next(size for size in range(max(1, min(extent, limit)), 0, -1) if extent % size == 0)
