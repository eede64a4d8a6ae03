"""Integer arrays that are computed from sizes alone: what their elements are, as numbers and `Size`s.

An array of elements is numpy's, of dtype object: an int, a `Size`, a truth value, a `SizeCheck` for a truth value that
only a call tells, or None where nothing is known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy

from ..hlo.ir.attributes import (
    CompareAttributes,
    ConstantAttributes,
    DimensionsAttributes,
    GatherAttributes,
    SliceAttributes,
    TupleIndexAttributes,
)
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.normal_forms import Remainder
from ..hlo.ir.open_module import SizeCheck
from ..hlo.ir.shape import Dimension
from ..hlo.ir.sizes import expression, larger, size_of, smaller, substituted
from .solved_sizes import solution

Elements = np.ndarray
MAX_ELEMENTS = 64
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_RELATION = {"EQ": "==", "NE": "!=", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}


@dataclass(frozen=True)
class Facts:
    """What is known of unknown sizes.

    Attributes
    ----------
    at_least : mapping of str to int
        Lower bounds; 0 where there is none.
    assumed : list of SizeCheck
        What arithmetic took for given besides, and calls have to check.
    """

    at_least: Mapping[str, int] = field(default_factory=dict)
    assumed: list[SizeCheck] = field(default_factory=list, compare=False)

    def sign_of(self, size: Dimension) -> tuple[bool | None, bool | None, bool | None]:
        """Whether it is at least 0, whether it is at most 0, whether it is 0; None where nothing is known."""
        return _signs(size, tuple(sorted(self.at_least.items())))


@functools.lru_cache(maxsize=1 << 14)
def _signs(size: Dimension, at_least: tuple[tuple[str, int], ...]) -> tuple[bool | None, bool | None, bool | None]:
    if isinstance(size, int):
        return size >= 0, size <= 0, size == 0
    raised = expression(size)
    for symbol in raised.free_symbols:
        bound = dict(at_least).get(symbol.name, 0)
        raised = raised.subs(symbol, symbol + bound)
    raised = sympy.expand(raised)
    if raised.is_nonnegative is None and raised.is_nonpositive is None:
        raised = _below_divisors(raised)
    return raised.is_nonnegative, raised.is_nonpositive, raised.is_zero


def _below_divisors(raised: Any) -> Any:
    """With remainders by n as n - 1 - rest, where the rest is not negative: they are less than n."""
    for remainder in raised.atoms(Remainder):
        divisor = remainder.args[1]
        if divisor.is_positive:
            rest = sympy.Dummy("rest", integer=True, nonnegative=True)
            raised = raised.xreplace({remainder: divisor - 1 - rest})
    return sympy.expand(raised)


def is_small_integer(instruction: HloInstruction) -> bool:
    """Whether an instruction may hold sizes."""
    shape = instruction.shape
    return (
        shape.is_array
        and shape.kind in ("pred", "signed", "unsigned")
        and shape.is_static
        and shape.element_count <= MAX_ELEMENTS
    )


def elements_of(instruction: HloInstruction, operands: Sequence[Elements | None], facts: Facts) -> Elements | None:
    """Elements of a small integer array, None if nothing is known of them.

    Parameters
    ----------
    instruction : HloInstruction
        Of a shape for which `is_small_integer` holds.
    operands : sequence of array or None
        Elements of its operands.
    facts : Facts
    """
    attributes, shape = instruction.attributes, instruction.shape
    if isinstance(attributes, ConstantAttributes):
        return np.array(np.asarray(attributes.literal).reshape(shape.sizes).tolist(), dtype=object).reshape(shape.sizes)
    if instruction.opcode == "get-dimension-size":
        (axis,) = instruction.attributes_as(DimensionsAttributes).dimensions
        return scalar(instruction.operands[0].shape.dimensions[axis])
    if any(operand is None for operand in operands):
        return None
    if instruction.opcode in _MOVEMENT:
        return _MOVEMENT[instruction.opcode](instruction, *operands)
    function = _ELEMENTWISE.get(instruction.opcode)
    if function is None:
        return None
    if isinstance(attributes, CompareAttributes):
        function = functools.partial(_compared, relation=_RELATION[attributes.direction])
    return _elementwise(functools.partial(function, facts=facts), operands, shape.sizes)


def scalar(value: Any) -> Elements:
    """Elements of a scalar."""
    result = np.empty((), dtype=object)
    result[()] = value
    return result


def _elementwise(function: Callable[..., Any], operands: Sequence[Any], sizes: tuple[int, ...]) -> Elements:
    result = np.empty(sizes, dtype=object)
    for index in np.ndindex(*sizes):
        values = [operand[index] if operand.ndim else operand[()] for operand in operands]
        result[index] = None if any(value is None for value in values) else function(*values)
    return result


# ---- arithmetic of two's complement is not here: sizes do not wrap


def _divide(a: Any, b: Any, facts: Facts) -> Any:
    """Rounded towards zero, as HLO divides."""
    (over, under, _), (positive, negative, zero) = facts.sign_of(a), facts.sign_of(b)
    if over is None and under is None:
        facts.assumed.append(SizeCheck(a, ">=", 0))
        over = True
    if zero is not False or True not in (over, under) or True not in (positive, negative):
        return None
    quotient = (a if over else -a) // (b if positive else -b)
    return quotient if bool(over) == bool(positive) else -quotient


def _remainder(a: Any, b: Any, facts: Facts) -> Any:
    """Of the sign of a, as HLO's is."""
    if _divide(a, b, facts) is None:
        return None
    _, under, _ = facts.sign_of(a)
    positive, _, _ = facts.sign_of(b)
    divisor = b if positive else -b
    return -((-a) % divisor) if under else a % divisor


