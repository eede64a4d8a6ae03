"""reduce, reduce-window and map: well-known bodies by fast kernels, any other scalar body by a sequential fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...analysis.accumulators import reduction_type
from ...analysis.arithmetic import ARITHMETIC
from ...analysis.fusion import fusion_boundaries
from ...analysis.reducers import ARGUMENT_KINDS, Reducer, is_identity, match_reducer
from ...analysis.scalar_body import single_result
from ...analysis.scalar_expression import ScalarExpression
from ...analysis.windows import cumulative_direction, is_trivial
from ...backends.values import Tensor, Value
from ...hlo.ir.attributes import ConstantAttributes, DimensionsAttributes, WindowAttributes, WindowDimension
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ...hlo.ir.sizes import element_count, product_of
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable
from .bodies import body_of
from .reduce_layout import counts_up, merged, merged_sizes, parallel_split

table = ConverterTable()

# below so many elements an operator of the dialect is as fast as the kernel, and says more to whoever reads the module
NATIVE_ELEMENTS = 4096
# a map of more scalar operations is written as statements, which compile in linear time, and is not fused
LONG_BODY = 64


@table.converter("map", broadcasting=True)
def convert_map(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """map: the scalar body at every index (rule 70)."""
    if 0 in instruction.shape.dimensions:
        return ctx.zeros(instruction.shape)
    body = body_of(ctx, instruction.called_computations[0])
    *parameters, last = body.nodes
    if len(body.results) == 1 and last.operands == tuple(range(len(operands))) == tuple(range(len(parameters))):
        numbers = [node.attributes[0] if node.opcode == "parameter" else None for node in parameters]
        if numbers == list(range(len(operands))):
            exact = last.opcode in ARITHMETIC
            return ctx.map(last.opcode, last.element_type, operands, last.attributes, exact)
    if len(body.nodes) > LONG_BODY or fusion_boundaries(instruction.called_computations[0]):
        return _statements(ctx, instruction, body, operands)
    return _unwrap(instruction, _elementwise(ctx, body, operands))


def _statements(
    ctx: ConversionContext, instruction: HloInstruction, body: ScalarExpression, operands: Sequence[Tensor]
) -> Value:
    """A long body as one kernel of statements, on flat operands; a pending scalar stays one."""
    flat = [
        ctx.dialect.reshape(x, [element_count(x.shape)])
        for x in (
            operand if operand.rank == 0 else ctx.materialize(operand, source.shape)
            for operand, source in zip(operands, instruction.operands)
        )
    ]
    shape = instruction.shape
    spec = KernelSpec("elementwise", body=body)
    (result,) = ctx.dialect.kernel(spec, flat, [Shape(shape.element_type, (element_count(shape),))])
    return ctx.dialect.reshape(result, shape.dimensions)


@table.converter("reduce", broadcasting=True, how="kernel")
def convert_reduce(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """reduce: body(... body(init, x0) ..., xn), init exactly once (rules 64-67)."""
    results = instruction.shape.arrays()
    data, inits = _declared(ctx, instruction, operands)
    sizes = instruction.operands[0].shape.dimensions
    dimensions = tuple(sorted(instruction.attributes_as(DimensionsAttributes).dimensions))
    body = body_of(ctx, instruction.called_computations[0])
    if 0 in results[0].dimensions:
        return _unwrap(instruction, [ctx.zeros(shape) for shape in results])
    if any(sizes[axis] == 0 for axis in dimensions):
        return _unwrap(instruction, [_filled(ctx, init, shape) for init, shape in zip(inits, results)])
    if all(sizes[axis] == 1 for axis in dimensions):
        ones = [_without(ctx, tensor, dimensions) for tensor in data]
        return _unwrap(instruction, _elementwise(ctx, body, [*_inits(ctx, inits, results[0].rank), *ones]))
    reducer = match_reducer(body)
    if reducer is not None and len(data) == 1:
        operand = ctx.materialize(data[0], Shape(data[0].element_type, sizes))
        wide = _widened(ctx, operand, reducer)
        reduced = _reduce(ctx, reducer.kind, wide, dimensions)
        return _finished(ctx, instruction, reducer, inits[0], reduced)
    return _unwrap(instruction, _fold(ctx, instruction, body, reducer, data, inits, dimensions))


@table.converter("reduce-window", how="kernel")
def convert_reduce_window(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """reduce-window: padding and holes are skipped, init is applied once per window (rule 68)."""
    results = instruction.shape.arrays()
    data, inits = _declared(ctx, instruction, operands)
    sizes = instruction.operands[0].shape.dimensions
    window = instruction.attributes_as(WindowAttributes).window.dimensions
    body = body_of(ctx, instruction.called_computations[0])
    if 0 in results[0].dimensions:
        return _unwrap(instruction, [ctx.zeros(shape) for shape in results])
    if 0 in sizes:
        return _unwrap(instruction, [_filled(ctx, init, shape) for init, shape in zip(inits, results)])
    if all(is_trivial(dimension) for dimension in window):
        return _unwrap(instruction, _elementwise(ctx, body, [*_inits(ctx, inits, len(sizes)), *data]))
    reducer = match_reducer(body)
    if reducer is not None and len(data) == 1:
        wide = _widened(ctx, data[0], reducer)
        return _finished(ctx, instruction, reducer, inits[0], _windows(ctx, reducer.kind, wide, window, results[0]))
    taps = [[d.size, d.stride, d.padding_low, d.window_dilation, d.base_dilation] for d in window]
    spec = KernelSpec("fold_window", {"window": taps}, body)
    return _unwrap(instruction, ctx.dialect.kernel(spec, [*data, *_inits(ctx, inits, 1)], results))


# ---- well-known kinds ------------------------------------------------------------------------------------------------


def _widened(ctx: ConversionContext, operand: Tensor, reducer: Reducer) -> Tensor:
    """The operand in the type to accumulate in."""
    return ctx.dialect.cast(operand, reduction_type(reducer))


def _finished(
    ctx: ConversionContext, instruction: HloInstruction, reducer: Reducer, init: Tensor, reduced: Tensor
) -> Tensor:
    """Combine with init unless it changes nothing, and go back to the element type."""
    if not _is_identity(instruction.operands[1], reducer):
        (start,) = _inits(ctx, [ctx.dialect.cast(init, reduced.element_type)], reduced.rank)
        reduced = ctx.map(reducer.opcode, reduced.element_type, [start, reduced], (), True)
    if reducer.rounding is not None:
        reduced = ctx.map("reduce-precision", reduced.element_type, [reduced], reducer.rounding)
    if reduced.element_type != reducer.element_type:
        reduced = ctx.map("convert", reducer.element_type, [reduced])
    return reduced


def _is_identity(init: HloInstruction, reducer: Reducer) -> bool:
    if init.opcode != "constant":
        return False
    return is_identity(reducer.kind, reducer.element_type, init.attributes_as(ConstantAttributes).literal)


def _reduce(ctx: ConversionContext, kind: str, operand: Tensor, dimensions: Sequence[int]) -> Tensor:
    """Reduction without init over dimensions of which none is empty."""
    sizes, known = operand.dimensions, operand.shape.is_static
    result = tuple(size for axis, size in enumerate(sizes) if axis not in dimensions)
    if known and operand.shape.element_count <= NATIVE_ELEMENTS:
        native = ctx.dialect.reduce(kind, operand, list(dimensions))
        if native is not None:
            return native
    extents, reduced = merged_sizes(sizes, dimensions)
    split = parallel_split(extents, reduced) if known else None
    if split is not None:
        axis, parts = split
        extents[axis : axis + 1] = [parts, extents[axis] // parts]
        reduced = [*(other if other < axis else other + 1 for other in reduced)]
        operand = _kernel_reduce(ctx, kind, ctx.dialect.reshape(operand, extents), reduced)
        extents = list(operand.shape.sizes)
        reduced = [axis - sum(other < axis for other in reduced)]
    operand = _kernel_reduce(ctx, kind, ctx.dialect.reshape(operand, extents), reduced)
    return ctx.dialect.reshape(operand, result)


def _kernel_reduce(ctx: ConversionContext, kind: str, operand: Tensor, dimensions: Sequence[int]) -> Tensor:
    kept = tuple(size for axis, size in enumerate(operand.dimensions) if axis not in dimensions)
    spec = KernelSpec("reduce", {"kind": kind, "dimensions": list(dimensions)})
    return ctx.dialect.kernel(spec, [operand], [Shape(operand.element_type, kept)])[0]


def _windows(
    ctx: ConversionContext, kind: str, operand: Tensor, window: Sequence[WindowDimension], result: Shape
) -> Tensor:
    """Windows of a commutative and associative kind, one dimension at a time: what a window sees is a product of what
    it sees along each dimension, so the order does not matter."""
    covered = [axis for axis, d in enumerate(window) if _covers(d, operand.dimensions[axis])]
    if any(operand.dimensions[axis] != 1 for axis in covered):
        kept = [1 if axis in covered else size for axis, size in enumerate(operand.dimensions)]
        operand = ctx.dialect.reshape(_reduce(ctx, kind, operand, covered), kept)
    for axis, dimension in enumerate(window):
        if axis in covered or is_trivial(dimension):
            continue
        sizes = operand.dimensions
        line = (product_of(sizes[:axis]), sizes[axis], product_of(sizes[axis + 1 :]))
        made = (line[0], result.dimensions[axis], line[2])
        (operand,) = ctx.dialect.kernel(
            _line_kernel(kind, dimension, sizes[axis]),
            [ctx.dialect.reshape(operand, line)],
            [Shape(operand.element_type, made)],
        )
        operand = ctx.dialect.reshape(operand, (*sizes[:axis], result.dimensions[axis], *sizes[axis + 1 :]))
    return operand


def _covers(dimension: WindowDimension, size: Any) -> bool:
    """Whether the one window along this dimension is all of it."""
    return dimension.size == size and dimension == WindowDimension(size, dimension.stride)


def _line_kernel(kind: str, dimension: WindowDimension, size: Any) -> KernelSpec:
    reverse = cumulative_direction(dimension, size)
    if reverse is not None:
        return KernelSpec("cumulative", {"kind": kind, "reverse": reverse})
    return KernelSpec(
        "window",
        {
            "kind": kind,
            "size": dimension.size,
            "stride": dimension.stride,
            "low": dimension.padding_low,
            "window_dilation": dimension.window_dilation,
            "base_dilation": dimension.base_dilation,
        },
    )


# ---- any body --------------------------------------------------------------------------------------------------------


def _fold(
    ctx: ConversionContext,
    instruction: HloInstruction,
    body: ScalarExpression,
    reducer: Reducer | None,
    data: Sequence[Tensor],
    inits: Sequence[Tensor],
    dimensions: tuple[int, ...],
) -> list[Tensor]:
    """Sequential fold; operands keep their pending broadcasts (the iota of an argmax is never stored)."""
    shape = instruction.operands[0].shape
    groups = merged(shape.dimensions, dimensions, [tensor.dimensions for tensor in data])
    if any(not isinstance(group.size, int) and not any(group.full) for group in groups):
        # an operand must tell the kernel the size
        data = [ctx.materialize(data[0], Shape(data[0].element_type, shape.dimensions)), *data[1:]]
        groups = merged(shape.dimensions, dimensions, [tensor.dimensions for tensor in data])
    parameters: dict[str, Any] = {
        "dimensions": [number for number, group in enumerate(groups) if group.reduced],
        "sizes": [group.size if isinstance(group.size, int) else None for group in groups],
    }
    reduced_axes = [axis for group in groups if group.reduced for axis in group.axes]
    kind = reducer.kind if reducer is not None and reducer.kind in ARGUMENT_KINDS else None
    along_last = groups[-1].reduced and len(reduced_axes) == 1
    if kind is not None and along_last and counts_up(instruction.operands[1], reduced_axes[0]):
        parameters["direction"] = kind
    operands = [
        ctx.dialect.reshape(tensor, [group.size if group.full[number] else 1 for group in groups])
        for number, tensor in enumerate(data)
    ]
    kept = tuple(group.size for group in groups if not group.reduced) or (1,)
    results = instruction.shape.arrays()
    made = ctx.dialect.kernel(
        KernelSpec("fold", parameters, body),
        [*operands, *_inits(ctx, inits, 1)],
        [Shape(result.element_type, kept) for result in results],
    )
    return [ctx.dialect.reshape(tensor, result.dimensions) for tensor, result in zip(made, results)]


def _elementwise(ctx: ConversionContext, body: ScalarExpression, operands: Sequence[Tensor]) -> list[Tensor]:
    """Every result of `body` at every index."""
    return [ctx.map_expression(single_result(body, number), operands) for number in range(len(body.results))]


# ---- common ----------------------------------------------------------------------------------------------------------


def _declared(
    ctx: ConversionContext, instruction: HloInstruction, operands: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """(operands, init values) in the types of the body's parameters, which may be of another precision."""
    count = len(operands) // 2
    parameters = instruction.called_computations[0].parameters
    wanted = [parameter.shape.element_type for parameter in (*parameters[count:], *parameters[:count])]
    converted = [
        operand if operand.element_type == kind else ctx.map("convert", kind, [operand])
        for operand, kind in zip(operands, wanted)
    ]
    return converted[:count], converted[count:]


def _inits(ctx: ConversionContext, inits: Sequence[Tensor], rank: int) -> list[Tensor]:
    """Scalars as arrays of one element."""
    return [ctx.dialect.reshape(init, (1,) * rank) for init in inits]


def _without(ctx: ConversionContext, tensor: Tensor, dimensions: Sequence[int]) -> Tensor:
    """`tensor` without dimensions of size 1."""
    kept = [size for axis, size in enumerate(tensor.dimensions) if axis not in dimensions]
    return ctx.dialect.reshape(tensor, kept)


def _filled(ctx: ConversionContext, value: Tensor, shape: Shape) -> Tensor:
    (spread,) = _inits(ctx, [value], shape.rank)
    return ctx.dialect.broadcast_to(spread, shape.dimensions)


def _unwrap(instruction: HloInstruction, tensors: Sequence[Tensor]) -> Value:
    return tuple(tensors) if instruction.shape.is_tuple else tensors[0]
