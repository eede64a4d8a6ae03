"""dot: a product over contracting dimensions, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...analysis.accumulators import accumulator_type, product_type
from ...analysis.convolution_layouts import CHANNELS, STREAMED_ROWS, TILE_ROWS, panel_lanes
from ...backends.values import Tensor
from ...hlo.ir.attributes import DotAttributes, DotDimensionNumbers, RaggedDotAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Dimension, Shape
from ...hlo.ir.sizes import is_known, product_of
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..refusals import SPECIALIZE
from ..rules import ConverterTable

table = ConverterTable()


@dataclass(frozen=True)
class Arrangement:
    """Dimensions of one operand by their part, each in the order in which the product takes them."""

    batch: tuple[int, ...]
    free: tuple[int, ...]
    contracting: tuple[int, ...]

    @property
    def free_first(self) -> tuple[int, ...]:
        """Dimensions in the order batch, free, contracting."""
        return (*self.batch, *self.free, *self.contracting)

    @property
    def contracting_first(self) -> tuple[int, ...]:
        """Dimensions in the order batch, contracting, free."""
        return (*self.batch, *self.contracting, *self.free)


@table.converter("dot", how="native")
def convert_dot(ctx: ConversionContext, instruction: HloInstruction, lhs: Tensor, rhs: Tensor) -> Tensor:
    """dot: result dimensions are batch, lhs free, rhs free; operands are widened before products are formed (rule 48).

    XLA operation semantics: DotGeneral.
    """
    shape = instruction.shape
    attributes = instruction.attributes
    assert isinstance(attributes, (DotAttributes, RaggedDotAttributes))
    left, right = arrangements(attributes.dimension_numbers, lhs.rank, rhs.rank)
    is_static = shape.is_static and lhs.shape.is_static and rhs.shape.is_static
    if not is_static and not ctx.dialect.leaves_sizes_open:
        return symbolic_dot(ctx, instruction, (lhs, rhs), (left, right))
    if 0 in shape.dimensions or 0 in lhs.dimensions:
        return ctx.zeros(shape)
    batch, m, n, depth = (
        product_of(tensor.dimensions[axis] for axis in axes)
        for tensor, axes in ((lhs, left.batch), (lhs, left.free), (rhs, right.free), (lhs, left.contracting))
    )
    if n == 1 and not (is_known(m) and m <= 1):
        # the many rows are the operand to stream; a lone column is in the same order as a lone row
        lhs, rhs, left, right, m, n = rhs, lhs, right, left, n, m
    types = (lhs.element_type, rhs.element_type, shape.element_type)
    accumulator = product_type(*types, depth) if is_known(depth) else accumulator_type(*types)
    if is_static and is_weight(ctx, rhs, left, m, n):
        return by_panels(ctx, instruction, (lhs, rhs), (left, right), accumulator)
    is_dense = is_static and shape.kind == "float" and batch == 1 and m > STREAMED_ROWS
    if is_dense and ctx.dialect.has_fast_dense(m, n, depth):
        product = dense(ctx, lhs, rhs, left, right, accumulator)
        product = product if accumulator == shape.element_type else ctx.map("convert", shape.element_type, [product])
    else:
        lhs, lhs_order = matrices(ctx, lhs, left, ("MK", "KM"))
        rhs, rhs_order = matrices(ctx, rhs, right, ("NK", "KN"))
        parameters = {"lhs": lhs_order, "rhs": rhs_order, "accumulator": TVM_DTYPES[accumulator]}
        result = Shape(shape.element_type, (batch, m, n))
        (product,) = ctx.dialect.kernel(KernelSpec("dot", parameters), [lhs, rhs], [result])
    return ctx.dialect.reshape(product, shape.dimensions)


def is_weight(ctx: ConversionContext, rhs: Tensor, left: Arrangement, rows: Dimension, columns: Dimension) -> bool:
    """Whether the right operand is a constant matrix that is worth being kept in panels."""
    assert isinstance(rows, int) and isinstance(columns, int)
    return not left.batch and rows > STREAMED_ROWS and columns % CHANNELS == 0 and ctx.dialect.is_constant(rhs)


def by_panels(
    ctx: ConversionContext,
    instruction: HloInstruction,
    operands: tuple[Tensor, Tensor],
    parts: tuple[Arrangement, Arrangement],
    accumulator: str,
) -> Tensor:
    """The product with panels of a constant; of many dimensions of rows, if the last one is worth a tile."""
    (lhs, rhs), (left, right), shape = operands, parts, instruction.shape
    rows: tuple[Any, ...] = tuple(lhs.dimensions[axis] for axis in left.free)
    if len(rows) != 1 and (not rows or rows[-1] < TILE_ROWS):
        rows = (product_of(rows),)
    weight = flattened(ctx, rhs, right.contracting_first, (right.contracting, right.free))
    depth, columns = weight.dimensions
    lhs = ctx.dialect.reshape(ctx.dialect.transpose(lhs, left.free_first), (*rows, depth))
    panels = panels_of(ctx, weight, columns, accumulator)
    result = Shape(shape.element_type, (*rows, columns))
    (product,) = ctx.dialect.kernel(KernelSpec("dot_of_panels"), [lhs, panels], [result])
    return ctx.dialect.reshape(product, shape.dimensions)


def panels_of(ctx: ConversionContext, weight: Tensor, outputs: Any, accumulator: str) -> Tensor:
    """weight[..., O] in panels of a cache line of outputs, or of what divides those of a group."""
    *rest, columns = weight.dimensions
    lanes = panel_lanes(outputs)
    shape = Shape(accumulator, (columns // lanes, *rest, lanes))  # type: ignore[operator]
    (panels,) = ctx.dialect.kernel(KernelSpec("weight_panels"), [weight], [shape])
    return panels


@table.converter("scaled-dot", how="rewrite")
def refuse_scaled_dot(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Tensor:
    """scaled-dot: a dot of the operands, each times its scales by blocks (rule 91)."""
    ctx.refuse("a scalar scale that is not the constant 1 is left out of account by XLA; multiply by it explicitly")


def symbolic_dot(
    ctx: ConversionContext,
    instruction: HloInstruction,
    operands: tuple[Tensor, Tensor],
    parts: tuple[Arrangement, Arrangement],
) -> Tensor:
    """A matrix of a symbolic number of rows times a static one, as networks with a dynamic batch size have it."""
    lhs, rhs = operands
    kind = instruction.shape.element_type
    matrices_alone = lhs.rank == rhs.rank == 2 and not parts[0].batch
    if not matrices_alone or not rhs.shape.is_static or kind not in ("f32", "f64"):
        ctx.refuse(
            f"a product of {lhs.shape} and {rhs.shape}: of dynamic shapes only float matrices with a dynamic "
            f"number of rows times static ones are supported; {SPECIALIZE}"
        )
    x, weight = (ctx.dialect.transpose(x, part.free_first) for x, part in zip(operands, parts))
    return ctx.dialect.dense(x, weight, kind)


def arrangements(numbers: DotDimensionNumbers, lhs_rank: int, rhs_rank: int) -> tuple[Arrangement, Arrangement]:
    """Parts of both operands; contracting dimensions in the order in which the lhs has them."""
    pairs = sorted(zip(numbers.lhs_contracting, numbers.rhs_contracting))

    def free(rank: int, *taken: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(axis for axis in range(rank) if not any(axis in axes for axes in taken))

    return (
        Arrangement(
            numbers.lhs_batch,
            free(lhs_rank, numbers.lhs_batch, numbers.lhs_contracting),
            tuple(axis for axis, _ in pairs),
        ),
        Arrangement(
            numbers.rhs_batch,
            free(rhs_rank, numbers.rhs_batch, numbers.rhs_contracting),
            tuple(axis for _, axis in pairs),
        ),
    )


def dense(
    ctx: ConversionContext, lhs: Tensor, rhs: Tensor, left: Arrangement, right: Arrangement, accumulator: str
) -> Tensor:
    """The product as the dialect's own dense operator, which it packs, tunes and fuses."""
    lhs, rhs = widen(ctx, lhs, accumulator), widen(ctx, rhs, accumulator)
    x = flattened(ctx, lhs, left.free_first, (left.batch + left.free, left.contracting))
    weight = flattened(ctx, rhs, right.free_first, (right.batch + right.free, right.contracting))
    return ctx.dialect.dense(x, weight, accumulator)


