"""compare, is-finite."""

from __future__ import annotations

from typing import Any

from ....analysis.scalar_expression import ScalarNode
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import (
    Scope,
    compare_words,
    equal,
    exponent_mask,
    integer,
    magnitude_mask,
    opaque,
    ordered,
    to_bits,
    to_signed,
    to_unsigned,
)
from .table import ScalarTable

table = ScalarTable()

_INTEGER = {"EQ": tir.EQ, "NE": tir.NE, "LT": tir.LT, "LE": tir.LE, "GT": tir.GT, "GE": tir.GE}


@table.scalar("compare", kinds=("float",))
def compare_floats(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """NaN compares false but for NE; TOTALORDER compares sign and magnitude (comparison_util.h)."""
    direction, order = node.attributes
    if order == "TOTALORDER":
        return _INTEGER[str(direction)](_total_order_key(scope, x), _total_order_key(scope, y))
    x, y = scope.bind(x), scope.bind(y)
    if direction == "NE":
        return tir.Not(ordered("EQ", x, y))
    return ordered(str(direction), x, y)


def _total_order_key(scope: Scope, x: Any) -> Any:
    """Signed integer that orders floats as -NaN < -inf < -0 < +0 < inf < NaN."""
    bits = scope.bind(to_bits(x))
    # negative floats order by falling magnitude
    flipped = tir.Select(to_signed(bits) < integer(0, dtype_of(bits)[1:]), bits ^ magnitude_mask(x), bits)
    return to_signed(flipped)


@table.scalar("compare", kinds=("integer",))
def compare_integers(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Comparison in the operands' own signedness, or in the one that the comparison type asks for."""
    direction, order = node.attributes
    if order == "UNSIGNED":
        x, y = to_unsigned(x), to_unsigned(y)
    elif order == "SIGNED":
        x, y = to_signed(x), to_signed(y)
    return compare_words(str(direction), x, y)


@table.scalar("compare", kinds=("pred",))
def compare_predicates(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """false < true."""
    return _INTEGER[str(node.attributes[0])](opaque(tir.Cast("uint8", x)), opaque(tir.Cast("uint8", y)))


@table.scalar("is-finite", kinds=("float",))
def is_finite(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """False for infinity and NaN."""
    mask = exponent_mask(x)
    return tir.Not(equal(to_bits(x) & mask, mask))


@table.scalar("is-finite", kinds=("integer",))
def is_finite_integer(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Every integer is."""
    return tir.const(True, "bool")
