"""Shapes and small computations from text, for tables of cases."""

from __future__ import annotations

import numpy as np

from tvm_hlo_frontend.hlo.ir import attributes as attr
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.module import HloComputation
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, Shape, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.ir.sizes import parsed, size_of


def shape(text: str) -> Shape:
    """Shape of ``f32[2,3]``, ``f32[n,n//2]``, ``token`` or ``(f32[], s32[2])``."""
    if text.startswith("("):
        parts, depth, start = [], 0, 1
        for index, letter in enumerate(text):
            depth += (letter in "([") - (letter in ")]")
            if (letter == "," and depth == 1) or (depth == 0 and letter == ")"):
                parts.append(text[start:index].strip())
                start = index + 1
        return tuple_shape(*(shape(part) for part in parts if part))
    if "[" not in text:
        return Shape(text)
    name, _, rest = text.partition("[")
    assert name in BY_NAME
    sizes = [size for size in rest.removesuffix("]").split(",") if size]
    return array_shape(name, [int(size) if size.isdigit() else size_of(parsed(size)) for size in sizes])


def function(parameters: str, opcode: str, result: str | None = None, attributes=None) -> HloComputation:
    """A computation with one instruction on all its parameters (on the first one for `get-tuple-element`)."""
    builder = ComputationBuilder(f"{opcode}_function")
    values = [builder.parameter(i, shape(text)) for i, text in enumerate(parameters.split())]
    if opcode == "first":
        return builder.build(values[0])
    if opcode == "compare":
        kind = {"float": "FLOAT", "signed": "SIGNED"}[values[0].shape.kind]
        attributes = attr.CompareAttributes("LT", kind)
        values = values[:2]
    if opcode == "constant":
        return builder.build(builder.constant(np.zeros((), BY_NAME[result].numpy_dtype), result))
    return builder.build(builder.add(opcode, values, shape(result) if result else None, attributes))
