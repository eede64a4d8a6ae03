"""Householder reflectors H = I - tau v v^H with LAPACK's conventions (larfg): v[0] is 1 and not stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix, Number
from ...tensor_ir.primitives import is_zero, ordered
from ...tensor_ir.tiles import LaneSums, Tile, for_row, round_up

Vector = Callable[[Any], Number]


class Reflectors:
    """Makes and applies reflectors of one working matrix with `columns` columns."""

    def __init__(self, loops: Loops, dtype: str, parts: int, tile: Tile, columns: int, parallel: bool = False) -> None:
        self.loops, self.dtype, self.parts, self.tile = loops, dtype, parts, tile
        self.columns = round_up(columns, tile.columns)
        self.parallel = parallel
        self.state = num.scratch_vector(loops, 4, dtype, 1, "norm")
        self.mask = loops.scratch(self.columns, "int32", "mask")

    def make(self, x: Matrix, at: Callable[[Any], tuple], begin: Any, end: Any) -> tuple[Any, Number]:
        """(beta, tau) of the reflector with H^H x = beta e1, for x[begin] .. x[end - 1]; v takes the place of x.

        ``at(i)`` is the index of element i in the matrix `x`; x[begin] is left as it is.
        """
        loops, state = self.loops, self.state
        zero, one = tir.const(0, self.dtype), tir.const(1, self.dtype)
        largest, total, rest = 0, 1, 2
        state[largest] = (zero,)
        with loops.loop(end - begin, "element") as step:
            for part in x[at(begin + step)]:
                (size,) = loops.values([num.magnitude(part)], "size")
                with loops.when(ordered("GT", size, state[largest][0])):
                    state[largest] = (size,)
        state[total] = (zero,)
        state[rest] = (zero,)
        # infinity must not become NaN before LAPACK's does
        usable = tir.all(state[largest][0] > zero, state[largest][0] <= tir.max_value(self.dtype))
        size = loops.in_memory(tir.if_then_else(usable, state[largest][0], one), "size")
        with loops.loop(end - begin, "element") as step:
            scaled = tuple(loops.values([part / size for part in x[at(begin + step)]], "scaled"))
            state[total] = (state[total][0] + num.square(scaled),)
            with loops.when(step > 0):
                state[rest] = (state[rest][0] + num.square(scaled),)
        alpha = x.load(loops, *at(begin))
        # all of it in units of the largest element: denormals have too few bits, and no inverse
        relative = tuple(loops.values([part / size for part in alpha], "alpha"))
        (norm,) = loops.values([tir.sqrt(state[total][0])], "norm")
        (beta,) = loops.values([tir.if_then_else(relative[0] < zero, norm, zero - norm)], "beta")
        trivial = tir.all(is_zero(state[rest][0]), *(is_zero(part) for part in alpha[1:]))
        divisor = (relative[0] - beta, *relative[1:])
        is_trivial = loops.in_memory(trivial, "trivial")
        safe = tuple(
            loops.values(
                [tir.if_then_else(is_trivial, d, part) for d, part in zip(num.real_number(one, self.parts), divisor)],
                "divisor",
            )
        )
        inverse = tuple(loops.values(num.divide(loops, num.real_number(one, self.parts), safe), "inverse"))
        with loops.when(tir.Not(is_trivial)):
            with loops.loop(end - begin - 1, "element") as step:
                scaled = tuple(part / size for part in x[at(begin + 1 + step)])
                x.store(loops, at(begin + 1 + step), num.multiply(scaled, inverse))
        tau = ((beta - relative[0]) / beta, *(zero - part / beta for part in relative[1:]))
        kept = [tir.if_then_else(is_trivial, zero, part) for part in tau]
        result = loops.values([tir.if_then_else(is_trivial, alpha[0], beta * size), *kept], "reflector")
        return result[0], tuple(result[1:])

    def apply(
        self, target: Matrix, v: Vector, tau: Number, begin: Any, end: Any, first: Any, after: Any = None
    ) -> None:
        """target = target - tau v (v^H target), in rows `begin` (where v is 1) to `end` and columns from `first` on.

        Columns up to `after` stay as they are, where it is given.
        """
        loops, width = self.loops, self.tile.columns
        if after is not None:
            self._mask_behind(after)
        start = tir.indexdiv(first, width) if not isinstance(first, int) else first // width
        with loops.loop(self.columns // width - start, "tile", self.parallel) as tile:
            self.apply_to_tile(target, v, tau, begin, end, (start + tile) * width, after is not None)

    def _mask_behind(self, column: Any) -> None:
        # a mask in memory: TVM 0.17 mistakes `j > column` for whole vectors where `column` has known divisors
        with self.loops.loop(self.columns, "column") as j:
            self.mask[j] = tir.Select(j > column, tir.const(1, "int32"), tir.const(0, "int32"))

    def apply_within(self, target: Matrix, v: Vector, tau: Number, k: Any, end: Any) -> None:
        """`apply` in rows from k on, to the columns behind k of the tile that it is in."""
        self._mask_behind(k)
        width = self.tile.columns
        self.apply_to_tile(target, v, tau, k, end, tir.indexdiv(k, width) * width, True)

    def apply_product(
        self, target: Matrix, v: Callable[[Any, Any], Number], taus: Matrix, count: int, begin: Callable[[Any], Any],
        end: Any, *, from_identity: bool, adjoint: bool = False,
    ) -> None:  # fmt: skip
        """target = H1 H2 .. Hcount target or with `adjoint` its inverse, a tile after the other; v(k, i) is of Hk,
        begin(k) >= k the row of its 1. A target that starts as the identity is left out where it stays so."""
        loops, width = self.loops, self.tile.columns
        with loops.loop(self.columns // width, "tile", self.parallel) as tile:
            offset = tile * width
            reach = tir.min(count, offset + width) if from_identity else count
            with loops.loop(reach, "reflector") as step:
                k = step if adjoint else reach - 1 - step
                tau = num.conjugate_if(taus.load(loops, k), adjoint)
                self.apply_to_tile(target, partial(v, k), tau, begin(k), end, offset)

    def apply_to_tile(
        self, target: Matrix, v: Vector, tau: Number, begin: Any, end: Any, offset: Any, masked: bool = False
    ) -> None:
        """`apply` to the columns of the tile at `offset`, with `masked` to those of the mask."""
        loops = self.loops
        sums = [
            num.scratch_vector(loops, self.tile.lanes, self.dtype, self.parts, "product")
            for _ in range(self.tile.vectors)
        ]
        self._each(sums, offset, lambda s, lane, j: s.__setitem__(lane, target[begin, j]))
        with loops.loop(end - begin - 1, "row") as step:
            i = begin + 1 + step
            factor = tuple(loops.values(num.conjugate(v(i)), "factor"))
            self._each(
                sums,
                offset,
                lambda s, lane, j: s.__setitem__(lane, num.add(s[lane], num.multiply(factor, target[i, j]))),
            )

        def subtract(i: Any, j: Any, change: Number) -> None:
            old, new = target[i, j], num.subtract(target[i, j], change)
            if masked:  # a product with 0 would carry NaN
                new = tuple(tir.Select(self.mask[j] != 0, *pair) for pair in zip(new, old))
            target[i, j] = new

        self._each(sums, offset, lambda s, lane, j: s.store(loops, [lane], num.multiply(tau, s[lane])))
        self._each(sums, offset, lambda s, lane, j: subtract(begin, j, s[lane]))
        with loops.loop(end - begin - 1, "row") as step:
            i = begin + 1 + step
            factor = tuple(loops.values(v(i), "factor"))
            self._each(sums, offset, lambda s, lane, j: subtract(i, j, num.multiply(factor, s[lane])))

    def apply_right(self, target: Matrix, v: Matrix, tau: Number, rows: Any, begin: Any, end: Any) -> None:
        """target = target - (target v) tau v^H, in the first `rows` rows and the columns from `begin` to `end`.

        `v` is in memory, with columns up to a whole tile.
        """
        loops, lanes = self.loops, self.tile.lanes
        zero = tir.const(0, self.dtype)
        with loops.loop(self.columns, "column") as column:
            inside = tir.all(column >= begin, column < end)
            self.mask[column] = tir.Select(inside, tir.const(1, "int32"), tir.const(0, "int32"))
        with loops.loop(rows, "row", self.parallel) as i:
            sums = LaneSums(loops, self.parts, lanes, self.dtype)

            def product(j: Any) -> list[Any]:
                return [tir.Select(self.mask[j] != 0, part, zero) for part in num.multiply(target[i, j], v[j])]

            total = sums.over(begin, end, product)
            factor = tuple(loops.values(num.multiply(tau, tuple(total)), "factor"))

            def subtract(j: Any) -> None:
                old, new = target[i, j], num.subtract(target[i, j], num.multiply(factor, num.conjugate(v[j])))
                target[i, j] = tuple(tir.Select(self.mask[j] != 0, *pair) for pair in zip(new, old))

            for_row(loops, begin, end, lanes, subtract)

    def _each(self, sums: list[Matrix], offset: Any, body: Callable[[Matrix, Any, Any], None]) -> None:
        for position, vector in enumerate(sums):
            with self.loops.vector(self.tile.lanes) as lane:
                body(vector, lane, offset + position * self.tile.lanes + lane)
