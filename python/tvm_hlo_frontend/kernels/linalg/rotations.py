"""Chains of plane rotations of rows that lie one behind the other."""

from __future__ import annotations

from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import Tile


def rotate_rows(
    loops: Loops, rows: Matrix, cosines: Matrix, sines: Matrix, start: Any, count: Any, columns: int, tile: Tile,
    parallel: bool, backward: bool = False,
) -> None:  # fmt: skip
    """`count` rotations: of row `start` with the one behind it, of what that became with the next one, and so on.

    Rotation k is of rows k and k + 1, (x, y) -> (c x + s y, c y - s x); with `backward`, where they go from `start` to
    the rows before it, of rows k + 1 and k. A row stays in registers until the one behind it is loaded.
    """
    lanes = tile.lanes
    with loops.loop(columns // tile.columns, "tile", parallel) as position:
        begin = position * tile.columns
        carried = [num.scratch_vector(loops, lanes, rows.dtype, rows.parts, "carried") for _ in range(tile.vectors)]
        for v, carry in enumerate(carried):
            with loops.vector(lanes) as lane:
                carry[lane] = rows[start, begin + v * lanes + lane]
        with loops.loop(count, "rotation") as step:
            place = start - step if backward else start + step
            following, k = (place - 1, place - 1) if backward else (place + 1, place)
            c, s = loops.values([cosines[k][0], sines[k][0]], "rotation")
            for v, carry in enumerate(carried):
                with loops.vector(lanes) as lane:
                    j = begin + v * lanes + lane
                    x, y = carry.load(loops, lane), rows.load(loops, following, j)
                    rows[place, j] = num.add(num.scale(x, c), num.scale(y, s))
                    carry[lane] = num.subtract(num.scale(y, c), num.scale(x, s))
        for v, carry in enumerate(carried):
            with loops.vector(lanes) as lane:
                rows[start - count if backward else start + count, begin + v * lanes + lane] = carry[lane]
