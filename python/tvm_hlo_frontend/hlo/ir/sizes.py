"""Sizes that are computed from unknown ones: `Size`, integer arithmetic on them in a normal form.

>>> batch = variable("batch")
>>> print((batch * 2 + 3) // 2)
batch + 1
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ...errors import StaticSizeError
from .shape import Dimension, Shape, Symbol
from .size_text import Arithmetic, names_a_size, walked

__all__ = [
    "Arithmetic", "Integer", "Size", "definite_sizes", "element_count", "expression", "is_known", "is_smaller",
    "larger", "may_be_at_most", "parsed", "product_of", "size_of", "smaller", "substituted", "variable", "variables",
    "variables_of", "walked",
]  # fmt: skip

# what arithmetic takes and gives
Integer = Union[int, "Size"]


@functools.cache
def _forms() -> types.ModuleType:
    """normal_forms.py, which imports sympy: only where a size is computed."""
    from . import normal_forms

    return normal_forms


@dataclass(frozen=True, repr=False)
class Size(Symbol):
    """A dimension that is computed from unknown sizes.

    Attributes
    ----------
    name : str
        Its normal form in Python's syntax: ``+ - * // %``, ``max``, ``min`` and names of unknown sizes, for instance
        ``"2*batch + 1"``. Sizes with equal names are equal; those with different ones may be equal still.
    """

    def __str__(self) -> str:
        return self.name

    # what a list of sizes shows
    __repr__ = __str__

    def __add__(self, other: Integer) -> Integer:
        return size_of(expression(self) + expression(other))

    def __radd__(self, other: Integer) -> Integer:
        return self + other

    def __sub__(self, other: Integer) -> Integer:
        return size_of(expression(self) - expression(other))

    def __rsub__(self, other: Integer) -> Integer:
        return size_of(expression(other) - expression(self))

    def __neg__(self) -> Integer:
        return size_of(-expression(self))

    def __mul__(self, other: Integer) -> Integer:
        return size_of(expression(self) * expression(other))

    def __rmul__(self, other: Integer) -> Integer:
        return self * other

    def __floordiv__(self, other: Integer) -> Integer:
        return size_of(_forms().Quotient(expression(self), expression(other)))

    def __rfloordiv__(self, other: Integer) -> Integer:
        return size_of(_forms().Quotient(expression(other), expression(self)))

    def __mod__(self, other: Integer) -> Integer:
        return size_of(_forms().Remainder(expression(self), expression(other)))

    def __rmod__(self, other: Integer) -> Integer:
        return size_of(_forms().Remainder(expression(other), expression(self)))


def variable(name: str) -> Size:
    """An unknown size of at least 0.

    Raises
    ------
    ValueError
        If `name` is no identifier.
    """
    if not names_a_size(name):
        raise ValueError(f"{name!r} cannot name a size: it is no identifier")
    return Size(name)


def larger(a: Integer, b: Integer) -> Integer:
    """The larger of two."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return size_of(_forms().larger(expression(a), expression(b)))
    return max(a, b)


def smaller(a: Integer, b: Integer) -> Integer:
    """The smaller of two."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return size_of(_forms().smaller(expression(a), expression(b)))
    return min(a, b)


def may_be_at_most(a: Integer, b: Integer) -> bool:
    """Whether a <= b for some sizes; False is a proof that it is for none."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return (expression(b) - expression(a)).is_negative is not True
    return a <= b


def is_smaller(a: Dimension, b: Dimension) -> bool:
    """Whether a < b for all sizes, as far as that can be proved."""
    if isinstance(a, int) and isinstance(b, int):
        return a < b
    if not all(isinstance(size, (int, Size)) for size in (a, b)):
        return False
    return not may_be_at_most(b, a)  # type: ignore[arg-type]


def is_known(size: Dimension) -> bool:
    """Whether it is a number."""
    return not isinstance(size, Symbol)


def definite_sizes(shape: Shape) -> tuple[Integer, ...]:
    """Dimensions, each a number or computed; StaticSizeError names the first of which nothing is known."""
    for index, size in enumerate(shape.dimensions):
        if not isinstance(size, (int, Size)):
            raise StaticSizeError(f"dimension {index} of {shape} is not static")
    return shape.dimensions  # type: ignore[return-value]


def element_count(shape: Shape) -> Integer:
    """Number of elements; StaticSizeError as `definite_sizes`."""
    return product_of(definite_sizes(shape))


def product_of(sizes: Iterable[Any]) -> Any:
    """Product of sizes; 1 of none."""
    return math.prod(sizes)


def variables(size: Dimension) -> frozenset[str]:
    """Names of the unknown sizes that it is computed from; none for a number."""
    return (
        frozenset(symbol.name for symbol in expression(size).free_symbols) if isinstance(size, Symbol) else frozenset()
    )


def variables_of(shape: Shape) -> frozenset[str]:
    """Names of the unknown sizes in a shape."""
    sizes = (size for array in shape.arrays() for size in array.dimensions if isinstance(size, Size))
    return frozenset(name for size in sizes for name in variables(size))


def substituted(size: Dimension, values: Mapping[str, Integer]) -> Any:
    """`size` with these values of unknown sizes; an int if all of them are known."""
    if not isinstance(size, Size):
        return size
    return _substituted(size, tuple(sorted(values.items())))


@functools.lru_cache(maxsize=1 << 14)
def _substituted(size: Size, values: tuple[tuple[str, Integer], ...]) -> Integer:
    known = {name: expression(value) for name, value in values}
    try:
        return size_of(_forms().replaced(expression(size), known))
    except ZeroDivisionError:
        where = ", ".join(f"{name} = {value}" for name, value in values)
        raise ZeroDivisionError(f"the size {size} divides by zero where {where}") from None


def expression(size: Dimension) -> Any:
    """sympy's expression of a size.

    Raises
    ------
    ValueError
        If the size is a `Symbol` about which nothing is known but its name.
    """
    if not isinstance(size, Symbol):
        return _forms().number(size)
    if not isinstance(size, Size):
        raise ValueError(f"nothing is known of the size {size.name}")
    return parsed(size.name)


def parsed(text: str) -> Any:
    """sympy's expression of a size's normal form; ValueError if the text is something else."""
    return _forms().parsed(text)


def size_of(expression: Any) -> Any:
    """The size that an expression of sympy stands for, an int if it is a number."""
    found = _forms().normal(expression)
    return int(found) if found.is_Integer else Size(_forms().text_of(found))
