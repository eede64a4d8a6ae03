"""Sizes as sympy's expressions, in a normal form; the only module that imports sympy, whoever needs it imports it late.

A normal form is a sum of products of unknown sizes, quotients, remainders, ``max`` and ``min``, with integers as
factors. Where a number divides, factors are at least 0 and below the number; a quotient of a quotient is one quotient,
and one of a ``max`` is a ``max`` of quotients. What is added to a ``max`` within a ``max``, and a number that is added
to one anywhere, is added to each of its sizes.
sympy's own floor and Mod are not used: of an even e they hold e/6 for an integer, and e/3 for none.

>>> print(text_of(normal(parsed("(2*n + 7)//2//2"))))
((n + 1)//2) + 1
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from .size_text import Arithmetic, evaluated


class _Division(sympy.Function):
    """What division by a size gives: an integer."""

    def _eval_is_integer(self) -> bool:
        return True


class Quotient(_Division):
    """a // b."""

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        """Its normal form."""
        return _quotient(normal(a), normal(b))

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[0].is_nonnegative and self.args[1].is_nonnegative else None

    def _eval_is_negative(self) -> bool | None:
        return True if self.args[0].is_negative and self.args[1].is_nonnegative else None


class Remainder(_Division):
    """a % b."""

    @classmethod
    def eval(cls, a: Any, b: Any) -> Any:
        """Its normal form."""
        return _remainder(normal(a), normal(b))

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[1].is_nonnegative else None


@functools.lru_cache(maxsize=1 << 14)
def parsed(text: str) -> Any:
    """The expression of a size's text.

    Raises
    ------
    ValueError
        If the text is something else.
    """
    return evaluated(text, _ARITHMETIC)


@functools.lru_cache(maxsize=1 << 14)
def normal(expression: Any) -> Any:
    """The normal form of an expression."""
    expanded = sympy.expand(expression)
    if expanded.has(sympy.Max, sympy.Min):
        expanded = sympy.expand(expanded.replace(lambda node: isinstance(node, _CHOICES), _flattened))
        expanded = _with_number_inside(expanded)
    return expanded


@functools.lru_cache(maxsize=1 << 14)
def text_of(expression: Any) -> str:
    """The text of an expression, which `parsed` reads."""
    return _Printer().doprint(expression)


