"""The schedule of a function: its family by the names of its blocks, and what stands where one does not work out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import s_tir

from ...kernels import plans
from ...tensor_ir.compat import tir
from ..tensor_blocks.blocks import SCHEDULED, blocks_of, finished, is_understood, loops_by_kind, start_sums
from .channels_last import schedule_channels_last
from .convolution import schedule_convolution
from .dot import schedule_dot
from .injective import schedule_injective, schedule_loops
from .reduction import schedule_reductions
from .threads import small_loops_serial

Family = Callable[[Any, Any], None]


def schedule_module_pass(target: Any) -> Any:
    """Module pass that schedules every PrimFunc; it stands where operators have been legalized and fused.

    Parameters
    ----------
    target : tvm.target.Target
    """

    @tvm.transform.module_pass(opt_level=0, name="hlo.SchedulePrimFuncs")
    def run(mod: Any, context: Any) -> Any:
        changed = {
            variable: schedule_prim_func(function, target)
            for variable, function in mod.functions_items()
            if isinstance(function, tir.PrimFunc)
        }
        updated = mod.clone()
        for variable, function in changed.items():
            updated.update_func(variable, function)
        return updated

    return run


def schedule_prim_func(function: Any, target: Any) -> Any:
    """A scheduled copy of `function` for a CPU.

    Parameters
    ----------
    function : tvm.tirx.PrimFunc
        As ``te.create_prim_func`` or FuseTIR make it.
    target : tvm.target.Target

    Returns
    -------
    tvm.tirx.PrimFunc
        `function` itself where it is scheduled already or `target` is no CPU; with its loops as they are where it
        holds blocks that te did not make.
    """
    if "cpu" not in target.keys or (function.attrs is not None and SCHEDULED in function.attrs):
        return function
    if not is_understood(function):
        return small_loops_serial(function).with_attr(SCHEDULED, True)
    for family in (family_of(function), schedule_plainly):
        schedule = s_tir.Schedule(function, error_render_level="none")
        try:
            family(schedule, target)
        except s_tir.ScheduleError:
            continue
        return small_loops_serial(finished(schedule)).with_attr(SCHEDULED, True)
    return function


def family_of(function: Any) -> Family:
    """The schedule that knows the blocks of `function`."""
    blocks = blocks_of(s_tir.Schedule(function))
    names = {block.name for block in blocks}
    if plans.DOT_OUT in names:
        return schedule_dot
    if plans.CHANNELS_LAST_OUT in names:
        return schedule_channels_last
    if plans.CONVOLUTION_OUT in names:
        return schedule_convolution
    return schedule_reductions if any(block.is_reduction for block in blocks) else schedule_injective


def schedule_plainly(schedule: Any, target: Any) -> None:
    """Every block on its own, the outer loops parallel."""
    for block in blocks_of(schedule):
        if block.is_reduction:
            spatial, reduced = loops_by_kind(schedule, block.handle)
            if spatial:
                schedule.parallel(spatial[0])
            # also where the reduced dimensions turn out to be empty
            start_sums(schedule, block.handle, reduced[0])
        else:
            schedule_loops(schedule, block, target)
