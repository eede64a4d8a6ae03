"""Compiling Relay modules, and running what came of it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
from ..executors import pooled
from ..results import flat_results
from ..signature import Signature
from .functions import INLINE
from .in_place import Places, bind, graph_in_place, in_place_results
from .panels import with_panels
from .weights import fold_weights, with_weights

FUSE_MAX_DEPTH = 64
# loops are still loops there, not vectors
LOWER_PHASE = 1


def compile_module(mod: Any, params: dict[str, Any], target: Any, signature: Signature) -> Compiled:
    """Compile for the executor that the module needs."""
    if any(function.attrs is not None and INLINE in function.attrs for function in mod.functions.values()):
        mod = relay.transform.Inline()(relay.transform.InferType()(mod))
    with options_read_once():
        if needs_vm(mod) or not is_static(signature):
            return compile_vm(mod, params, target)
        return compile_graph(mod, params, target, signature)


def needs_vm(mod: Any) -> bool:
    """Whether main calls other functions or branches, which the graph executor cannot."""
    branches: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, relay.If):
            branches.append(node)

    relay.analysis.post_order_visit(mod["main"], visit)
    return bool(branches) or len(mod.get_global_vars()) > 1


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


def pass_context() -> Any:
    """opt_level 3 with what keeps compile times low; the numbers do not depend on it."""
    config = {
        "relay.FuseOps.max_depth": FUSE_MAX_DEPTH,
        "tir.add_lower_pass": [(LOWER_PHASE, small_loops_run_serially())],
    }
    return tvm.transform.PassContext(opt_level=3, disabled_pass=["SimplifyExpr"], config=config)


def compile_graph(mod: Any, params: dict[str, Any], target: Any, signature: Signature) -> Compiled:
    """Compile for the graph executor."""
    bound = with_panels(fold_weights(mod, params, target), target)
    with pass_context():
        library = relay.build(bound, target=target)
    return Compiled("graph", library, in_place_results(library, signature))


def compile_vm(mod: Any, params: dict[str, Any], target: Any) -> Compiled:
    """Compile for Relay's virtual machine."""
    bound = with_panels(with_weights(mod, params), target)
    with pass_context():
        library = relay.vm.compile(bound, target=target)
    return Compiled("vm", library)


def run_on_graph_executor(library: Any, signature: Signature, parallel: bool, in_place: tuple[InPlace, ...]) -> RunFlat:
    """`run_flat` of an Executable, for what `relay.build` returned or a library that was exported from it."""
    if in_place:
        return run_in_place(library, signature, parallel, in_place)
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]

    # at the first call: code for another machine can be exported, but not loaded
    def make(first: _GraphExecutor | None) -> _GraphExecutor:
        new = graph_executor.GraphModule
        module = with_weights_of(first.module, library) if first else new(library["default"](tvm.cpu()))
        inputs = [memory_of(module.get_input(name)) for name in names]
        outputs = [memory_of(module.get_output(index)) for index in range(module.get_num_outputs())]
        return _GraphExecutor(module, inputs, outputs)

    def run(executor: _GraphExecutor, arrays: list[np.ndarray]) -> list[np.ndarray]:
        for memory, array in zip(executor.inputs, arrays):
            np.copyto(memory, array, casting="no")
        executor.module.run()
        return [memory.copy() for memory in executor.outputs]

    return pooled(make, run, parallel)


@dataclass(frozen=True)
class _GraphExecutor:
    """A graph executor and numpy arrays on the memory of its inputs and outputs, which stays where it is, except what
    is bound to `places`."""

    module: Any
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    places: list[Places] = field(default_factory=list)


