"""hlo/ir/module.py: the attributes of an instruction, by the class that belongs to its opcode."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    NoAttributes,
    ParameterAttributes,
)
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
