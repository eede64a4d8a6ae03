"""Collectives, asynchronous pairs and device ids on one device (rules 81, 82, 83, 89)."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import AsyncAttributes, CollectiveAttributes, CustomCallAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape

F32 = array_shape("f32", (4,))
X = np.arange(4, dtype="float32") - 1.5
ONE = CollectiveAttributes(((0,),))
ALONG = CollectiveAttributes(((0,),), dimensions=(0,))
C64 = array_shape("c64", (4,))
ON_ONE = ["all-reduce", "all-gather", "all-to-all", "reduce-scatter", "collective-broadcast", "collective-reduce"]
Z = (X + 1j * X[::-1]).astype("complex64")


def reducer(element_type="f32", opcode="add"):
    builder = ComputationBuilder(opcode)
    scalars = [builder.parameter(number, array_shape(element_type)) for number in (0, 1)]
    return builder.build(builder.add(opcode, scalars))


def run(make, x=X):
    builder = ComputationBuilder("main")
    parameter = builder.parameter(0, C64 if x is Z else F32)
    mod, params = mod_and_params(
        tvm_hlo_frontend.from_hlo(module("collective", builder.build(make(builder, parameter))))
    )
    return tvm_hlo_frontend.build(mod, params)(x)


def pair(builder, start, done, shape, attributes, x, called=()):
    started = builder.add(start, [x], shape, attributes, called)
    return builder.add(done, [started], x.shape, AsyncAttributes() if "async" in done else None)


@pytest.mark.parametrize("opcode", ON_ONE)
def test_rule_89_collectives_are_the_identity(opcode):
    called = [reducer()] if "reduce" in opcode else []
    np.testing.assert_array_equal(run(lambda builder, x: builder.add(opcode, [x], F32, ALONG, called)), X)


@pytest.mark.parametrize("opcode", ON_ONE)
@pytest.mark.parametrize("body", ["add", "multiply"])
def test_rule_89_collectives_of_complex_numbers(opcode, body):
    called = [reducer("c64", body)] if "reduce" in opcode else []
    np.testing.assert_array_equal(run(lambda builder, x: builder.add(opcode, [x], C64, ALONG, called), Z), Z)


@pytest.mark.parametrize("x", [X, Z], ids=["f32", "c64"])
@pytest.mark.parametrize("opcode", ["all-reduce", "all-gather", "all-to-all", "collective-permute"])
def test_rule_89_collectives_of_several_operands(opcode, x):
    """One result per operand; of an all-to-all without a dimension one per device."""
    attributes = {"all-gather": ALONG, "collective-permute": CollectiveAttributes(source_target_pairs=((0, 0),))}
    shape = C64 if x is Z else F32
    called = [reducer(shape.element_type)] if opcode == "all-reduce" else []

    def make(builder, parameter):
        operands = [parameter] if opcode == "all-to-all" else [parameter, builder.add("negate", [parameter])]
        kinds = tuple_shape(*(shape for _ in operands))
        return builder.add(opcode, operands, kinds, attributes.get(opcode, ONE), called)

    for got, wanted in zip(run(make, x), (x, -x)):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("x", [X, Z], ids=["f32", "c64"])
@pytest.mark.parametrize("opcode", ["collective-broadcast", "collective-reduce"])
@pytest.mark.parametrize("several", [False, True])
def test_rule_89_an_operand_that_numbers_the_root_is_left_out(opcode, several, x):
    """XLA's has_dynamic_root: the operand behind the data."""
    shape = C64 if x is Z else F32
    called = [reducer(shape.element_type)] if "reduce" in opcode else []

    def make(builder, parameter):
        operands = [parameter, builder.add("negate", [parameter])] if several else [parameter]
        root = builder.constant(np.zeros(len(operands), "int32"))
        kind = tuple_shape(shape, shape) if several else shape
        return builder.add(opcode, [*operands, root], kind, ONE, called)

    got = run(make, x)
    for result, wanted in zip(got if several else (got,), (x, -x)):
        np.testing.assert_array_equal(result, wanted)


# input offsets, sizes and output offsets of the pieces, in order
PIECES = {
    "one": ([1], [3], [2]),
    "two, the second over the first": ([0, 5], [4, 2], [0, 3]),
    "none": ([0], [0], [0]),
    "beyond the ends": ([6], [9], [4]),
}


@pytest.mark.parametrize("element_type", ["f32", "c64"])
@pytest.mark.parametrize("name", PIECES)
def test_rule_89_ragged_all_to_all(name, element_type):
    """XLA:CPU has none: rows go where JAX's documentation says."""
    source = (np.arange(16).reshape(8, 2) - 5).astype("float32" if element_type == "f32" else "complex64")
    wanted = np.full((6, 2), 100, source.dtype)
    offsets, sizes, places = PIECES[name]
    for offset, size, place in zip(offsets, sizes, places):
        for step in range(size):
            if place + step < 6:
                wanted[place + step] = source[min(offset + step, 7)]
    builder = ComputationBuilder("main")
    operands = [
        builder.parameter(number, array_shape(element_type, shape)) for number, shape in enumerate(((8, 2), (6, 2)))
    ]
    operands += [builder.constant(np.array(row, "int32")) for row in (offsets, sizes, places, sizes)]
    root = builder.add("ragged-all-to-all", operands, attributes=ONE)
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(module("ragged", builder.build(root))))
    got = tvm_hlo_frontend.build(mod, params)(source, np.full((6, 2), 100, source.dtype))
    np.testing.assert_array_equal(got, wanted)


