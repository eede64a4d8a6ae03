"""Predicates, bitwise operations and select."""

from __future__ import annotations

from typing import Any

from ....analysis.scalar_expression import ScalarNode
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import Scope, bits_of, is_signed, opaque, truth
from ....tensor_ir.primitives import select as select_value
from .table import ScalarTable

table = ScalarTable()


@table.scalar("and", kinds=("pred",))
@table.scalar("multiply", "minimum", kinds=("pred",))
def logical_and(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Conjunction; arithmetic on pred means the same."""
    return tir.And(x, y)


@table.scalar("or", kinds=("pred",))
@table.scalar("add", "maximum", kinds=("pred",))
def logical_or(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Disjunction."""
    return tir.Or(x, y)


@table.scalar("xor", kinds=("pred",))
def logical_xor(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Exclusive or."""
    return tir.NE(opaque(tir.Cast("uint8", x)), opaque(tir.Cast("uint8", y)))


@table.scalar("not", kinds=("pred",))
def logical_not(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Negation."""
    return tir.Not(x)


@table.scalar("and", kinds=("integer",))
def bitwise_and(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Bitwise conjunction."""
    return opaque(opaque(x) & opaque(y))


@table.scalar("or", kinds=("integer",))
def bitwise_or(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Bitwise disjunction."""
    return opaque(x) | opaque(y)


@table.scalar("xor", kinds=("integer",))
def bitwise_xor(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Bitwise exclusive or."""
    return opaque(x) ^ opaque(y)


@table.scalar("not", kinds=("integer",))
def bitwise_not(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Bitwise complement."""
    signed = is_signed(x)
    return opaque(x) ^ tir.const(-1 if signed else (1 << bits_of(dtype_of(x))) - 1, dtype_of(x))


@table.scalar("select")
def select(scope: Scope, node: ScalarNode, condition: Any, on_true: Any, on_false: Any) -> Any:
    """on_true where the condition holds (HloEvaluator HandleSelect)."""
    if dtype_of(on_true) == "bool":
        # as numbers, and without a variable: LLVM's code generator fails on a variable bound to a vector comparison
        return truth(tir.Select(condition, tir.Cast("uint8", on_true), tir.Cast("uint8", on_false)))
    return select_value(condition, on_true, on_false)
