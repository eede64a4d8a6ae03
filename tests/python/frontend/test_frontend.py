"""from_hlo as a whole: names, parameters, structure of results, saved modules, deep graphs."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tools.support.compare import run_plain

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT, relay_only
from tvm_hlo_frontend import SignatureError, build, from_hlo, report_of, signature_of
from tvm_hlo_frontend.backends.select import mod_and_params, parameter_names
from tvm_hlo_frontend.convert.input_names import parameter_names as names_of_parameters
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes, TupleIndexAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import Metadata
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.hlo.proto.writer import to_proto

F32 = array_shape("f32", (4,))
X = np.arange(4, dtype="float32")


def reversed_module():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, F32, name="x.1")
    return module("reversed", builder.build(builder.add("reverse", [x], attributes=DimensionsAttributes((0,)))))


@relay_only("relay.frontend")
def test_hook_is_the_same_function_with_the_dialect_fixed():
    from tvm import relay

    mod, params = relay.frontend.from_hlo(to_proto(reversed_module()))
    assert tvm.ir.structural_equal(mod, from_hlo(reversed_module())[0]) and not params


def test_modules_survive_save_and_load():
    mod, params = mod_and_params(from_hlo(reversed_module()))
    again = tvm.ir.load_json(tvm.ir.save_json(mod))
    tvm.ir.assert_structural_equal(mod, again)
    assert signature_of(again) == signature_of(mod) and report_of(again) == report_of(mod)
    np.testing.assert_array_equal(build(again, params)(X), X[::-1])


def test_rule_79_result_structure_of_nested_tuples():
    builder = ComputationBuilder("main")
    pair = builder.parameter(0, tuple_shape(F32, tuple_shape(F32)))
    first = builder.add("get-tuple-element", [pair], F32, TupleIndexAttributes(0))
    inner = builder.add("get-tuple-element", [pair], tuple_shape(F32), TupleIndexAttributes(1))
    empty = builder.add("tuple", [])
    root = builder.add("tuple", [inner, builder.add("tuple", [first, empty])])
    executable = build(*mod_and_params(from_hlo(module("nested", builder.build(root)))))
    ((second,), (got, nothing)) = executable(X, X + 10)
    np.testing.assert_array_equal(second, X + 10)
    np.testing.assert_array_equal(got, X)
    assert nothing == ()


def test_rule_85_parameter_that_is_the_root_and_an_unused_one():
    builder = ComputationBuilder("main")
    root = builder.parameter(1, F32)
    builder.parameter(0, array_shape("s32", ()))
    executable = build(*mod_and_params(from_hlo(module("plain", builder.build(root)))))
    np.testing.assert_array_equal(executable(np.int32(3), X), X)


def test_weights_come_back_as_params_or_are_frozen():
    builder = ComputationBuilder("main")
    x, w = builder.parameter(0, F32), builder.parameter(1, F32)
    root = builder.add("tuple", [x, builder.add("reverse", [w], attributes=DimensionsAttributes((0,)))])
    hlo = module("weights", builder.build(root))
    mod, params = mod_and_params(
        from_hlo(hlo, parameter_values={1: X * 2}, input_names=["x", "w"], freeze_params=False)
    )
    assert list(params) == ["w"] and [p.bound for p in signature_of(mod).parameters] == [False, True]
    np.testing.assert_array_equal(build(mod, params)(X)[1], 2 * X[::-1])
    if DIALECT == "relay":
        with pytest.raises(SignatureError, match="no value for w"):
            build(mod)
    else:  # the values are in the module
        np.testing.assert_array_equal(build(mod)(X)[1], 2 * X[::-1])
    frozen, nothing = mod_and_params(from_hlo(hlo, parameter_values={1: X * 2}, freeze_params=True))
    assert not nothing and len(frozen["main"].params) == 1
    np.testing.assert_array_equal(build(frozen)(X)[1], 2 * X[::-1])


def test_large_constants_are_shared_params():
    big = np.random.default_rng(0).normal(size=(16, 16)).astype("float32")
    builder = ComputationBuilder("main")
    one, two = builder.constant(big, name="table"), builder.constant(big.copy())
    root = builder.add("tuple", [one, two, builder.constant(np.float32(3))])
    mod, params = mod_and_params(from_hlo(module("constants", builder.build(root)), freeze_params=False))
    assert list(params) == ["table"]
    results = build(mod, params)()
    for got, want in zip(results, (big, big, np.float32(3))):
        np.testing.assert_array_equal(got, want)
    assert parameter_names(mod) == ["table"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "takes 1 arrays"), ((X.astype("float64"),), "float64"), ((X[:3],), r"\[4\]"), ((X, X), "not 2")],
)
def test_wrong_arguments_are_refused(arguments, message):
    executable = build(*mod_and_params(from_hlo(reversed_module())))
    with pytest.raises(SignatureError, match=message):
        executable(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_names": ["a", "b"]}, "1 different names"),
        ({"parameter_values": {3: X}}, r"\[3\]"),
        ({"parameter_values": {0: X[:2]}}, "does not fit"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(SignatureError, match=message):
        from_hlo(reversed_module(), **options)


def test_input_names_follow_the_framework_where_unique():
    builder = ComputationBuilder("main")
    names = ["params['Dense_0']['kernel']", "x", "x"]
    parameters = [
        builder.add("parameter", (), F32, _number(index), name=f"Arg_{index}.1", metadata=Metadata(op_name=name))
        for index, name in enumerate(names)
    ]
    assert names_of_parameters(parameters, None) == ["params_Dense_0_kernel", "Arg_1.1", "Arg_2.1"]


def _number(index):
    from tvm_hlo_frontend.hlo.ir.attributes import ParameterAttributes

    return ParameterAttributes(index)


def test_not_made_by_from_hlo_is_a_clear_error():
    if DIALECT == "relay":
        from tvm import relay

        x = relay.var("x", shape=(4,))
        mod = tvm.IRModule.from_expr(relay.Function([x], x))
    else:
        from tvm import relax

        x = relax.Var("x", relax.TensorType((4,), "float32"))
        mod = tvm.IRModule({"main": relax.Function([x], x, x.ty)})
    with pytest.raises(ValueError, match="was not made by tvm_hlo_frontend"):
        build(mod)


def test_chain_of_20000_instructions_converts():
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    for _ in range(20_000):
        value = builder.add("reverse", [value], attributes=DimensionsAttributes((0,)))
    mod, _ = mod_and_params(from_hlo(module("deep", builder.build(value))))
    assert report_of(mod).converted == {"reverse: native": 20_000}


def test_chain_of_2000_instructions_builds_and_runs():
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    for _ in range(1_001):
        value = builder.add("reverse", [value], attributes=DimensionsAttributes((0,)))
        value = builder.add("negate", [value])
    executable = build(*mod_and_params(from_hlo(module("deep", builder.build(value)))))
    np.testing.assert_array_equal(executable(X), -X[::-1])


def test_exponential_expressions_are_cut():
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    for _ in range(60):
        value = builder.add("multiply", [value, value])
    mod, params = mod_and_params(from_hlo(module("squares", builder.build(value))))
    (got,) = run_plain(mod, params, [np.ones(4, "float32")], False)
    np.testing.assert_array_equal(got, np.ones(4, "float32"))


def test_report_shows_in_text_and_notebooks():
    mod, _ = mod_and_params(from_hlo(reversed_module()))
    report = report_of(mod)
    assert "reverse" in str(report) and "<td>reverse</td>" in report._repr_html_()


def test_public_names_exist():
    for name in tvm_hlo_frontend.__all__:
        assert callable(getattr(tvm_hlo_frontend, name))
    with pytest.raises(AttributeError):
        _ = tvm_hlo_frontend.from_nowhere
