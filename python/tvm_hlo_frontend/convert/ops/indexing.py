"""gather, scatter, dynamic-slice, dynamic-update-slice, select-and-scatter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...analysis.constant_values import constant_value
from ...analysis.scalar_expression import ScalarExpression, ScalarNode
from ...backends.values import Tensor, Value
from ...errors import StaticSizeError
from ...hlo.ir.attributes import ConstantAttributes, GatherAttributes, ScatterAttributes, WindowAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, Dimension, Shape
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable
from .bodies import body_of

table = ConverterTable()


@table.converter("gather", how="kernel")
def convert_gather(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, indices: Tensor) -> Tensor:
    """gather: starts clamped so that every slice fits (rules 54 to 58); a constant vector is a plain slice."""
    numbers = instruction.attributes_as(GatherAttributes)
    if not all(isinstance(numbers.slice_sizes[axis], int) for axis in numbers.collapsed_slice_dims):
        raise StaticSizeError(f"slices of {list(numbers.slice_sizes)} collapse")
    if 0 in operand.dimensions or 0 in numbers.slice_sizes:
        # slices without elements that collapse: there is nothing to read
        return _filled(ctx, ctx.scalar(0, operand.element_type), instruction.shape)
    start = _constant_start(numbers, operand, constant_value(instruction.operands[1]))
    part = None if start is None else _slice_at(ctx, operand, numbers.slice_sizes, start)
    if part is not None:
        return ctx.dialect.reshape(part, instruction.shape.dimensions)
    depth = len(numbers.start_index_map)
    batch_dims = [axis for axis in range(indices.rank) if axis != numbers.index_vector_dim]
    vectors = _index_vectors(ctx, indices, numbers.index_vector_dim)
    axis = _taken_axis(numbers, operand, instruction.shape.rank, len(batch_dims))
    length = operand.dimensions[axis] if axis is not None else None
    if axis is not None and isinstance(length, int) and length - 1 <= _highest(indices.element_type):
        flat = ctx.dialect.reshape(vectors, vectors.dimensions[:-1])
        return ctx.dialect.take(operand, _clamped(ctx, flat, length - 1), axis)
    spec = KernelSpec(
        "gather",
        {
            "offset_dims": list(numbers.offset_dims),
            "collapsed_slice_dims": list(numbers.collapsed_slice_dims),
            "start_index_map": list(numbers.start_index_map),
            "operand_batching_dims": list(numbers.operand_batching_dims),
            "batch_positions": [batch_dims.index(axis) for axis in numbers.start_indices_batching_dims],
        },
    )
    inputs = [operand, vectors] if depth else [operand]
    return ctx.dialect.kernel(spec, inputs, [instruction.shape])[0]


def _constant_start(numbers: GatherAttributes, operand: Tensor, indices: np.ndarray | None) -> list[int] | None:
    """Where the only slice of a gather begins; None if there are several, or it is known at run time only."""
    if indices is None or indices.size != len(numbers.start_index_map) or numbers.operand_batching_dims:
        return None
    places = dict(zip(numbers.start_index_map, indices.reshape(-1)))
    return [int(places.get(axis, 0)) for axis in range(operand.rank)]


def _taken_axis(numbers: GatherAttributes, operand: Tensor, rank: int, batch_rank: int) -> int | None:
    """The dimension along which a gather takes whole rows, as an embedding lookup does; None if it does not."""
    if len(numbers.start_index_map) != 1 or numbers.operand_batching_dims:
        return None
    (axis,) = numbers.start_index_map
    sizes = operand.dimensions
    wanted = (*sizes[:axis], 1, *sizes[axis + 1 :])
    places = (*range(axis), *range(axis + batch_rank, rank))
    fits = numbers.collapsed_slice_dims == (axis,) and numbers.slice_sizes == wanted and numbers.offset_dims == places
    return axis if fits else None


def _highest(element_type: str) -> int:
    return int(np.iinfo(BY_NAME[element_type].numpy_dtype).max)


def _clamped(ctx: ConversionContext, indices: Tensor, limit: int) -> Tensor:
    """Indices from 0 to `limit`; the bounds are part of the kernel, which binds no variables to them then."""
    kind = indices.element_type
    low, high = (np.array(bound, BY_NAME[kind].numpy_dtype).tobytes().hex() for bound in (0, limit))
    nodes = (
        ScalarNode("constant", kind, (), (low,)),
        ScalarNode("parameter", kind, (), (0,)),
        ScalarNode("constant", kind, (), (high,)),
        ScalarNode("clamp", kind, (0, 1, 2)),
    )
    return ctx.map_expression(ScalarExpression(nodes, (3,)), [indices])


def _index_vectors(ctx: ConversionContext, indices: Tensor, index_vector_dim: int) -> Tensor:
    """Indices with their vectors in the last dimension (rule 55)."""
    if index_vector_dim == indices.rank:
        return ctx.dialect.reshape(indices, (*indices.dimensions, 1))
    others = [axis for axis in range(indices.rank) if axis != index_vector_dim]
    return ctx.dialect.transpose(indices, [*others, index_vector_dim])


@table.converter("dynamic-slice", how="kernel")
def convert_dynamic_slice(
    ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, *starts: Tensor
) -> Tensor:
    """dynamic-slice: starts clamped so that the slice fits; constant starts are a plain slice (rule 40)."""
    sizes = instruction.shape.dimensions
    if sizes == operand.dimensions:
        return operand
    known = _constant_starts(instruction.operands[1:])
    part = None if known is None else _slice_at(ctx, operand, sizes, known)
    if part is not None:
        return part
    return ctx.dialect.kernel(KernelSpec("dynamic_slice"), [operand, *starts], [instruction.shape])[0]


def _slice_at(
    ctx: ConversionContext, operand: Tensor, sizes: Sequence[Dimension], starts: Sequence[int]
) -> Tensor | None:
    """A slice of these sizes from `starts`, which are moved so that it fits; None if that is done at run time only."""
    rooms = [_room(extent, size) for extent, size in zip(operand.dimensions, sizes)]
    if None in rooms:
        return None
    begin = [min(max(0, start), room) for start, room in zip(starts, rooms) if room is not None]
    limits: list[Any] = [start + size for start, size in zip(begin, sizes)]  # type: ignore[operator]
    return ctx.dialect.slice(operand, begin, limits, [1] * len(sizes))


def _room(extent: Dimension, size: Dimension) -> int | None:
    """How far a slice may begin from 0; None if that is known at run time only."""
    if isinstance(extent, int) and isinstance(size, int):
        return extent - size
    return 0 if extent == size else None


@table.converter("dynamic-update-slice", how="kernel")
def convert_dynamic_update_slice(
    ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, update: Tensor, *starts: Tensor
) -> Tensor:
    """dynamic-update-slice: starts clamped so that the update fits (rule 40)."""
    if update.dimensions == operand.dimensions:
        return update
    if 0 in update.dimensions:
        return operand
    if instruction in ctx.in_place:
        spec, starts = KernelSpec("update_slice"), tuple(_ranked(ctx, start) for start in starts)
    else:
        spec = KernelSpec("dynamic_update_slice")
    return ctx.dialect.kernel(spec, [operand, update, *starts], [instruction.shape])[0]


def _constant_starts(starts: Sequence[HloInstruction]) -> list[int] | None:
    """Values of constant start indices, one per dimension; None if one is not constant."""
    found: list[int] = []
    for start in starts:
        if not isinstance(start.attributes, ConstantAttributes):
            return None
        found += [int(value) for value in np.asarray(start.attributes.literal).reshape(-1)]
    return found


@table.converter("scatter", how="kernel")
def convert_scatter(ctx: ConversionContext, instruction: HloInstruction, *operands: Tensor) -> Value:
    """scatter: updates in row-major order, a window is dropped whole if any part is outside (rules 58, 60 to 62)."""
    count = len(operands) // 2
    data, indices, updates = operands[:count], operands[count], operands[count + 1 :]
    body = body_of(ctx, instruction.called_computations[0])
    results = instruction.shape.arrays()
    if 0 in updates[0].dimensions or 0 in results[0].dimensions:
        return tuple(data) if instruction.shape.is_tuple else data[0]
    numbers = instruction.attributes_as(ScatterAttributes)
    scatter_dims = [axis for axis in range(indices.rank) if axis != numbers.index_vector_dim]
    vectors = _index_vectors(ctx, indices, numbers.index_vector_dim)
    if not numbers.scatter_dims_to_operand_dims:
        # the kernel reads no index then, but it takes the number of them from here
        sizes = (*vectors.dimensions[:-1], 1)
        vectors = _filled(ctx, ctx.scalar(0, indices.element_type), Shape(indices.element_type, sizes))
    spec = KernelSpec(
        "scatter",
        {
            "update_window_dims": list(numbers.update_window_dims),
            "inserted_window_dims": list(numbers.inserted_window_dims),
            "scatter_dims_to_operand_dims": list(numbers.scatter_dims_to_operand_dims),
            "input_batching_dims": list(numbers.input_batching_dims),
            "batch_positions": [scatter_dims.index(axis) for axis in numbers.scatter_indices_batching_dims],
        },
        body,
    )
    inputs = [*(_ranked(ctx, tensor) for tensor in data), vectors, *(_ranked(ctx, tensor) for tensor in updates)]
    shapes = [Shape(shape.element_type, shape.dimensions or (1,)) for shape in results]
    made = ctx.dialect.kernel(spec, inputs, shapes)
    tensors = tuple(ctx.dialect.reshape(tensor, shape.dimensions) for tensor, shape in zip(made, results))
    return tensors if instruction.shape.is_tuple else tensors[0]


@table.converter("select-and-scatter", how="kernel")
def convert_select_and_scatter(
    ctx: ConversionContext, instruction: HloInstruction, operand: Tensor, source: Tensor, init: Tensor
) -> Tensor:
    """select-and-scatter: each source element goes to the place that the select body keeps in its window (rule 69)."""
    select, combine = (body_of(ctx, computation) for computation in instruction.called_computations)
    if 0 in source.dimensions:
        return _filled(ctx, init, instruction.shape)
    window = instruction.attributes_as(WindowAttributes).window.dimensions
    taps = [[d.size, d.stride, d.padding_low, d.window_dilation, d.base_dilation] for d in window]
    spec = KernelSpec("select_and_scatter", {"window": taps or [[1, 1, 0, 1, 1]], "select": select.to_json()}, combine)
    inputs = [_ranked(ctx, tensor) for tensor in (operand, source, init)]
    made = ctx.dialect.kernel(spec, inputs, [inputs[0].shape])[0]
    return ctx.dialect.reshape(made, instruction.shape.dimensions)


def _ranked(ctx: ConversionContext, tensor: Tensor) -> Tensor:
    """Scalars as arrays of one element."""
    return tensor if tensor.rank else ctx.dialect.reshape(tensor, (1,))


def _filled(ctx: ConversionContext, value: Tensor, shape: Shape) -> Tensor:
    spread = ctx.dialect.reshape(value, (1,) * shape.rank)
    return ctx.dialect.broadcast_to(spread, shape.dimensions)
