"""The text of a size: Python's syntax of integer arithmetic, and what it is evaluated with."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# a normal form multiplies no factor more often
_LARGEST_POWER = 15
# what walks a text needs a stack as deep as it is long
_LONGEST = 4000


@dataclass(frozen=True)
class Arithmetic:
    """What the operations of a size's text mean where it is evaluated."""

    name: Callable[[str], Any]
    number: Callable[[int], Any]
    floor_divide: Callable[[Any, Any], Any]
    modulo: Callable[[Any, Any], Any]
    calls: Mapping[str, Callable[..., Any]]


def names_a_size(name: str) -> bool:
    """Whether a text is the name of an unknown size: an identifier that Python reads as it is written."""
    return name.isidentifier() and isinstance(node := _tree(name), ast.Name) and node.id == name


def evaluated(text: str, arithmetic: Arithmetic) -> Any:
    """The value of a size's text.

    Raises
    ------
    ValueError
        If the text is something else.
    """
    tree = _tree(text)
    if tree is not None:
        try:
            return walked(tree, arithmetic)
        except RecursionError:
            pass  # said below
    raise ValueError(f"{text[:200]!r} is no size")


def _tree(text: str) -> ast.expr | None:
    if len(text) > _LONGEST:
        return None
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # CPython's parser raises each of them
        return None


def walked(node: ast.expr, arithmetic: Arithmetic) -> Any:
    """The value of the syntax tree of a size; ValueError if it holds anything that a size cannot."""
    walk = functools.partial(walked, arithmetic=arithmetic)
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return arithmetic.number(number)
        case ast.Name(id=name):
            return arithmetic.name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -walk(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return walk(left) + walk(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return walk(left) - walk(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return walk(left) * walk(right)
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return arithmetic.floor_divide(walk(left), walk(right))
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return arithmetic.modulo(walk(left), walk(right))
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))) if (
            not isinstance(power, bool) and 0 < power <= _LARGEST_POWER and not _is_expanded(left)
        ):
            return functools.reduce(operator.mul, [walk(left)] * power)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in arithmetic.calls:
            if len(arguments) > 1:
                return arithmetic.calls[name](*map(walk, arguments))
    raise ValueError(f"{ast.unparse(node)[:200]!r} is no size")


def _is_expanded(node: ast.expr) -> bool:
    """Whether a normal form would not hold a power of it: sums, products and powers are multiplied out."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Pow))
