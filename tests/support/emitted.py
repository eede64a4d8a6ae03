"""What modules are made of and what kernels compile to, in either dialect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm
from tvm import te

from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend.kernels.library import definition
from tvm_hlo_frontend.kernels.spec import KernelSpec

# Relax's names of what Relay calls otherwise
_RELAY_NAMES = {"astype": "cast", "concat": "concatenate", "flip": "reverse", "permute_dims": "transpose"}


def calls_of(mod: Any) -> list[str]:
    """Kernels, by the names of `kernels.library`, and native operators, by Relay's, that main calls, in order."""
    return _calls_of_relay(mod) if DIALECT == "relay" else _calls_of_relax(mod)


def source_for(mod: Any, params: Any, target: str) -> str:
    """The code of a module for any target, this machine's or another."""
    if DIALECT == "relay":
        from tvm import relay

        return relay.build(mod, target=target, params=params).get_lib().get_source()
    from tvm_hlo_frontend import build

    (code,) = build(mod, params, target).library.mod.imports
    return code.inspect_source()


def _calls_of_relay(mod: Any) -> list[str]:
    from tvm import relay

    found: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.Op):
            known = node.attrs is not None and "spec" in set(node.attrs.keys())
            found.append(json.loads(str(node.attrs["spec"]))["name"] if known else node.op.name)

    relay.analysis.post_order_visit(mod["main"], visit)
    return found


def _calls_of_relax(mod: Any) -> list[str]:
    from tvm import relax

    found: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, tvm.ir.Op):
            name = node.op.name.removeprefix("relax.")
            # several functions of one kernel are numbered
            found.append(
                node.args[0].name_hint.rstrip("0123456789") if name == "call_tir" else _RELAY_NAMES.get(name, name)
            )

    relax.analysis.post_order_visit(mod["main"], visit)
    return found


def compiled_kernel(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple], target: str = "llvm") -> Any:
    """A kernel alone, scheduled and compiled: a function of arrays for `inputs`, te placeholders, and for `results`,
    each (shape, TVM dtype)."""
    kernel = definition(spec)
    outputs = kernel.compute(spec, list(inputs), list(results))
    if DIALECT == "relax":
        from tvm_hlo_frontend.schedules.prim_func import schedule_prim_func

        parsed = target_of(target)
        return compiled(schedule_prim_func(te.create_prim_func([*inputs, *outputs]), parsed), parsed)
    with tvm.target.Target(target):
        if kernel.schedule is not None:
            schedule = kernel.schedule(outputs, tvm.target.Target(target))
        elif kernel.kernel_class == "injective":
            schedule = tvm.topi.x86.schedule_injective(outputs)
        else:
            schedule = te.create_schedule([output.op for output in outputs])
        return tvm.build(schedule, [*inputs, *outputs], target)


def target_of(text: str) -> Any:
    """A target of TVM 0.17's text, in either TVM."""
    if DIALECT == "relay":
        return tvm.target.Target(text)
    from tvm_hlo_frontend.backends.relax.runtime import parsed_target

    return parsed_target(text)


def compiled(function: Any, target: Any) -> Any:
    """What today's TVM makes of a PrimFunc."""
    return tvm.compile(tvm.IRModule({"main": function.with_attr("global_symbol", "main")}), target)


def code_of(built: Any, kind: str = "") -> str:
    """Source of what `compiled_kernel` returned, as assembler, LLVM's IR (``"ll"``) or C."""
    return built.get_source(kind) if DIALECT == "relay" else built.mod.inspect_source(kind)


def tensor(array: np.ndarray) -> Any:
    """`array` as compiled functions take it; they write into a copy."""
    return tvm.nd.array(array) if DIALECT == "relay" else tvm.runtime.tensor(array)
