"""How a rewrite names a kernel: a custom-call with a private target, attributes as JSON in backend_config.

Kernels see real tensors only: complex operands are split into ``real`` and ``imag`` in front of the call and joined
behind it, types narrower than f32 are widened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ...hlo.ir.attributes import CustomCallAttributes, TupleIndexAttributes
from ...hlo.ir.builder import ComputationBuilder
from ...hlo.ir.module import HloInstruction, Metadata
from ...hlo.ir.shape import Shape, array_shape, tuple_shape

TARGET_PREFIX = "tvm_hlo."
PART_TYPE = {"c64": "f32", "c128": "f64"}


def kernel_call(
    builder: ComputationBuilder,
    kernel: str,
    parameters: dict[str, Any],
    operands: Sequence[HloInstruction],
    results: Sequence[Shape],
    batch_rank: int,
    metadata: Metadata,
) -> list[HloInstruction]:
    """A call of a kernel.

    Parameters
    ----------
    builder : ComputationBuilder
    kernel : str
        Name of the kernel; the target is ``tvm_hlo.`` and this name.
    parameters : dict
        JSON values, the parameters of the KernelSpec.
    operands : sequence of HloInstruction
        Of float or complex types; every part of a complex one is an operand of the call.
    results : sequence of Shape
        Likewise; integers pass as they are.
    batch_rank : int
        Leading dimensions that all operands and results have in common; the kernel sees them as one.
    metadata : Metadata

    Returns
    -------
    list of HloInstruction
        One per result.
    """
    inputs = [part for operand in operands for part in split(builder, operand, metadata)]
    parts = [part for shape in results for part in part_shapes(shape)]
    config = json.dumps({"parameters": parameters, "batch_rank": batch_rank}, sort_keys=True)
    attributes = CustomCallAttributes(TARGET_PREFIX + kernel, "API_VERSION_ORIGINAL", config.encode())
    call = builder.add("custom-call", inputs, tuple_shape(*parts), attributes, name=kernel, metadata=metadata)
    made = [
        builder.add("get-tuple-element", [call], shape, TupleIndexAttributes(index), metadata=metadata)
        for index, shape in enumerate(parts)
    ]
    return [join(builder, shape, made, metadata) for shape in results]


def part_shapes(shape: Shape) -> list[Shape]:
    """Shapes in which a kernel sees a tensor."""
    dimensions = shape.dimensions
    if shape.kind == "complex":
        return [array_shape(PART_TYPE[shape.element_type], dimensions)] * 2
    narrow = shape.kind == "float" and shape.bits < 32
    return [array_shape("f32" if narrow else shape.element_type, dimensions)]


def split(builder: ComputationBuilder, value: HloInstruction, metadata: Metadata) -> list[HloInstruction]:
    """Parts of a value as a kernel takes them."""
    shapes = part_shapes(value.shape)
    if len(shapes) == 2:
        return [builder.add(opcode, [value], metadata=metadata) for opcode in ("real", "imag")]
    if shapes[0].element_type == value.shape.element_type:
        return [value]
    return [builder.add("convert", [value], shapes[0], metadata=metadata)]


def join(builder: ComputationBuilder, shape: Shape, parts: list[HloInstruction], metadata: Metadata) -> HloInstruction:
    """Inverse of `split` for a result of `shape`; takes from the front of `parts`."""
    if shape.kind == "complex":
        return builder.add("complex", [parts.pop(0), parts.pop(0)], metadata=metadata)
    part = parts.pop(0)
    if part.shape.element_type == shape.element_type:
        return part
    return builder.add("convert", [part], array_shape(shape.element_type, shape.dimensions), metadata=metadata)
