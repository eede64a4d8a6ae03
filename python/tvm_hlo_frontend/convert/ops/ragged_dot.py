"""ragged-dot: a product whose rows or summed elements are in groups of sizes known at run time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...analysis.accumulators import accumulator_type
from ...backends.values import Tensor
from ...hlo.ir.attributes import RaggedDotAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable
from .dot import convert_dot

table = ConverterTable()


@table.converter("ragged-dot", how="kernel")
def convert_ragged_dot(
    ctx: ConversionContext, instruction: HloInstruction, lhs: Tensor, rhs: Tensor, group_sizes: Tensor
) -> Tensor:
    """ragged-dot: groups of rows by their own matrix each, or a product per group of the summed elements (rule 91).

    What no group takes is zero. XLA's RaggedDotRewriter and JAX's ragged_dot_general; groups of batches are a plain dot
    in both, whatever the sizes.
    """
    attributes = instruction.attributes_as(RaggedDotAttributes)
    (ragged,) = attributes.lhs_ragged
    numbers, shape = attributes.dimension_numbers, instruction.shape
    if ragged in numbers.lhs_batch:
        return convert_dot(ctx, instruction, lhs, rhs)
    if any(0 in sizes for sizes in (shape.sizes, lhs.shape.sizes, rhs.shape.sizes)):
        return ctx.zeros(shape)
    by_rows = ragged not in numbers.lhs_contracting
    arrange = arrange_rows if by_rows else arrange_depth
    left, right, result, inner = arrange(attributes, lhs.shape, rhs.shape)
    sizes = ctx.map("convert", "s64", [group_sizes]) if group_sizes.element_type != "s64" else group_sizes
    groups = group_sizes.shape.sizes[-1]
    sizes = ctx.dialect.reshape(sizes, [group_sizes.shape.element_count // groups, groups])
    accumulator = accumulator_type(lhs.element_type, rhs.element_type, shape.element_type)
    spec = KernelSpec(
        "ragged_dot",
        {"ragged": "rows" if by_rows else "depth", "inner": inner, "accumulator": TVM_DTYPES[accumulator]},
    )
    operands = [grouped(ctx, lhs, left), grouped(ctx, rhs, right), sizes]
    made = Shape(shape.element_type, (*(() if by_rows else (groups,)), *result))
    (product,) = ctx.dialect.kernel(spec, operands, [made])
    return ctx.dialect.reshape(product, shape.sizes)


# dimensions of an operand in the order in which the kernel takes them, folded into one per group
Parts = Sequence[Sequence[int]]


def grouped(ctx: ConversionContext, x: Tensor, parts: Parts) -> Tensor:
    """`x` transposed to `parts`, each of them as one dimension."""
    sizes = [math.prod(x.shape.sizes[axis] for axis in axes) for axes in parts]
    return ctx.dialect.reshape(ctx.dialect.transpose(x, [axis for axes in parts for axis in axes]), sizes)


def arrange_rows(attributes: RaggedDotAttributes, lhs: Shape, rhs: Shape) -> tuple[Parts, Parts, list[int], int]:
    """Parts of lhs and rhs, the kernel's result, and rows per element of a group: the rows are ragged."""
    numbers, (ragged,) = attributes.dimension_numbers, attributes.lhs_ragged
    free = [axis for axis in range(lhs.rank) if axis not in (*numbers.lhs_batch, *numbers.lhs_contracting)]
    outer, inside = free[: free.index(ragged)], free[free.index(ragged) + 1 :]
    taken = (*attributes.rhs_group, *numbers.rhs_batch, *numbers.rhs_contracting)
    columns = [axis for axis in range(rhs.rank) if axis not in taken]
    left = ((*numbers.lhs_batch, *outer), (ragged, *inside), numbers.lhs_contracting)
    right = (attributes.rhs_group, numbers.rhs_batch, numbers.rhs_contracting, columns)
    result = [_count(lhs, left[0]), _count(lhs, left[1]), _count(rhs, columns)]
    return left, right, result, _count(lhs, inside)


def arrange_depth(attributes: RaggedDotAttributes, lhs: Shape, rhs: Shape) -> tuple[Parts, Parts, list[int], int]:
    """As `arrange_rows`, where the summed elements are ragged; there is a result per group then, first."""
    numbers, (ragged,) = attributes.dimension_numbers, attributes.lhs_ragged
    place = numbers.lhs_contracting.index(ragged)
    free = [axis for axis in range(lhs.rank) if axis not in (*numbers.lhs_batch, *numbers.lhs_contracting)]
    columns = [axis for axis in range(rhs.rank) if axis not in (*numbers.rhs_batch, *numbers.rhs_contracting)]
    left = (numbers.lhs_batch, numbers.lhs_contracting[:place], numbers.lhs_contracting[place:], free)
    right = (numbers.rhs_batch, numbers.rhs_contracting[:place], numbers.rhs_contracting[place:], columns)
    result = [_count(lhs, left[0]), _count(lhs, free), _count(rhs, columns)]
    return left, right, result, _count(lhs, numbers.lhs_contracting[place + 1 :])


def _count(shape: Shape, axes: Sequence[int]) -> int:
    return math.prod(shape.sizes[axis] for axis in axes)