def run_in_place(library: Any, signature: Signature, parallel: bool, in_place: tuple[InPlace, ...]) -> RunFlat:
    """`run_on_graph_executor` with results in the memory of arguments."""
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]
    shared = {each.argument: each.result for each in in_place}

    def make(first: Any) -> _GraphExecutor:
        graph, places = graph_in_place(json.loads(library["get_graph_json"]()), in_place)
        module = with_weights_bound(library, graph)
        inputs = [memory_of(module.get_input(name)) for number, name in enumerate(names) if number not in shared]
        count = module.get_num_outputs() - sum(len(each.outputs) for each in places)
        outputs = [memory_of(module.get_output(number)) for number in range(count) if number not in shared.values()]
        return _GraphExecutor(module, inputs, outputs, places)

    def run(executor: _GraphExecutor, arrays: list[np.ndarray]) -> list[np.ndarray]:
        for each, places in zip(in_place, executor.places):
            bind(executor.module, places, arrays[each.argument])
        copied = [array for number, array in enumerate(arrays) if number not in shared]
        for memory, array in zip(executor.inputs, copied):
            np.copyto(memory, array, casting="no")
        executor.module.run()
        results = [memory.copy() for memory in executor.outputs]
        for argument, result in sorted(shared.items(), key=lambda item: item[1]):
            results.insert(result, arrays[argument])
        return results

    return pooled(make, run, parallel)


def memory_of(array: Any) -> np.ndarray:
    """A numpy array on the memory of one of TVM's on the host, for as long as that lives."""
    like, held = array.numpy(), array.handle.contents
    buffer = (ctypes.c_char * like.nbytes).from_address((held.data or 0) + held.byte_offset)
    return np.ndarray(like.shape, like.dtype, buffer)


def with_weights_of(first: Any, library: Any) -> Any:
    """Another graph executor of a library, which holds no weights but those of `first`."""
    graph, weights = library["get_graph_json"](), set(library["get_graph_params"]().keys())
    factory = getattr(library, "module", library)
    module = graph_executor.create(graph, factory.imported_modules[0], tvm.cpu())
    shared = [name for name in own_storage(json.loads(graph)) if name in weights]
    for name in weights.difference(shared):
        module.set_input(name, first.get_input(name))
    if shared:  # of the file only the names are read
        names = {name: tvm.nd.array(np.zeros(1, np.int8)) for name in shared}
        module.share_params(first, tvm.runtime.save_param_dict(names))
    return module


def with_weights_bound(library: Any, graph: dict[str, Any]) -> Any:
    """An executor of a library's code with another graph, on the library's own weights."""
    factory, weights = getattr(library, "module", library), library["get_graph_params"]()
    module = graph_executor.create(json.dumps(graph), factory.imported_modules[0], tvm.cpu())
    returned = {graph["nodes"][node]["name"] for node, *_ in graph["heads"]}  # results are read from the executor's own
    shared = set(own_storage(graph)) - returned
    for name, array in weights.items():
        if name in shared:
            module["set_input_zero_copy"](name, array)
        else:
            module.set_input(name, array)
    return module


def own_storage(graph: dict[str, Any]) -> list[str]:
    """Names of the arguments of a graph whose memory is no other tensor's as well, as a reshaped one's is."""
    storage = graph["attrs"]["storage_id"][1]
    entry = {number: storage[graph["node_row_ptr"][number]] for number in graph["arg_nodes"]}
    return [graph["nodes"][number]["name"] for number, place in entry.items() if storage.count(place) == 1]


def run_on_virtual_machine(library: Any, parallel: bool) -> RunFlat:
    """`run_flat` of an Executable, for what `relay.vm.compile` returned or a library that was exported from it."""

    def make(first: Any) -> tuple[Any, Arguments]:
        return VirtualMachine(library, tvm.cpu()), Arguments(argument)

    def run(executor: tuple[Any, Arguments], arrays: list[np.ndarray]) -> list[np.ndarray]:
        machine, arguments = executor
        return flat_results(machine.invoke("main", *arguments.placed(arrays)))

    return pooled(make, run, parallel)


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


def run_library(
    library: Any, executor: str, signature: Signature, parallel: bool, in_place: tuple[InPlace, ...]
) -> RunFlat:
    """`run_flat` of an Executable, for what was compiled or a library that was exported from it."""
    if executor == "vm":
        return run_on_virtual_machine(library, parallel)
    return run_on_graph_executor(library, signature, parallel, in_place)


def borrow(array: Any) -> np.ndarray:
    """A numpy array on the memory of another."""
    return np.from_dlpack(array)


def run_borrowed(library: Any, executor: str, signature: Signature, parallel: bool) -> RunBorrowed:
    """Run a library on copies of arguments: the memory that these executors plan is their own."""
    return run_library(library, executor, signature, parallel, ())
