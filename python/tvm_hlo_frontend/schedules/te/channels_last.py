"""Convolutions and products with channels last: register tiles of output channels by positions, and what follows in
the tile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tvm
from tvm import te

from ...kernels import plans
from ...tensor_ir.compat import tir
from ..channel_tiles import IN_TILE, UNROLLED, ChannelTile, Sums, TaskPlan, planned
from ..small_loops import operations
from .dot import has_vectors
from .injective import schedule_loops, static
from .stages import computed_stages, stages_of


def schedule_channels_last(outputs: Sequence[Any], target: Any) -> Any:
    """Schedule of ``kernels.contraction.channels_last`` and of the element-wise stages that follow."""
    (output,) = outputs
    schedule, stages = te.create_schedule(output.op), stages_of(outputs)
    padded, total, out = (
        stages[name] for name in (plans.CONVOLUTION_PADDED, plans.CHANNELS_LAST_SUM, plans.CHANNELS_LAST_OUT)
    )
    if is_plain_copy(padded):
        schedule[padded].compute_inline()
    else:
        schedule_loops(schedule[padded])
    following = [op for op in computed_stages(outputs) if op not in (padded, total, out)]
    length = inlined_operations(output.op, following)
    # what follows may have more elements, by broadcasting
    in_tile = length <= IN_TILE and _sizes(output.op) == _sizes(out)
    last = output.op if in_tile else out
    for op in [out, *following]:
        if op not in (last, output.op):
            schedule[op].compute_inline()
    if not in_tile and not last.same_as(output.op):
        schedule_loops(schedule[output.op])
    tile, plan = tile_of(total, padded, target)
    _schedule_tiles(schedule[total], schedule[last], tile, plan, target, length <= UNROLLED or not in_tile)
    return schedule


def tile_of(total: Any, padded: Any, target: Any) -> tuple[ChannelTile, TaskPlan]:
    """The register tile of the sums `total` of elements of `padded`, and the tasks that compute its tiles."""
    group, lanes = (int(total.attrs[name]) for name in ("outputs", "lanes"))
    sums = Sums(
        total.output(0).dtype, _sizes(total), [int(axis.dom.extent) for axis in total.reduce_axis], group, lanes
    )
    return planned(sums, math.prod(_sizes(padded)), target)


def inlined_operations(op: Any, following: Sequence[Any]) -> int:
    """Operations of a stage, with those of `following` that it reads in the place of each load."""
    inner: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, tir.ProducerLoad) and node.producer.op in following:
            inner.append(node.producer.op)

    if op not in following:
        return 0
    tir.stmt_functor.post_order_visit(op.body[0], visit)
    return operations(op.body[0]) + sum(inlined_operations(each, following) for each in inner)


def is_plain_copy(padded: Any) -> bool:
    """Whether nothing is padded or converted, so that the operand can be read in its place."""
    (value,) = padded.body
    is_choice = isinstance(value, tir.Call) and value.op.name == "tir.if_then_else"
    element = value.args[1] if is_choice else value
    if not isinstance(element, tir.ProducerLoad):
        return False
    if not is_choice:
        return all(index.same_as(axis.var) for index, axis in zip(element.indices, padded.axis))
    analyzer = tvm.arith.Analyzer()
    for axis, size in zip(padded.axis, _sizes(padded)):
        # te begins ranges at a 32-bit zero, whatever the type of their variables
        analyzer.bind(axis.var, tvm.ir.Range(*(tir.IntImm(axis.var.dtype, end) for end in (0, size))))
    return bool(analyzer.can_prove(value.args[0]))


def _schedule_tiles(total: Any, last: Any, tile: ChannelTile, plan: TaskPlan, target: Any, unrolled: bool) -> None:
    """Tiles of the sums where `last`, the result or what is read of it, needs them."""
    *outer, o = last.op.axis
    o, vectors = last.split(o, tile.vectors * tile.lanes)
    vector, lane = last.split(vectors, tile.lanes)
    inner = [vector, lane]
    outer[-1], column = last.split(outer[-1], tile.columns)
    inner.insert(0, column)
    if len(outer) > 1:
        outer[-2], row = last.split(outer[-2], tile.rows)
        inner.insert(0, row)
    piece, at = last.split(outer.pop(), nparts=plan.pieces)
    tasks = [o, *outer, piece] if plan.outputs_first else [*outer, piece, o]
    last.reorder(*tasks, at, *inner)
    last.parallel(last.fuse(*tasks))
    total.compute_at(last, at)
    *positions, channels = total.op.axis
    vectors, lanes = total.split(channels, tile.lanes)
    total.reorder(*total.op.reduce_axis, *positions, vectors, lanes)
    if not has_vectors(target):
        return
    # sums with fixed subscripts stay in registers
    total.set_scope("local")
    for loop in [*positions, vectors]:
        total.unroll(loop)
    total.vectorize(lanes)
    for loop in inner[:-1] if unrolled else []:
        last.unroll(loop)
    last.vectorize(lane)


def _sizes(op: Any) -> list[int]:
    return [static(axis) or 1 for axis in op.axis]
