"""Compiling Relay modules, and running what came of it."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor
from tvm.relay.backend import te_compiler
from tvm.runtime.vm import VirtualMachine

from ...schedules.small_loops import small_loops_run_serially
from ..arguments import Arguments
from ..base import Compiled, InPlace, RunBorrowed, RunFlat
from ..devices import copied_back, is_device
from ..executors import pooled
from ..signature import Signature
from ..timings import PassClock, instruments
from .devices import lowering, parsed_target, refuse_for_device, refuse_kernels, run_kept
from .functions import INLINE
from .graph_memory import (
    Input,
    Output,
    bindable_outputs,
    memory_of,
    result_dimensions,
    with_views_as_arguments,
    with_written_results,
)
from .in_place import Places, as_tensor, bind, graph_in_place, in_place_results
from .packed import ArrayResult, PreparedCall
from .panels import with_panels
from .subexpressions import NotInLargeKernels
from .weights import fold_weights, with_weights

FUSE_MAX_DEPTH = 64
# loops are still loops there, not vectors
LOWER_PHASE = 1


def compile_module(
    mod: Any, params: dict[str, Any], target: Any, signature: Signature, clock: PassClock | None = None
) -> Compiled:
    """Compile for the executor that the module needs."""
    if any(function.attrs is not None and INLINE in function.attrs for function in mod.functions.values()):
        mod = relay.transform.Inline()(relay.transform.InferType()(mod))
    parsed = parsed_target(target)
    with options_read_once():
        if is_device(parsed):
            return compile_for_device(mod, params, parsed, signature, clock)
        if needs_vm(mod) or not is_static(signature):
            return compile_vm(mod, params, target, clock)
        return compile_graph(mod, params, target, signature, clock)


def needs_vm(mod: Any) -> bool:
    """Whether main calls other functions or branches, which the graph executor cannot."""
    return len(mod.get_global_vars()) > 1 or has_branches(mod["main"])


def has_branches(function: Any) -> bool:
    """Whether a function has conditionals of its own."""
    branches: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, relay.If):
            branches.append(node)

    relay.analysis.post_order_visit(function, visit)
    return bool(branches)


def is_static(signature: Signature) -> bool:
    """Whether all dimensions of the parameters are numbers."""
    return all(isinstance(size, int) for parameter in signature.parameters for size in parameter.dimensions)


@contextlib.contextmanager
def options_read_once() -> Iterator[None]:
    """TVM reads all options that it was built with for each dimension of each operator's result."""
    read = te_compiler.libinfo
    if hasattr(read, "cache_info"):  # another thread builds too
        yield
        return
    te_compiler.libinfo = functools.cache(read)
    try:
        yield
    finally:
        te_compiler.libinfo = read


def compile_for_device(
    mod: Any, params: dict[str, Any], target: Any, signature: Signature, clock: PassClock | None
) -> Compiled:
    """Compile for a device, and the executor that the module needs."""
    bound, faults = with_weights(mod, params), list[str]()
    refuse_for_device(bound, signature, target)
    executor = "vm" if needs_vm(bound) else "graph"
    with lowering(target, faults) as options, pass_context(clock, ["AlterOpLayout"], options):
        try:
            library = (relay.vm.compile if executor == "vm" else relay.build)(bound, target=target)
        except Exception as error:
            refuse_kernels(error, target, faults)
            raise
    return Compiled(executor, library, device=target.kind.name)


