"""What equalities of sizes say of unknown ones: `2*n == 2*m` that n is m, `x - 4*(x//4) == 0` that x is a multiple of
4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy

from ..hlo.ir.normal_forms import Quotient, Remainder
from ..hlo.ir.open_module import SizeCheck
from ..hlo.ir.sizes import expression, parsed, size_of, substituted, variable


def solution(check: SizeCheck, values: Sequence[str]) -> dict[str, Any]:
    """What an equality says of one unknown size, by its name; empty if nothing, or if it always holds.

    Parameters
    ----------
    check : SizeCheck
    values : sequence of str
        Names of sizes that values of parameters tell: these are expressed by sizes of shapes rather than the other way.
    """
    if check.relation != "==":
        return {}
    difference = sympy.expand(expression(check.left) - expression(check.right))
    if difference.is_zero:
        return {}
    _, difference = difference.as_content_primitive()
    names = sorted((symbol.name for symbol in difference.free_symbols), key=lambda name: (name in values, name))
    for name in reversed(names):
        found = _linear(difference, parsed(name))
        if found is not None:
            return {name: size_of(found)}
    for name in reversed(names):
        found = _multiple(difference, parsed(name))
        if found is not None:
            return {name: size_of(found)}
    return {}


def _linear(difference: Any, symbol: Any) -> Any:
    """The root, if `difference` is c*symbol + rest with c = 1 or -1."""
    factor, rest = difference.coeff(symbol, 1), difference.coeff(symbol, 0)
    alone = not rest.has(symbol) and sympy.expand(difference - factor * symbol - rest) == 0
    return -rest / factor if alone and factor in (1, -1) else None


def _multiple(difference: Any, symbol: Any) -> Any:
    """A multiple of a new unknown size, or one and a number, for which `difference` is always 0."""
    for divided in (*difference.atoms(Quotient), *difference.atoms(Remainder)):
        over, under = divided.args
        if over.free_symbols != {symbol} or not under.is_Integer or over.coeff(symbol, 1) != 1:
            continue
        many, rest = parsed(f"{symbol.name}_per_{under}"), 0
        if isinstance(divided, Remainder):
            atom = sympy.Dummy("rest")
            rest = _linear(sympy.expand(difference.xreplace({divided: atom})), atom)
            if rest is None or not rest.is_Integer or not 0 <= rest < under:
                continue
        shift = sympy.expand(rest - (over - symbol))
        found = sympy.expand(under * many + shift % under) if shift.is_Integer else None
        if found is not None and sympy.expand(difference.subs(symbol, found)) == 0:
            return found
    return None


def composed(known: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is `known`, in terms of what is left after `found`."""
    return {name: substituted(value, found) for name, value in known.items()} | dict(found)


def lower_bound(check: SizeCheck) -> tuple[str, int] | None:
    """(name, bound) if the check says that one unknown size is at least a number, else None."""
    bound = bounding(check)
    if bound is None or bound.relation != ">=" or not isinstance(bound.right, int):
        return None
    return str(bound.left), bound.right


def bounding(check: SizeCheck) -> SizeCheck | None:
    """``name >= number`` or ``name <= number``, if that is what the check says by ``>=`` or ``>``."""
    if check.relation not in (">=", ">"):
        return None
    difference = sympy.expand(expression(check.left) - expression(check.right)) - int(check.relation == ">")
    if len(difference.free_symbols) != 1:
        return None
    (symbol,) = difference.free_symbols
    factor, rest = difference.coeff(symbol, 1), difference.coeff(symbol, 0)
    if not factor.is_Integer or not rest.is_Integer or sympy.expand(difference - factor * symbol - rest):
        return None
    relation, number = (">=", -(int(rest) // int(factor))) if factor > 0 else ("<=", int(rest) // -int(factor))
    return replace(check, left=variable(symbol.name), relation=relation, right=number)
