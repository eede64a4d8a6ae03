"""Collectives, asynchronous pairs and device ids on one device (rules 81, 82, 83, 89)."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend.hlo.attributes import AsyncAttributes, CollectiveAttributes, CustomCallAttributes
from tvm_hlo_frontend.hlo.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.shape import array_shape, tuple_shape

F32 = array_shape("f32", (4,))
X = np.arange(4, dtype="float32") - 1.5
ONE = CollectiveAttributes(((0,),))


def addition():
    builder = ComputationBuilder("add")
    scalars = [builder.parameter(number, array_shape("f32")) for number in (0, 1)]
    return builder.build(builder.add("add", scalars))


def run(make):
    builder = ComputationBuilder("main")
    x = builder.parameter(0, F32)
    mod, params = tvm_hlo_frontend.from_hlo(module("collective", builder.build(make(builder, x))))
    return tvm_hlo_frontend.build(mod, params)(X)


def pair(builder, start, done, shape, attributes, x, called=()):
    started = builder.add(start, [x], shape, attributes, called)
    return builder.add(done, [started], F32, AsyncAttributes() if "async" in done else None)


@pytest.mark.parametrize("opcode", ["all-reduce", "all-gather", "all-to-all", "reduce-scatter", "collective-broadcast"])
def test_rule_89_collectives_are_the_identity(opcode):
    called = [addition()] if "reduce" in opcode else []
    np.testing.assert_array_equal(run(lambda builder, x: builder.add(opcode, [x], F32, ONE, called)), X)


def test_rule_89_collective_permute():
    to_itself = CollectiveAttributes(source_target_pairs=((0, 0),))
    np.testing.assert_array_equal(run(lambda b, x: b.add("collective-permute", [x], F32, to_itself)), X)
    nobody = CollectiveAttributes()
    np.testing.assert_array_equal(run(lambda b, x: b.add("collective-permute", [x], F32, nobody)), 0 * X)


@pytest.mark.parametrize("opcode", ["all-reduce", "collective-broadcast", "all-to-all"])
def test_rule_89_groups_of_several_devices_are_refused(opcode):
    called = [addition()] if opcode == "all-reduce" else []
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="several devices"):
        run(lambda b, x: b.add(opcode, [x], F32, CollectiveAttributes(((0, 1),)), called))


def test_rule_89_ids_are_zero():
    for opcode in ("replica-id", "partition-id"):
        assert run(lambda b, x, opcode=opcode: b.add(opcode, [], array_shape("u32"))) == 0


def test_rule_81_collective_pairs():
    both = tuple_shape(F32, F32)
    np.testing.assert_array_equal(
        run(lambda b, x: pair(b, "all-reduce-start", "all-reduce-done", F32, ONE, x, [addition()])), X
    )
    np.testing.assert_array_equal(run(lambda b, x: pair(b, "all-gather-start", "all-gather-done", both, ONE, x)), X)
    permute = CollectiveAttributes(source_target_pairs=((0, 0),))
    np.testing.assert_array_equal(
        run(lambda b, x: pair(b, "collective-permute-start", "collective-permute-done", both, permute, x)), X
    )


def test_rule_81_copies():
    shape = tuple_shape(F32, F32, array_shape("u32"))
    np.testing.assert_array_equal(run(lambda b, x: pair(b, "copy-start", "copy-done", shape, None, x)), X)
    np.testing.assert_array_equal(run(lambda b, x: b.add("copy", [x])), X)


def test_rule_81_async_computation():
    wrapped = ComputationBuilder("wrapped")
    body = wrapped.build(wrapped.add("negate", [wrapped.parameter(0, F32)]))

    def make(builder, x):
        shape = tuple_shape(tuple_shape(F32), F32)
        started = builder.add("async-start", [x], shape, AsyncAttributes(), [body])
        updated = builder.add("async-update", [started], shape, AsyncAttributes())
        return builder.add("async-done", [updated], F32, AsyncAttributes())

    np.testing.assert_array_equal(run(make), -X)


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
