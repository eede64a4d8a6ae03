"""Opcodes that move elements: broadcast, reshape, transpose, reverse, slice, pad, concatenate, iota."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.values import Tensor
from ...hlo.ir.attributes import DimensionsAttributes, PadAttributes, SliceAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, Dimension, array_shape
from ...hlo.ir.sizes import is_known, may_be_at_most
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()

# elements that are counted in advance; more of them a kernel counts
MAX_COUNTED = 1 << 20


@table.converter("iota", broadcasting=True, how="native")
def convert_iota(ctx: ConversionContext, instruction: HloInstruction) -> Tensor:
    """iota: 0, 1, 2 … along one dimension; the other dimensions are a pending broadcast (rule 42)."""
    shape = instruction.shape
    (dimension,) = instruction.attributes_as(DimensionsAttributes).dimensions
    size = shape.dimensions[dimension]
    dimensions: list[Any] = [1] * shape.rank
    dimensions[dimension] = size
    return ctx.dialect.reshape(counted(ctx, size, shape.element_type), dimensions)


def counted(ctx: ConversionContext, size: Dimension, element_type: str, name: str = "iota") -> Tensor:
    """0, 1, 2 …; types that cannot count wrap as integers do."""
    if not isinstance(size, int) or size > MAX_COUNTED:
        return ctx.dialect.kernel(KernelSpec("iota"), [], [array_shape(element_type, (size,))])[0]
    return ctx.constant(np.arange(size, dtype=np.int64).astype(BY_NAME[element_type].numpy_dtype), name)


@table.converter("broadcast", broadcasting=True, how="native")
def convert_broadcast(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """broadcast: operand dimension i is result dimension dimensions[i]; the copies are left pending (rule 35)."""
    dimensions = instruction.attributes_as(DimensionsAttributes).dimensions
    if operand.rank == 0:
        return operand
    order = sorted(range(len(dimensions)), key=lambda i: dimensions[i])
    operand = ctx.dialect.transpose(operand, order)
    carried: list[Any] = [1] * instruction.shape.rank
    for position, index in enumerate(order):
        carried[dimensions[index]] = operand.dimensions[position]
    return ctx.dialect.reshape(operand, carried)


@table.converter("reshape", how="native")
def convert_reshape(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """reshape: row-major order of the elements is kept, layouts play no part (rule 36)."""
    return ctx.dialect.reshape(operand, instruction.shape.dimensions)


@table.converter("bitcast", how="rewrite")
def refuse_bitcast(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """bitcast: the elements in the order in which the operand's layout has them in memory (rules 32, 83)."""
    ctx.refuse(
        "it reinterprets a tiled layout, or packed elements as another type; convert the module before optimisations"
    )


@table.converter("transpose", broadcasting=True, how="native")
def convert_transpose(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """transpose: result dimension i is operand dimension permutation[i] (rule 37)."""
    if operand.rank == 0:  # a pending broadcast of a scalar
        return operand
    return ctx.dialect.transpose(operand, instruction.attributes_as(DimensionsAttributes).dimensions)


@table.converter("reverse", how="native")
def convert_reverse(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """reverse: the order of the elements along several dimensions (rule 41)."""
    return ctx.dialect.reverse(operand, instruction.attributes_as(DimensionsAttributes).dimensions)


@table.converter("slice", how="native")
def convert_slice(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """slice: from start to limit exclusive in steps of stride (rule 39)."""
    attributes = instruction.attributes_as(SliceAttributes)
    return ctx.dialect.slice(operand, attributes.starts, attributes.limits, attributes.strides)


@table.converter("concatenate", how="native")
def convert_concatenate(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Tensor:
    """concatenate: operands without elements add nothing (rule 43)."""
    (dimension,) = instruction.attributes_as(DimensionsAttributes).dimensions
    parts = [operand for operand in operands if 0 not in operand.dimensions]
    return parts[0] if len(parts) == 1 else ctx.dialect.concatenate(parts, dimension)


@table.converter("pad", how="kernel")
def convert_pad(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, value: Tensor) -> Tensor:
    """pad: interior padding first, then the edges; negative edges crop the interior-padded operand (rule 38)."""
    attributes = instruction.attributes_as(PadAttributes)
    if 0 in operand.dimensions:
        return ctx.dialect.broadcast_to(value, instruction.shape.dimensions)
    if not any((*attributes.low, *attributes.high, *attributes.interior)):
        return operand
    low, size = list(attributes.low), list(instruction.shape.dimensions)
    # the kernel takes numbers: an edge of unknown size is an array in front, where surely nothing is cropped
    fronts = [axis for axis, edge in enumerate(low) if not is_known(edge) and _only_adds(attributes, axis)]
    for axis in fronts:
        size[axis], low[axis] = size[axis] - low[axis], 0  # type: ignore[operator]
    spec = KernelSpec("pad", {"low": low, "interior": list(attributes.interior)})
    (padded,) = ctx.dialect.kernel(spec, [operand, value], [array_shape(operand.element_type, size)])
    for axis in fronts:
        front = list(padded.dimensions)
        front[axis] = attributes.low[axis]
        edge = ctx.dialect.broadcast_to(ctx.dialect.reshape(value, [1] * len(front)), front)
        padded = ctx.dialect.concatenate([edge, padded], axis)
    return padded


def _only_adds(attributes: PadAttributes, axis: int) -> bool:
    """Whether no edge along a dimension is negative, whatever the unknown sizes are."""
    return not any(may_be_at_most(edge, -1) for edge in (attributes.low[axis], attributes.high[axis]))