def larger(a: Any, b: Any) -> Any:
    """The larger of two."""
    return sympy.Max(a, b)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two."""
    return sympy.Min(a, b)


def number(value: int) -> Any:
    """The expression of a number."""
    return sympy.Integer(value)


@functools.lru_cache(maxsize=1 << 12)
def symbol(name: str) -> Any:
    """The expression of an unknown size."""
    return sympy.Symbol(name, integer=True, nonnegative=True)


def replaced(expression: Any, values: Mapping[str, Any]) -> Any:
    """An expression with others for unknown sizes."""
    return expression.xreplace({symbol(name): value for name, value in values.items()})


_ARITHMETIC = Arithmetic(
    name=symbol,
    number=sympy.Integer,
    floor_divide=Quotient,
    modulo=Remainder,
    calls={"max": sympy.Max, "min": sympy.Min},
)


_CHOICES = (sympy.Max, sympy.Min)


def _choice(value: Any) -> tuple[Any, Any, Any] | None:
    """The one max or min among the terms of a sum, its factor, and the other terms; None if there are none or more."""
    terms = _terms(value)
    found = [term for term in terms if isinstance(term, _CHOICES)]
    return (found[0], terms.pop(found[0]), _sum(terms)) if len(found) == 1 else None


def _flattened(node: Any) -> Any:
    """A max whose sizes are no sums with a max; a min likewise."""
    sizes = []
    for size in node.args:
        found = _choice(size)
        if found is not None and isinstance(found[0], node.func) and found[1] == 1:
            sizes += [sympy.expand(inner + found[2]) for inner in found[0].args]
        else:
            sizes.append(size)
    return node.func(*sizes)


def _with_number_inside(value: Any) -> Any:
    found = _choice(value)
    if found is None or found[1] != 1:
        return value
    rest, number = found[2].as_independent(*found[2].free_symbols, as_Add=True)[::-1]
    return rest + found[0].func(*(sympy.expand(size + number) for size in found[0].args)) if number != 0 else value


def _quotient(a: Any, b: Any) -> Any:
    factor, over, under = _cancelled(a, b)
    over, under = normal(factor.p * over), normal(factor.q * under)
    if not under.is_Integer:
        whole, rest = _multiples(over, under)
        return whole + _kept_quotient(rest, under)
    found = _choice(over)
    if found is not None and found[2].is_Integer:
        choice, factor, number = found
        func = choice.func if factor > 0 else _CHOICES[choice.func is sympy.Max]
        return normal(func(*(_quotient(normal(factor * size + number), under) for size in choice.args)))
    terms, divisor = _terms(over), int(under)
    unknown = [factor for term, factor in terms.items() if term != 1]
    if unknown and max(unknown) < 0:
        return -_quotient(normal(divisor - 1 - over), under)
    whole = _sum({term: factor // divisor for term, factor in terms.items()})
    rest = {term: factor % divisor for term, factor in terms.items() if factor % divisor}
    common = _common_factor(rest, divisor)
    return whole + _kept_quotient(
        _sum({term: factor // common for term, factor in rest.items()}), sympy.Integer(divisor // common)
    )


def _kept_quotient(a: Any, b: Any) -> Any:
    """A quotient from which nothing is to be taken out."""
    if a == 0 or b == 1:
        return a
    if a.is_Integer and b.is_Integer:
        return a // b
    inner = [term for term in sympy.Add.make_args(a) if isinstance(term, Quotient)]
    if len(inner) == 1 and b.is_nonnegative:
        # what is added to a quotient before it is divided again may be added to the dividend as well
        over, under = inner[0].args
        return _quotient(normal(over + (a - inner[0]) * under), normal(b * under))
    return Quotient(normal(a), b, evaluate=False)


def _remainder(a: Any, b: Any) -> Any:
    if not b.is_Integer:
        _, rest = _multiples(a, b)
        _, _, under = _cancelled(rest, b)
        return sympy.Integer(0) if under == 1 and _is_multiple(rest, b) else Remainder(normal(rest), b, evaluate=False)
    if b == 0:
        raise ZeroDivisionError("a size is divided by zero")
    if b < 0:
        return -_remainder(normal(-a), -b)
    divisor = int(b)
    terms = {term: factor % divisor for term, factor in _terms(a).items()}
    common = _common_factor(terms, divisor)
    over = _sum({term: factor // common for term, factor in terms.items()})
    under = divisor // common
    if over.is_Integer:
        kept = over % under
    else:
        kept = Remainder(normal(over), sympy.Integer(under), evaluate=False) if under > 1 else 0
    return sympy.expand(common * kept + terms.get(sympy.Integer(1), 0) % common)


def _cancelled(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """A rational number and a fraction without common factors whose product is a / b."""
    if b == 0:
        raise ZeroDivisionError("a size is divided by zero")
    if b.is_Integer:
        return (sympy.Integer(1), a, b) if b > 0 else (sympy.Integer(1), sympy.expand(-a), -b)
    factor, over, under = sympy.cancel((a, b))
    return sympy.sympify(factor), over, under


def _is_multiple(a: Any, b: Any) -> bool:
    factor, _, under = _cancelled(a, b)
    return under == 1 and factor.q == 1


def _multiples(a: Any, b: Any) -> tuple[Any, Any]:
    """The terms of a sum that are multiples of b, divided by it, and the other terms."""
    whole, rest = [], []
    for term in sympy.Add.make_args(a):
        if _is_multiple(term, b):
            factor, over, _ = _cancelled(term, b)
            whole.append(factor * over)
        else:
            rest.append(term)
    return sympy.Add(*whole), sympy.Add(*rest)


def _terms(value: Any) -> dict[Any, Any]:
    """Factors of the terms of a sum."""
    return {term: factor for term, factor in value.as_coefficients_dict().items() if factor != 0}


def _common_factor(terms: Mapping[Any, Any], divisor: int) -> int:
    """What divides the divisor and all factors but that of 1: of that, the quotient takes no notice of the rest."""
    return math.gcd(divisor, *(int(factor) for term, factor in terms.items() if term != 1))


def _sum(terms: Mapping[Any, Any]) -> Any:
    return sympy.Add(*(factor * term for term, factor in terms.items()))


class _Printer(StrPrinter):
    """Expressions in Python's syntax; `//` and `%` stand in parentheses wherever they are."""

    def _operand(self, node: Any) -> str:
        whole = isinstance(node, (sympy.Symbol, sympy.Max, sympy.Min, _Division)) or (node.is_Integer and node >= 0)
        return self._print(node) if whole else f"({self._print(node)})"

    def _print_Quotient(self, node: Any) -> str:
        return "({}//{})".format(*map(self._operand, node.args))

    def _print_Remainder(self, node: Any) -> str:
        return "({}%{})".format(*map(self._operand, node.args))

    def _print_Max(self, node: Any) -> str:
        return f"max({', '.join(sorted(map(self._print, node.args)))})"

    def _print_Min(self, node: Any) -> str:
        return f"min({', '.join(sorted(map(self._print, node.args)))})"
