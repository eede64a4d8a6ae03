"""Predicates, bitwise operations and select."""

from __future__ import annotations

from typing import Any

from ....analysis.scalar_expression import ScalarNode
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import Scope, bits_of, is_signed, opaque, truth
from ....tensor_ir.primitives import select as select_value
from .table import scalar


@scalar("and", kinds=("pred",))
@scalar("multiply", "minimum", kinds=("pred",))
def logical_and(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Conjunction; arithmetic on pred means the same."""
    return tir.And(x, y)


@scalar("or", kinds=("pred",))
@scalar("add", "maximum", kinds=("pred",))
def logical_or(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Disjunction."""
    return tir.Or(x, y)


@scalar("xor", kinds=("pred",))
def logical_xor(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Exclusive or."""
    return tir.NE(opaque(tir.Cast("uint8", x)), opaque(tir.Cast("uint8", y)))


@scalar("not", kinds=("pred",))
def logical_not(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Negation."""
    return tir.Not(x)


@scalar("and", kinds=("integer",))
def bitwise_and(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Bitwise conjunction."""
    return opaque(opaque(x) & opaque(y))


@scalar("or", kinds=("integer",))
def bitwise_or(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Bitwise disjunction."""
    return opaque(x) | opaque(y)


@scalar("xor", kinds=("integer",))
def bitwise_xor(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Bitwise exclusive or."""
    return opaque(x) ^ opaque(y)


@scalar("not", kinds=("integer",))
def bitwise_not(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Bitwise complement."""
    signed = is_signed(x)
    return opaque(x) ^ tir.const(-1 if signed else (1 << bits_of(dtype_of(x))) - 1, dtype_of(x))


@scalar("select")
def select(scope: Scope, node: ScalarNode, condition: Any, on_true: Any, on_false: Any) -> Any:
    """on_true where the condition holds (HloEvaluator HandleSelect)."""
    if dtype_of(on_true) == "bool":
        # as numbers, and without a variable: LLVM's code generator fails on a variable bound to a vector comparison
        return truth(tir.Select(condition, tir.Cast("uint8", on_true), tir.Cast("uint8", on_false)))
    return select_value(condition, on_true, on_false)
