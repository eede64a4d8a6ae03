"""Loops that the linear algebra kernels share: products in register tiles, triangular rows, vectors of a row."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import numbers as num
from .compat import tir
from .loops import PARALLEL_WORK, Loops
from .numbers import Matrix, Number

VECTOR_BITS = 512
MAX_TILE_VECTORS = 4
TILE_ROWS = 4

Element = Callable[[Any, Any], Number]


@dataclass(frozen=True)
class Tile:
    """Columns of one register tile: `vectors` vectors of `lanes` elements, for TILE_ROWS rows."""

    lanes: int
    vectors: int

    @property
    def columns(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors


def choose_tile(columns: int, dtype: str, parts: int) -> Tile:
    """Tile for matrices of so many columns; complex sums take twice the registers."""
    lanes = max(1, VECTOR_BITS // (64 if dtype == "float64" else 32))
    while lanes >= 2 * max(columns, 1):
        lanes //= 2
    vectors = min(MAX_TILE_VECTORS // parts, -(-columns // lanes))
    return Tile(lanes, max(1, vectors))


def round_up(size: int, step: int) -> int:
    """Least multiple of `step` that is no less than `size`."""
    return -(-size // step) * step


def is_parallel(batch: Any, work: int) -> tuple[bool, bool]:
    """Whether to share out the batch, and whether to share out the inside of one problem of `work` operations.

    TVM's parallel loops cannot be nested, so it is one or the other. A batch of unknown size is shared out.
    """
    if not isinstance(batch, int):
        return True, False
    over_batch = batch > 1 and (batch >= 4 or work < 64 * PARALLEL_WORK)
    return over_batch and batch * work >= PARALLEL_WORK, not over_batch and work >= 4 * PARALLEL_WORK


class Sums:
    """Sums of one register tile: TILE_ROWS rows of one tile's columns, kept in registers."""

    def __init__(self, loops: Loops, tile: Tile, dtype: str, parts: int) -> None:
        self.loops, self.tile = loops, tile
        self.rows = [
            [num.scratch_vector(loops, tile.lanes, dtype, parts, "sum") for _ in range(tile.vectors)]
            for _ in range(TILE_ROWS)
        ]

    @contextlib.contextmanager
    def _lanes(self) -> Iterator[Any]:
        with self.loops.vector(self.tile.lanes) as lane:
            yield lane

    def load(self, source: Matrix, i: Any, j: Any) -> None:
        """From memory."""
        for r, row in enumerate(self.rows):
            for v, sums in enumerate(row):
                with self._lanes() as lane:
                    sums[lane] = source[i + r, j + v * self.tile.lanes + lane]

    def store(self, target: Matrix, i: Any, j: Any) -> None:
        """To memory."""
        for r, row in enumerate(self.rows):
            for v, sums in enumerate(row):
                with self._lanes() as lane:
                    target[i + r, j + v * self.tile.lanes + lane] = sums[lane]

    def subtract(self, left: Element, right: Matrix, i: Any, j: Any, begin: Any, end: Any) -> None:
        """Minus the sum of left(i + r, k) * right[k, j + c] over k from `begin` to `end`."""
        with self.loops.loop(end - begin, "k") as step:
            k = begin + step
            factors = [tuple(self.loops.values(left(i + r, k), "factor")) for r in range(TILE_ROWS)]
            for v in range(self.tile.vectors):
                for factor, row in zip(factors, self.rows):
                    with self._lanes() as lane:
                        element = right[k, j + v * self.tile.lanes + lane]
                        row[v][lane] = minus_product(row[v][lane], factor, element)

    def solve(self, left: Element, i: Any, divide: bool) -> None:
        """Forward substitution among the rows themselves, with the triangle left(i + r, i + s)."""
        for r in range(TILE_ROWS):
            for s in range(r):
                factor = tuple(self.loops.values(left(i + r, i + s), "factor"))
                for solved, sums in zip(self.rows[s], self.rows[r]):
                    with self._lanes() as lane:
                        sums[lane] = minus_product(sums[lane], factor, solved[lane])
            if divide:
                self._divide(r, tuple(self.loops.values(left(i + r, i + r), "diagonal")))

    def _divide(self, r: int, divisor: Number) -> None:
        if len(divisor) > 1:
            # one exact division of 1, then products: the divisor is the same for the whole row
            one = num.real_number(tir.const(1, self.rows[r][0].dtype), len(divisor))
            inverse = tuple(self.loops.values(num.divide(self.loops, one, divisor), "inverse"))
        for sums in self.rows[r]:
            with self._lanes() as lane:
                if len(divisor) == 1:
                    sums[lane] = (sums[lane][0] / divisor[0],)
                else:
                    sums.store(self.loops, [lane], num.multiply(sums[lane], inverse))


