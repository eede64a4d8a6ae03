"""Scaling of matrices whose squares would overflow or vanish (as LAPACK's drivers do), and the finding of NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.primitives import is_nan

# largest power of two that scales; the largest element then lies between 2^-4 and 1 unless it is a denormal
LARGEST_SCALE = {"float32": 2.0**120, "float64": 2.0**1000}
STEP = 16.0


class Scaling:
    """Factor of one matrix. `failed` is set where it holds NaN or infinity."""

    def __init__(self, loops: Loops, dtype: str) -> None:
        self.loops, self.dtype = loops, dtype
        self.failed = loops.scratch(1, "int32", "failed")
        self._largest = loops.scratch(1, dtype, "largest")
        self.factor: Any = None
        self.inverse: Any = None

    def measure(self, a: Matrix, m: int, n: int, is_read: Callable[[Any, Any], Any] = lambda i, j: True) -> None:
        """Set `factor`, `inverse` and `failed` from the elements that are read."""
        loops = self.loops
        self.failed[0] = 0
        self._largest[0] = tir.const(0, self.dtype)
        huge = tir.max_value(self.dtype)
        with loops.loop(m, "row") as i:
            with loops.loop(n, "column") as j:
                with loops.when(tir.all(is_read(i, j))):
                    for part in a[i, j]:
                        (size,) = loops.values([num.magnitude(part)], "size")
                        with loops.when(tir.any(size > huge, is_nan(size))):
                            self.failed[0] = 1
                        with loops.when(size > self._largest[0]):
                            self._largest[0] = size
        self._choose()

    def _choose(self) -> None:
        """Powers of two, so that scaling is exact."""
        loops = self.loops
        up, down, one = (tir.const(value, self.dtype) for value in (STEP, 1 / STEP, 1))
        limit = LARGEST_SCALE[self.dtype]
        factor, inverse = (loops.scratch(1, self.dtype, name) for name in ("factor", "inverse"))
        factor[0], inverse[0] = one, one
        usable = tir.all(self.failed[0] == 0, self._largest[0] > tir.const(0, self.dtype))
        small = self._largest[0] * factor[0] < down
        with loops.repeat(tir.all(usable, small, factor[0] < tir.const(limit, self.dtype))):
            factor[0] = factor[0] * up
            inverse[0] = inverse[0] * down
        large = self._largest[0] * factor[0] > one
        with loops.repeat(tir.all(usable, large, inverse[0] < tir.const(limit, self.dtype))):
            factor[0] = factor[0] * down
            inverse[0] = inverse[0] * up
        self.factor, self.inverse = loops.values([factor[0], inverse[0]], "scale")