def _sign(a: Any, facts: Facts) -> Any:
    over, under, zero = facts.sign_of(a)
    if zero:
        return 0
    if over:
        return 1 if zero is False else smaller(a, 1)
    return None if not under else -1 if zero is False else larger(a, -1)


def _abs(a: Any, facts: Facts) -> Any:
    over, under, _ = facts.sign_of(a)
    return a if over else -a if under else None


def _larger_of(a: Any, b: Any, facts: Facts) -> Any:
    over, under, _ = facts.sign_of(a - b)
    return a if over else b if under else larger(a, b)


def _smaller_of(a: Any, b: Any, facts: Facts) -> Any:
    over, under, _ = facts.sign_of(a - b)
    return b if over else a if under else smaller(a, b)


def _clamp(low: Any, value: Any, high: Any, facts: Facts) -> Any:
    return _smaller_of(_larger_of(value, low, facts), high, facts)


def _compared(a: Any, b: Any, relation: str, facts: Facts) -> Any:
    if isinstance(a, (bool, SizeCheck)) or isinstance(b, (bool, SizeCheck)):
        return _same_truth(a, b, relation == "==", facts)
    over, under, zero = facts.sign_of(a - b)
    known = {
        "==": True if zero else False if zero is False else None,
        "!=": False if zero else True if zero is False else None,
        ">=": over if over is not None else None,
        "<=": under if under is not None else None,
        "<": None if over is None else not over,
        ">": None if under is None else not under,
    }[relation]
    return _sign_decided(SizeCheck(a, relation, b)) if known is None else known


def _same_truth(a: Any, b: Any, equal: bool, facts: Facts) -> Any:
    """Whether two truth values are equal, or whether they differ."""
    if isinstance(a, bool):
        a, b = b, a
    if not isinstance(b, bool):
        return None
    return a if b is equal else _not(a, facts)


def _sign_decided(check: SizeCheck) -> SizeCheck:
    """min(1, x) == 1, the sign of an x that is not negative, as what it says of x."""
    sides = {check.left, check.right}
    over = [size for size in sides - {1} if expression(size).func is sympy.Min and 1 in expression(size).args]
    if check.relation not in ("==", "!=") or 1 not in sides or not over:
        return check
    rest = size_of(sympy.Min(*(argument for argument in expression(over[0]).args if argument != 1)))
    return SizeCheck(rest, ">=" if check.relation == "==" else "<=", 1 if check.relation == "==" else 0)


def _and(a: Any, b: Any, facts: Facts) -> Any:
    if a is False or b is False:
        return False
    if a is True or b is True:
        return b if a is True else a
    if not (isinstance(a, SizeCheck) and isinstance(b, SizeCheck)):
        return None
    if _implies(a, b) or _implies(b, a):
        return a if _implies(a, b) else b
    return False if _contradict(a, b, facts) or _contradict(b, a, facts) else None


_IMPLIED = {"<": ("<", "<=", "!="), ">": (">", ">=", "!="), "==": ("==", "<=", ">="), "!=": ("!=",)}


def _implies(a: SizeCheck, b: SizeCheck) -> bool:
    return _difference(a) == _difference(b) and b.relation in _IMPLIED.get(a.relation, (a.relation,))


def _contradict(a: SizeCheck, b: SizeCheck, facts: Facts) -> bool:
    """Whether b is false where a holds, if a says that a size which is not negative is 0."""
    difference = _difference(a)
    if a.relation not in ("==", "<=") or (a.relation == "<=" and not facts.sign_of(difference)[0]):
        return False
    if b.relation == "!=" and _difference(b) in (difference, _negative(difference)):
        return True
    found = solution(SizeCheck(difference, "==", 0), ())
    return bool(found) and _compared(substituted(_difference(b), found), 0, b.relation, facts) is False


def _difference(check: SizeCheck) -> Any:
    return size_of(expression(check.left) - expression(check.right))


def _negative(size: Any) -> Any:
    return -size


def _or(a: Any, b: Any, facts: Facts) -> Any:
    if a is True or b is True:
        return True
    return b if a is False else a if b is False else None


