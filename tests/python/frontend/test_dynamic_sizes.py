"""Dynamic dimensions (rules 45 and 90): constant sizes are static shapes, all others are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from compare import check

import tvm_hlo_frontend
from tvm_hlo_frontend.dialects import mod_and_params
from tvm_hlo_frontend.hlo.attributes import CallAttributes, DimensionsAttributes
from tvm_hlo_frontend.hlo.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.shape import Symbol, array_shape
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites import settle_known_dimensions

FIRST = DimensionsAttributes((0,))
X = np.arange(16, dtype="float32").reshape(8, 2) - 5


def dynamic(*sizes, element_type="f32"):
    """A shape whose first dimension is at most what is given."""
    return array_shape(element_type, (Symbol("rows", sizes[0]), *sizes[1:]))


def addition():
    builder = ComputationBuilder("add")
    scalars = [builder.parameter(number, array_shape("f32")) for number in (0, 1)]
    return builder.build(builder.add("add", scalars))


def sized(builder, size):
    """The first parameter with its first dimension set to a constant, or to the second parameter."""
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    value = builder.parameter(1, array_shape("s32")) if size is None else builder.constant(size, "s32")
    return builder.add("set-dimension-size", [x, value], dynamic(8, 2), FIRST, name="cut")


def summed(builder):
    """Sums and number of the rows of a dynamic array, and what else is made of it."""
    negated = builder.add("negate", [sized(builder, 8)], dynamic(8, 2))
    whole = builder.add("convert", [negated], dynamic(8, 2, element_type="s32"))
    flat = builder.add("reshape", [whole], dynamic(16, element_type="s32"))
    zero = builder.constant(0, "f32")
    total = builder.add("reduce", [negated, zero], array_shape("f32", (2,)), FIRST, [addition()])
    size = builder.add("get-dimension-size", [flat], array_shape("s32"), FIRST)
    return builder.add("tuple", [total, size])


def test_rule_90_a_size_equal_to_the_bound_is_static():
    builder = ComputationBuilder("main")
    hlo = verify(module("full", builder.build(summed(builder))))
    settled = verify(settle_known_dimensions(hlo, None))
    assert all(instruction.shape.is_static for instruction in settled.instructions)
    assert not any(instruction.opcode == "set-dimension-size" for instruction in settled.instructions)
    check(hlo, [X])


def test_rule_90_a_dynamic_reshape_to_constant_sizes():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    four = builder.constant(4, "s32")
    shaped = builder.add("dynamic-reshape", [x, four, four], dynamic(4, 4))
    check(module("shaped", builder.build(builder.add("get-dimension-size", [shaped], array_shape("s32"), FIRST))), [X])
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    four = builder.constant(4, "s32")
    plain = builder.add("dynamic-reshape", [x, four, four], array_shape("f32", (4, 4)))
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(module("shaped", builder.build(plain))))
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod, params)(X), X.reshape(4, 4))


def refused(builder, root):
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="known only at run time") as caught:
        tvm_hlo_frontend.from_hlo(module("dynamic", builder.build(root)))
    return [refusal.instruction for refusal in caught.value.refusals]


@pytest.mark.parametrize("size", [None, 5])
def test_rule_90_any_other_size_is_refused(size):
    builder = ComputationBuilder("main")
    cut = sized(builder, size)
    assert refused(builder, builder.add("negate", [cut], cut.shape, name="negated")) == ["cut", "negated"]


def test_rule_90_a_size_is_refused_though_its_shape_is_declared_static():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    five = builder.constant(5, "s32")
    cut = builder.add("set-dimension-size", [x, five], array_shape("f32", (8, 2)), FIRST, name="cut")
    assert refused(builder, cut) == ["cut"]


def test_rule_90_a_dynamic_reshape_to_sizes_of_run_time_is_refused():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    sizes = [builder.parameter(number, array_shape("s32")) for number in (1, 2)]
    assert refused(builder, builder.add("dynamic-reshape", [x, *sizes], dynamic(4, 4), name="shaped")) == ["shaped"]


def test_rule_90_dynamic_shapes_that_operands_do_not_explain_are_refused():
    """A broadcast that grows along a dynamic dimension, and whatever a called computation makes of its parameters."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (2,)))
    grown = builder.add("broadcast", [x], dynamic(8, 2), DimensionsAttributes((1,)), name="grown")
    assert refused(builder, grown) == ["grown"]
    inner = ComputationBuilder("inner")
    body = inner.build(inner.add("negate", [inner.parameter(0, dynamic(8, 2))], dynamic(8, 2), name="inside"))
    builder = ComputationBuilder("main")
    called = builder.add("call", [sized(builder, 8)], dynamic(8, 2), CallAttributes(), [body], name="outside")
    assert "inside" in refused(builder, called)


@pytest.mark.parametrize("target", ["PadToStatic", "SliceToDynamic"])
def test_rule_90_custom_calls_between_dynamic_and_static_are_refused(target):
    from tvm_hlo_frontend.hlo.attributes import CustomCallAttributes

    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8,)))
    root = builder.add("custom-call", [x], array_shape("f32", (8,)), CustomCallAttributes(target), name="between")
    assert refused(builder, root) == ["between"]
