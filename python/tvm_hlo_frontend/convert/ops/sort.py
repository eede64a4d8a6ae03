"""sort and topk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...analysis.scalar_expression import elementwise_expression
from ...backends.values import Tensor, Value
from ...hlo.ir.attributes import CompareAttributes, SortAttributes, TopKAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Dimension, Shape
from ...hlo.ir.sizes import element_count
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable
from .bodies import body_of
from .movement import counted

table = ConverterTable()

# from k = length / this on, a full sort is as fast as finding the first k
FULL_SORT = 8
# widest elements that fit into one number with their position
PACKED_BITS = 32


@table.converter("sort", how="kernel")
def convert_sort(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """sort: stable, several operands along, any comparator (rule 71)."""
    body = body_of(ctx, instruction.called_computations[0])
    sizes: Sequence[Any] = operands[0].dimensions
    axis = instruction.attributes_as(SortAttributes).dimension
    sorted_operands = operands
    if element_count(operands[0].shape) not in (0, 1) and sizes[axis] not in (0, 1):
        line = (math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :]))
        lines = [ctx.dialect.reshape(operand, line) for operand in operands]
        made = ctx.dialect.kernel(KernelSpec("sort", body=body), lines, [tensor.shape for tensor in lines])
        sorted_operands = tuple(ctx.dialect.reshape(tensor, sizes) for tensor in made)
    return sorted_operands if instruction.shape.is_tuple else sorted_operands[0]


@table.converter("topk", how="kernel")
def convert_topk(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Value:
    """topk: values and s32 positions in total order, NaN first for the largest, equal ones by position (rule 72)."""
    return first_by_order(ctx, instruction, operand, instruction.attributes_as(TopKAttributes).largest)


@table.custom_call_converter("TopK", how="kernel")
def convert_topk_call(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Value:
    """TopK: topk of the largest, as XLA:CPU calls it in optimised HLO."""
    parts = instruction.shape.tuple_shapes
    orders = [computation.root.attributes for computation in instruction.called_computations]
    if any(not isinstance(order, CompareAttributes) or order.direction != "GT" for order in orders):
        ctx.refuse("its order is not that of the largest elements; convert the module before optimisations")
    fits = isinstance(operand, Tensor) and operand.rank > 0
    if not fits or len(parts) != 2 or any(part.dimensions[:-1] != operand.dimensions[:-1] for part in parts):
        ctx.refuse("it is not XLA:CPU's TopK, whose results are values and positions per row of its operand")
    return first_by_order(ctx, instruction, operand, True)


def first_by_order(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, largest: bool) -> Value:
    """The first elements of every row in total order, and their positions."""
    sizes: Sequence[Any] = operand.dimensions
    *outer, length = sizes
    values, positions = instruction.shape.tuple_shapes
    rows, k = math.prod(outer), values.dimensions[-1]
    if 0 in values.dimensions:
        return ctx.zeros(values), ctx.zeros(positions)
    operand = ctx.dialect.reshape(operand, (rows, length))
    results = [Shape(operand.element_type, (rows, k)), Shape("s32", (rows, k))]
    if operand.shape.bits <= PACKED_BITS and _is_small_part(k, length):
        spec = KernelSpec("topk", {"largest": largest})
        made = ctx.dialect.kernel(spec, [operand], results)
    else:
        made = _first_sorted(ctx, operand, k, largest)
    return tuple(ctx.dialect.reshape(tensor, values.dimensions) for tensor in made)


def _is_small_part(k: Dimension, length: Dimension) -> bool:
    """Whether k elements are better found than sorted; so they are taken to be where only k is known."""
    return isinstance(k, int) and (not isinstance(length, int) or k * FULL_SORT <= length)


def _first_sorted(ctx: ConversionContext, operand: Tensor, k: Any, largest: bool) -> tuple[Tensor, ...]:
    """The first k of a whole sort of values and positions."""
    rows, length = operand.dimensions
    order = {"float": "TOTALORDER", "signed": "SIGNED"}.get(operand.shape.kind, "UNSIGNED")
    kind = operand.element_type
    body = elementwise_expression("compare", "pred", (kind, kind), ("GT" if largest else "LT", order))
    positions = ctx.dialect.reshape(counted(ctx, length, "s32", "positions"), (1, length))
    positions = ctx.dialect.broadcast_to(positions, (rows, length))
    lines = [ctx.dialect.reshape(tensor, (rows, length, 1)) for tensor in (operand, positions)]
    made = ctx.dialect.kernel(KernelSpec("sort", body=body), lines, [tensor.shape for tensor in lines])
    flat = [ctx.dialect.reshape(tensor, (rows, length)) for tensor in made]
    limits: Any = (rows, k)
    return tuple(ctx.dialect.slice(tensor, (0, 0), limits, (1, 1)) for tensor in flat)
