"""What the demo measures of one model: conversion, builds, errors against the framework, latencies against XLA."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

import tvm_hlo_frontend
from tools.models.library import Model, ModelInstance, relative_error
from tvm_hlo_frontend.backends.select import installed_dialect, mod_and_params
from tvm_hlo_frontend.deploy.targets import cpu_target
from tvm_hlo_frontend.frameworks.lowered import LoweredModule
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.oracle.timing import alternate, prepared
from tvm_hlo_frontend.oracle.xla_cpu import compile_xla

Result = TypeVar("Result")


@dataclass(frozen=True)
class Row:
    """One line of the demo's table; None where something was not run.

    Attributes
    ----------
    model, framework : str
    weights : str
        ``"params"`` (parameters of main, values in `params`) or ``"frozen"`` (constants of the module).
    instructions, opcodes : int
        Instructions of the HLO module, and how many different opcodes they have.
    read_s, convert_s, build_s : float
        Seconds of the reader, of the rest of `from_hlo`, and of `tvm_hlo_frontend.build`.
    error, relay_build_error, relay_vm_error : float
        max|Δ| / std against the framework: through `tvm_hlo_frontend.build`, through plain `relay.build` with the graph
        executor, and through plain `relay.vm`.
    tvm_ms, xla_ms : float
        Median latencies.
    """

    model: str
    framework: str
    weights: str
    instructions: int
    opcodes: int
    read_s: float
    convert_s: float
    build_s: float
    error: float
    relay_build_error: float | None
    relay_vm_error: float | None
    tvm_ms: float
    xla_ms: float

    @property
    def ratio(self) -> float:
        """TVM's latency over XLA's: below 1 TVM is faster."""
        return self.tvm_ms / self.xla_ms

    @property
    def worst_error(self) -> float:
        """Largest error over all ways."""
        errors = (self.error, self.relay_build_error, self.relay_vm_error)
        return max(error for error in errors if error is not None)


def import_tvm() -> None:
    """Convert something small, so that the first model is not charged for importing TVM and the converters."""
    from tvm_hlo_frontend.frameworks.jax import from_jax

    from_jax(lambda x: x + x, np.ones(4, np.float32))


def timed(function: Callable[[], Result]) -> tuple[Result, float]:
    """(result, seconds) of a call."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def rows_of(model: Model, every_way: bool, progress: Callable[[str], None]) -> Iterator[Row]:
    """The row of a model, or with `every_way` two, for weights as parameters and frozen; `progress` is told what is
    about to happen."""
    progress("making the model")
    instance = model.make()
    expected = instance.reference(*instance.inputs)
    yield measure(model, instance, expected, False, every_way, progress)
    if every_way:
        yield measure(model, instance, expected, True, every_way, progress)


def measure(
    model: Model,
    instance: ModelInstance,
    expected: list[np.ndarray],
    frozen: bool,
    every_way: bool,
    progress: Callable[[str], None],
) -> Row:
    """Convert, build, compare and time a model with its weights as parameters or frozen; with `every_way`, compare what
    TVM's own builds give as well."""
    weights = "frozen" if frozen else "params"
    lowered = instance.lowered
    progress(f"{weights}: reading and converting")
    module, read_s = timed(lambda: read(lowered.hlo))
    (mod, params), convert_s = timed(lambda: convert(module, lowered, frozen))
    progress(f"{weights}: building")
    executable, build_s = timed(lambda: tvm_hlo_frontend.build(mod, params))
    error = relative_error(as_list(executable(*instance.inputs)), expected)
    relay_build_error = relay_vm_error = None
    if every_way and not frozen and installed_dialect() == "relay":
        progress("plain relay.build")
        if not model.loops:
            relay_build_error = relative_error(run_relay_build(mod, params, instance.inputs), expected)
        if model.small:
            progress("plain relay.vm")
            relay_vm_error = relative_error(run_relay_vm(mod, params, instance.inputs), expected)
    progress(f"{weights}: timing against XLA")
    tvm_ms, xla_ms = latencies(executable, instance)
    opcodes = [instruction.opcode for instruction in module.instructions]
    return Row(
        model.name,
        model.framework,
        weights,
        len(opcodes),
        len(set(opcodes)),
        read_s,
        convert_s,
        build_s,
        error,
        relay_build_error,
        relay_vm_error,
        tvm_ms,
        xla_ms,
    )


def convert(module: Any, lowered: LoweredModule, frozen: bool, dialect: str | None = None) -> Any:
    """(mod, params) of a module that was read already."""
    return mod_and_params(
        tvm_hlo_frontend.from_hlo(
            module,
            dialect=dialect,
            input_names=lowered.input_names,
            parameter_values=lowered.parameter_values,
            freeze_params=frozen,
            source=lowered.source,
        )
    )


def as_list(result: Any) -> list[np.ndarray]:
    """Results of an Executable, flat."""
    if not isinstance(result, tuple):
        return [result]
    return [array for part in result for array in as_list(part)]


def free_inputs(mod: Any, params: Any) -> list[str]:
    """Names of main's inputs that `params` does not hold, in order."""
    return [variable.name_hint for variable in mod["main"].params if variable.name_hint not in params]


def run_relay_build(mod: Any, params: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Results through TVM alone: unmodified `relay.build` at opt_level 3 and the graph executor."""
    import tvm
    from tvm import relay
    from tvm.contrib import graph_executor

    with tvm.transform.PassContext(opt_level=3):
        library = relay.build(mod, target=cpu_target(), params=params)
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    for name, array in zip(free_inputs(mod, params), inputs, strict=True):
        module.set_input(name, array)
    module.run()
    return [module.get_output(index).numpy() for index in range(module.get_num_outputs())]


def run_relay_vm(mod: Any, params: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Results through TVM alone: unmodified `relay.vm.compile` at opt_level 3 and the virtual machine."""
    import tvm
    from tvm import relay
    from tvm.runtime.vm import VirtualMachine

    with tvm.transform.PassContext(opt_level=3):
        program = relay.vm.compile(mod, target=cpu_target(), params=params)
    result = VirtualMachine(program, tvm.cpu()).invoke("main", *inputs)
    return [result.numpy()] if hasattr(result, "numpy") else [part.numpy() for part in result]


def latencies(
    executable: Any, instance: ModelInstance, statistic: Callable[[Sequence[float]], float] = statistics.median
) -> tuple[float, float]:
    """Milliseconds per call of (TVM, XLA), arguments and results lying where each runtime has them."""
    program = compile_xla(instance.lowered.hlo)
    arguments = program.put(instance.arguments(instance.inputs))
    found = alternate({"tvm": prepared(executable, instance.inputs), "xla": lambda: program.run(arguments)}, statistic)
    return found["tvm"] * 1e3, found["xla"] * 1e3
