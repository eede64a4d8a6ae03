"""Element-wise opcodes on special values, bit by bit: signs of zeros, infinities, payloads of NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tools.support.compare import run_tvm
from tools.support.oracle import run_xla

from tests.support.bits_check import ANY_NAN, APPROXIMATE, FLUSHED, QUIETED, assert_none, failures
from tests.support.bits_values import bits, from_bits, maximum, minimum, pairs, special, triples
from tests.support.elementwise_cases import Case, module_of
from tests.support.elementwise_cases import compare as direction_of
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes, ReducePrecisionAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

IEEE_FLOATS = ("f16", "f32", "f64")
# one with infinities, one without, one without a negative zero, and the two that are not like any other
NARROW = ("bf16", "f8e5m2", "f8e4m3fn", "f8e4m3fnuz", "f4e2m1fn")

EXACT = "sign ceil floor round-nearest-even round-nearest-afz sqrt"
ARITHMETIC = "add subtract multiply divide remainder maximum minimum"
INEXACT = """
rsqrt cbrt cosine sine tan tanh exponential exponential-minus-one log log-plus-one logistic erf power atan2
"""
# opcodes -> what of their results is left open
OPEN: dict[str, frozenset[str]] = {
    **dict.fromkeys("abs negate is-finite compare".split(), frozenset({FLUSHED})),
    **dict.fromkeys("select copy".split(), frozenset()),
    **dict.fromkeys("sign reduce-precision".split(), frozenset({FLUSHED})),
    **dict.fromkeys([*EXACT.split()[1:], *ARITHMETIC.split(), "clamp"], frozenset({FLUSHED, ANY_NAN})),
    **dict.fromkeys(INEXACT.split(), frozenset({FLUSHED, ANY_NAN, APPROXIMATE})),
}
DIRECTIONS = ("EQ", "NE", "LT", "LE", "GT", "GE")
PRECISIONS = ((5, 10), (8, 7), (4, 3), (2, 1))


def cases_of(kind: str) -> list[Case]:
    x, (left, right) = special(kind), pairs(kind)
    unary = ["abs", "negate", *EXACT.split(), *INEXACT.split()[:-2]]
    cases = [Case(0, opcode, (x,), kind) for opcode in unary]
    cases += [Case(0, opcode, (left, right), kind) for opcode in [*ARITHMETIC.split(), "power", "atan2"]]
    cases += common_cases(kind, left, right)
    cases += [Case(0, "compare", (left, right), "pred", attributes=direction_of(direction)) for direction in DIRECTIONS]
    return [*cases, Case(0, "is-finite", (x,), "pred")]


def common_cases(kind: str, left: np.ndarray, right: np.ndarray) -> list[Case]:
    x = special(kind)
    orders = [direction_of(direction, "TOTALORDER") for direction in DIRECTIONS[::2]]
    cases = [Case(0, "compare", (left, right), "pred", attributes=order) for order in orders]
    cases.append(Case(0, "clamp", triples(kind), kind))
    cases.append(Case(0, "select", (np.arange(left.size) % 2 == 0, left, right), kind))
    cases += [
        Case(0, "reduce-precision", (x,), kind, attributes=ReducePrecisionAttributes(*precision))
        for precision in PRECISIONS
    ]
    return cases


def narrow_cases(kind: str) -> list[Case]:
    x, (left, right) = special(kind), pairs(kind)
    cases = [Case(0, opcode, (x,), kind) for opcode in ("abs", "negate", "sign", "ceil", "round-nearest-even")]
    cases += [Case(0, opcode, (left, right), kind) for opcode in ("maximum", "minimum", "multiply")]
    return [*cases, *common_cases(kind, left, right)]


def name_of(item: Case) -> str:
    attributes: Any = item.attributes
    details = [getattr(attributes, name, "") for name in ("direction", "type", "exponent_bits", "mantissa_bits")]
    return " ".join([item.opcode, *(str(detail) for detail in details if detail != "")])


@pytest.mark.parametrize("kind", [*IEEE_FLOATS, *NARROW], ids=lambda kind: f"rule_13-{kind}")
def test_opcodes_on_special_values(kind: str) -> None:
    cases = cases_of(kind) if kind in IEEE_FLOATS else narrow_cases(kind)
    hlo, arguments = module_of(cases)
    lines = []
    for item, got, want in zip(cases, run_tvm(hlo, arguments), run_xla(hlo, arguments)):
        left_open = OPEN[item.opcode] | (frozenset({QUIETED}) if kind in NARROW else frozenset())
        lines += failures(name_of(item), item.operands, got, want, left_open)
        if kind in IEEE_FLOATS and item.opcode in IEEE:
            with np.errstate(all="ignore"):
                exact = np.asarray(IEEE[item.opcode](*item.operands)).astype(got.dtype)
            lines += failures(name_of(item), item.operands, got, exact, frozenset({ANY_NAN}), of_xla=False)
    assert_none(lines)


# numpy's functions that are IEEE 754's, subnormal numbers included
IEEE: dict[str, Callable[..., np.ndarray]] = {
    "abs": np.abs, "negate": np.negative, "ceil": np.ceil, "floor": np.floor, "round-nearest-even": np.rint,
    "sqrt": np.sqrt, "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "remainder": np.fmod, "maximum": maximum, "minimum": minimum,
    "clamp": lambda low, x, high: minimum(high, maximum(low, x)),
    "sign": lambda x: np.where(np.isnan(x) | (x == 0), x, np.copysign(x.dtype.type(1), x)),
}  # fmt: skip


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_extremes_with_a_constant_of_either_sign_on_either_side(kind: str, plain: bool) -> None:
    """What the dialects have own operators for; 37 elements leave a rest behind every vector."""
    builder = ComputationBuilder("main")
    quiet = bits(special(kind))[np.isnan(special(kind))]
    values = np.concatenate([from_bits(quiet, kind), triples(kind)[2]])[:37]
    shape = array_shape(kind, values.shape)
    x = builder.parameter(0, shape)
    results, wanted, names = [], [], []
    for number in (0.0, -0.0, 1.0, -1.0):
        scalar = builder.constant(np.array(number, BY_NAME[kind].numpy_dtype), kind)
        constant = builder.add("broadcast", [scalar], shape, DimensionsAttributes(()))
        full = np.full(values.shape, number, values.dtype)
        for opcode, exact in (("maximum", maximum), ("minimum", minimum)):
            for operands, arrays in (([x, constant], (values, full)), ([constant, x], (full, values))):
                results.append(builder.add(opcode, operands, shape))
                wanted.append(exact(*arrays))
                names.append(f"{opcode} with {number}")
        for other in (0.0, -0.0, 6.0):
            high = builder.constant(np.array(other, BY_NAME[kind].numpy_dtype), kind)
            results.append(builder.add("clamp", [scalar, x, high], shape))
            wanted.append(minimum(np.full_like(full, other), maximum(full, values)))
            names.append(f"clamp from {number} to {other}")
    hlo = module("extremes", builder.build(builder.add("tuple", results)))
    lines = []
    for name, got, want in zip(names, run_tvm(hlo, [values], plain=plain), wanted):
        lines += failures(name, [values], got, want, frozenset({ANY_NAN}), of_xla=False)
    assert_none(lines)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_division_by_one_number_divides(kind: str, plain: bool) -> None:
    """XLA:CPU multiplies by the reciprocal: 41 / 41 < 1 there, in f32."""
    numpy_dtype = BY_NAME[kind].numpy_dtype
    counts = np.arange(1, 38, dtype=numpy_dtype)
    divisors = np.array([3, 41, 49, 127.5], numpy_dtype)
    x = counts * divisors[:, None]
    shape, row = array_shape(kind, x.shape), array_shape(kind, counts.shape)
    builder = ComputationBuilder("main")
    rows, by_row = builder.parameter(0, shape), builder.parameter(1, array_shape(kind, divisors.shape))
    spread = builder.add("broadcast", [by_row], shape, DimensionsAttributes((0,)))
    results, wanted = [builder.add("divide", [rows, spread], shape)], [x / divisors[:, None]]
    multiples = builder.parameter(2, row)
    for divisor in divisors:
        constant = builder.add("broadcast", [builder.constant(divisor, kind)], row, DimensionsAttributes(()))
        results.append(builder.add("divide", [multiples, constant], row))
        wanted.append(x[1] / divisor)
    hlo = module("divisions", builder.build(builder.add("tuple", results)))
    for got, want in zip(run_tvm(hlo, [x, divisors, x[1]], plain=plain), wanted):
        np.testing.assert_array_equal(got, want)
