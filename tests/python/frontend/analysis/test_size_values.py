"""Integers that are computed from sizes: symbolic elements against numbers, for every size from 1 to 9."""

import numpy as np
import pytest

from tvm_hlo_frontend.analysis.size_values import Facts, elements_of
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DimensionsAttributes,
    GatherAttributes,
    SliceAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.open_module import SizeCheck
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.ir.sizes import substituted, variable

B = variable("b")
FACTS = Facts({"b": 1})


def elements(instruction, facts=FACTS):
    return elements_of(instruction, [elements(operand, facts) for operand in instruction.operands], facts)


def size_of_operand(builder):
    x = builder.parameter(0, array_shape("f32", (B, 3)))
    return builder.add("get-dimension-size", [x], array_shape("s32"), DimensionsAttributes((0,)))


def compared(builder, left, right, direction):
    return builder.add("compare", [left, right], array_shape("pred"), CompareAttributes(direction, "SIGNED"))


def floor_divide(builder, over, under):
    """As jax.numpy.floor_divide does it."""
    quotient, rest = builder.add("divide", [over, under]), builder.add("remainder", [over, under])
    signs = [builder.add("sign", [each]) for each in (over, under)]
    differ = compared(builder, *signs, "NE")
    inexact = compared(builder, rest, builder.constant(0, "s32"), "NE")
    less = builder.add("subtract", [quotient, builder.constant(1, "s32")])
    return builder.add("select", [builder.add("and", [differ, inexact]), less, quotient])


def modulo(builder, over, under):
    """As jax.numpy.remainder does it."""
    rest, zero = builder.add("remainder", [over, under]), builder.constant(0, "s32")
    negative = [compared(builder, each, zero, "LT") for each in (rest, under)]
    differ = builder.add("compare", negative, array_shape("pred"), CompareAttributes("NE", "UNSIGNED"))
    wrong = builder.add("and", [differ, compared(builder, rest, zero, "NE")])
    return builder.add("select", [wrong, builder.add("add", [rest, under]), rest])


def expression(text):
    """Builder of an expression of b, and what it is for a number."""

    def build(builder):
        size = size_of_operand(builder)
        number = lambda value: builder.constant(value, "s32")  # noqa: E731
        binary = lambda opcode: lambda x, y: builder.add(opcode, [x, y])  # noqa: E731
        names = {
            "b": size, "n": number, "add": binary("add"), "sub": binary("subtract"), "mul": binary("multiply"),
            "div": binary("divide"), "rem": binary("remainder"), "max": binary("maximum"), "min": binary("minimum"),
            "floordiv": lambda x, y: floor_divide(builder, x, y), "mod": lambda x, y: modulo(builder, x, y),
            "neg": lambda x: builder.add("negate", [x]), "sign": lambda x: builder.add("sign", [x]),
            "abs": lambda x: builder.add("abs", [x]),
            "clamp": lambda low, x, high: builder.add("clamp", [low, x, high]),
            "where_ge": lambda x, y: builder.add("select", [compared(builder, x, y, "GE"), x, y]),
        }  # fmt: skip
        return eval(text, names)

    return build


def number(text, b):
    trunc = lambda x, y: int(x / y)  # noqa: E731
    names = {
        "b": b, "n": int, "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": trunc,
        "rem": lambda x, y: x - trunc(x, y) * y, "max": max, "min": min, "floordiv": lambda x, y: x // y,
        "mod": lambda x, y: x % y, "neg": lambda x: -x, "sign": np.sign, "abs": abs,
        "clamp": lambda low, x, high: min(max(x, low), high), "where_ge": max,
    }  # fmt: skip
    return eval(text, names)


EXPRESSIONS = [
    *("add(b, n(3))", "sub(b, n(1))", "mul(b, b)", "neg(b)", "sign(b)", "abs(neg(b))", "sign(neg(b))"),
    *("div(b, n(2))", "rem(b, n(3))", "div(neg(b), n(2))", "rem(neg(b), n(2))", "div(b, n(-2))"),
    *("max(b, n(4))", "min(b, n(4))", "max(b, n(1))", "clamp(n(2), b, n(5))", "where_ge(b, n(3))"),
    *("floordiv(b, n(2))", "floordiv(sub(b, n(1)), n(2))", "floordiv(add(mul(b, n(2)), n(3)), n(4))"),
    *("mod(b, n(3))", "mod(sub(b, n(1)), n(2))", "mod(n(-1), b)", "floordiv(n(12), b)"),
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_elements_are_what_numbers_give(text):
    builder = ComputationBuilder("main")
    found = elements(expression(text)(builder))[()]
    assert found is not None, f"nothing is known of {text}"
    for b in range(1, 10):
        assert substituted(found, {"b": b}) == number(text, b), f"{text} = {found} for b = {b}"


def test_what_division_takes_for_given_is_noted():
    builder, facts = ComputationBuilder("main"), Facts()
    found = elements(expression("div(sub(b, n(3)), n(2))")(builder), facts)[()]
    assert substituted(found, {"b": 8}) == 2
    assert [str(check) for check in facts.assumed] == ["b - 3 >= 0"]


def test_comparisons_that_calls_decide_are_kept():
    builder = ComputationBuilder("main")
    size = size_of_operand(builder)
    for value, direction, wanted in [
        (1, "GE", True),
        (0, "EQ", False),
        (0, "NE", True),
        (4, "LT", SizeCheck(B, "<", 4)),
    ]:
        assert elements(compared(builder, size, builder.constant(value, "s32"), direction))[()] == wanted


def test_movement():
    builder = ComputationBuilder("main")
    size = size_of_operand(builder)
    vector = builder.add(
        "concatenate",
        [builder.add("reshape", [size], array_shape("s32", (1,))), builder.constant([7, 8], "s32")],
        attributes=DimensionsAttributes((0,)),
    )
    assert list(elements(vector)) == [B, 7, 8]
    part = builder.add("slice", [vector], attributes=SliceAttributes((0,), (3,), (2,)))
    assert list(elements(part)) == [B, 8]
    taken = GatherAttributes((), (0,), (0,), 1, (1,))
    index = builder.constant([[2], [0]], "s32")
    assert list(elements(builder.add("gather", [vector, index], attributes=taken))) == [8, B]
    twice = builder.add("broadcast", [size], array_shape("s32", (2,)), DimensionsAttributes(()))
    assert list(elements(twice)) == [B, B]
    reverse = builder.add("reverse", [vector], attributes=DimensionsAttributes((0,)))
    assert list(elements(reverse)) == [8, 7, B]


def test_data_are_not_sizes():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("s32"))
    assert elements_of(builder.add("negate", [x]), [None], FACTS) is None