def pass_context(
    clock: PassClock | None = None, disabled: Sequence[str] = (), options: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """opt_level 3 with what keeps compile times low, without the passes `disabled`, and with more `options`; numbers do
    not depend on it."""
    config = {
        "relay.FuseOps.max_depth": FUSE_MAX_DEPTH,
        "tir.add_lower_pass": [(LOWER_PHASE, small_loops_run_serially())],
        **options,
    }
    return tvm.transform.PassContext(
        opt_level=3,
        disabled_pass=["SimplifyExpr", *disabled],
        config=config,
        instruments=[*instruments(clock), NotInLargeKernels()],
    )


def compile_graph(
    mod: Any, params: dict[str, Any], target: Any, signature: Signature, clock: PassClock | None
) -> Compiled:
    """Compile for the graph executor."""
    bound = with_panels(fold_weights(mod, params, target), target)
    with pass_context(clock):
        library = relay.build(bound, target=target)
    return Compiled("graph", library, in_place_results(library, signature))


def compile_vm(mod: Any, params: dict[str, Any], target: Any, clock: PassClock | None) -> Compiled:
    """Compile for Relay's virtual machine."""
    bound = with_panels(with_weights(mod, params), target)
    # it loses layouts that values have on one side of a conditional
    disabled = ["AlterOpLayout"] if any(map(has_branches, bound.functions.values())) else []
    with pass_context(clock, disabled):
        library = relay.vm.compile(bound, target=target)
    return Compiled("vm", library)


def run_on_graph_executor(library: Any, signature: Signature, parallel: bool, in_place: tuple[InPlace, ...]) -> RunFlat:
    """`run_flat` of an Executable, for what `relay.build` returned or a library that was exported from it."""
    if in_place:
        return run_in_place(library, signature, parallel, in_place)
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]

    # at the first call: code for another machine can be exported, but not loaded
    def make() -> _GraphExecutor:
        planned = json.loads(library["get_graph_json"]())
        graph, bound = with_views_as_arguments(with_written_results(planned))
        module = with_weights_bound(library, graph, bound)
        free_outputs = bindable_outputs(graph)
        inputs = [Input(module, name, bound.get(name, {})) for name in names]
        outputs = [
            Output(module, number, dimensions, number in free_outputs)
            for number, dimensions in enumerate(result_dimensions(planned))
        ]
        return _GraphExecutor(module, PreparedCall(module["run"]), inputs, outputs)

    def run(executor: _GraphExecutor, arrays: list[np.ndarray]) -> list[np.ndarray]:
        for entry, array in zip(executor.inputs, arrays):
            entry.take(array)
        return executor.results()

    return pooled(make, run, parallel)


@dataclass(frozen=True)
class _GraphExecutor:
    """A graph executor with its inputs and outputs, except what is bound to `places`."""

    module: Any
    run: PreparedCall
    inputs: list[Input]
    outputs: list[Output]
    places: list[Places] = field(default_factory=list)

    def results(self) -> list[np.ndarray]:
        """Run on what the inputs have taken."""
        for output in self.outputs:
            output.prepare()
        self.run()
        return [output.result() for output in self.outputs]


def run_in_place(library: Any, signature: Signature, parallel: bool, in_place: tuple[InPlace, ...]) -> RunFlat:
    """`run_on_graph_executor` with results in the memory of arguments."""
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]
    shared = {each.argument: each.result for each in in_place}

    def make() -> _GraphExecutor:
        planned = json.loads(library["get_graph_json"]())
        graph, places = graph_in_place(planned, [each.values for each in in_place])
        graph, bound = with_views_as_arguments(graph)
        module = with_weights_bound(library, graph, bound)
        inputs = [Input(module, name, {}) for number, name in enumerate(names) if number not in shared]
        count = module.get_num_outputs() - sum(len(each.outputs) for each in places)
        dimensions = result_dimensions(planned)
        outputs = [
            Output(module, number, dimensions[number], False)
            for number in range(count)
            if number not in shared.values()
        ]
        return _GraphExecutor(module, PreparedCall(module["run"]), inputs, outputs, places)

    def run(executor: _GraphExecutor, arrays: list[np.ndarray]) -> list[np.ndarray]:
        for each, places in zip(in_place, executor.places):
            bind(executor.module, places, arrays[each.argument])
        copied = [array for number, array in enumerate(arrays) if number not in shared]
        for entry, array in zip(executor.inputs, copied):
            entry.take(array)
        results = executor.results()
        for argument, result in sorted(shared.items(), key=lambda item: item[1]):
            results.insert(result, arrays[argument])
        return results

    return pooled(make, run, parallel)


