"""Which well-known reduction a scalar body is."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from ..hlo.ir.shape import BY_NAME
from .scalar_expression import ScalarExpression, ScalarNode

ARGUMENT_KINDS = ("argmax", "argmin")

_NUMERIC = {"add": "sum", "multiply": "product", "maximum": "max", "minimum": "min"}
_LOGICAL = {
    "and": "all", "multiply": "all", "minimum": "all", "or": "any", "add": "any", "maximum": "any", "xor": "xor",
}  # fmt: skip
_BITWISE = {"and": "and", "or": "or", "xor": "xor"}
# the element-wise opcode that combines two partial results
_OPCODES = {
    "sum": "add", "product": "multiply", "max": "maximum", "min": "minimum", "any": "or", "all": "and", "and": "and",
    "or": "or", "xor": "xor",
}  # fmt: skip
# a body of nothing else depends on the order of its parameters alone, so a few values tell all of it
_ORDER_ONLY = frozenset({"parameter", "compare", "select", "maximum", "minimum", "and", "or", "xor", "not"})


@dataclass(frozen=True)
class Reducer:
    """A commutative and associative reduction (up to the rounding of floats).

    Attributes
    ----------
    kind : str
        ``sum product max min`` of numbers, max and min with NaN winning (rule 13); ``any all xor`` of pred; ``and or
        xor`` bitwise; ``argmax argmin`` of (value, index) pairs: NaN wins, ties go to the lowest index (rule 66).
    element_type : str
        Type of elements and result; of the values for argmax and argmin.
    accumulator_type : str
        Type in which the body computes; wider than `element_type` for a body with converts around it.
    rounding : tuple of (int, int) or None
        Exponent and mantissa bits to which a body with a reduce-precision rounds its results.
    """

    kind: str
    element_type: str
    accumulator_type: str
    rounding: tuple[int, int] | None = None

    @property
    def opcode(self) -> str:
        """The element-wise opcode that combines two partial results; not for argmax and argmin."""
        return _OPCODES[self.kind]


def counts_to(element_type: str, size: int) -> bool:
    """Whether integers of a type count 0, 1, 2 … along so many elements without wrapping."""
    row = BY_NAME[element_type]
    return row.kind in ("signed", "unsigned") and bool(size - 1 <= ml_dtypes.iinfo(row.numpy_dtype).max)


def match_reducer(body: ScalarExpression) -> Reducer | None:
    """The reduction that `body` is.

    Parameters
    ----------
    body : ScalarExpression
        Canonical body of a reduce or reduce-window: parameters are the accumulators, then the elements.

    Returns
    -------
    Reducer or None
        None if it is none of the known ones; then only a sequential fold has its meaning.
    """
    if len(body.results) == 1:
        return _match_operation(body) or _match_selection(body)
    return _match_argument(body) if len(body.results) == 2 else None


def identity_element(kind: str, element_type: str) -> np.ndarray:
    """Scalar that `kind` leaves every element unchanged with."""
    dtype = BY_NAME[element_type].numpy_dtype
    if kind in ("max", "min"):
        return np.array(_extreme(element_type, lowest=kind == "max"), dtype)
    if kind == "and":
        return np.invert(np.zeros((), dtype))
    return np.array({"product": 1, "all": 1}.get(kind, 0), dtype)


def _extreme(element_type: str, lowest: bool) -> Any:
    row = BY_NAME[element_type]
    if row.kind == "float":
        infinity = np.array(np.inf, row.numpy_dtype)
        if np.isinf(infinity.astype(np.float64)):
            return -np.inf if lowest else np.inf
        info = ml_dtypes.finfo(row.numpy_dtype)
        return info.min if lowest else info.max
    if row.kind == "pred":
        return not lowest
    integers = ml_dtypes.iinfo(row.numpy_dtype)
    return integers.min if lowest else integers.max


def is_identity(kind: str, element_type: str, value: Any) -> bool:
    """Whether starting with `value` is the same as starting with the identity; both zeros serve a sum."""
    return bool(np.asarray(value) == identity_element(kind, element_type))


def _match_operation(body: ScalarExpression) -> Reducer | None:
    """One commutative opcode on both parameters, maybe between converts or below a reduce-precision."""
    result = body.nodes[body.results[0]]
    element_type, rounding, narrowed = result.element_type, None, False
    node = result
    while node.opcode in ("convert", "reduce-precision"):
        if node.opcode == "reduce-precision":
            exponent, mantissa = node.attributes
            rounding = (int(exponent), int(mantissa))
        else:
            narrowed = True
        node = body.nodes[node.operands[0]]
    if len(node.operands) != 2:
        return None
    sides = [_widened_parameter(body, operand) for operand in node.operands]
    if sorted(side if side is not None else (-1, "") for side in sides) != [(0, element_type), (1, element_type)]:
        return None
    if narrowed and not _widens(element_type, node.element_type):
        return None
    kind = _kind_of(node)
    if kind is None or (kind != "sum" and kind != "product" and rounding is not None):
        return None
    return Reducer(kind, element_type, node.element_type, rounding)


def _kind_of(node: ScalarNode) -> str | None:
    group = BY_NAME[node.element_type].kind
    if group == "pred":
        return _LOGICAL.get(node.opcode)
    if group in ("signed", "unsigned") and node.opcode in _BITWISE:
        return _BITWISE[node.opcode]
    return _NUMERIC.get(node.opcode) if group != "complex" or node.opcode in ("add", "multiply") else None


def _widened_parameter(body: ScalarExpression, index: int) -> tuple[int, str] | None:
    """(number, type) of the parameter behind any widening converts; None for anything else."""
    node = body.nodes[index]
    while node.opcode == "convert":
        source = body.nodes[node.operands[0]]
        if not _widens(source.element_type, node.element_type):
            return None
        node = source
    return (int(node.attributes[0]), node.element_type) if node.opcode == "parameter" else None


def _widens(narrow: str, wide: str) -> bool:
    """Whether every value of `narrow` is one of `wide`."""
    if narrow == wide:
        return True
    source, target = BY_NAME[narrow], BY_NAME[wide]
    if source.kind == target.kind == "float":
        a, b = ml_dtypes.finfo(source.numpy_dtype), ml_dtypes.finfo(target.numpy_dtype)
        return bool(a.nmant <= b.nmant and a.maxexp <= b.maxexp and a.minexp >= b.minexp)
    return source.kind == target.kind and source.kind in ("signed", "unsigned") and source.bits < target.bits


def _match_selection(body: ScalarExpression) -> Reducer | None:
    """max or min written as compare and select."""
    element_type = body.nodes[body.results[0]].element_type
    if not _order_only(body, (element_type, element_type)):
        return None
    for kind in ("max", "min"):
        samples = _samples(element_type)
        if all(_same(_run(body, (a, b))[0], _winner(kind, a, b)) for a, b in itertools.product(samples, repeat=2)):
            return Reducer(kind, element_type, element_type)
    return None


def _match_argument(body: ScalarExpression) -> Reducer | None:
    """argmax or argmin on (accumulator, its index, element, its index)."""
    value_type, index_type = body.result_types
    if BY_NAME[index_type].kind not in ("signed", "unsigned"):
        return None
    if not _order_only(body, (value_type, index_type, value_type, index_type)):
        return None
    for kind in ARGUMENT_KINDS:
        if all(_picks(body, kind, case) for case in itertools.product(_samples(value_type), (1, 2), repeat=2)):
            return Reducer(kind, value_type, value_type)
    return None


def _picks(body: ScalarExpression, kind: str, case: tuple[Any, ...]) -> bool:
    """Whether `body` does with one sample what rule 66 says.

    Of equal values the lower index may win or the accumulator's: in a reduction over increasing indices it is the same.
    """
    value, index, other_value, other_index = case
    got_value, got_index = _run(body, case)
    winner = _winner(kind[3:], value, other_value)
    if not _same(got_value, winner):
        return False
    if _same(value, other_value):
        return got_index in (index, min(index, other_index)) and (index > other_index or got_index == index)
    return bool(got_index == (index if _same(value, winner) else other_index))


def _winner(kind: str, a: Any, b: Any) -> Any:
    if a != a or b != b:
        return math.nan
    return max(a, b) if kind == "max" else min(a, b)


def _samples(element_type: str) -> tuple[Any, ...]:
    kind = BY_NAME[element_type].kind
    if kind == "pred":
        return (False, True)
    return (1, 2, math.nan) if kind == "float" else (1, 2)


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


def _order_only(body: ScalarExpression, parameter_types: tuple[str, ...]) -> bool:
    """Whether the body holds nothing but comparisons of parameters, logic on their outcomes and selections."""
    for node in body.nodes:
        if node.opcode not in _ORDER_ONLY or BY_NAME[node.element_type].kind == "complex":
            return False
        if node.opcode == "parameter":
            number = int(node.attributes[0])
            if number >= len(parameter_types) or parameter_types[number] != node.element_type:
                return False
        if node.opcode in ("and", "or", "xor", "not") and node.element_type != "pred":
            return False
        if node.opcode == "compare" and node.attributes[1] == "TOTALORDER":
            return False
    return True


_DIRECTIONS = {
    "EQ": lambda a, b: a == b, "NE": lambda a, b: a != b, "LT": lambda a, b: a < b, "LE": lambda a, b: a <= b,
    "GT": lambda a, b: a > b, "GE": lambda a, b: a >= b,
}  # fmt: skip


def _run(body: ScalarExpression, arguments: tuple[Any, ...]) -> list[Any]:
    """Values of an `_order_only` body."""
    values: list[Any] = []
    for node in body.nodes:
        operands = [values[index] for index in node.operands]
        values.append(_step(node, operands, arguments))
    return [values[index] for index in body.results]


def _step(node: ScalarNode, operands: list[Any], arguments: tuple[Any, ...]) -> Any:
    if node.opcode == "parameter":
        return arguments[int(node.attributes[0])]
    if node.opcode == "compare":
        return _DIRECTIONS[str(node.attributes[0])](*operands)
    if node.opcode == "select":
        return operands[1] if operands[0] else operands[2]
    if node.opcode in ("maximum", "minimum"):
        return _winner(node.opcode[:3], *operands)
    if node.opcode == "not":
        return not operands[0]
    left, right = (bool(operand) for operand in operands)
    return {"and": left and right, "or": left or right, "xor": left != right}[node.opcode]
