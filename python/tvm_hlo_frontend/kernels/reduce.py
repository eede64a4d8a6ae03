"""reduce: one result, a well-known commutative and associative kind, as te reductions that inline their producers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import te, topi

from ..patterns.reducers import identity_element
from .definitions import KernelTable
from .dtypes import ELEMENT_TYPES
from .loops import PARALLEL_WORK, static
from .scalar import extremes
from .spec import KernelSpec
from .tensor_ir import dtype_of, tir

table = KernelTable()

# partial results side by side in one row: the loop over them is one or a few vector instructions
LANE_BYTES = 128
MIN_LANES = 8
# lanes of the last partial results, which are taken one by one
LAST_LANES = 8
# columns accumulated in one go where the last dimension is kept: they stay in the first-level cache
MAX_COLUMNS = 1024

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


@table.kernel("reduce", "reduction", schedule=lambda outputs, target: schedule_reduction(outputs, target))
def reduce_kernel(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Reduction of one operand, without an init value (XLA operation semantics: Reduce; rules 64-67).

    Parameters: ``kind``; ``dimensions``, not empty, none of them of size 0. The result has one dimension at least.
    """
    kind, dimensions = spec.parameters["kind"], tuple(spec.parameters["dimensions"])
    (operand,) = inputs
    shape = tuple(results[0][0])
    rank = len(operand.shape)
    lanes = lane_count(operand, len(dimensions)) if rank - 1 in dimensions else 0
    if lanes == 0:
        name = "hlo_reduce_short" if rank - 1 in dimensions else "hlo_reduce"
        return [_reduction(kind, shape, operand, dimensions, name)]
    return [_rows(kind, operand, shape, dimensions, lanes, "hlo_reduce")]


def lane_count(operand: Any, dimension_count: int) -> int:
    """Lanes for a reduction over the last dimension and maybe others; 0 if it is too short for any."""
    length = static(operand.shape)[-1]
    lanes = LANE_BYTES // np.dtype(dtype_of(operand)).itemsize
    while lanes >= MIN_LANES and lanes * 2 > length:
        lanes //= 2
    if dimension_count > 1:  # the remainder would be as many sums as there are rows, one by one
        dividing = [count for count in (lanes, lanes // 2, lanes // 4) if count >= MIN_LANES and length % count == 0]
        lanes = dividing[0] if dividing else lanes
    return lanes if lanes >= MIN_LANES else 0


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
    length = static(operand.shape)[-1]
    blocks, rest = divmod(length, lanes)
    kept_count = len(operand.shape) - len(dimensions)
    outer, block = _axes(operand, dimensions)[:-1], te.reduce_axis((0, blocks), name="block")

    def lane_element(*index: Any) -> Any:
        last = block * lanes + index[-1]
        value = _source(operand, dimensions, index[:kept_count], [*outer, last])
        return reducer(kind)(value, axis=[*outer, block])

    partial = te.compute((*shape, lanes), lane_element, name=f"{name}_lanes", tag=topi.tag.COMM_REDUCE)
    parts = [_lane_total(kind, _fewer_lanes(kind, partial, name), shape, name)]
    if rest:
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
    groups = int(lanes) // LAST_LANES
    if groups <= 1:
        return partial
    group = te.reduce_axis((0, groups), name="group")
    return te.compute(
        (*shape, LAST_LANES),
        lambda *index: reducer(kind)(partial(*index[:-1], group * LAST_LANES + index[-1]), axis=group),
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


def schedule_reduction(outputs: Sequence[Any], target: Any) -> Any:
    """CPU schedule of the `reduce` kernel with its inlined producers."""
    outputs = list(outputs)
    schedule = te.create_schedule([output.op for output in outputs])
    (output,) = outputs
    own, producers = _stages(output.op)
    for operation in producers:
        schedule[operation].compute_inline()
    if len(own) == 1 and not _is_lanes(output.op):
        _schedule_plain(schedule, output)
        return schedule
    axis = _parallel(schedule, output, list(schedule[output].op.axis), own)
    for operation in own:
        if operation is output.op or operation.same_as(output.op):
            continue
        schedule[operation].compute_at(schedule[output], axis)
        if _is_lanes(operation):
            lanes = operation.axis[-1]
            schedule[operation].reorder(*operation.axis[:-1], *operation.reduce_axis, lanes)
            if str(target.kind.name) == "llvm":  # C has no vector types
                schedule[operation].vectorize(lanes)
    return schedule


def _is_lanes(operation: Any) -> bool:
    return str(operation.name).endswith("_lanes")


def _stages(output: Any) -> tuple[list[Any], list[Any]]:
    """(operations of the kernel, operations of its producers that are computed), each once."""
    own, producers, pending = [], [], [output]
    seen: list[Any] = []
    while pending:
        operation = pending.pop()
        if any(operation.same_as(other) for other in seen):
            continue
        seen.append(operation)
        if str(operation.name).startswith("hlo_reduce"):
            own.append(operation)
        elif isinstance(operation, te.ComputeOp):
            producers.append(operation)
        pending.extend(tensor.op for tensor in operation.input_tensors)
    return own, producers


def _parallel(schedule: Any, output: Any, axes: list[Any], own: list[Any]) -> Any:
    """Fuse `axes` of the output into one loop, parallel where the work is worth it."""
    fused = schedule[output].fuse(*axes) if len(axes) > 1 else axes[0]
    if max(_work(operation) for operation in own) >= PARALLEL_WORK:
        schedule[output].parallel(fused)
    return fused


def _work(operation: Any) -> int:
    return math.prod(int(axis.dom.extent) for axis in (*operation.axis, *operation.reduce_axis))


def _schedule_plain(schedule: Any, output: Any) -> None:
    """Kept dimensions outside and parallel, then the reduction, then a stretch of the last dimension if it is kept."""
    operation = output.op
    *outer, last = operation.axis
    length = int(last.dom.extent)
    columns = length if length <= MAX_COLUMNS else _divisor(length)
    over, within = schedule[output].split(last, columns)
    if operation.name != "hlo_reduce_short":
        schedule[output].reorder(*outer, over, *operation.reduce_axis, within)
    fused = schedule[output].fuse(*outer, over) if outer else over
    if _work(operation) >= PARALLEL_WORK:
        schedule[output].parallel(fused)


def _divisor(length: int) -> int:
    """Largest divisor that is at most MAX_COLUMNS; all of `length` if that is too small to be of use."""
    best = max(size for size in range(1, MAX_COLUMNS + 1) if length % size == 0)
    return best if best >= 64 else length