def test_rule_89_ragged_all_to_all_between_devices_is_refused():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, F32)
    operands = [x, x, *([builder.constant(np.zeros(2, "int32"))] * 4)]
    root = builder.add("ragged-all-to-all", operands, attributes=CollectiveAttributes(((0, 1),)))
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="several devices"):
        tvm_hlo_frontend.from_hlo(module("ragged", builder.build(root)))


def test_rule_89_a_collective_permute_in_place_is_refused():
    def make(builder, x):
        offsets = builder.add("tuple", [builder.constant(0, "s32")])
        pairs = CollectiveAttributes(source_target_pairs=((0, 0),))
        return builder.add("collective-permute", [x, x, offsets, offsets], F32, pairs)

    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="writes into parts of a buffer"):
        run(make)


def test_rule_89_collective_permute():
    to_itself = CollectiveAttributes(source_target_pairs=((0, 0),))
    np.testing.assert_array_equal(run(lambda b, x: b.add("collective-permute", [x], F32, to_itself)), X)
    nobody = CollectiveAttributes()
    np.testing.assert_array_equal(run(lambda b, x: b.add("collective-permute", [x], F32, nobody)), 0 * X)


@pytest.mark.parametrize("opcode", ["all-reduce", "collective-broadcast", "collective-reduce", "all-to-all"])
def test_rule_89_groups_of_several_devices_are_refused(opcode):
    called = [reducer()] if "reduce" in opcode else []
    two = CollectiveAttributes(((0, 1),), dimensions=(0,))
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="several devices"):
        run(lambda b, x: b.add(opcode, [x], F32, two, called))


def test_rule_89_ids_are_zero():
    for opcode in ("replica-id", "partition-id"):
        assert run(lambda b, x, opcode=opcode: b.add(opcode, [], array_shape("u32"))) == 0


@pytest.mark.parametrize("x", [X, Z], ids=["f32", "c64"])
def test_rule_81_collective_pairs(x):
    shape = C64 if x is Z else F32
    both, called = tuple_shape(shape, shape), [reducer(shape.element_type)]
    with_context = tuple_shape(shape, shape, array_shape("u32"), array_shape("u32"))
    permute = CollectiveAttributes(source_target_pairs=((0, 0),))
    for start, done, made, attributes, body in (
        ("all-reduce-start", "all-reduce-done", shape, ONE, called),
        ("all-gather-start", "all-gather-done", both, ALONG, ()),
        ("collective-permute-start", "collective-permute-done", both, permute, ()),
        ("collective-permute-start", "collective-permute-done", with_context, permute, ()),
    ):
        got = run(lambda b, p: pair(b, start, done, made, attributes, p, body), x)  # noqa: B023
        np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("x", [X, Z], ids=["f32", "c64"])
def test_rule_81_copies(x):
    shape = C64 if x is Z else F32
    parts = tuple_shape(shape, shape, array_shape("u32"))
    np.testing.assert_array_equal(run(lambda b, p: pair(b, "copy-start", "copy-done", parts, None, p), x), x)
    np.testing.assert_array_equal(run(lambda b, p: b.add("copy", [p]), x), x)


@pytest.mark.parametrize("x", [X, Z], ids=["f32", "c64"])
def test_rule_81_async_computation(x):
    kind = C64 if x is Z else F32
    wrapped = ComputationBuilder("wrapped")
    body = wrapped.build(wrapped.add("negate", [wrapped.parameter(0, kind)]))

    def make(builder, parameter):
        shape = tuple_shape(tuple_shape(kind), kind, array_shape("u32"))
        started = builder.add("async-start", [parameter], shape, AsyncAttributes(), [body])
        updated = builder.add("async-update", [started], shape, AsyncAttributes())
        return builder.add("async-done", [updated], kind, AsyncAttributes())

    np.testing.assert_array_equal(run(make, x), -x)


def test_rule_82_tokens_order_nothing():
    def make(builder, x):
        token = builder.add("after-all", [], array_shape("token"))
        return builder.add("add-dependency", [x, token], F32)

    np.testing.assert_array_equal(run(make), X)


@pytest.mark.parametrize(
    "target",
    [
        "Sharding",
        "SPMDFullToShardShape",
        "SPMDShardToFullShape",
        "annotate_device_placement",
        "MoveToHost",
        "MoveToDevice",
    ],
)
def test_rule_83_annotations(target):
    np.testing.assert_array_equal(run(lambda b, x: b.add("custom-call", [x], F32, CustomCallAttributes(target))), X)


def test_rule_83_other_identities_and_assertions():
    np.testing.assert_array_equal(run(lambda b, x: b.add("opt-barrier", [x])), X)
    np.testing.assert_array_equal(run(lambda b, x: b.add("domain", [x], F32)), X)

    def make(builder, x):
        builder.add("custom-call", [x], tuple_shape(), CustomCallAttributes("shape_assertion", has_side_effect=True))
        return x

    np.testing.assert_array_equal(run(make), X)
