"""dot with rows, columns or a depth that are known only at run time: loops that choose their tiles when they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import Loops, extent, extern, wide
from .. import plans
from ..spec import KernelSpec
from .sums import convert_sum

# rows of the tiles, the first as long as there are so many
ROW_TILES = (8, 4, 1)
# vectors of one row of a tile
VECTORS = 2
# ... of few rows, which take their columns from the operand in its own layout
THIN_VECTORS = {1: 8, 2: 8, 3: 4, 4: 4}

Results = Sequence[tuple[tuple[Any, ...], str]]


def open_dot(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """The kernel `dot` for sizes of which some are expressions."""
    lhs_is_mk, rhs_is_kn = spec.parameters["lhs"] == "MK", spec.parameters["rhs"] == "KN"
    batch, rows, columns = (wide(size) for size in results[0][0])
    depth = wide(inputs[0].shape[2 if lhs_is_mk else 1])
    accumulator = spec.parameters["accumulator"]
    lanes = plans.lanes_of(accumulator)
    known = extent(results[0][0][2])
    while isinstance(known, int) and lanes >= 2 * max(known, 2):
        lanes //= 2

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        lhs, rhs = ins
        product = _Product(
            loops,
            lambda b, i, k: lhs[[b, i, k] if lhs_is_mk else [b, k, i]].astype(accumulator),
            lambda b, k, j: rhs[[b, k, j] if rhs_is_kn else [b, j, k]].astype(accumulator),
            outs[0],
            (batch, rows, columns, depth),
            accumulator,
            lanes,
        )
        if not rhs_is_kn:
            product.packed()
            return
        thin = product.thin_vectors(known)
        if not thin:
            product.packed()
            return
        for count, vectors in thin.items():
            with loops.when(tir.EQ(rows, wide(count))):
                product.thin(count, vectors)
        with loops.when(rows > wide(max(thin))):
            product.packed()

    return extern(inputs, results, generate, "hlo_open_dot")


@dataclass(frozen=True)
class _Product:
    """Statements of a product.

    Attributes
    ----------
    loops : Loops
    left, right : callable
        ``left(batch, row, k)`` and ``right(batch, k, column)`` in the accumulator's type.
    out : array
    sizes : tuple
        Batch, rows, columns and depth.
    accumulator : str
    lanes : int
        Elements of a vector.
    """

    loops: Loops
    left: Callable[[Any, Any, Any], Any]
    right: Callable[[Any, Any, Any], Any]
    out: Any
    sizes: tuple[Any, Any, Any, Any]
    accumulator: str
    lanes: int

    def thin_vectors(self, columns: Any) -> dict[int, int]:
        """By number of rows, vectors of a tile that divides the columns; none where no vector does."""
        if not isinstance(columns, int) or columns % self.lanes:
            return {}
        return {
            rows: next(v for v in (8, 4, 2, 1) if v <= most and columns % (v * self.lanes) == 0)
            for rows, most in THIN_VECTORS.items()
        }

    def thin(self, rows: int, vectors: int) -> None:
        """Few rows: every column is read once, where it is."""
        batch, _, columns, _ = self.sizes
        width = wide(vectors * self.lanes)
        pieces = tir.indexdiv(columns, width)
        with self.loops.loop(batch * pieces, "piece", True) as piece:
            b, begin = self._values(tir.indexdiv(piece, pieces), tir.indexmod(piece, pieces) * width)
            self._tile(b, wide(0), rows, vectors, lambda k, j: self.right(b, k, begin + j), begin, whole=True)

    def packed(self) -> None:
        """Panels of columns side by side; those beyond the last one repeat it."""
        batch, _, columns, depth = self.sizes
        width = VECTORS * self.lanes
        panels = tir.indexdiv(columns + wide(width - 1), wide(width))
        is_whole = isinstance(columns, tir.IntImm) and int(columns) % width == 0
        with self.loops.loop(batch * panels, "panel", True) as task:
            b, begin = self._values(tir.indexdiv(task, panels), tir.indexmod(task, panels) * wide(width))
            panel = self.loops.scratch(depth * wide(width), self.accumulator, "panel")
            with self.loops.loop(depth, "k") as k:
                with self.loops.vector(width) as j:
                    column = begin + j
                    panel[k * wide(width) + j] = self.right(
                        b, k, column if is_whole else tir.min(column, columns - wide(1))
                    )
            self._rows(b, begin, lambda k, j: panel[k * wide(width) + j], is_whole)

    def _rows(self, b: Any, begin: Any, read: Callable[[Any, Any], Any], is_whole: bool) -> None:
        """All rows of a panel: as many as fill the largest tile, then those that fill the next one."""
        done: Any = wide(0)
        for tile in ROW_TILES:
            (count,) = self._values(tir.indexdiv(self.sizes[1] - done, wide(tile)))
            with self.loops.loop(count, "tile") as index:
                self._tile(b, done + index * wide(tile), tile, VECTORS, read, begin, is_whole)
            done = done + count * wide(tile)

    def _tile(
        self, b: Any, row: Any, rows: int, vectors: int, read: Callable[[Any, Any], Any], begin: Any, whole: bool
    ) -> None:
        """Sums of one tile in registers, then its elements."""
        loops, lanes, columns = self.loops, self.lanes, self.sizes[2]
        cells = [(i, v) for i in range(rows) for v in range(vectors)]
        sums = {cell: loops.scratch(lanes, self.accumulator, "sum") for cell in cells}
        for cell in cells:
            with loops.vector(lanes) as lane:
                sums[cell][lane] = tir.const(0, self.accumulator)
        with loops.loop(self.sizes[3], "k") as k:
            for i in range(rows):
                (factor,) = self._values(self.left(b, row + wide(i), k))
                for v in range(vectors):
                    with loops.vector(lanes) as lane:
                        product = factor * read(k, wide(v * lanes) + lane)
                        sums[i, v][lane] = sums[i, v][lane] + product
        for i, v in cells:
            at = begin + wide(v * lanes)
            if whole:
                with loops.vector(lanes) as lane:
                    self._store(b, row + wide(i), at + lane, sums[i, v][lane])
                continue
            with loops.when(at + wide(lanes) <= columns):
                with loops.vector(lanes) as lane:
                    self._store(b, row + wide(i), at + lane, sums[i, v][lane])
            with loops.otherwise():
                with loops.loop(tir.max(columns - at, wide(0)), "column") as column:
                    self._store(b, row + wide(i), at + column, sums[i, v][column])

    def _store(self, b: Any, row: Any, column: Any, total: Any) -> None:
        self.out[[b, row, column]] = convert_sum(total, dtype_of(self.out))

    def _values(self, *expressions: Any) -> list[Any]:
        return self.loops.values(expressions)
