"""sort and topk."""

from __future__ import annotations

import math

import numpy as np

from ...analysis.scalar_expression import elementwise_expression
from ...backends.values import Tensor, Value
from ...hlo.ir.attributes import CompareAttributes, SortAttributes, TopKAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable
from .bodies import body_of, expect_static

table = ConverterTable()

# from k = length / this on, a full sort is as fast as finding the first k
FULL_SORT = 8
# widest elements that fit into one number with their position
PACKED_BITS = 32


@table.converter("sort", how="kernel")
def convert_sort(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """sort: stable, several operands along, any comparator (rule 71)."""
    expect_static(ctx, instruction)
    body = body_of(ctx, instruction.called_computations[0])
    sizes = operands[0].shape.sizes
    axis = instruction.attributes_as(SortAttributes).dimension
    sorted_operands = operands
    if math.prod(sizes) > 1 and sizes[axis] > 1:
        line = (math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :]))
        lines = [ctx.dialect.reshape(operand, line) for operand in operands]
        made = ctx.dialect.kernel(KernelSpec("sort", body=body), lines, [tensor.shape for tensor in lines])
        sorted_operands = tuple(ctx.dialect.reshape(tensor, sizes) for tensor in made)
    return sorted_operands if instruction.shape.is_tuple else sorted_operands[0]


@table.converter("topk", how="kernel")
def convert_topk(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Value:
    """topk: values and s32 positions in total order, NaN first for the largest, equal ones by position (rule 72)."""
    expect_static(ctx, instruction)
    return first_by_order(ctx, instruction, operand, instruction.attributes_as(TopKAttributes).largest)


@table.custom_call_converter("TopK", how="kernel")
def convert_topk_call(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Value:
    """TopK: topk of the largest, as XLA:CPU calls it in optimised HLO."""
    expect_static(ctx, instruction)
    parts = instruction.shape.tuple_shapes
    orders = [computation.root.attributes for computation in instruction.called_computations]
    if any(not isinstance(order, CompareAttributes) or order.direction != "GT" for order in orders):
        ctx.refuse("its order is not that of the largest elements; convert the module before optimisations")
    if len(parts) != 2 or any(part.sizes[:-1] != operand.shape.sizes[:-1] for part in parts):
        ctx.refuse("it is not XLA:CPU's TopK, whose results are values and positions per row of its operand")
    return first_by_order(ctx, instruction, operand, True)


def first_by_order(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, largest: bool) -> Value:
    """The first elements of every row in total order, and their positions."""
    *outer, length = operand.shape.sizes
    values, positions = instruction.shape.tuple_shapes
    rows, k = math.prod(outer), values.sizes[-1]
    if 0 in values.sizes:
        return tuple(ctx.dialect.constant(np.zeros(s.sizes, s.numpy_dtype)) for s in (values, positions))
    operand = ctx.dialect.reshape(operand, (rows, length))
    results = [Shape(operand.element_type, (rows, k)), Shape("s32", (rows, k))]
    if operand.shape.bits <= PACKED_BITS and k * FULL_SORT <= length:
        spec = KernelSpec("topk", {"largest": largest})
        made = ctx.dialect.kernel(spec, [operand], results)
    else:
        made = _first_sorted(ctx, operand, k, largest)
    return tuple(ctx.dialect.reshape(tensor, values.sizes) for tensor in made)


def _first_sorted(ctx: ConversionContext, operand: Tensor, k: int, largest: bool) -> tuple[Tensor, ...]:
    """The first k of a whole sort of values and positions."""
    rows, length = operand.shape.sizes
    order = {"float": "TOTALORDER", "signed": "SIGNED"}.get(operand.shape.kind, "UNSIGNED")
    kind = operand.element_type
    body = elementwise_expression("compare", "pred", (kind, kind), ("GT" if largest else "LT", order))
    positions = ctx.dialect.reshape(ctx.constant(np.arange(length, dtype=np.int32), "positions"), (1, length))
    positions = ctx.dialect.broadcast_to(positions, (rows, length))
    lines = [ctx.dialect.reshape(tensor, (rows, length, 1)) for tensor in (operand, positions)]
    made = ctx.dialect.kernel(KernelSpec("sort", body=body), lines, [tensor.shape for tensor in lines])
    flat = [ctx.dialect.reshape(tensor, (rows, length)) for tensor in made]
    return tuple(ctx.dialect.slice(tensor, (0, 0), (rows, k), (1, 1)) for tensor in flat)
