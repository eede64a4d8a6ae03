"""Counts in expressions, as trees: what is written twice is computed twice, unless LLVM finds out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...tensor_ir.compat import LEAVES, dtype_of, is_call, operands, tir
from ...tensor_ir.trees import Load, source_of
from ..small_loops import EXPENSIVE

_EXPENSIVE_NODES = (tir.Div, tir.FloorDiv, tir.FloorMod, tir.Mod)
# calls that are one instruction or none
_CHEAP_CALLS = ("reinterpret", "if_then_else", "likely", "shift_left", "shift_right", "bitwise_and", "bitwise_or")


def weight(expression: Any) -> int:
    """Operations of `expression`, roughly; loads and constants are free."""

    def own(node: Any) -> int:
        if isinstance(node, LEAVES):
            return 0
        if is_call(node):
            cheap = str(node.op.name).rpartition(".")[2] in _CHEAP_CALLS if hasattr(node.op, "name") else False
            return 1 if cheap else EXPENSIVE
        return EXPENSIVE if isinstance(node, _EXPENSIVE_NODES) else 1

    return _total(expression, own, operands)


def integer_nesting(expression: Any) -> int:
    """Sums, differences and products of integers that stand one inside of the other."""

    def own(node: Any) -> int:
        return int(isinstance(node, (tir.Add, tir.Sub, tir.Mul)) and "int" in dtype_of(node))

    return _total(expression, own, operands, max)


def loads(expression: Any, buffer: Any) -> int:
    """How often `expression` reads `buffer`."""
    return _total(expression, lambda node: int(isinstance(node, Load) and source_of(node).same_as(buffer)))


def loads_of(expression: Any, buffer: Any = None) -> list[Any]:
    """The loads from `buffer`, by default from any, in `expression`, each node once."""
    found: list[Any] = []

    def own(node: Any) -> int:
        if isinstance(node, Load) and (buffer is None or source_of(node).same_as(buffer)):
            found.append(node)
        return 0

    _total(expression, own)
    return found


def _children(node: Any) -> list[Any]:
    return list(node.indices) if isinstance(node, Load) else operands(node)


def _total(
    expression: Any,
    own: Callable[[Any], int],
    children_of: Callable[[Any], list[Any]] = _children,
    joined: Callable[[list[int]], int] = sum,
) -> int:
    """Sum of `own` over the tree of `expression`, or what `joined` makes of the children's; nodes that are shared are
    visited once."""
    totals: dict[Any, int] = {}
    pending = [expression]
    while pending:
        node = pending[-1]
        children = [child for child in children_of(node) if child not in totals]
        if children:
            pending += children
            continue
        pending.pop()
        if node not in totals:
            totals[node] = own(node) + joined([0, *(totals[child] for child in children_of(node))])
    return totals[expression]
