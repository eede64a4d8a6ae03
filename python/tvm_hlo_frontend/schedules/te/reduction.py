"""CPU schedule of reductions: kept dimensions outside and parallel, vectors along the last dimension, kept or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tvm import te

from ...kernels import plans
from ...tensor_ir.compat import holds_lets
from ...tensor_ir.loops import PARALLEL_WORK
from .stages import computed_stages


def schedule_reduction(outputs: Sequence[Any], target: Any) -> Any:
    """CPU schedule of the `reduce` kernel with its inlined producers."""
    outputs = list(outputs)
    schedule = te.create_schedule([output.op for output in outputs])
    (output,) = outputs
    own, producers = _stages(output)
    stored = [operation for operation in producers if _binds_in_several(operation, own)]
    for operation in producers:
        if operation not in stored:
            schedule[operation].compute_inline()
    if len(own) == 1 and not _is_lanes(output.op):
        _schedule_plain(schedule, output)
        return schedule
    axis = _parallel(schedule, output, list(schedule[output].op.axis), own)
    for operation in stored:
        schedule[operation].compute_at(schedule[output], axis)
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
    return str(operation.name).endswith(plans.LANES_SUFFIX)


def _stages(output: Any) -> tuple[list[Any], list[Any]]:
    """(operations of the kernel, operations of its producers that are computed), each once."""
    own, producers = list[Any](), list[Any]()
    for operation in computed_stages([output]):
        (own if str(operation.name).startswith(plans.REDUCE) else producers).append(operation)
    return own, producers


def _binds_in_several(operation: Any, own: Sequence[Any]) -> bool:
    """Whether TVM could refuse the producer's variables as those of several stages, which bind them to elements at
    different places."""
    readers = [each for each in own if any(tensor.op.same_as(operation) for tensor in each.input_tensors)]
    if len(readers) < 2:
        return False
    pending = [operation]
    while pending:
        each = pending.pop()
        if isinstance(each, te.ComputeOp):
            if any(holds_lets(value) for value in each.body):
                return True
            pending.extend(tensor.op for tensor in each.input_tensors)
    return False


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
    columns = length if length <= plans.MAX_COLUMNS else plans.dividing_columns(length)
    over, within = schedule[output].split(last, columns)
    if operation.name != plans.REDUCE_SHORT:
        schedule[output].reorder(*outer, over, *operation.reduce_axis, within)
    fused = schedule[output].fuse(*outer, over) if outer else over
    if _work(operation) >= PARALLEL_WORK:
        schedule[output].parallel(fused)
