"""Implicit QL iteration for real symmetric tridiagonal matrices (EISPACK tql2; Bowdler, Martin, Reinsch, Wilkinson)."""

from __future__ import annotations

from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import Tile
from .rotations import rotate_rows

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}
MAX_SWEEPS = 60


class TridiagonalQL:
    """Eigenvalues in place of the diagonal `d`; rotations applied to the rows of `rows`."""

    def __init__(
        self, loops: Loops, rows: Matrix, d: Matrix, e: Matrix, failed: Any, n: int, columns: int, tile: Tile,
        parallel: bool,
    ) -> None:  # fmt: skip
        self.loops, self.rows, self.d, self.e, self.failed, self.n = loops, rows, d, e, failed, n
        self.columns, self.tile, self.parallel = columns, tile, parallel
        self.dtype = rows.dtype
        self.sweeps, self.end, self.searching, self.going, self.place = (
            loops.scratch(1, "int32", name) for name in ("sweeps", "end", "searching", "going", "place")
        )
        self.running = loops.scratch(1, "int32", "running")
        self.g, self.s, self.c, self.p = (loops.scratch(1, self.dtype, name) for name in "gscp")
        self.cosines, self.sines = (num.scratch_vector(loops, n, self.dtype, 1, name) for name in ("cosine", "sine"))

    def run(self) -> None:
        """Until all elements beside the diagonal vanish; sets `failed` where that takes too long."""
        loops = self.loops
        with loops.loop(self.n, "eigenvalue") as first:
            self.sweeps[0] = 0
            self.going[0] = 1
            with loops.repeat(tir.all(self.going[0] != 0, self.failed[0] == 0)):
                self._find_end(first)
                with loops.when(self.end[0] == first):
                    self.going[0] = 0
                with loops.otherwise():
                    self.sweeps[0] = self.sweeps[0] + 1
                    with loops.when(self.sweeps[0] > MAX_SWEEPS):
                        self.failed[0] = 1
                    with loops.otherwise():
                        self._sweep(first)

    def _find_end(self, first: Any) -> None:
        """First place from `first` on where the element beside the diagonal vanishes against its neighbours."""
        loops, end = self.loops, self.end
        end[0] = first
        self.searching[0] = 1
        with loops.repeat(tir.all(self.searching[0] != 0, end[0] < self.n - 1)):
            m = end[0]
            around = num.magnitude(self.d[m][0]) + num.magnitude(self.d[m + 1][0])
            with loops.when(num.magnitude(self.e[m][0]) <= tir.const(EPSILON[self.dtype], self.dtype) * around):
                self.searching[0] = 0
            with loops.otherwise():
                end[0] = m + 1

    def _sweep(self, first: Any) -> None:
        """One implicit shift, its rotations from the end back to `first`."""
        loops, d, e = self.loops, self.d, self.e
        zero, one, two = (tir.const(value, self.dtype) for value in (0, 1, 2))
        (m,) = loops.values([self.end[0]], "end")
        (shift,) = loops.values([(d[first + 1][0] - d[first][0]) / (two * e[first][0])], "shift")
        (root,) = loops.values([_hypotenuse(shift, one)], "root")
        signed = tir.if_then_else(shift < zero, zero - root, root)
        self.g[0] = d[m][0] - d[first][0] + e[first][0] / (shift + signed)
        self.s[0], self.c[0], self.p[0] = one, one, zero
        self.place[0] = m - 1
        self.running[0] = 1
        with loops.repeat(tir.all(self.running[0] != 0, self.place[0] >= first)):
            (i,) = loops.values([self.place[0]], "place")
            self._rotation(i, m)
        (reached,) = loops.values([self.place[0] + 1], "reached")
        with loops.when(self.running[0] != 0):
            d[first] = (d[first][0] - self.p[0],)
            e[first] = (self.g[0],)
            e[m] = (zero,)
        rotate_rows(
            loops, self.rows, self.cosines, self.sines, m, m - reached, self.columns, self.tile, self.parallel, True
        )  # fmt: skip

    def _rotation(self, i: Any, m: Any) -> None:
        """Rotation of the places i and i + 1, kept for `rotate_rows`."""
        loops, d, e = self.loops, self.d, self.e
        zero, two = tir.const(0, self.dtype), tir.const(2, self.dtype)
        f, b, g = loops.values([self.s[0] * e[i][0], self.c[0] * e[i][0], self.g[0]], "f")
        (r,) = loops.values([_hypotenuse(f, g)], "r")
        e[i + 1] = (r,)
        with loops.when(r == zero):
            d[i + 1] = (d[i + 1][0] - self.p[0],)
            e[m] = (zero,)
            self.running[0] = 0
        with loops.otherwise():
            s, c = loops.values([f / r, g / r], "rotation")
            (g,) = loops.values([d[i + 1][0] - self.p[0]], "g")
            (r,) = loops.values([(d[i][0] - g) * s + two * c * b], "r")
            (p,) = loops.values([s * r], "p")
            d[i + 1] = (g + p,)
            self.s[0], self.c[0], self.p[0] = s, c, p
            self.g[0] = c * r - b
            self.sines[i] = (s,)
            self.cosines[i] = (c,)
            self.place[0] = i - 1


def _hypotenuse(x: Any, y: Any) -> Any:
    """sqrt(x^2 + y^2); the matrix was scaled, so that squares do not overflow."""
    return tir.sqrt(x * x + y * y)
