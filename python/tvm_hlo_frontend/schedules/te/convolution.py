"""CPU schedule of the general convolution: parallel over images and features, vectors along the last dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm import te

from ...kernels import plans
from .dot import has_vectors
from .stages import stages_of


def schedule_convolution(outputs: Sequence[Any], target: Any) -> Any:
    """Schedule of ``kernels.contraction.convolution``."""
    schedule = te.create_schedule([output.op for output in outputs])
    stages = stages_of(outputs)
    padded, out, total = (
        schedule[stages[name]] for name in (plans.CONVOLUTION_PADDED, plans.CONVOLUTION_OUT, plans.CONVOLUTION_SUM)
    )
    padded.parallel(padded.fuse(*padded.op.axis[:2]))
    feature = out.fuse(*out.op.axis[:2])
    out.parallel(feature)
    total.compute_at(out, feature)
    n, o, *spatial = total.op.axis
    if not spatial:
        return schedule
    if not has_vectors(target):
        total.reorder(n, o, *spatial[:-1], *total.op.reduce_axis, spatial[-1])
        return schedule
    lanes = plans.lanes_of(stages[plans.CONVOLUTION_SUM].output(0).dtype)
    extent = spatial[-1].dom.extent.value
    while extent % lanes:
        lanes //= 2
    outer, inner = total.split(spatial[-1], lanes)
    total.reorder(n, o, *spatial[:-1], *total.op.reduce_axis, outer, inner)
    total.vectorize(inner)
    return schedule
