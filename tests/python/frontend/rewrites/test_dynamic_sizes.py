"""Dynamic dimensions (rules 45 and 90) whose sizes are constants: they become static shapes. Others: `bounded/`."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    CustomCallAttributes,
    DimensionsAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import Symbol, array_shape, tuple_shape
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


def refused(builder, root, reason="known only at run time"):
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match=reason) as caught:
        tvm_hlo_frontend.from_hlo(module("dynamic", builder.build(root)))
    return [refusal.instruction for refusal in caught.value.refusals]


@pytest.mark.parametrize("size", [0, 5])
def test_rule_90_a_constant_size_below_the_bound_cuts(size):
    """What follows is computed from the elements within the size alone, and has the shape that follows from it."""
    builder = ComputationBuilder("main")
    cut = sized(builder, size)
    zero = builder.constant(0, "f32")
    total = builder.add("reduce", [cut, zero], array_shape("f32", (2,)), FIRST, [addition()])
    flat = builder.add("reshape", [cut], dynamic(16))
    joined = builder.add("concatenate", [flat, builder.add("negate", [flat], dynamic(16))], dynamic(32), FIRST)
    count = builder.add("get-dimension-size", [joined], array_shape("s32"), FIRST)
    row = builder.add("broadcast", [builder.constant(3, "f32")], array_shape("f32", (2,)), DimensionsAttributes(()))
    sum_of_joined = builder.add("reduce", [joined, zero], array_shape("f32"), FIRST, [addition()])
    check(module("cut", builder.build(builder.add("tuple", [total, count, row, sum_of_joined]))), [X])


def run(hlo, *arrays):
    return tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_hlo(hlo)))(*arrays)


def test_rule_90_results_have_the_size_that_is_set():
    builder = ComputationBuilder("main")
    cut = sized(builder, 5)
    two = builder.constant(2, "f32")
    # XLA makes such broadcasts to the bound next to dynamic arrays
    twos = builder.add("broadcast", [two], array_shape("f32", (8, 2)), DimensionsAttributes(()))
    doubled = builder.add("multiply", [cut, twos], dynamic(8, 2))
    wide = builder.add("broadcast", [doubled], dynamic(8, 2, 3), DimensionsAttributes((0, 1)))
    got = run(module("wide", builder.build(builder.add("negate", [wide], wide.shape))), X)
    np.testing.assert_array_equal(got, np.repeat(-2 * X[:5, :, None], 3, axis=2))


def branch(name, size):
    builder = ComputationBuilder(name)
    pair = builder.parameter(0, tuple_shape(array_shape("f32", (8, 2)), array_shape("s32")))
    x = builder.add("get-tuple-element", [pair], None, TupleIndexAttributes(0))
    cut = builder.add("set-dimension-size", [x, builder.constant(size, "s32")], dynamic(8, 2), FIRST)
    return builder.build(builder.add("tuple", [cut], tuple_shape(dynamic(8, 2))))


def chosen(builder, index):
    """The first five, three or one rows of a parameter, by an index."""
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    pair = builder.add("tuple", [x, index(builder)])
    selector = builder.add("get-tuple-element", [pair], None, TupleIndexAttributes(1))
    branches = [branch(name, size) for name, size in (("five", 5), ("three", 3), ("one", 1))]
    return builder.add("conditional", [selector, pair, pair, pair], tuple_shape(dynamic(8, 2)), None, branches)


@pytest.mark.parametrize(("index", "rows"), [(0, 5), (1, 3), (2, 1), (7, 1), (-1, 1)])
def test_rule_90_branches_of_different_shapes_are_chosen_by_a_constant(index, rows):
    builder = ComputationBuilder("main")
    both = chosen(builder, lambda b: b.add("add", [b.constant(index, "s32"), b.constant(0, "s32")]))
    got = builder.add("get-tuple-element", [both], dynamic(8, 2), TupleIndexAttributes(0))
    np.testing.assert_array_equal(run(module("chosen", builder.build(got)), X), X[:rows])


@pytest.mark.parametrize(("index", "rows"), [(0, 5), (1, 3), (2, 1), (7, 1), (-1, 1)])
def test_rule_90_branches_of_different_shapes_are_chosen_at_run_time(index, rows):
    builder = ComputationBuilder("main")
    both = chosen(builder, lambda b: b.parameter(1, array_shape("s32")))
    got = builder.add("get-tuple-element", [both], dynamic(8, 2), TupleIndexAttributes(0), name="rows")
    np.testing.assert_array_equal(run(module("chosen", builder.build(got)), X, np.int32(index)), X[:rows])


def test_a_branch_that_is_never_taken_is_not_asked_for():
    """XLA drops it; the selector is a truth value that follows from the size of a static array."""
    callback = ComputationBuilder("callback")
    x = callback.parameter(0, array_shape("f32", (8, 2)))
    callback = callback.build(
        callback.add("custom-call", [x], x.shape, CustomCallAttributes("xla_ffi_python_cpu_callback"))
    )
    negation = ComputationBuilder("negation")
    negation = negation.build(negation.add("negate", [negation.parameter(0, array_shape("f32", (8, 2)))]))
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    size = builder.add("get-dimension-size", [x], array_shape("s32"), FIRST)
    short = builder.add("compare", [size, builder.constant(8, "s32")], None, CompareAttributes("LT", "SIGNED"))
    other = builder.add("not", [short])
    taken = builder.add("conditional", [other, x, x], None, None, [negation, callback])
    np.testing.assert_array_equal(run(module("taken", builder.build(taken)), X), -X)


def test_rule_90_a_size_is_refused_though_its_shape_is_declared_static():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8, 2)))
    five = builder.constant(5, "s32")
    cut = builder.add("set-dimension-size", [x, five], array_shape("f32", (8, 2)), FIRST, name="cut")
    assert refused(builder, cut) == ["cut"]


def test_rule_90_dynamic_shapes_that_operands_do_not_explain_are_refused():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (2,)))
    grown = builder.add("broadcast", [x], dynamic(8, 2), DimensionsAttributes((1,)), name="grown")
    assert refused(builder, grown, "does not follow from its operands") == ["grown"]


@pytest.mark.parametrize("target", ["PadToStatic", "SliceToDynamic"])
def test_rule_90_custom_calls_between_dynamic_and_static_are_refused(target):
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (8,)))
    root = builder.add("custom-call", [x], array_shape("f32", (8,)), CustomCallAttributes(target), name="between")
    assert refused(builder, root) == ["between"]
