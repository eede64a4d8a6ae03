"""CPU schedule of element-wise and moving kernels: tasks from the outer dimensions, vectors along the last.

TVM's own splits the last dimension by 16 whatever its extent is; where 16 does not divide it, every element is guarded
and nothing is a vector.
"""

from __future__ import annotations

from typing import Any

from tvm import te, topi

from ...kernels import plans
from ...tensor_ir.compat import tir


def schedule_injective(attributes: Any, outputs: Any, target: Any) -> Any:
    """Schedule of a fused group without reductions."""
    tensors = [outputs] if isinstance(outputs, te.Tensor) else list(outputs)
    if "cpu" not in target.keys:
        with target:
            return topi.generic.schedule_injective(tensors)
    schedule = te.create_schedule([tensor.op for tensor in tensors])
    te.schedule.AutoInlineInjective(schedule)
    for tensor in tensors:
        if not topi.utils.is_empty_shape(tensor.shape):
            schedule_loops(schedule[tensor])
    return schedule


def schedule_loops(stage: Any) -> None:
    """Parallel and vector loops of one result."""
    extents = [static(axis) for axis in stage.op.axis]
    loops = list(stage.op.axis)
    if not loops:
        return
    lanes = plans.lanes_of_extent(extents[-1])
    if lanes:
        loops[-1], vector = stage.split(loops[-1], lanes)
        extents[-1] = (extents[-1] or 0) // lanes
        stage.vectorize(vector)
    elif len(loops) > 1:
        loops.pop()  # a whole loop, for LLVM
    count = plans.parallel_loops(extents[: len(loops)])
    stage.parallel(stage.fuse(*loops[:count]))


def static(loop: Any) -> int | None:
    """Extent of a loop; None if it is known only at run time."""
    return int(loop.dom.extent) if isinstance(loop.dom.extent, tir.IntImm) else None
