"""What is not supported is refused in one message that names everything."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tvm

import tvm_hlo_frontend
from tvm_hlo_frontend import UnsupportedHloError
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.convert.refusals import REFUSED_OPCODES
from tvm_hlo_frontend.hlo.ir.attributes import CallAttributes, CustomCallAttributes, DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import Metadata
from tvm_hlo_frontend.hlo.ir.shape import Symbol, array_shape

F32 = array_shape("f32", (4,))


def custom_call(builder, operand, target, name, source="", line=0):
    return builder.add(
        "custom-call",
        [operand],
        operand.shape,
        CustomCallAttributes(target),
        name=name,
        metadata=Metadata(source_file=source, source_line=line),
    )


def three_unknown_in_two_computations():
    callee = ComputationBuilder("inner")
    x = callee.parameter(0, F32)
    inner = callee.build(custom_call(callee, x, "nobody_knows_a", "first", "model.py", 12))
    entry = ComputationBuilder("main")
    y = entry.parameter(0, F32)
    called = entry.add("call", [y], F32, CallAttributes(), called_computations=[inner])
    second = custom_call(entry, called, "nobody_knows_b", "second", "model.py", 30)
    third = custom_call(entry, second, "nobody_knows_b", "third")
    return module("three", entry.build(third))


def test_three_custom_calls_in_two_computations_are_listed_in_one_error():
    with pytest.raises(UnsupportedHloError) as caught:
        tvm_hlo_frontend.from_hlo(three_unknown_in_two_computations())
    error = caught.value
    assert isinstance(error, tvm.error.OpNotImplemented)
    assert [(r.instruction, r.computation) for r in error.refusals] == [
        ("first", "inner"),
        ("second", "main"),
        ("third", "main"),
    ]
    text = str(error)
    for part in ("nobody_knows_a", "nobody_knows_b, ", "%first", "%second", "%third", "model.py:12", "model.py:30"):
        assert part.removesuffix(", ") in text
    assert "custom_call_converter" in text


def test_unknown_custom_call_inside_a_while_body_is_named():
    body_builder = ComputationBuilder("body")
    body = body_builder.build(custom_call(body_builder, body_builder.parameter(0, F32), "hidden", "inside"))
    condition_builder = ComputationBuilder("condition")
    condition_builder.parameter(0, F32)
    condition = condition_builder.build(condition_builder.constant(np.array(False)))
    entry = ComputationBuilder("main")
    loop = entry.add("while", [entry.parameter(0, F32)], F32, called_computations=[body, condition])
    with pytest.raises(UnsupportedHloError) as caught:
        tvm_hlo_frontend.from_hlo(module("loop", entry.build(loop)))
    assert [(r.instruction, r.computation) for r in caught.value.refusals] == [("inside", "body")]


def test_custom_converter_makes_it_work_for_one_call():
    hlo = three_unknown_in_two_computations()

    def double(ctx, instruction, x):
        return ctx.map("add", x.element_type, [x, x], exact=True)

    mod, params = mod_and_params(
        tvm_hlo_frontend.from_hlo(hlo, custom_converters={"nobody_knows_a": double, "nobody_knows_b": double})
    )
    x = np.arange(4, dtype="float32")
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod, params)(x), 8 * x)
    with pytest.raises(UnsupportedHloError):
        tvm_hlo_frontend.from_hlo(hlo)


@pytest.mark.parametrize("value", [None, (None,), 3])
def test_converter_that_returns_no_value_is_caught(value):
    converters = dict.fromkeys(("nobody_knows_a", "nobody_knows_b"), lambda ctx, instruction, x: value)
    with pytest.raises(tvm_hlo_frontend.ConversionError, match=r"custom-call.* returned .*, which is no value"):
        tvm_hlo_frontend.from_hlo(three_unknown_in_two_computations(), custom_converters=converters)


def test_converter_with_a_wrong_result_shape_is_caught():
    def half(ctx, instruction, x):
        return ctx.dialect.slice(x, [0], [2], [1])

    with pytest.raises(tvm_hlo_frontend.ConversionError, match=r"f32\[2\].*instead of f32\[4\]"):
        tvm_hlo_frontend.from_hlo(
            three_unknown_in_two_computations(), custom_converters={"nobody_knows_a": half, "nobody_knows_b": half}
        )


def test_refusals_of_a_converter_and_missing_converters_come_together():
    entry = ComputationBuilder("main")
    x = entry.parameter(0, F32)
    one = custom_call(entry, x, "unsure", "one")
    two = custom_call(entry, one, "unknown", "two")
    flipped = entry.add("reverse", [two], attributes=DimensionsAttributes((0,)))

    def unsure(ctx, instruction, x):
        ctx.refuse("not sure about this one")

    with pytest.raises(UnsupportedHloError) as caught:
        tvm_hlo_frontend.from_hlo(module("both", entry.build(flipped)), custom_converters={"unsure": unsure})
    assert {r.instruction for r in caught.value.refusals} == {"one", "two"}
    assert "not sure about this one" in str(caught.value)


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (
            "tvm = types.ModuleType('tvm'); tvm.__version__ = '0.27'; tvm.__path__ = []; sys.modules['tvm'] = tvm; "
            "tvm.__spec__ = importlib.machinery.ModuleSpec('tvm', None, is_package=True)",
            "0.27",
        ),
        ("sys.modules['tvm'] = None", "no TVM is installed"),
    ],
    ids=["tvm without relay", "no tvm"],
)
def test_without_relay_the_error_says_what_to_do(setup, message):
    program = textwrap.dedent(
        f"""
        import importlib.machinery, sys, types
        {setup}
        import tvm_hlo_frontend
        from tvm_hlo_frontend.backends.select import load_dialect
        try:
            load_dialect("relay")
        except ImportError as error:
            print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert message in done.stdout and "python -m tools.relay_wheel" in done.stdout


def test_rule_90_what_has_no_rule_for_bounded_dimensions_is_refused_by_name():
    entry = ComputationBuilder("main")
    x = entry.parameter(0, F32)
    size = entry.parameter(1, array_shape("s32"))
    bounded = array_shape("f32", (Symbol("rows", 4),))
    cut = entry.add("set-dimension-size", [x, size], bounded, DimensionsAttributes((0,)), name="cut")
    called = entry.add("custom-call", [cut], bounded, CustomCallAttributes("nobody_knows"), name="called")
    with pytest.raises(UnsupportedHloError, match="known only at run time") as caught:
        tvm_hlo_frontend.from_hlo(module("bounded", entry.build(called)))
    assert [refusal.instruction for refusal in caught.value.refusals] == ["called"]


def test_rule_45_size_of_a_static_dimension():
    entry = ComputationBuilder("main")
    x = entry.parameter(0, array_shape("f32", (4, 7)))
    size = entry.add("get-dimension-size", [x], array_shape("s32"), DimensionsAttributes((1,)))
    executable = tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_hlo(module("size", entry.build(size)))))
    assert executable(np.zeros((4, 7), "float32")) == 7


@pytest.mark.parametrize(
    ("opcode", "part"),
    [("infeed", "host"), ("rng", "rng_seed"), ("shuffle", "before optimisations"), ("send", "host")],
)
def test_refused_opcodes_say_why(opcode, part):
    assert part in REFUSED_OPCODES[opcode]
