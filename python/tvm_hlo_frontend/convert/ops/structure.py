"""constant, tuple, get-tuple-element, tokens, and what is the identity on one device."""

from __future__ import annotations

import numpy as np

from ...analysis.known_sizes import sets_full_size
from ...backends.values import Tensor, Token, Value
from ...hlo.ir.attributes import ConstantAttributes, DimensionsAttributes, Literal, TupleIndexAttributes
from ...hlo.ir.module import HloInstruction
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()


@table.converter("constant", how="native")
def convert_constant(ctx: ConversionContext, instruction: HloInstruction) -> Value:
    """constant: the literal; large ones become parameters of main (rule 46)."""
    return _literal(ctx, instruction.name, instruction.attributes_as(ConstantAttributes).literal)


def _literal(ctx: ConversionContext, name: str, literal: Literal) -> Value:
    if isinstance(literal, tuple):
        return tuple(_literal(ctx, f"{name}.{index}", part) for index, part in enumerate(literal))
    return ctx.constant(np.asarray(literal), name)


@table.converter("tuple", how="identity")
def convert_tuple(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """tuple: structure of the converted program, no operation (rule 79)."""
    return operands


@table.converter("get-tuple-element", how="identity")
def convert_get_tuple_element(ctx: ConversionContext, instruction: HloInstruction, operand: Value) -> Value:
    """get-tuple-element: part of a tuple (rule 79)."""
    return operand[instruction.attributes_as(TupleIndexAttributes).index]  # type: ignore[index]


@table.converter("copy", "opt-barrier", "domain", how="identity")
def convert_identity(ctx: ConversionContext, instruction: HloInstruction, operand: Value) -> Value:
    """copy, opt-barrier, domain: the operand (rule 83)."""
    return operand


@table.converter("add-dependency", how="identity")
def convert_add_dependency(ctx: ConversionContext, instruction: HloInstruction, operand: Value, token: Value) -> Value:
    """add-dependency: the first operand (rule 82)."""
    return operand


@table.converter("get-dimension-size", how="native")
def convert_get_dimension_size(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Value:
    """get-dimension-size: the size of a dimension, as s32 (rule 45)."""
    (dimension,) = instruction.attributes_as(DimensionsAttributes).dimensions
    size = instruction.operands[0].shape.dimensions[dimension]
    if isinstance(size, int):
        return ctx.scalar(size, "s32")
    spec = KernelSpec("dimension_size", {"dimension": dimension})
    return ctx.dialect.kernel(spec, [operand], [instruction.shape])[0]


RUN_TIME_SIZE = "it makes a shape that is known only at run time; give the program static shapes"


@table.converter("set-dimension-size", how="identity")
def convert_set_dimension_size(
    ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, size: Tensor
) -> Tensor:
    """set-dimension-size: the operand where the size is the bound; other sizes are scalars beside it (rule 90)."""
    if not sets_full_size(instruction):
        ctx.refuse(RUN_TIME_SIZE)
    return operand


@table.converter("dynamic-reshape", how="native")
def convert_dynamic_reshape(
    ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, *sizes: Tensor
) -> Tensor:
    """dynamic-reshape: reshape; sizes known only at run time are scalars beside it (rule 90)."""
    return ctx.dialect.reshape(operand, instruction.shape.sizes)


@table.converter("after-all", how="identity")
def convert_after_all(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """after-all: a token (rule 82)."""
    return Token()


@table.custom_call_converter("AllocateBuffer", how="native")
def convert_allocate_buffer(ctx: ConversionContext, instruction: HloInstruction) -> Tensor:
    """AllocateBuffer: zeros, where JAX's lax.empty promises nothing."""
    shape = instruction.shape
    if not shape.is_array:
        ctx.refuse(f"it allocates an array, not {shape}")
    return ctx.dialect.broadcast_to(ctx.scalar(0, shape.element_type), shape.dimensions)


@table.custom_call_converter("shape_assertion", how="identity")
def convert_shape_assertion(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """shape_assertion: holds, as all shapes are static; no result."""
    return ()
