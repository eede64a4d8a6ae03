"""One-sided Jacobi rotations: the columns of a matrix, kept as rows, are made orthogonal pair by pair."""

from __future__ import annotations

from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Number
from ...tensor_ir.tiles import LaneSums, choose_tile, for_row, round_up
from .qr import set_identity
from .tridiagonal_ql import EPSILON

MAX_SWEEPS = 40
# magnitudes below TINY are not divided by
TINY = {"float32": 2.0**-120, "float64": 2.0**-1000}
# lengths below this, where the largest element is about 1, are zero to the precision of the type; squares of greater
# ones are normal numbers
NEGLIGIBLE = {"float32": 2.0**-45, "float64": 2.0**-104}


class OneSidedJacobi:
    """G = W S V^H for an n x n matrix G.

    Attributes
    ----------
    rows : Matrix
        Column i of G in row i; after `sort` row order[i] is column i of W, scaled to length 1.
    rotations : Matrix
        Column i of V in row i, with `with_vectors`.
    values : Matrix
        Singular values, descending after `sort`.
    order : array of int32
    """

    def __init__(self, loops: Loops, n: int, dtype: str, parts: int, failed: Any, with_vectors: bool) -> None:
        self.loops, self.n, self.dtype, self.parts, self.failed = loops, n, dtype, parts, failed
        self.with_vectors = with_vectors
        self.lanes = choose_tile(n, dtype, parts).lanes
        self.columns = round_up(n, self.lanes)
        self.rows = num.scratch_matrix(loops, n, self.columns, dtype, parts, "rows")
        self.rotations = num.scratch_matrix(loops, n if with_vectors else 1, self.columns, dtype, parts, "rotations")
        self.values = num.scratch_vector(loops, n, dtype, 1, "values")
        self.order = loops.scratch(n, "int32", "order")
        self.rotated, self.sweeps = (loops.scratch(1, "int32", name) for name in ("rotated", "sweeps"))
        # the cosine between two columns that counts as zero (LAPACK gesvj)
        self.tolerance = tir.const(EPSILON[dtype] * max(n, 1) ** 0.5, dtype)

    def run(self) -> None:
        """Sweeps over all pairs until none needs a rotation; sets `failed` where that takes too long."""
        loops, n = self.loops, self.n
        if self.with_vectors:
            set_identity(loops, self.rotations, n, self.columns)
        self.rotated[0] = 1
        self.sweeps[0] = 0
        with loops.repeat(tir.all(self.rotated[0] != 0, self.failed[0] == 0)):
            self.rotated[0] = 0
            self.sweeps[0] = self.sweeps[0] + 1
            with loops.when(self.sweeps[0] > MAX_SWEEPS):
                self.failed[0] = 1
            with loops.loop(n - 1, "p") as p:
                with loops.loop(n - 1 - p, "q") as step:
                    self._pair(p, p + 1 + step)

    def _pair(self, p: Any, q: Any) -> None:
        loops, rows = self.loops, self.rows

        def terms(j: Any) -> list[Any]:
            x, y = rows[p, j], rows[q, j]
            return [num.square(x), num.square(y), *num.multiply(num.conjugate(x), y)]

        sums = LaneSums(loops, 2 + self.parts, self.lanes, self.dtype)
        alpha, beta, *gamma = sums.over(0, self.columns, terms)
        # both lengths under the root, so that products of tiny ones do not vanish
        (size,) = loops.values([self._magnitude(gamma)], "size")
        floor = tir.const(NEGLIGIBLE[self.dtype] ** 2, self.dtype)
        limit = self.tolerance * tir.sqrt(alpha) * tir.sqrt(beta)
        with loops.when(tir.all(alpha > floor, beta > floor, size > limit)):
            self.rotated[0] = 1
            c, s, phase = self._angle(alpha, beta, gamma, size)
            self._rotate(rows, p, q, c, s, phase)
            if self.with_vectors:
                self._rotate(self.rotations, p, q, c, s, phase)

    def _magnitude(self, gamma: list[Any]) -> Any:
        if self.parts == 1:
            return num.magnitude(gamma[0])
        big = tir.max(num.magnitude(gamma[0]), num.magnitude(gamma[1]))
        (big,) = self.loops.values([tir.max(big, tir.const(TINY[self.dtype], self.dtype))], "big")
        return big * tir.sqrt(num.square((gamma[0] / big, gamma[1] / big)))

    def _angle(self, alpha: Any, beta: Any, gamma: list[Any], size: Any) -> tuple[Any, Any, Number]:
        """Cosine, sine, and the number that makes the product of both columns real."""
        loops = self.loops
        zero, one, two = (tir.const(value, self.dtype) for value in (0, 1, 2))
        (zeta,) = loops.values([(beta - alpha) / (two * size)], "zeta")
        (tangent,) = loops.values([one / (num.magnitude(zeta) + tir.sqrt(one + zeta * zeta))], "tangent")
        (t,) = loops.values([tir.if_then_else(zeta < zero, zero - tangent, tangent)], "t")
        (c,) = loops.values([one / tir.sqrt(one + t * t)], "c")
        (s,) = loops.values([c * t], "s")
        phase = tuple(loops.values([part / size for part in num.conjugate(tuple(gamma))], "phase"))
        return c, s, phase

    def _rotate(self, target: Any, p: Any, q: Any, c: Any, s: Any, phase: Number) -> None:
        loops = self.loops

        def rotate(j: Any) -> None:
            x, y = target.load(loops, p, j), target.load(loops, q, j)
            turned = tuple(loops.values(num.multiply(phase, y), "turned"))
            target[p, j] = num.subtract(num.scale(x, c), num.scale(turned, s))
            target[q, j] = num.add(num.scale(x, s), num.scale(turned, c))

        for_row(loops, 0, self.columns, self.lanes, rotate)

    def sort(self) -> None:
        """Lengths of the columns in descending order."""
        loops, n = self.loops, self.n
        lengths = num.scratch_vector(loops, n, self.dtype, 1, "lengths")
        with loops.loop(n, "row") as i:
            sums = LaneSums(loops, 1, self.lanes, self.dtype)
            (total,) = sums.over(0, self.columns, lambda j: [num.square(self.rows[i, j])])
            lengths[i] = (tir.sqrt(total),)
            self.order[i] = i
        largest = loops.scratch(1, "int32", "largest")
        with loops.loop(n, "place") as i:
            largest[0] = i
            with loops.loop(n - 1 - i, "candidate") as step:
                j = i + 1 + step
                with loops.when(lengths[self.order[j]][0] > lengths[self.order[largest[0]]][0]):
                    largest[0] = j
            chosen, other = loops.values([self.order[largest[0]], self.order[i]], "order")
            self.order[largest[0]] = other
            self.order[i] = chosen
            self.values[i] = lengths[chosen]


