"""Implicit QR iteration for singular values of real upper bidiagonal matrices (Golub, Kahan; LAPACK bdsqr)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import Tile
from .rotations import rotate_rows
from .tridiagonal_ql import EPSILON, MAX_SWEEPS

# sizes below it, where the largest element of the matrix is about 1, are zero to the precision of the type; squares of
# greater ones are normal numbers
NEGLIGIBLE = {"float32": 2.0**-45, "float64": 2.0**-104}


class BidiagonalQR:
    """Singular values, without signs and order, in place of the diagonal `d`; `e` is what is beside it.

    The rotations of both sides are applied to the rows of `left` and of `right`, or to neither.
    """

    def __init__(
        self, loops: Loops, d: Matrix, e: Matrix, sides: Sequence[Matrix], failed: Any, n: int, columns: int,
        tile: Tile, parallel: bool,
    ) -> None:  # fmt: skip
        self.loops, self.d, self.e, self.sides, self.failed, self.n = loops, d, e, sides, failed, n
        self.columns, self.tile, self.parallel, self.dtype = columns, tile, parallel, d.dtype
        self.end, self.sweeps, self.first, self.searching = (
            loops.scratch(1, "int32", name) for name in ("end", "sweeps", "first", "searching")
        )
        self.f, self.g, self.largest, self.least = (
            loops.scratch(1, self.dtype, name) for name in ("f", "g", "largest", "least")
        )
        self.turns = [
            [num.scratch_vector(loops, n, self.dtype, 1, name) for name in ("cosines", "sines")] for _ in range(2)
        ]

    def run(self) -> None:
        """Until all elements beside the diagonal vanish; sets `failed` where that takes too long."""
        loops = self.loops
        self._measure()
        self.end[0] = self.n - 1
        self.sweeps[0] = 0
        with loops.repeat(tir.all(self.end[0] > 0, self.failed[0] == 0)):
            self._find_first()
            with loops.when(self.first[0] == self.end[0]):
                self.end[0] = self.end[0] - 1
                self.sweeps[0] = 0
            with loops.otherwise():
                self.sweeps[0] = self.sweeps[0] + 1
                with loops.when(self.sweeps[0] > MAX_SWEEPS):
                    self.failed[0] = 1
                with loops.otherwise():
                    first, end = loops.values([self.first[0], self.end[0]], "block")
                    self._sweep(first, end)

    def _measure(self) -> None:
        """Size of the largest element, which says what is negligible."""
        self.largest[0] = tir.const(0, self.dtype)
        with self.loops.loop(self.n, "i") as i:
            size = num.magnitude(self.d[i][0]) + num.magnitude(self.e[i][0])
            self.largest[0] = tir.max(self.largest[0], size)

    def _find_first(self) -> None:
        """First place of the block that ends at `end`: what is beside the diagonal before it vanishes."""
        loops, first = self.loops, self.first
        first[0] = self.end[0]
        self.searching[0] = 1
        (limit,) = loops.values([tir.const(EPSILON[self.dtype], self.dtype) * self.largest[0]], "limit")
        with loops.repeat(tir.all(self.searching[0] != 0, first[0] > 0)):
            with loops.when(num.magnitude(self.e[first[0] - 1][0]) <= limit):
                self.searching[0] = 0
                self.e[first[0] - 1] = self.e.zero()
            with loops.otherwise():
                first[0] = first[0] - 1

    def _shift(self, first: Any, end: Any) -> None:
        """Beginning of a sweep, in f and g; no shift where a diagonal element vanishes or it is too small to matter."""
        loops, d, e = self.loops, self.d, self.e
        zero, one = tir.const(0, self.dtype), tir.const(1, self.dtype)
        epsilon = tir.const(EPSILON[self.dtype], self.dtype)
        (shift,) = loops.values([self._smallest(d[end - 1][0], e[end - 1][0], d[end][0])], "shift")
        self.least[0] = self.largest[0]
        with loops.loop(end - first + 1, "i") as step:
            self.least[0] = tir.min(self.least[0], num.magnitude(d[first + step][0]))
        (start,) = loops.values([d[first][0]], "start")
        (size,) = loops.values([num.magnitude(start)], "size")
        shifted = tir.all(self.least[0] > epsilon * self.largest[0], shift * shift > epsilon * size * size)
        self.f[0] = start
        with loops.when(shifted):
            sign = tir.Select(start < zero, zero - one, one)
            self.f[0] = (size - shift) * (sign + shift / start)
        self.g[0] = e[first][0]

    def _smallest(self, f: Any, g: Any, h: Any) -> Any:
        """Smallest singular value of [[f, g], [0, h]] (LAPACK las2)."""
        loops = self.loops
        two, least = tir.const(2, self.dtype), tir.const(NEGLIGIBLE[self.dtype], self.dtype)
        f, g, h = loops.values([num.magnitude(value) for value in (f, g, h)], "size")
        low, high = loops.values([tir.min(f, h), tir.max(f, h)], "size")
        plus, minus = high + low, high - low
        spread = loops.values([tir.sqrt(plus * plus + g * g), tir.sqrt(minus * minus + g * g)], "root")
        return two * low * high / tir.max(spread[0] + spread[1], least)

    def _sweep(self, first: Any, end: Any) -> None:
        """One implicit shift chased from `first` to `end`."""
        loops, d, e = self.loops, self.d, self.e
        self._shift(first, end)
        (rights, lefts) = self.turns
        with loops.loop(end - first, "step") as step:
            i = first + step
            c, s, r = self._rotation(self.f[0], self.g[0])
            with loops.when(step > 0):
                e[i - 1] = (r,)
            rights[0][i], rights[1][i] = (c,), (s,)
            a, b, x = loops.values([d[i][0], e[i][0], d[i + 1][0]], "element")
            f, g, beside, below = loops.values([c * a + s * b, s * x, c * b - s * a, c * x], "turned")
            c, s, r = self._rotation(f, g)
            lefts[0][i], lefts[1][i] = (c,), (s,)
            d[i] = (r,)
            d[i + 1] = (c * below - s * beside,)
            self.f[0] = c * beside + s * below
            with loops.when(i < end - 1):
                (following,) = loops.values([e[i + 1][0]], "following")
                self.g[0] = s * following
                e[i + 1] = (c * following,)
        e[end - 1] = (self.f[0],)
        for rows, (cosines, sines) in zip(self.sides, (lefts, rights)):
            rotate_rows(loops, rows, cosines, sines, first, end - first, self.columns, self.tile, self.parallel)

    def _rotation(self, f: Any, g: Any) -> list[Any]:
        """(c, s, r) with c f + s g = r and c g = s f; nothing is turned where both are negligible."""
        loops = self.loops
        zero, one = tir.const(0, self.dtype), tir.const(1, self.dtype)
        f, g = loops.values([f, g], "part")
        (total,) = loops.values([f * f + g * g], "total")
        turned = total > tir.const(NEGLIGIBLE[self.dtype] ** 2, self.dtype)
        (root,) = loops.values([tir.sqrt(tir.Select(turned, total, one))], "root")
        c, s = tir.Select(turned, f / root, one), tir.Select(turned, g / root, zero)
        return loops.values([c, s, tir.Select(turned, root, f)], "rotation")
