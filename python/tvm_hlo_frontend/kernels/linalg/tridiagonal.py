"""Tridiagonal systems by Gaussian elimination with partial pivoting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern, several, worth_threads
from ...tensor_ir.numbers import Matrix
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()


@table.kernel("tridiagonal_solve", "extern")
def tridiagonal_solve(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """dl, d, du [B, n], b[B, n, m] -> the same overwritten, b by the solution, and info[B] (LAPACK gtsv).

    dl[0] and du[n - 1] are no part of the matrix (as XLA's FFI passes them). info is the 1-based row of a pivot that
    is zero, or 0; the solution says nothing then.
    """
    parts, dtype = len(inputs) // 4, results[0][1]
    batch, n, m = extents(inputs[-1].shape)
    parallel = several(batch) and worth_threads(batch, n, m + 4)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", parallel) as index:
            old = [num.batch_matrix(ins[k * parts : (k + 1) * parts], index, dtype) for k in range(4)]
            new = [num.batch_matrix(outs[k * parts : (k + 1) * parts], index, dtype) for k in range(4)]
            info = Matrix([outs[-1]], lambda _: [index], "int32")
            _Solver(loops, old, new, info, n, m).run()

    return extern(inputs, results, generate, "hlo_tridiagonal_solve")


class _Solver:
    """One system. `low` holds below-diagonal i in place i, as LAPACK does."""

    def __init__(self, loops: Loops, old: list[Matrix], new: list[Matrix], info: Matrix, n: int, m: int) -> None:
        self.loops, self.old, self.info, self.n, self.m = loops, old, info, n, m
        self.out_low, _, _, self.b = new
        self.new = new
        dtype, parts = old[0].dtype, old[0].parts
        self.low, self.diagonal, self.up = (
            num.scratch_vector(loops, n, dtype, parts, name) for name in ("low", "diagonal", "up")
        )

    def run(self) -> None:
        loops = self.loops
        self.info[0] = (0,)
        self._load()
        with loops.loop(self.n - 1, "row") as i:
            self._eliminate(i)
        self._check(self.n - 1)
        self._substitute()
        self._store()

    def _load(self) -> None:
        loops, (low, diagonal, up, b) = self.loops, self.old
        with loops.loop(self.n, "row") as i:
            self.diagonal[i] = diagonal[i]
            self.up[i] = up[i]
            with loops.when(i < self.n - 1):
                self.low[i] = low[i + 1]
            with loops.otherwise():
                self.low[i] = self.low.zero()
            with loops.loop(self.m, "column") as j:
                self.b[i, j] = b[i, j]

    def _check(self, i: Any) -> None:
        zero = tir.const(0, self.b.dtype)
        is_zero = tir.all(*(part == zero for part in self.diagonal[i]))
        with self.loops.when(tir.all(self.info[0][0] == 0, is_zero)):
            self.info[0] = (i + 1,)

    def _eliminate(self, i: Any) -> None:
        """Rows i and i + 1, swapped if the lower one has the larger element."""
        loops, low, diagonal, up = self.loops, self.low, self.diagonal, self.up
        d, e, next_d, u = (
            x.load(loops, *at) for x, at in ((diagonal, [i]), (low, [i]), (diagonal, [i + 1]), (up, [i]))
        )

        def size(x: tuple) -> Any:
            return sum((num.magnitude(part) for part in x[1:]), num.magnitude(x[0]))

        with loops.when(size(d) >= size(e)):
            self._check(i)
            factor = tuple(loops.values(num.divide(loops, e, d), "factor"))
            diagonal[i + 1] = num.subtract(next_d, num.multiply(factor, u))
            with loops.loop(self.m, "column") as j:
                self.b.store(loops, [i + 1, j], num.subtract(self.b[i + 1, j], num.multiply(factor, self.b[i, j])))
            low[i] = low.zero()
        with loops.otherwise():
            factor = tuple(loops.values(num.divide(loops, d, e), "factor"))
            diagonal[i] = e
            diagonal[i + 1] = num.subtract(u, num.multiply(factor, next_d))
            with loops.when(i < self.n - 2):
                second = up.load(loops, i + 1)
                low[i] = second
                up[i + 1] = num.subtract(up.zero(), num.multiply(factor, second))
            with loops.otherwise():
                low[i] = low.zero()
            up[i] = next_d
            with loops.loop(self.m, "column") as j:
                upper, lower = self.b.load(loops, i, j), self.b.load(loops, i + 1, j)
                self.b[i, j] = lower
                self.b[i + 1, j] = num.subtract(upper, num.multiply(factor, lower))

    def _substitute(self) -> None:
        """From the last row upwards; low[i] is the second diagonal above by now."""
        loops = self.loops
        with loops.loop(self.n, "row") as step:
            i = self.n - 1 - step
            pivot = self.diagonal.load(loops, i)
            first, second = self.up.load(loops, i), self.low.load(loops, i)
            with loops.loop(self.m, "column") as j:
                with loops.when(i < self.n - 1):
                    self.b.store(loops, [i, j], num.subtract(self.b[i, j], num.multiply(first, self.b[i + 1, j])))
                with loops.when(i < self.n - 2):
                    self.b.store(loops, [i, j], num.subtract(self.b[i, j], num.multiply(second, self.b[i + 2, j])))
                self.b.store(loops, [i, j], num.divide(loops, self.b[i, j], pivot))

    def _store(self) -> None:
        """XLA's FFI passes LAPACK the below-diagonal from its second place on."""
        loops = self.loops
        with loops.loop(self.n, "row") as i:
            self.new[1][i] = self.diagonal[i]
            self.new[2][i] = self.up[i]
            with loops.when(i > 0):
                self.out_low[i] = self.low[i - 1]
            with loops.otherwise():
                self.out_low[i] = self.old[0][i]
