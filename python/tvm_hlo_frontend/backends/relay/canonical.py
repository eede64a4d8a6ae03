"""What a Relay module is compiled to, as a text and constants."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import auto_scheduler, autotvm, meta_schedule, relay

from ...kernels.library import own_kernels
from ..base import LARGE_CONSTANT
from ..signature import REPORT
from ..this_machine import is_of_this_machine
from .weights import rebuild


def canonical(mod: Any, target: Any) -> tuple[str, list[Any]] | None:
    """What `Backend` says; None also if the module calls kernels that users have defined, or TVM looks for schedules
    where someone has tuned them."""
    if is_tuned() or not is_of_this_machine(tvm.target.Target(target)):
        return None
    function = mod["main"].without_attr(REPORT)
    order: list[Any] = []
    relay.analysis.post_order_visit(function.body, order.append)
    large = [node for node in order if isinstance(node, relay.Constant) and bytes_of(node.data) >= LARGE_CONSTANT]
    bare = mod.clone()
    if large:
        names = {node: relay.Var(f"constant_{number}", typed(node)) for number, node in enumerate(large)}
        body = rebuild(order, names, function.body)
        function = relay.Function(function.params, body, function.ret_type, function.type_params, function.attrs)
    bare.update_func(mod.get_global_var("main"), function)
    text = f"{tvm.target.Target(target)}\n{tvm.ir.save_json(bare)}"
    return None if any(name in text for name in own_kernels()) else (text, [node.data for node in large])


def is_tuned() -> bool:
    """Whether one of TVM's tuners gives schedules to what is compiled now."""
    template = autotvm.task.DispatchContext.current
    return (
        not (template is None or type(template) is autotvm.task.FallbackContext)
        or type(auto_scheduler.DispatchContext.current) not in (type(None), auto_scheduler.dispatcher.FallbackContext)
        or meta_schedule.Database.current() is not None
    )


def bytes_of(array: Any) -> int:
    """Bytes of one of TVM's arrays."""
    count = tvm.runtime.DataType(array.dtype).bits
    for size in array.shape:
        count *= size
    return count // 8


def typed(constant: Any) -> Any:
    """Type of a constant."""
    return relay.TensorType(constant.data.shape, constant.data.dtype)
