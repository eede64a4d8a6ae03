"""Relay modules on devices that are no CPU: TVM 0.17 makes a PrimFunc of a fused function where it looks for what its
tuner has found, and that gets the schedule that Relax's have."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tvm
from tvm import relay, te
from tvm.contrib import graph_executor
from tvm.meta_schedule.database import ScheduleFnDatabase
from tvm.runtime.vm import VirtualMachine

from ...kernels.library import definition
from ...kernels.spec import KernelSpec
from ...schedules.gpu import COUNTED, faults_of, schedule_for_device
from ...schedules.gpu.schedule import is_bound
from ...schedules.tensor_blocks.blocks import SCHEDULED
from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.trees import AllocBuffer, Call, Load, flattened, walk
from ..base import Compiled, RunBorrowed
from ..devices import (
    POSTPROCESS,
    Arrays,
    finished_code,
    keeping,
    reasons_of_host,
    reasons_of_sizes,
    refusal,
    refuse_faults,
)
from ..signature import Signature

# kinds of targets that there are schedules for; no compiler has seen this TVM's CUDA of them
DEVICES = frozenset({"opencl"})
ARRAYS = Arrays(tvm.nd.NDArray, tvm.nd.array, tvm.nd.from_dlpack, tvm.nd.empty)
# what TVM asks for the PrimFunc of a fused function, by the option `relay.backend.tir_converter`
CONVERTER, CONVERTERS = "hlo_for_device", "relay.backend.tir_converter."
# attribute of calls of this package's operators
SPEC = "spec"
HALF = "float16"
FIRST_PHASE = 0
CALLS_HOST = "tvm_call_packed"
# of Relay's choices of algorithms, which warn that those for all targets are slow
STRATEGIES = logging.getLogger("strategy")


def parsed_target(target: Any) -> Any:
    """tvm.target.Target of what users write; that of a device has a host, and operators are computed as for any target:
    for GPUs, TVM has other sums, such as Winograd's."""
    parsed = tvm.target.Target(target)
    kind = parsed.kind.name
    if kind not in DEVICES:
        return parsed
    options = {name: value for name, value in parsed.export().items() if name not in ("device", "host", "tag")}
    plain = tvm.target.Target({**options, "keys": [kind]})
    return tvm.target.Target(plain, host=parsed.host or "llvm")


def refuse_for_device(mod: Any, signature: Signature, target: Any) -> None:
    """TargetError for what there is no code of for a device; it names every part that is refused."""
    reasons = reasons_of_sizes(signature)
    if reasons:
        raise refusal(reasons, target)
    nodes = nodes_of(mod)
    types = [each for node in nodes for each in tensor_types(node.checked_type)]
    reasons = reasons_of_host({name for node in nodes for name in functions_of_host(node)}, mod)
    if any(str(each.dtype) == HALF for each in types):
        named = [each.name for each in signature.parameters if each.element_type == "f16"]
        reasons.append(f"f16{', in ' + ', '.join(named) if named else ''}, which with this TVM no device computes")
    large = {str(each) for each in types if math.prod(int(size) for size in each.shape) >= COUNTED}
    if large:
        reasons.append(f"arrays of 2^31 elements and more: {', '.join(sorted(large))}")
    if reasons:
        raise refusal(reasons, target)


def nodes_of(mod: Any) -> list[Any]:
    """All expressions of a module that have types."""
    found: list[Any] = []
    for function in relay.transform.InferType()(mod).functions.values():
        relay.analysis.post_order_visit(function.body, found.append)
    return [node for node in found if not isinstance(node, tvm.ir.Op)]


def tensor_types(kind: Any) -> list[Any]:
    """Types of the tensors in a type."""
    if isinstance(kind, relay.TupleType):
        return [each for field in kind.fields for each in tensor_types(field)]
    return [kind] if isinstance(kind, relay.TensorType) else []


def functions_of_host(node: Any) -> list[str]:
    """The function of the host that the kernel of an expression calls, if it does."""
    attributes = node.attrs if isinstance(node, relay.Call) else None
    if not isinstance(attributes, tvm.ir.attrs.DictAttrs) or SPEC not in dict(attributes):
        return []
    function = definition(KernelSpec.from_json(str(attributes[SPEC]))).host_function
    return [] if function is None else [function]


