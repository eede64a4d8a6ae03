"""Finding the first instruction that TVM computes otherwise than XLA."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_hlo_frontend.hlo.ir.attributes import CallAttributes, DimensionsAttributes, TupleIndexAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.extract import alone, computing, cut, flat_parameters, needed
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.oracle.comparison import LINES, Side, compare_with_xla, first_difference, run_on_xla
from tvm_hlo_frontend.oracle.tolerance import difference

F32 = array_shape("f32", (4,))
X = np.array([0.5, -1.0, 2.0, 0.25], "float32")
WRONG = Side({"custom_converters": {"tanh": lambda ctx, instruction, x: wrong_tanh(ctx, instruction, x)}})


def wrong_tanh(ctx, instruction, x):
    """tanh, but of the instructions whose name starts with wrong the sine."""
    opcode = "sine" if instruction.name.startswith("wrong") else "tanh"
    return ctx.map(opcode, x.element_type, [x])


def chain(length, wrong):
    """tanh of tanh of …; those whose numbers are in `wrong` are converted wrongly."""
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    for number in range(length):
        name = f"wrong_{number}" if number in wrong else f"right_{number}"
        value = builder.add("tanh", [value], name=name)
    return module("chain", builder.build(value))


def test_same_results_have_no_first_difference():
    assert compare_with_xla(chain(3, ()), [X], WRONG).same
    assert first_difference(chain(3, ()), [X], WRONG) is None


@pytest.mark.parametrize("wrong", [0, 1, 17, 39])
def test_the_wrong_one_of_many_is_found(wrong):
    found = first_difference(chain(40, {wrong}), [X], WRONG)
    assert found.instruction.name == f"wrong_{wrong}" and found.path == ()
    assert found.difference.wrong == 4 and not found.alone.same
    operand = run_on_xla(chain(wrong, ()), [X])[0] if wrong else X
    np.testing.assert_allclose(found.tvm, np.sin(operand), rtol=1e-5)
    np.testing.assert_allclose(found.xla, np.tanh(operand), rtol=1e-5)


def test_of_two_the_first_is_found_in_few_rounds():
    told = []
    found = first_difference(chain(LINES * LINES, {200, 123}), [X], WRONG, told.append)
    assert found.instruction.name == "wrong_123"
    assert len(told) <= 3


def test_the_first_in_order_is_found_in_several_results():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, F32)
    right = builder.add("tanh", [x], name="right_0")
    late = builder.add("tanh", [right], name="wrong_0")
    later = builder.add("tanh", [x], name="wrong_1")
    root = builder.add("tuple", [later, right, late])
    found = first_difference(module("several", builder.build(root)), [X], WRONG)
    assert found.instruction.name == "wrong_0"


def test_calls_are_entered_and_elements_of_tuples_named():
    inner = ComputationBuilder("inner")
    y = inner.parameter(0, F32)
    body = inner.build(inner.add("tuple", [inner.add("negate", [y]), inner.add("tanh", [y], name="wrong_inside")]))
    builder = ComputationBuilder("main")
    called = builder.add(
        "call", [builder.parameter(0, F32)], body.root.shape, CallAttributes(), called_computations=[body]
    )
    parts = [builder.add("get-tuple-element", [called], attributes=TupleIndexAttributes(i)) for i in (1, 0)]
    found = first_difference(module("calls", builder.build(builder.add("tuple", parts))), [X], WRONG)
    assert found.instruction.opcode == "tanh" and found.instruction.name.startswith("wrong_inside")


def test_an_instruction_that_differs_only_among_others_is_told_apart():
    def grows(ctx, instruction, x):
        """negate, wrong where its operand is no parameter."""
        value = ctx.map("negate", x.element_type, [x])
        if instruction.operands[0].opcode == "parameter":
            return value
        return ctx.map("add", x.element_type, [value, ctx.scalar(1.0, x.element_type)])

    builder = ComputationBuilder("main")
    root = builder.add("negate", [builder.add("abs", [builder.parameter(0, F32)])], name="victim")
    side = Side({"custom_converters": {"negate": grows}})
    found = first_difference(module("among", builder.build(root)), [X], side)
    assert found.instruction.name == "victim" and found.alone.same


# ---- modules made of parts


def pair_module():
    builder = ComputationBuilder("main")
    pair = builder.parameter(0, tuple_shape(F32, array_shape("s32", (2,))))
    first, second = (builder.add("get-tuple-element", [pair], attributes=TupleIndexAttributes(i)) for i in (0, 1))
    both = builder.add("tuple", [builder.add("abs", [first]), builder.add("negate", [second])])
    element = builder.add("get-tuple-element", [both], attributes=TupleIndexAttributes(1))
    return module("pairs", builder.build(builder.add("tuple", [element, both])))


def test_a_cut_is_what_later_instructions_read():
    builder = ComputationBuilder("main")
    x, two = builder.parameter(0, F32), builder.constant(2.0, "f32")
    wide = builder.add("broadcast", [two], F32, DimensionsAttributes(()))
    a = builder.add("multiply", [x, wide])
    b = builder.add("abs", [a])
    computation = builder.build(builder.add("add", [a, b]))
    assert needed(computation) == [x, two, wide, a, b, computation.root]
    cuts = [cut(computation, position) for position in range(7)]
    assert cuts == [(), (), (), (wide,), (a,), (a, b), (computation.root,)]


def test_values_of_a_module_with_tuples_flat_on_xla():
    pairs = pair_module()
    arrays = [X, np.array([3, -4], "int32")]
    flat = verify(flat_parameters(pairs))
    assert [parameter.shape for parameter in flat.entry.parameters] == [F32, array_shape("s32", (2,))]
    both = next(i for i in pairs.entry.instructions if i.opcode == "tuple")
    values = run_on_xla(verify(computing(pairs, [both])), arrays)
    np.testing.assert_array_equal(values[0], np.abs(X))
    np.testing.assert_array_equal(values[1], [-3, 4])
    assert compare_with_xla(pairs, arrays, Side()).same


def test_an_instruction_alone_takes_arrays_and_keeps_constants():
    pairs = pair_module()
    element = [i for i in pairs.entry.instructions if i.opcode == "get-tuple-element"][-1]
    single = verify(alone(element))
    assert [parameter.shape for parameter in single.entry.parameters] == [F32, array_shape("s32", (2,))]
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32"))
    power = builder.add("power", [x, builder.constant(3.0, "f32")])
    assert [i.opcode for i in verify(alone(power)).entry.instructions] == ["parameter", "constant", "power"]
    token = builder.add("after-all", [], array_shape("token"))
    assert alone(builder.add("add-dependency", [x, token], x.shape)) is None


# ---- tolerances


def test_differences_of_arrays():
    wanted = np.array([1.0, np.nan, np.inf, 0.0], "float32")
    assert difference(wanted, wanted).wrong == 0
    found = difference(np.array([1.0, 1.0, np.inf, 0.5], "float32"), wanted)
    assert (found.wrong, found.size, found.where, found.finite) == (2, 4, (1,), True)
    assert difference(np.float32([1.001]), np.float32([1.0])).wrong
    assert not difference(np.float32([1.001]), np.float32([1.0]), rtol=1e-2).wrong
    assert difference(np.int32([1]), np.int32([2]), rtol=1e9).wrong
    assert not difference(wanted[1:2], wanted[1:2]).finite
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))) == difference(np.zeros(0), np.zeros(0))


def test_narrow_floats_have_equal_nan():
    import ml_dtypes

    array = np.array([np.nan, 1.0], ml_dtypes.float8_e4m3fn)
    assert not difference(array, array).wrong
    assert difference(array, array[::-1]).wrong == 2
