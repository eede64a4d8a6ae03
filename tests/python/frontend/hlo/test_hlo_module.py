"""hlo/ir/module.py: the attributes of an instruction, by the class that belongs to its opcode; what modules share."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir.attributes import (
    CallAttributes,
    CompareAttributes,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    NoAttributes,
    ParameterAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module, transform
from tvm_hlo_frontend.hlo.ir.module import HloInstruction
from tvm_hlo_frontend.hlo.ir.shape import array_shape

# opcode -> (its attributes, a class that they are not of)
CASES = {
    "add": (NoAttributes(), ParameterAttributes),
    "compare": (CompareAttributes("LT", "FLOAT"), NoAttributes),
    "dot": (DotAttributes(DotDimensionNumbers((1,), (0,))), DimensionsAttributes),
    "parameter": (ParameterAttributes(0), CompareAttributes),
    "reverse": (DimensionsAttributes((0,)), DotAttributes),
}


@pytest.mark.parametrize("opcode", CASES)
def test_attributes_are_of_the_class_that_is_asked_for_or_refused(opcode):
    attributes, other = CASES[opcode]
    instruction = HloInstruction("it", opcode, array_shape("f32", (2, 2)), attributes=attributes)
    assert instruction.attributes_as(type(attributes)) is attributes
    expected = f"^it: expected {other.__name__}, found {type(attributes).__name__}$"
    with pytest.raises(HloVerificationError, match=expected):
        instruction.attributes_as(other)


def test_what_a_rewrite_leaves_alone_is_the_same_object():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (2,)))
    before, changed = builder.add("tanh", [x]), builder.add("negate", [x])
    after = builder.add("add", [changed, before])
    old = module("shared", builder.build(after))
    assert transform(old, lambda builder, instruction, operands: None).entry is old.entry
    new = transform(
        old,
        lambda builder, instruction, operands: builder.add("abs", operands) if instruction.opcode == "negate" else None,
    )
    assert [i.opcode for i in new.entry.instructions] == ["parameter", "tanh", "abs", "add"]
    assert [i in old.entry.instructions for i in new.entry.instructions] == [True, True, False, False]
    assert [i.opcode for i in old.entry.instructions] == ["parameter", "tanh", "negate", "add"]


def test_one_instruction_in_two_computations_gets_two_names():
    inner, outer = ComputationBuilder("inner"), ComputationBuilder("outer")
    one = inner.constant(1.0, "f32")
    body = inner.build(one)
    called = outer.add("call", [], one.shape, CallAttributes(), [body])
    made = module("shared", outer.build(outer.add("add", [outer.copy(one, []), called])))
    names = [i.name for i in made.instructions]
    assert len(names) == len(set(names)) == 4
    assert made.entry.root.operands[0] in made.entry.instructions
