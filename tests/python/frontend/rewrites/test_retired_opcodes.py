"""Modules of old versions of XLA: opcodes that have been replaced are read as what has replaced them."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import run_tvm

from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, TupleIndexAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.opcodes import COMPARISONS
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.schema import HloModuleProto
from tvm_hlo_frontend.hlo.proto.writer import to_proto

F32 = array_shape("f32", (3,))
X, Y = np.array([1, np.nan, 3], "float32"), np.array([1, 2, 2], "float32")


def with_opcode(hlo, opcode, old):
    """The bytes of a module with the instructions of one opcode as an old XLA wrote them."""
    proto = HloModuleProto.FromString(to_proto(hlo))
    for instruction in proto.computations[0].instructions:
        if instruction.opcode == opcode:
            instruction.opcode = old
            instruction.ClearField("comparison_direction")
            instruction.ClearField("comparison_type")
    return proto


@pytest.mark.parametrize("old", COMPARISONS)
def test_rule_17_comparisons(old):
    builder = ComputationBuilder("main")
    x, y = (builder.parameter(number, F32) for number in (0, 1))
    root = builder.add("compare", [x, y], attributes=CompareAttributes("EQ", "FLOAT"))
    (got,) = run_tvm(with_opcode(module("m", builder.build(root)), "compare", old).SerializeToString(), [X, Y])
    names = {"EQ": "equal", "NE": "not_equal", "GT": "greater", "GE": "greater_equal", "LT": "less", "LE": "less_equal"}
    np.testing.assert_array_equal(got, getattr(np, names[COMPARISONS[old]])(X, Y))


@pytest.mark.parametrize("flag", [True, False])
def test_rule_44_tuple_select(flag):
    """It chooses whole tuples, nested ones as well; tokens are all the same."""
    builder = ComputationBuilder("main")
    which, x, y = (builder.parameter(n, shape) for n, shape in enumerate((array_shape("pred"), F32, F32)))
    token = builder.add("after-all", [])
    first, second = (
        builder.add("tuple", [builder.add("tuple", [a, token]), builder.add("negate", [b])])
        for a, b in ((x, y), (y, x))
    )
    chosen = builder.add("select", [which, first, second], first.shape)
    inner, negated = (builder.add("get-tuple-element", [chosen], attributes=TupleIndexAttributes(i)) for i in (0, 1))
    root = builder.add(
        "tuple", [builder.add("get-tuple-element", [inner], attributes=TupleIndexAttributes(0)), negated]
    )
    data = with_opcode(module("m", builder.build(root)), "select", "tuple-select").SerializeToString()
    got = run_tvm(data, [np.bool_(flag), X, Y])
    for result, wanted in zip(got, (X, -Y) if flag else (Y, -X)):
        np.testing.assert_array_equal(result, wanted)


def test_trace_has_no_result():
    builder = ComputationBuilder("main")
    proto = HloModuleProto.FromString(to_proto(module("m", builder.build(builder.parameter(0, F32)))))
    (computation,) = proto.computations
    trace = computation.instructions.add(name="trace", opcode="trace", id=99)
    trace.operand_ids.append(computation.instructions[0].id)
    trace.shape.element_type = 13  # an empty tuple
    hlo = read(proto.SerializeToString())
    assert [(i.opcode, i.operands) for i in hlo.entry.instructions if i.name == "trace"] == [("tuple", ())]
    np.testing.assert_array_equal(run_tvm(proto.SerializeToString(), [X])[0], X)


def test_sums_over_devices_are_refused_by_name():
    builder = ComputationBuilder("main")
    hlo = module("m", builder.build(builder.add("negate", [builder.parameter(0, F32)])))
    with pytest.raises(HloVerificationError, match="'cross-replica-sum': a sum over devices, now all-reduce"):
        read(with_opcode(hlo, "negate", "cross-replica-sum").SerializeToString())