def faults_of_kernel(function: Any, target: Any) -> list[str]:
    """Why a device would not run a PrimFunc that has been scheduled for it."""
    faults = faults_of(function, target)
    if any(not is_bound(each) for each in flattened(function.body.block.body) if not isinstance(each, AllocBuffer)):
        faults.append("it has no threads")
    others: dict[str, None] = {}

    def value(node: Any) -> None:
        if dtype_of(node) == HALF:
            others["numbers are of f16"] = None
        if isinstance(node, Call) and str(getattr(node.op, "name", "")).rpartition(".")[2].startswith(CALLS_HOST):
            others[f"{node.args[0]} is a function of the host"] = None

    walk(function.body, ((Call, Load, tir.Cast, tir.FloatImm), value))
    return [*faults, *others]


@contextlib.contextmanager
def lowering(target: Any, faults: list[str]) -> Iterator[dict[str, Any]]:
    """Options with which TVM gives fused functions the schedules of a device while this is open; why it would not run
    them goes to `faults`, and the build ends with an error then."""

    def converted(tensors: Sequence[Any], constants: Sequence[Any]) -> Any:
        current = tvm.target.Target.current(allow_none=True)
        function = schedule_for_device(te.create_prim_func(list(tensors)), target)
        found = faults_of_kernel(function, target)
        if current is None or current.kind.name != target.kind.name:
            found.append(f"TVM compiles it for {current}")
        faults.extend(f"in the kernel {tensors[-1].op.name}, {each}" for each in found)
        if faults:
            raise ValueError("; ".join(faults))
        return function

    # it takes what has been scheduled as it is
    database = ScheduleFnDatabase(lambda schedule: True)
    with (
        _registered(CONVERTERS + CONVERTER, converted),
        _registered(POSTPROCESS, _finished_code),
        _unwarned(),
        database,
    ):
        yield {
            "relay.backend.use_meta_schedule": True,
            "relay.backend.tir_converter": CONVERTER,
            "tir.add_lower_pass": [(FIRST_PHASE, _only_scheduled(faults))],
        }


def _only_scheduled(faults: list[str]) -> Any:
    """Pass that ends a build with an error where TVM has scheduled a function by itself, for the host."""

    @tvm.tir.transform.prim_func_pass(opt_level=0, name="hlo.OnlyScheduled")
    def run(function: Any, mod: Any, context: Any) -> Any:
        attributes = dict(function.attrs or {})
        if SCHEDULED not in attributes:
            name = attributes.get("global_symbol")
            faults.append(f"in the kernel {name}, TVM has made a schedule of its own")
            raise ValueError(faults[-1])
        return function

    return run


def _finished_code(code: str, target: Any) -> str:
    return finished_code(code)


@contextlib.contextmanager
def _registered(name: str, function: Callable[..., Any]) -> Iterator[None]:
    tvm.register_func(name, function, override=True)
    try:
        yield
    finally:
        tvm._ffi.registry.remove_global_func(name)


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    def silent(record: logging.LogRecord) -> bool:
        return False

    STRATEGIES.addFilter(silent)
    try:
        yield
    finally:
        STRATEGIES.removeFilter(silent)


def refuse_kernels(error: Exception, target: Any, faults: Sequence[str]) -> None:
    """TargetError for an error that came of kernels that no device runs."""
    if faults:
        refuse_faults(error, target, list(dict.fromkeys(faults)))


def run_kept(compiled: Compiled, signature: Signature, parallel: bool) -> RunBorrowed:
    """Run on arrays of the device or of numpy, and leave results there, see `keeping`."""
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]

    def start(device: Any) -> Callable[..., Any]:
        if compiled.executor == "vm":
            machine = VirtualMachine(compiled.library, [device, tvm.cpu()])
            return lambda *placed: machine.invoke("main", *placed)
        module = graph_executor.GraphModule(compiled.library["default"](device))

        def run_graph(*placed: Any) -> list[Any]:
            for name, array in zip(names, placed):
                module.set_input(name, array)
            module.run()
            return [module.get_output(number) for number in range(module.get_num_outputs())]

        return run_graph

    return keeping(compiled, signature, parallel, ARRAYS, start)