def matrices(
    ctx: ConversionContext, x: Tensor, arrangement: Arrangement, orders: tuple[str, str]
) -> tuple[Tensor, str]:
    """`x` as a batch of matrices, in whichever of the two orders needs no transpose, and the name of that order."""
    parts = (arrangement.batch, arrangement.free, arrangement.contracting)
    permutation, order = arrangement.free_first, orders[0]
    if list(arrangement.contracting_first) == sorted(permutation) != list(permutation):
        parts = (arrangement.batch, arrangement.contracting, arrangement.free)
        permutation, order = arrangement.contracting_first, orders[1]
    return flattened(ctx, x, permutation, parts), order


def flattened(
    ctx: ConversionContext, x: Tensor, permutation: tuple[int, ...], parts: tuple[tuple[int, ...], ...]
) -> Tensor:
    """`x` transposed, each part of its dimensions folded into one."""
    sizes = [product_of(x.dimensions[axis] for axis in axes) for axes in parts]
    return ctx.dialect.reshape(ctx.dialect.transpose(x, permutation), sizes)


def widen(ctx: ConversionContext, x: Tensor, element_type: str) -> Tensor:
    """`x` as `element_type`; exact for what products are formed in, apart from wide integers as floats."""
    if x.element_type == element_type:
        return x
    if x.shape.kind == "float":
        return ctx.dialect.cast(x, element_type)
    return ctx.map("convert", element_type, [x])
