"""Recognisers of scalar bodies, reducers and windows: what they see and what they leave alone. No TVM needed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.reduction_modules import BODIES, body, compare_node
from tvm_hlo_frontend.analysis.reducers import Reducer, identity_element, is_identity, match_reducer
from tvm_hlo_frontend.analysis.scalar_body import obstacle, scalar_body, single_result
from tvm_hlo_frontend.analysis.windows import Cumulative, match_cumulative
from tvm_hlo_frontend.hlo.ir.attributes import DotAttributes, DotDimensionNumbers, Window
from tvm_hlo_frontend.hlo.ir.attributes import WindowDimension as W
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.shape import array_shape

PAIRS = {"argmax", "argmin", "tf_argmax", "sum_and_product"}


def matched(name: str, kind: str) -> Reducer | None:
    types = [kind, "s32"] if name in PAIRS - {"sum_and_product"} else [kind] * (1 + (name in PAIRS))
    expression = scalar_body(body(name, types))
    assert expression is not None
    return match_reducer(expression)


@pytest.mark.parametrize(
    ("name", "element_type", "kind"),
    [
        ("add", "f32", "sum"),
        ("add", "s8", "sum"),
        ("add", "pred", "any"),
        ("multiply", "pred", "all"),
        ("multiply", "f64", "product"),
        ("maximum", "f32", "max"),
        ("swapped_maximum", "u8", "max"),
        ("minimum", "s64", "min"),
        ("maximum", "pred", "any"),
        ("minimum", "pred", "all"),
        ("and", "pred", "all"),
        ("or", "pred", "any"),
        ("xor", "pred", "xor"),
        ("and", "u32", "and"),
        ("or", "s32", "or"),
        ("xor", "s8", "xor"),
        ("nested_call", "f32", "sum"),
        ("argmax", "f32", "argmax"),
        ("argmin", "f64", "argmin"),
        ("argmax", "s32", "argmax"),
        ("selected_max", "s32", "max"),
    ],
)
def test_known_reducers(name: str, element_type: str, kind: str) -> None:
    assert matched(name, element_type) == Reducer(kind, element_type, element_type)


@pytest.mark.parametrize("name", ["subtract", "horner", "last", "sum_and_product"])
def test_other_bodies_are_left_alone(name: str) -> None:
    assert matched(name, "s32") is None


def test_bodies_that_lose_nan_are_left_alone() -> None:
    """A select keeps the second of two that do not compare, so its result depends on the order (rule 66)."""
    assert matched("selected_max", "f32") is None
    assert matched("tf_argmax", "f32") is None
    assert matched("tf_argmax", "s32") == Reducer("argmax", "s32", "s32")


def test_body_widened_by_converts() -> None:
    assert matched("widened_sum", "f16") == Reducer("sum", "f16", "f32")


def test_addition_of_a_parameter_to_itself_is_no_sum() -> None:
    b = ComputationBuilder("twice")
    x, _ = (b.parameter(number, array_shape("f32")) for number in range(2))
    expression = scalar_body(b.build(b.add("add", [x, x])))
    assert expression is not None and match_reducer(expression) is None


@pytest.mark.parametrize("kind", ["GE", "LE", "GT", "LT"])
def test_integer_selections(kind: str) -> None:
    b = ComputationBuilder("select")
    x, y = (b.parameter(number, array_shape("u8")) for number in range(2))
    expression = scalar_body(b.build(b.add("select", [compare_node(b, kind, x, y), y, x])))
    assert expression is not None
    assert match_reducer(expression) == Reducer("min" if kind[0] == "G" else "max", "u8", "u8")


@pytest.mark.parametrize(
    ("kind", "element_type", "value"),
    [
        ("sum", "f32", 0),
        ("product", "s8", 1),
        ("max", "f32", -np.inf),
        ("min", "f16", np.inf),
        ("max", "s8", -128),
        ("min", "u64", 2**64 - 1),
        ("all", "pred", True),
        ("any", "pred", False),
        ("xor", "pred", False),
        ("and", "s16", -1),
        ("and", "u8", 255),
        ("or", "s32", 0),
        ("xor", "u32", 0),
        ("max", "pred", False),
        ("max", "f8e4m3fn", -448),
    ],
)
def test_identities(kind: str, element_type: str, value: float) -> None:
    assert identity_element(kind, element_type) == np.array(value).astype(identity_element(kind, element_type).dtype)
    assert is_identity(kind, element_type, identity_element(kind, element_type))
    assert not is_identity(kind, element_type, np.array(7).astype(identity_element(kind, element_type).dtype)) or (
        element_type == "pred"
    )


def test_equal_programs_are_equal_values() -> None:
    """Names, dead code, the order of independent instructions and common subexpressions do not show."""

    def program(noisy: bool) -> object:
        b = ComputationBuilder("noisy" if noisy else "plain")
        x, y = (b.parameter(number, array_shape("f32"), name="pq"[number] if noisy else None) for number in range(2))
        if noisy:
            b.add("tanh", [y])
            second = b.add("negate", [y])
            first = b.add("copy", [b.add("exponential", [x])], x.shape)
            return scalar_body(b.build(b.add("add", [first, b.add("multiply", [second, b.add("negate", [y])])])))
        first, second = b.add("exponential", [x]), b.add("negate", [y])
        return scalar_body(b.build(b.add("add", [first, b.add("multiply", [second, second])])))

    assert program(True) == program(False)


def test_calls_that_share_are_walked_once() -> None:
    """80: doubling calls, sixty deep, are not expanded."""
    computation = None
    for level in range(60):
        b = ComputationBuilder(f"level{level}")
        x, y = (b.parameter(number, array_shape("s32")) for number in range(2))
        if computation is None:
            root = b.add("add", [x, y])
        else:
            left = b.add("call", [x, y], x.shape, called_computations=[computation])
            right = b.add("call", [x, y], x.shape, called_computations=[computation])
            root = b.add("add", [left, right])
        computation = b.build(root)
    assert computation is not None
    expression = scalar_body(computation)
    assert expression is not None and len(expression.nodes) == 62


def test_what_is_no_scalar_program() -> None:
    b = ComputationBuilder("odd")
    x, y = (b.parameter(number, array_shape("f32")) for number in range(2))
    dot = b.add("dot", [x, y], array_shape("f32"), DotAttributes(DotDimensionNumbers()), name="the_dot")
    computation = b.build(dot)
    assert scalar_body(computation) is None
    assert obstacle(computation) is dot
    assert obstacle(body("add", ["f32"])) is None


def test_single_result_drops_the_others() -> None:
    expression = scalar_body(body("sum_and_product", ["f32", "f32"]))
    assert expression is not None
    first = single_result(expression, 0)
    assert [node.opcode for node in first.nodes] == ["parameter", "parameter", "add"]
    assert first.result_types == ("f32",)


def test_every_body_has_a_scalar_program() -> None:
    for name in BODIES:
        element_type = {"widened_sum": "f16", "log_sum_exp": "f32"}.get(name, "s32")
        assert scalar_body(body(name, [element_type] * (1 + (name in PAIRS)))) is not None


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((W(1), W(5, 1, 4, 0)), Cumulative(1, False)),
        ((W(1), W(5, 1, 0, 4)), Cumulative(1, True)),
        ((W(7, 1, 6, 0), W(1)), Cumulative(0, False)),
        ((W(1), W(9, 1, 8, 0)), Cumulative(1, False)),
        ((W(1), W(4, 1, 3, 0)), None),
        ((W(1), W(5, 2, 4, 0)), None),
        ((W(1), W(5, 1, 4, 1)), None),
        ((W(1), W(5, 1, 2, 2)), None),
        ((W(7, 1, 6, 0), W(5, 1, 4, 0)), None),
        ((W(1), W(5, 1, 4, 0, 2)), None),
    ],
)
def test_running_windows(window: tuple[W, ...], found: Cumulative | None) -> None:
    assert match_cumulative(Window(window), (7, 5)) == found
