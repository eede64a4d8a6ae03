"""gather, dynamic-slice and dynamic-update-slice: elements at positions known at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import te, topi

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import difference, extent
from ...tensor_ir.primitives import opaque
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

Results = Sequence[tuple[tuple[int, ...], str]]


def clamped(value: Any, limit: Any) -> Any:
    """An index of any integer type, cut to 0 … limit, as int32, or as int64 where the limit is an expression of that
    (rule 54: never wrapped).

    Limits beyond a narrow type's range are cut to the range, which no index of that type exceeds (rule 58).
    """
    if not isinstance(limit, int):
        return _clamped_wide(value, limit)
    highest = tir.const(min(limit, np.iinfo(dtype_of(value)).max), dtype_of(value))
    value = tir.min(value, highest)
    if dtype_of(value).startswith("int"):
        value = tir.max(value, tir.const(0, dtype_of(value)))
        return tir.Cast("int32", value) if dtype_of(value) != "int32" else value
    # TVM 0.17 takes an unsigned index for one without a least value, and fails where it needs that of a fused operand
    return tir.max(tir.Cast("int32", value), tir.const(0, "int32"))


def _clamped_wide(value: Any, limit: Any) -> Any:
    if dtype_of(value) == "uint64":
        # above what int64 has there is no limit
        value = tir.min(opaque(value), tir.const(np.iinfo(np.int64).max, "uint64"))
    return tir.max(tir.min(_as_int64(value), limit), tir.const(0, "int64"))


def _as_int64(value: Any) -> Any:
    """An index as int64, in which TVM may move the terms of comparisons."""
    return opaque(value) if dtype_of(value) == "int64" else tir.Cast("int64", value)


def within(value: Any, limit: Any) -> list[Any]:
    """Conditions of 0 <= value <= limit for an index of any integer type (rule 58)."""
    dtype = dtype_of(value)
    if not isinstance(limit, int):
        # an unsigned index above what int64 has is negative
        wide = opaque(tir.Cast("int64", value)) if dtype == "uint64" else _as_int64(value)
        return [wide >= tir.const(0, "int64"), wide <= limit]
    if limit >= np.iinfo(dtype).max:
        upper = []
    else:
        # TVM moves terms across a comparison, where those of narrow and of unsigned types overflow
        upper = [_widened(value) <= tir.const(limit, dtype_of(_widened(value)))]
    return [*([value >= tir.const(0, dtype)] if dtype.startswith("int") else []), *upper]


def _may_move(room: Any) -> bool:
    """Whether a window with so much room may begin elsewhere than at 0."""
    return not isinstance(room, int) or room > 0


def _widened(value: Any) -> Any:
    dtype = dtype_of(value)
    if dtype in ("int32", "int64"):
        return value
    return opaque(value) if dtype == "uint64" else tir.Cast("int64" if dtype == "uint32" else "int32", value)


@table.kernel("gather", "injective")
def gather(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """XLA operation semantics: Gather; HloEvaluator HandleGather; rules 54 to 58.

    Inputs are the operand and the indices with index vectors in the last dimension; no indices where
    ``start_index_map`` is empty. Parameters: ``offset_dims``, ``collapsed_slice_dims``, ``start_index_map``,
    ``operand_batching_dims``, and ``batch_positions``, which batch dimension each of those goes with.
    """
    operand, numbers = inputs[0], spec.parameters
    dimensions = tuple(results[0][0])
    dropped = (*numbers["collapsed_slice_dims"], *numbers["operand_batching_dims"])
    windows = [axis for axis in range(len(operand.shape)) if axis not in dropped]
    sizes = {axis: dimensions[place] for axis, place in zip(windows, numbers["offset_dims"])}

    def element(*index: Any) -> Any:
        batch = [index[axis] for axis in range(len(index)) if axis not in numbers["offset_dims"]]
        offset = {axis: index[place] for axis, place in zip(windows, numbers["offset_dims"])}
        position = []
        for axis, length in enumerate(operand.shape):
            if axis in numbers["operand_batching_dims"]:
                which = numbers["operand_batching_dims"].index(axis)
                position.append(batch[numbers["batch_positions"][which]])
                continue
            inside, room = offset.get(axis, 0), difference(length, sizes.get(axis, 1))
            if axis in numbers["start_index_map"] and _may_move(room):
                start = inputs[1](*batch, numbers["start_index_map"].index(axis))
                inside = clamped(start, room) + inside
            position.append(inside)
        return operand(*position)

    return [te.compute(dimensions, element, name="hlo_gather", tag=topi.tag.INJECTIVE)]


def slice_starts(starts: Sequence[Any], rank: int) -> list[Any]:
    """The starts of a dynamic slice: one scalar tensor per dimension, or (in old modules) one vector."""
    if len(starts) == 1 and len(starts[0].shape) == 1:
        return [starts[0](axis) for axis in range(rank)]
    return [start() for start in starts]


@table.kernel("dynamic_slice", "injective")
def dynamic_slice(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """XLA operation semantics: DynamicSlice; rule 40: starts are clamped so that the slice fits.

    Inputs are the operand and its starts. No parameters.
    """
    operand, dimensions = inputs[0], tuple(results[0][0])

    def element(*index: Any) -> Any:
        starts = slice_starts(inputs[1:], len(dimensions))
        position = []
        for inside, start, length, size in zip(index, starts, operand.shape, dimensions):
            room = difference(length, size)
            position.append(clamped(start, room) + inside if _may_move(room) else inside)
        return operand(*position)

    return [te.compute(dimensions, element, name="hlo_dynamic_slice", tag=topi.tag.INJECTIVE)]


@table.kernel("dynamic_update_slice", "injective")
def dynamic_update_slice(spec: KernelSpec, inputs: Sequence[Any], results: Results) -> list[Any]:
    """XLA operation semantics: DynamicUpdateSlice; rule 40: starts are clamped so that the update fits.

    Inputs are the operand, the update and the starts. No parameters.
    """
    operand, update = inputs[:2]
    dimensions = tuple(results[0][0])

    def element(*index: Any) -> Any:
        starts = slice_starts(inputs[2:], len(dimensions))
        inside, position = [], []
        for place, start, length, size in zip(index, starts, dimensions, update.shape):
            room = difference(length, size)
            if not _may_move(room):
                position.append(place)
                continue
            offset = place - clamped(start, room)
            inside += [offset >= 0, offset < extent(size)]
            position.append(offset)
        if not inside:
            return update(*position)
        return tir.if_then_else(tir.all(*inside), update(*position), operand(*index))

    return [te.compute(dimensions, element, name="hlo_dynamic_update_slice", tag=topi.tag.INJECTIVE)]