def complete_rows(loops: Loops, jacobi: OneSidedJacobi, failed: Any) -> None:
    """Scale the columns to length 1; in the place of negligible ones put what makes all of them orthonormal."""
    n, rows, order, lanes, dtype = jacobi.n, jacobi.rows, jacobi.order, jacobi.lanes, jacobi.dtype
    one = tir.const(1, dtype)
    with loops.loop(n, "place") as place:
        (i,) = loops.values([order[place]], "row")
        (length,) = loops.values([jacobi.values[place][0]], "length")
        with loops.when(length > tir.const(NEGLIGIBLE[dtype], dtype)):
            _scale_row(loops, jacobi, i, one / length)
        with loops.otherwise():
            with loops.when(failed[0] == 0):
                candidate = _least_covered(loops, jacobi, place)
                for_row(loops, 0, jacobi.columns, lanes, lambda j: rows.__setitem__((i, j), rows.zero()))
                rows[i, candidate] = rows.one()
                # twice is enough (Kahan)
                with loops.loop(2, "again"):
                    with loops.loop(place, "other") as other:
                        _remove(loops, jacobi, i, order[other])
                sums = LaneSums(loops, 1, lanes, dtype)
                (total,) = sums.over(0, jacobi.columns, lambda j: [num.square(rows[i, j])])
                _scale_row(loops, jacobi, i, one / tir.sqrt(total))


def _scale_row(loops: Loops, jacobi: OneSidedJacobi, i: Any, factor: Any) -> None:
    rows = jacobi.rows
    (value,) = loops.values([factor], "scale")
    for_row(loops, 0, jacobi.columns, jacobi.lanes, lambda j: rows.__setitem__((i, j), num.scale(rows[i, j], value)))


def _remove(loops: Loops, jacobi: OneSidedJacobi, i: Any, k: Any) -> None:
    """Row i without its part along row k."""
    rows = jacobi.rows
    sums = LaneSums(loops, jacobi.parts, jacobi.lanes, jacobi.dtype)
    part = tuple(sums.over(0, jacobi.columns, lambda j: list(num.multiply(num.conjugate(rows[k, j]), rows[i, j]))))

    def subtract(j: Any) -> None:
        rows.store(loops, [i, j], num.subtract(rows[i, j], num.multiply(part, rows[k, j])))

    for_row(loops, 0, jacobi.columns, jacobi.lanes, subtract)


def _least_covered(loops: Loops, jacobi: OneSidedJacobi, count: Any) -> Any:
    """The axis of which the first `count` rows hold least."""
    best, total = loops.scratch(1, jacobi.dtype, "best"), loops.scratch(1, jacobi.dtype, "covered")
    chosen = loops.scratch(1, "int32", "chosen")
    best[0] = tir.max_value(jacobi.dtype)
    chosen[0] = 0
    with loops.loop(jacobi.n, "axis") as axis:
        total[0] = tir.const(0, jacobi.dtype)
        with loops.loop(count, "other") as other:
            total[0] = total[0] + num.square(jacobi.rows[jacobi.order[other], axis])
        with loops.when(total[0] < best[0]):
            best[0] = total[0]
            chosen[0] = axis
    return loops.values([chosen[0]], "axis")[0]
