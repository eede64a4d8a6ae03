"""Elementwise opcodes: equal shapes, and which element types each of them takes."""

from __future__ import annotations

from ..ir.attributes import CompareAttributes, ReducePrecisionAttributes
from ..ir.shape import Shape, array_shape
from ..opcodes import ELEMENTWISE_BINARY, ELEMENTWISE_UNARY
from .rules import (
    Query,
    RuleTable,
    attributes_as,
    compatible,
    expect,
    expect_arrays,
    expect_kind,
    expect_same,
    same_dimensions,
)

table = RuleTable()

_PRED, _INTEGER, _FLOAT, _COMPLEX = ("pred",), ("signed", "unsigned"), ("float",), ("complex",)
_NUMBER = _INTEGER + _FLOAT + _COMPLEX
_ALL = _PRED + _NUMBER
COMPONENT = {"c64": "f32", "c128": "f64"}
COMPLEX_OF = {"f32": "c64", "f64": "c128"}

_UNARY_KINDS = {
    **dict.fromkeys(ELEMENTWISE_UNARY, _FLOAT + _COMPLEX),
    **dict.fromkeys(("ceil", "floor", "round-nearest-afz", "round-nearest-even", "erf", "is-finite"), _FLOAT),
    **dict.fromkeys(("abs", "sign"), ("signed", *_FLOAT, *_COMPLEX)),
    "negate": _NUMBER,
    **dict.fromkeys(("count-leading-zeros", "popcnt"), _INTEGER),
    "not": _PRED + _INTEGER,
}
_BINARY_KINDS = {
    **dict.fromkeys(ELEMENTWISE_BINARY, _NUMBER),
    **dict.fromkeys(("add", "multiply", "maximum", "minimum"), _ALL),
    **dict.fromkeys(("and", "or", "xor"), _PRED + _INTEGER),
    **dict.fromkeys(("shift-left", "shift-right-arithmetic", "shift-right-logical", "mulhi"), _INTEGER),
    "atan2": _FLOAT + _COMPLEX,
    "complex": _FLOAT,
}
_COMPARISONS = {"pred": ("UNSIGNED",), "unsigned": ("UNSIGNED",), "signed": ("SIGNED",), "complex": ("FLOAT",)}


def _with_type(shape: Shape, element_type: str) -> Shape:
    return array_shape(element_type, shape.dimensions)


@table.infers(*ELEMENTWISE_UNARY)
def _unary(query: Query) -> Shape:
    (operand,) = query.operands
    expect_kind(operand, _UNARY_KINDS[query.opcode], "an operand")
    if query.opcode == "is-finite":
        return _with_type(operand, "pred")
    if query.opcode in ("abs", "real", "imag"):
        return _with_type(operand, COMPONENT.get(operand.element_type, operand.element_type))
    return _with_type(operand, operand.element_type)


@table.infers(*ELEMENTWISE_BINARY)
def _binary(query: Query) -> Shape:
    left, right = query.operands
    expect_kind(left, _BINARY_KINDS[query.opcode], "operands")
    expect_same((left, right), "operands")
    if query.opcode == "complex":
        expect(left.element_type in COMPLEX_OF, f"expected operands of type f32 or f64, found {left}")
        return _with_type(left, COMPLEX_OF[left.element_type])
    return _with_type(left, left.element_type)


@table.infers("compare")
def _compare(query: Query) -> Shape:
    attributes = attributes_as(query, CompareAttributes)
    left, right = query.operands
    expect_kind(left, _ALL, "operands")
    expect_same((left, right), "operands")
    types = _COMPARISONS.get(left.kind, ("FLOAT", "TOTALORDER"))
    expect(attributes.type in types, f"expected comparison type {' or '.join(types)}, found {attributes.type}")
    return _with_type(left, "pred")


@table.infers("select")
def _select(query: Query) -> Shape:
    which, on_true, on_false = query.operands
    expect_kind(which, _PRED, "a first operand")
    expect(compatible(on_true, on_false), f"expected equal shapes to select from, found {on_true} and {on_false}")
    if which.rank:
        expect(
            on_true.is_array and same_dimensions(which, on_true),
            f"expected a selector that is a scalar or as large as {on_true}, found {which}",
        )
    return on_true


@table.infers("clamp")
def _clamp(query: Query) -> Shape:
    low, value, high = query.operands
    expect_kind(value, _ALL, "operands")
    for limit in (low, high):
        fits = limit.element_type == value.element_type and (limit.rank == 0 or same_dimensions(limit, value))
        expect(fits, f"expected limits that are scalars of the type of, or as large as, {value}, found {limit}")
    return _with_type(value, value.element_type)


@table.infers("convert")
def _convert(query: Query) -> Shape | None:
    return _same_dimensions_as_declared(query)


@table.infers("stochastic-convert")
def _stochastic_convert(query: Query) -> Shape | None:
    value, random = query.operands
    expect_kind(value, _FLOAT, "a first operand")
    expect_kind(random, ("unsigned",), "a second operand")
    fits = same_dimensions(value, random) and value.bits == random.bits
    expect(fits, f"expected operands of equal dimensions and bits, found {value} and {random}")
    return _same_dimensions_as_declared(query)


def _same_dimensions_as_declared(query: Query) -> Shape | None:
    expect_arrays(query)
    if query.declared is None:
        return None
    expect(query.declared.is_array, f"expected an array shape, found {query.declared}")
    return _with_type(query.operands[0], query.declared.element_type)


@table.infers("reduce-precision")
def _reduce_precision(query: Query) -> Shape:
    attributes = attributes_as(query, ReducePrecisionAttributes)
    (operand,) = query.operands
    expect_kind(operand, _FLOAT, "an operand")
    expect(attributes.exponent_bits >= 1, f"expected at least 1 exponent bit, found {attributes.exponent_bits}")
    expect(attributes.mantissa_bits >= 0, f"expected no negative mantissa bits, found {attributes.mantissa_bits}")
    return _with_type(operand, operand.element_type)