def _not(a: Any, facts: Facts) -> Any:
    if isinstance(a, SizeCheck):
        return replace(a, relation=_OPPOSITE[a.relation])
    return not a if isinstance(a, bool) else None


def _select(which: Any, on_true: Any, on_false: Any, facts: Facts) -> Any:
    if on_true == on_false:
        return on_true
    if isinstance(which, bool):
        return on_true if which else on_false
    if {which.left, which.right} == {on_true, on_false} and which.relation in (">=", ">", "<=", "<"):
        larger_if = (which.relation in (">=", ">")) == (which.left == on_true)
        return (larger if larger_if else smaller)(on_true, on_false)
    if which.relation == "<" and which.right == 0 and which.left == on_false:
        # x + n where x is negative, else x: x modulo n, if x is no smaller than -n, as remainders by n are not
        divisor = on_true - on_false
        if facts.sign_of(on_false + divisor)[0] and facts.sign_of(divisor - on_false)[0]:
            return on_false % divisor
    return None


_ELEMENTWISE: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b, facts: a + b,
    "subtract": lambda a, b, facts: a - b,
    "multiply": lambda a, b, facts: a * b,
    "negate": lambda a, facts: -a,
    "divide": _divide,
    "remainder": _remainder,
    "sign": _sign,
    "abs": _abs,
    "maximum": _larger_of,
    "minimum": _smaller_of,
    "clamp": _clamp,
    "compare": _compared,
    "and": _and,
    "or": _or,
    "not": _not,
    "select": _select,
    "convert": lambda a, facts: int(a) if isinstance(a, bool) else None if isinstance(a, SizeCheck) else a,
    "copy": lambda a, facts: a,
    "opt-barrier": lambda a, facts: a,
}


# ---- movement


def _reshape(instruction: HloInstruction, operand: Elements) -> Elements:
    return operand.reshape(instruction.shape.sizes)


def _broadcast(instruction: HloInstruction, operand: Elements) -> Elements:
    axes, sizes = instruction.attributes_as(DimensionsAttributes).dimensions, instruction.shape.sizes
    between = [1] * len(sizes)
    for axis, size in zip(axes, operand.shape):
        between[axis] = size
    return np.broadcast_to(operand.reshape(between), sizes)


def _slice(instruction: HloInstruction, operand: Elements) -> Elements:
    attributes = instruction.attributes_as(SliceAttributes)
    return operand[tuple(map(slice, attributes.starts, attributes.limits, attributes.strides))]


def _concatenate(instruction: HloInstruction, *operands: Elements) -> Elements:
    return np.concatenate(operands, axis=instruction.attributes_as(DimensionsAttributes).dimensions[0])


def _gather(instruction: HloInstruction, operand: Elements, indices: Elements) -> Elements | None:
    """Elements of a vector, one at each index that is known."""
    attributes = instruction.attributes_as(GatherAttributes)
    if operand.ndim != 1 or attributes.slice_sizes != (1,) or not all(type(each) is int for each in indices.flat):
        return None
    taken = [operand[min(max(index, 0), operand.size - 1)] for index in indices.flat]
    result = np.empty(instruction.shape.element_count, dtype=object)
    result[:] = taken
    return result.reshape(instruction.shape.sizes)


def _dynamic_slice(instruction: HloInstruction, operand: Elements, *starts: Elements) -> Elements | None:
    flat = [start[()] for start in starts if start.ndim == 0]
    if len(flat) != operand.ndim or not all(type(start) is int for start in flat):
        return None
    sizes = instruction.shape.sizes
    first = [min(max(start, 0), whole - size) for start, whole, size in zip(flat, operand.shape, sizes)]
    return operand[tuple(slice(start, start + size) for start, size in zip(first, sizes))]


def _transpose(instruction: HloInstruction, operand: Elements) -> Elements:
    return operand.transpose(instruction.attributes_as(DimensionsAttributes).dimensions)


def _reverse(instruction: HloInstruction, operand: Elements) -> Elements:
    return np.flip(operand, instruction.attributes_as(DimensionsAttributes).dimensions)


def _iota(instruction: HloInstruction) -> Elements:
    (axis,) = instruction.attributes_as(DimensionsAttributes).dimensions
    sizes = instruction.shape.sizes
    between = [size if place == axis else 1 for place, size in enumerate(sizes)]
    values = np.empty(sizes[axis], dtype=object)
    values[:] = list(range(sizes[axis]))
    return np.broadcast_to(values.reshape(between), sizes)


def _tuple_element(instruction: HloInstruction, operand: Any) -> Any:
    return operand[instruction.attributes_as(TupleIndexAttributes).index]


_MOVEMENT: Mapping[str, Callable[..., Any]] = {
    "reshape": _reshape,
    "broadcast": _broadcast,
    "slice": _slice,
    "concatenate": _concatenate,
    "gather": _gather,
    "dynamic-slice": _dynamic_slice,
    "transpose": _transpose,
    "reverse": _reverse,
    "iota": _iota,
}
