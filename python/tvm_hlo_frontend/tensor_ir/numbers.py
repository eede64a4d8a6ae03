"""Real and complex numbers of the linear algebra kernels: a number is a tuple of its parts, (re,) or (re, im)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .compat import dtype_of, tir
from .loops import Loops

Number = tuple[Any, ...]


def add(x: Number, y: Number) -> Number:
    """x + y."""
    return tuple(a + b for a, b in zip(x, y))


def subtract(x: Number, y: Number) -> Number:
    """x - y."""
    return tuple(a - b for a, b in zip(x, y))


def multiply(x: Number, y: Number) -> Number:
    """x * y."""
    if len(x) == 1:
        return (x[0] * y[0],)
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


def scale(x: Number, factor: Any) -> Number:
    """A number times a real number."""
    return tuple(part * factor for part in x)


def conjugate(x: Number) -> Number:
    """x with the other imaginary part."""
    return (x[0], *(-part for part in x[1:]))


def conjugate_if(x: Number, condition: bool) -> Number:
    """The conjugate if `condition` holds, else x."""
    return conjugate(x) if condition else x


def square(x: Number) -> Any:
    """Square of the magnitude."""
    return sum((part * part for part in x[1:]), x[0] * x[0])


def magnitude(x: Any) -> Any:
    """Magnitude of a real value (the C code generator has no fabs)."""
    zero = tir.const(0, dtype_of(x))
    return tir.Select(x < zero, zero - x, x)


def real_number(value: Any, parts: int) -> Number:
    """A real value as a number of `parts` parts."""
    return (value, *(tir.const(0, dtype_of(value)) for _ in range(parts - 1)))


def divide(loops: Loops, x: Number, y: Number) -> Number:
    """Quotient; complex divisors are scaled by their larger part, so that their square cannot overflow (Smith)."""
    if len(x) == 1:
        return (x[0] / y[0],)
    re, im = loops.values(y, "divisor")
    flip = magnitude(im) > magnitude(re)
    big, small = loops.values([tir.Select(flip, im, re), tir.Select(flip, re, im)], "divisor")
    (ratio,) = loops.values([small / big], "ratio")
    (denominator,) = loops.values([big + small * ratio], "denominator")
    straight = (x[0] + x[1] * ratio, x[1] - x[0] * ratio)
    flipped = (x[0] * ratio + x[1], x[1] * ratio - x[0])
    return tuple(tir.Select(flip, b, a) / denominator for a, b in zip(straight, flipped))


@dataclass(frozen=True, eq=False)
class Matrix:
    """Numbers in memory: one array per part, and where an element is in them.

    Attributes
    ----------
    arrays : sequence of arrays of `Loops`
    subscripts : callable
        ``subscripts(*index)``: the subscripts of an element.
    dtype : str
        TVM dtype of a part.
    """

    arrays: Sequence[Any]
    subscripts: Callable[..., Any]
    dtype: str

    @property
    def parts(self) -> int:
        """1 for real numbers, 2 for complex ones."""
        return len(self.arrays)

    def __getitem__(self, index: Any) -> Number:
        at = self.subscripts(*index) if isinstance(index, tuple) else self.subscripts(index)
        return tuple(array[at] for array in self.arrays)

    def __setitem__(self, index: Any, value: Number) -> None:
        at = self.subscripts(*index) if isinstance(index, tuple) else self.subscripts(index)
        for array, part in zip(self.arrays, value):
            array[at] = part

    def load(self, loops: Loops, *index: Any) -> Number:
        """The element now, whatever is stored afterwards."""
        return tuple(loops.values(self[index], "element"))

    def store(self, loops: Loops, index: Sequence[Any], value: Number) -> None:
        """Stores all parts, which may be computed from one another's old contents."""
        self[tuple(index)] = tuple(loops.values(value, "element"))

    def zero(self) -> Number:
        """Zero of its element type."""
        return tuple(tir.const(0, self.dtype) for _ in self.arrays)

    def one(self) -> Number:
        """One of its element type."""
        return real_number(tir.const(1, self.dtype), self.parts)


def batch_matrix(arrays: Sequence[Any], batch: Any, dtype: str) -> Matrix:
    """Matrix (or vector) number `batch` of operands or results with one leading batch dimension."""
    return Matrix(arrays, lambda *index: [batch, *index], dtype)


def scratch_matrix(loops: Loops, rows: int, columns: int, dtype: str, parts: int, name: str = "work") -> Matrix:
    """Row-major working memory."""
    arrays = [loops.scratch(rows * columns, dtype, name) for _ in range(parts)]
    return Matrix(arrays, lambda i, j: i * columns + j, dtype)


def copy_matrix(loops: Loops, target: Matrix, source: Matrix, m: int, n: int) -> None:
    """Store m x n elements of a matrix."""
    with loops.loop(m, "row") as i:
        with loops.loop(n, "column") as j:
            target[i, j] = source[i, j]


def scratch_vector(loops: Loops, size: int, dtype: str, parts: int = 1, name: str = "vector") -> Matrix:
    """Working memory of `size` numbers."""
    return Matrix([loops.scratch(size, dtype, name) for _ in range(parts)], lambda i: i, dtype)
