"""reduce: one result, a well-known commutative and associative kind, as te reductions that inline their producers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import te, topi

from ...analysis.reducers import identity_element
from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import extent
from .. import plans
from ..dtypes import ELEMENT_TYPES
from ..elementwise.scalar import extremes
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

# stands for the length of rows that is known when the kernel runs
UNKNOWN_LENGTH = 1 << 20

Combine = Callable[[Any, Any], Any]


def combine(kind: str, left: Any, right: Any) -> Any:
    """`kind` of two TIR scalars; the right one is written as often as the kind reads it."""
    is_float = dtype_of(left).startswith("float")
    operations: dict[str, Combine] = {
        "sum": lambda a, b: a + b,
        "product": lambda a, b: a * b,
        "max": extremes.maximum if is_float else tir.max,
        "min": extremes.minimum if is_float else tir.min,
        "any": tir.Or,
        "all": tir.And,
        "and": lambda a, b: a & b,
        "or": lambda a, b: a | b,
        "xor": lambda a, b: tir.Cast("int8", a) != tir.Cast("int8", b) if dtype_of(a) == "bool" else a ^ b,
    }
    return operations[kind](left, right)


def identity(kind: str, dtype: str) -> Any:
    """TIR constant that `kind` leaves every element unchanged with."""
    value = identity_element(kind, ELEMENT_TYPES[dtype])
    if dtype in ("float16", "float32", "float64"):
        return tir.const(float(value), dtype)
    if dtype == "uint64" and int(value) > np.iinfo(np.int64).max:
        return tir.max_value(dtype)
    return tir.const(int(value), dtype)


def reducer(kind: str) -> Any:
    """te reducer of `kind`."""
    return te.comm_reducer(lambda a, b: combine(kind, a, b), lambda dtype: identity(kind, dtype), name=f"hlo_{kind}")


@table.kernel("reduce", "reduction")
def reduce_kernel(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Reduction of one operand, without an init value (XLA operation semantics: Reduce; rules 64-67).

    Parameters: ``kind``; ``dimensions``, not empty, none of them of size 0. The result has one dimension at least.
    """
    kind, dimensions = spec.parameters["kind"], tuple(spec.parameters["dimensions"])
    (operand,) = inputs
    shape = tuple(results[0][0])
    rank = len(operand.shape)
    length = extent(operand.shape[-1])
    # of a length that is not known, a vector of what is left is as likely as not
    known = length if isinstance(length, int) else UNKNOWN_LENGTH
    lanes = plans.lane_count(known, dtype_of(operand), len(dimensions)) if rank - 1 in dimensions else 0
    if lanes == 0:
        name = plans.REDUCE_SHORT if rank - 1 in dimensions else plans.REDUCE
        return [_reduction(kind, shape, operand, dimensions, name)]
    return [_rows(kind, operand, shape, dimensions, lanes, plans.REDUCE)]


def _source(operand: Any, dimensions: tuple[int, ...], kept: Sequence[Any], reduced: Sequence[Any]) -> Any:
    """Element of `operand`: kept and reduced subscripts woven together."""
    kept_left, reduced_left = list(kept), list(reduced)
    return operand(
        *(reduced_left.pop(0) if axis in dimensions else kept_left.pop(0) for axis in range(len(operand.shape)))
    )


def _axes(operand: Any, dimensions: tuple[int, ...]) -> list[Any]:
    return [te.reduce_axis((0, operand.shape[axis]), name=f"r{axis}") for axis in sorted(dimensions)]


def _reduction(kind: str, shape: tuple, operand: Any, dimensions: tuple[int, ...], name: str) -> Any:
    """The plain form: one reduction, scheduled with the last dimension innermost where it is kept."""
    axes = _axes(operand, dimensions)
    kept_count = len(operand.shape) - len(dimensions)

    def element(*index: Any) -> Any:
        return reducer(kind)(_source(operand, dimensions, index[:kept_count], axes), axis=axes)

    return te.compute(shape, element, name=name, tag=topi.tag.COMM_REDUCE)


def _rows(kind: str, operand: Any, shape: tuple, dimensions: tuple[int, ...], lanes: int, name: str) -> Any:
    """Reduction over the last dimension (and maybe others): lanes side by side, then the lanes and the remainder."""
    length = extent(operand.shape[-1])
    blocks, rest = length // lanes, length % lanes
    kept_count = len(operand.shape) - len(dimensions)
    outer, block = _axes(operand, dimensions)[:-1], te.reduce_axis((0, blocks), name="block")

    def lane_element(*index: Any) -> Any:
        last = block * lanes + index[-1]
        value = _source(operand, dimensions, index[:kept_count], [*outer, last])
        return reducer(kind)(value, axis=[*outer, block])

    partial = te.compute((*shape, lanes), lane_element, name=f"{name}{plans.LANES_SUFFIX}", tag=topi.tag.COMM_REDUCE)
    parts = [_lane_total(kind, _fewer_lanes(kind, partial, name), shape, name)]
    if not isinstance(rest, int) or rest:
        outer, step = _axes(operand, dimensions)[:-1], te.reduce_axis((0, rest), name="step")

        def rest_element(*index: Any) -> Any:
            last = blocks * lanes + step
            value = _source(operand, dimensions, index[:kept_count], [*outer, last])
            return reducer(kind)(value, axis=[*outer, step])

        parts.append(te.compute(shape, rest_element, name=f"{name}_rest", tag=topi.tag.COMM_REDUCE))
        return te.compute(
            shape,
            lambda *index: combine(kind, *(part(*index) for part in parts)),
            name=name,
            tag=topi.tag.COMM_REDUCE,
        )
    return parts[0]


def _fewer_lanes(kind: str, partial: Any, name: str) -> Any:
    """Lanes in groups, side by side: what is left is taken one by one, each waiting for the one before."""
    *shape, lanes = partial.shape
    groups = int(lanes) // plans.LAST_LANES
    if groups <= 1:
        return partial
    group = te.reduce_axis((0, groups), name="group")
    return te.compute(
        (*shape, plans.LAST_LANES),
        lambda *index: reducer(kind)(partial(*index[:-1], group * plans.LAST_LANES + index[-1]), axis=group),
        name=f"{name}_last_lanes",
        tag=topi.tag.COMM_REDUCE,
    )


def _lane_total(kind: str, partial: Any, shape: tuple, name: str) -> Any:
    lane = te.reduce_axis((0, partial.shape[-1]), name="lane")
    return te.compute(
        shape,
        lambda *index: reducer(kind)(partial(*index, lane), axis=lane),
        name=f"{name}_total",
        tag=topi.tag.COMM_REDUCE,
    )
