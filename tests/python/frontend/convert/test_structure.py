"""Tuples, calls, tokens, custom-calls, the entry, and what never matters (rules 45, 78 to 85, 90 and 92)."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from tools.support.compare import check, run_tvm

import tvm_hlo_frontend
from tvm_hlo_frontend import ConversionError, UnsupportedHloError
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import (
    CallAttributes,
    CollectiveAttributes,
    CompareAttributes,
    CustomCallAttributes,
    DimensionsAttributes,
    FusionAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import Symbol, array_shape, tuple_shape

F32, S32, TOKEN = array_shape("f32", (4,)), array_shape("s32"), array_shape("token")
X = np.arange(4, dtype="float32")


def element(builder, value, index):
    return builder.add("get-tuple-element", [value], value.shape.tuple_shapes[index], TupleIndexAttributes(index))


def results_of(make, *arguments):
    """Flat results of a module; `make(builder, parameters)` gives its root."""
    builder = ComputationBuilder("main")
    parameters = [builder.parameter(number, F32) for number in range(len(arguments))]
    return run_tvm(module("structure", builder.build(make(builder, parameters))), arguments)


def difference(name="difference"):
    """x - y."""
    builder = ComputationBuilder(name)
    return builder.build(builder.add("subtract", [builder.parameter(number, F32) for number in (0, 1)]))


@pytest.mark.parametrize("trips", [-2, 0, 3])
def test_rule_78_a_loop_of_dots_without_trips(trips):
    """The number of trips is known at run time only, and the body does not work element by element."""

    def function(x, n):
        again = lambda s: (s[0] + 1, s[1] @ s[1] * np.float32(0.5))  # noqa: E731
        return jax.lax.while_loop(lambda s: s[0] < n, again, (np.int32(0), x))

    arguments = [np.arange(9, dtype="float32").reshape(3, 3) / 8, np.int32(trips)]
    check(jax.jit(function).lower(*arguments).compiler_ir("hlo"), arguments)


def test_rule_79_elements_of_tuples_keep_their_order():
    """All of one shape, so that only the numbers tell them apart."""
    builder = ComputationBuilder("main")
    state = builder.parameter(0, tuple_shape(F32, tuple_shape(F32, F32)))
    inner = element(builder, state, 1)
    first, second, third = element(builder, state, 0), element(builder, inner, 0), element(builder, inner, 1)
    root = builder.add("tuple", [third, builder.add("tuple", [first, builder.add("negate", [second])])])
    got = run_tvm(module("tuples", builder.build(root)), [X, X + 10, X + 20])
    for ours, wanted in zip(got, (X + 20, X, -X - 10), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_rule_79_elements_of_every_producer():
    """Of a loop, a branch, a call and a tuple in a tuple, some of them unused."""
    from jax import lax

    def function(x, y, flag):
        a, (b, _) = lax.fori_loop(0, 3, lambda i, s: (s[1][0], (s[0] + 1, s[1][1])), (x, (y, x)))
        c, d = lax.cond(flag, lambda p, q: (q, p), lambda p, q: (p, q * 2), a, b)
        e, _ = jax.jit(lambda p, q: (q - p, p))(c, d)
        return {"out": (e, ()), "sorted": lax.sort((c, d), num_keys=1)[1]}

    arguments = [X[::-1].copy(), X * 3 - 4, np.bool_(True)]
    check(jax.jit(function).lower(*arguments).compiler_ir("hlo"), arguments)


CALLS = {
    "call": ("call", CallAttributes()),
    "composite": ("call", CallAttributes(True)),
    "fusion": ("fusion", FusionAttributes("kLoop")),
}


@pytest.mark.parametrize("kind", CALLS)
def test_rule_80_a_computation_called_twice(kind):
    opcode, attributes = CALLS[kind]
    callee = difference()

    def make(builder, parameters):
        x, y = parameters
        one = builder.add(opcode, [x, y], F32, attributes, [callee])
        other = builder.add(opcode, [y, one], F32, attributes, [callee])
        return builder.add("tuple", [one, other])

    one, other = results_of(make, X, X[::-1] * 5)
    np.testing.assert_array_equal(one, X - X[::-1] * 5)
    np.testing.assert_array_equal(other, X[::-1] * 5 - one)


def test_rule_80_shared_values_are_converted_once():
    """Every value is used twice: walked as a tree, this has 2^200 nodes."""
    inner = ComputationBuilder("inner")
    value = inner.parameter(0, F32)
    for _ in range(100):
        value = inner.add("maximum", [value, value])
    callee = inner.build(value)
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    for _ in range(2):
        value = builder.add("call", [value], F32, CallAttributes(), [callee])
        value = builder.add("minimum", [value, value])
    mod, _ = mod_and_params(tvm_hlo_frontend.from_hlo(module("shared", builder.build(value))))
    assert tvm_hlo_frontend.report_of(mod).converted == {"map: kernel": 1}


def test_rule_81_the_result_of_what_was_started_is_element_1():
    """Device 0 sends to nobody, so the result is zero and the operand is not."""

    def make(builder, parameters):
        pair = tuple_shape(F32, F32, array_shape("u32"), array_shape("u32"))
        started = builder.add("collective-permute-start", parameters, pair, CollectiveAttributes())
        return builder.add("collective-permute-done", [started], F32)

    (got,) = results_of(make, X + 1)
    np.testing.assert_array_equal(got, 0 * X)


@pytest.mark.parametrize("opcode", ["infeed", "outfeed"])
def test_rule_82_exchanges_with_the_host_are_refused(opcode):
    def make(builder, parameters):
        token = builder.add("after-all", [], TOKEN)
        if opcode == "outfeed":
            builder.add("outfeed", [*parameters, token], TOKEN)
            return parameters[0]
        return element(builder, builder.add("infeed", [token], tuple_shape(F32, TOKEN)), 0)

    with pytest.raises(UnsupportedHloError, match=f"{opcode}.*exchanges data with the host"):
        results_of(make, X)


def test_rule_82_tokens_in_the_state_of_a_loop():
    """They take their place in tuples, and hold nothing."""
    state = tuple_shape(S32, TOKEN, F32)
    body = ComputationBuilder("body")
    carried = body.parameter(0, state)
    count, token, x = (element(body, carried, index) for index in range(3))
    one = body.constant(1, "s32")
    joined = body.add("after-all", [token], TOKEN)
    step = body.add("add-dependency", [body.add("negate", [x]), joined], F32)
    body_computation = body.build(body.add("tuple", [body.add("add", [count, one]), joined, step]))
    condition = ComputationBuilder("condition")
    count = element(condition, condition.parameter(0, state), 0)
    below = condition.add("compare", [count, condition.constant(3, "s32")], None, CompareAttributes("LT", "SIGNED"))

    def make(builder, parameters):
        start = [builder.constant(0, "s32"), builder.add("after-all", [], TOKEN), parameters[0]]
        loop = builder.add(
            "while",
            [builder.add("tuple", start)],
            state,
            called_computations=[body_computation, condition.build(below)],
        )
        return element(builder, loop, 2)

    (got,) = results_of(make, X)
    np.testing.assert_array_equal(got, -X)


@pytest.mark.parametrize("target", ["Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape"])
def test_rule_83_a_tensor_split_over_devices_is_refused(target):
    half = array_shape("f32", (2,))
    with pytest.raises((UnsupportedHloError, ConversionError), match="several devices"):
        results_of(lambda b, p: b.add("custom-call", p, half, CustomCallAttributes(target)), X)


def test_rule_84_the_message_on_an_unknown_custom_call():
    attributes = CustomCallAttributes("nobody_knows", "API_VERSION_TYPED_FFI", has_side_effect=True)
    with pytest.raises(UnsupportedHloError) as caught:
        results_of(lambda b, p: b.add("custom-call", p, F32, attributes), X)
    for part in ("nobody_knows", "API_VERSION_TYPED_FFI", "side effects", "custom_call_converter"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("xla_ffi_python_cpu_callback", "take the callback out"),
        ("PadToStatic", "static shapes"),
        ("SliceToDynamic", "static shapes"),
        ("__onednn$matmul", "before optimisations"),
    ],
)
def test_rule_84_custom_calls_that_are_known_to_be_impossible(target, reason):
    with pytest.raises(UnsupportedHloError, match=reason):
        results_of(lambda b, p: b.add("custom-call", p, F32, CustomCallAttributes(target)), X)


def test_rule_85_arguments_are_parameters_by_number():
    """Not in the order in which they stand; unused ones stay."""
    builder = ComputationBuilder("main")
    third, first = builder.parameter(2, F32), builder.parameter(0, F32)
    builder.parameter(1, F32)
    (got,) = run_tvm(module("entry", builder.build(builder.add("subtract", [first, third]))), [X, X + 1, X * 7])
    np.testing.assert_array_equal(got, X - X * 7)


def test_rule_85_donated_arguments_are_only_read():
    x, y = X.copy(), X * 2
    lowered = jax.jit(lambda x, y: (x + y, y), donate_argnums=0).lower(x, y)
    total, same = run_tvm(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), [x, y])
    np.testing.assert_array_equal(total, 3 * X)
    np.testing.assert_array_equal(same, 2 * X)
    np.testing.assert_array_equal(x, X)


def resized(size):
    """(x with a size set to a constant, that size), of a bound of 4."""

    def make(builder, parameters):
        bounded = array_shape("f32", (Symbol("rows", 4),))
        first = DimensionsAttributes((0,))
        cut = builder.add("set-dimension-size", [*parameters, builder.constant(size, "s32")], bounded, first)
        asked = builder.add("get-dimension-size", [cut], S32, first)
        return builder.add("tuple", [cut, asked], tuple_shape(bounded, S32))

    return make


def test_rules_45_and_90_a_size_that_is_the_bound():
    got, size = results_of(resized(4), X)
    np.testing.assert_array_equal(got, X)
    assert size == 4 and size.dtype == np.int32


def test_rule_90_a_size_below_the_bound_is_the_size():
    got, size = results_of(resized(3), X)
    np.testing.assert_array_equal(got, X[:3])
    assert size == 3 and size.dtype == np.int32


def test_rule_90_a_size_above_the_bound_is_refused():
    with pytest.raises(UnsupportedHloError, match="the size 5 is not from 0 to the bound 4"):
        results_of(resized(5), X)


ANNOTATED = """HloModule annotated, num_partitions=2
add {
  a = f32[] parameter(0)
  b = f32[] parameter(1)
  ROOT c = f32[] add(a, b), metadata={op_name="anything"}
}
ENTRY main {
  x = f32[3,4] parameter(0), sharding={replicated}, metadata={op_name="x" source_file="model.py" source_line=7}
  i = s32[2,1] parameter(1), frontend_attributes={_xla_stream_annotation="1"}
  u = f32[2,4] parameter(2), sharding={maximal device=0}
  s = f32[3,4] scatter(x, i, u), update_window_dims={1}, inserted_window_dims={0}, scatter_dims_to_operand_dims={0},
    index_vector_dim=1, to_apply=add, frontend_attributes={_xla_compute_type="host"}
  ROOT r = f32[3,4] negate(s), sharding={devices=[1,2]0,1}, metadata={op_type="neg" op_name="jit(f)/neg"}
}"""


def test_rule_92_annotations_never_affect_values():
    x, u = np.arange(12, dtype="float32").reshape(3, 4), np.ones((2, 4), "float32")
    wanted = x.copy()
    wanted[1] += 2
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(ANNOTATED))
    got = tvm_hlo_frontend.build(mod, params)(x, np.array([[1], [1]], np.int32), u)
    np.testing.assert_array_equal(got, -wanted)