def minus_product(total: Number, x: Number, y: Number) -> Number:
    """total - x * y, in an order that becomes multiply-adds."""
    if len(total) == 1:
        return (total[0] - x[0] * y[0],)
    return total[0] - x[0] * y[0] + x[1] * y[1], total[1] - x[0] * y[1] - x[1] * y[0]


def for_row(loops: Loops, begin: Any, end: Any, lanes: int, body: Callable[[Any], None]) -> None:
    """``body(j)`` for the whole vectors that hold the columns from `begin` to `end`; padding is computed too."""
    first = tir.indexdiv(begin, lanes) if not isinstance(begin, int) else begin // lanes
    last = tir.indexdiv(end + (lanes - 1), lanes) if not isinstance(end, int) else -(-end // lanes)
    with loops.loop(last - first, "vector") as vector:
        with loops.vector(lanes) as lane:
            body((first + vector) * lanes + lane)


def vector_of(width: int, lanes: int) -> int:
    """Lanes of the vectors along `width` elements."""
    return min(lanes, 1 << (width.bit_length() - 1))


def for_vectors(loops: Loops, width: int, lanes: int, body: Callable[[Any], None]) -> None:
    """``body(start)`` for vectors that cover `width` elements; the last one may begin within the one before it."""
    count = -(-width // lanes)
    with loops.loop(count, "vector") as vector:
        start = vector * lanes
        body(start if width % lanes == 0 else tir.min(start, width - lanes))


class LaneSums:
    """Several sums over rows, per lane first, so that no addition waits for the one before it."""

    def __init__(self, loops: Loops, count: int, lanes: int, dtype: str) -> None:
        self.loops, self.lanes = loops, lanes
        self.sums = [loops.scratch(lanes, dtype, "lanes") for _ in range(count)]
        self.totals = [loops.scratch(1, dtype, "total") for _ in range(count)]
        self.zero = tir.const(0, dtype)

    def over(self, begin: Any, end: Any, terms: Callable[[Any], list[Any]]) -> list[Any]:
        """Totals of ``terms(j)`` for the whole vectors that hold the columns from `begin` to `end`."""
        for sums in self.sums:
            with self.loops.vector(self.lanes) as lane:
                sums[lane] = self.zero
        first = tir.indexdiv(begin, self.lanes) if not isinstance(begin, int) else begin // self.lanes
        last = tir.indexdiv(end + (self.lanes - 1), self.lanes) if not isinstance(end, int) else -(-end // self.lanes)
        with self.loops.loop(last - first, "vector") as vector:
            for position, sums in enumerate(self.sums):
                with self.loops.vector(self.lanes) as lane:
                    sums[lane] = sums[lane] + terms((first + vector) * self.lanes + lane)[position]
        for sums, total in zip(self.sums, self.totals):
            total[0] = self.zero
            with self.loops.loop(self.lanes, "lane") as lane:
                total[0] = total[0] + sums[lane]
        return self.loops.values([total[0] for total in self.totals], "total")