def with_weights_bound(library: Any, graph: dict[str, Any], bound: Mapping[str, Mapping[str, tuple[int, ...]]]) -> Any:
    """An executor of a library's code with its graph or one made of that, on the library's own weights; `bound` as of
    `with_views_as_arguments`."""
    factory, weights = getattr(library, "module", library), library["get_graph_params"]()
    module = graph_executor.create(json.dumps(graph), factory.imported_modules[0], tvm.cpu())
    for name, array in weights.items():
        if name in bound:
            bind(module, Places(dict(bound[name]), {}), memory_of(array))
        else:
            module.set_input(name, array)
    return module


def run_on_virtual_machine(library: Any, signature: Signature, parallel: bool) -> RunFlat:
    """`run_flat` of an Executable, for what `relay.vm.compile` returned or a library that was exported from it."""
    same_shapes = is_static(signature)

    def make() -> _Machine:
        return _Machine(VirtualMachine(library, tvm.cpu()), same_shapes)

    def run(machine: _Machine, arrays: list[np.ndarray]) -> list[np.ndarray]:
        return machine.run(arrays)

    return pooled(make, run, parallel)


class _Machine:
    """A virtual machine whose calls come one at a time.

    Parameters
    ----------
    machine : tvm.runtime.vm.VirtualMachine
    same_shapes : bool
        Whether results have the same dimensions at every call.
    """

    def __init__(self, machine: Any, same_shapes: bool) -> None:
        self._machine = machine
        self._same_shapes = same_shapes
        self._arguments = Arguments(argument, as_tensor)
        self._invoke = PreparedCall(machine.module["invoke_stateful"], "main")
        self._results: list[ArrayResult] = []

    def run(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Results of main, in memory of their own."""
        placed, others = self._arguments.placed(arrays)
        if others:
            self._machine.module["set_input"]("main", *placed)
        self._invoke()
        if self._results:
            return [each.copied() for each in self._results]
        results = [tensor.numpy() for tensor in self._machine.get_outputs()]
        if self._same_shapes:
            get = self._machine.module["get_output"]
            self._results = [ArrayResult(PreparedCall(get, number), like) for number, like in enumerate(results)]
        return results


def argument(array: np.ndarray) -> tuple[Any, np.ndarray]:
    """One of TVM's arrays as `array` is, and its memory."""
    placed = tvm.nd.array(array)
    return placed, memory_of(placed)


def placed_run(library: Any, executor: str, signature: Signature, arrays: list[np.ndarray]) -> Callable[[], Any]:
    """A call that runs a library on arrays that are in place already, and leaves its results there."""
    placed = [tvm.nd.array(array) for array in arrays]
    if executor == "vm":
        machine = VirtualMachine(library, tvm.cpu())
        machine.set_input("main", *placed)
        return lambda: machine.invoke_stateful("main")
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]
    for name, array in zip(names, placed):
        module.set_input(name, array)
    return module.run


def run_library(compiled: Compiled, signature: Signature, parallel: bool) -> RunFlat:
    """`run_flat` of an Executable, for what was compiled or a library that was exported from it."""
    if compiled.device != "cpu":
        return copied_back(run_kept(compiled, signature, parallel))
    if compiled.executor == "vm":
        return run_on_virtual_machine(compiled.library, signature, parallel)
    return run_on_graph_executor(compiled.library, signature, parallel, compiled.in_place)


def borrow(array: Any) -> np.ndarray:
    """A numpy array on the memory of another."""
    return np.from_dlpack(array)


def run_borrowed(compiled: Compiled, signature: Signature, parallel: bool) -> RunBorrowed:
    """Run a library on arrays: its executors copy what they cannot have where it lies."""
    if compiled.device != "cpu":
        return run_kept(compiled, signature, parallel)
    return run_library(Compiled(compiled.executor, compiled.library), signature, parallel)
