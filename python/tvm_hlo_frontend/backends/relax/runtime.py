"""Compiling Relax modules, and running what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import relax
from tvm.relax.backend.cpu_generic import pipeline as cpu_generic

from ...schedules.gpu import schedule_module_for_device
from ...schedules.prim_func import schedule_module_pass
from ..arguments import LARGE_BYTES, Arguments
from ..base import Compiled, InPlace, RunBorrowed, RunFlat
from ..devices import copied_back, is_device
from ..executors import pooled
from ..results import flat_tensors
from ..signature import Signature
from ..timings import PassClock, instruments
from .constants import evaluate_constants
from .devices import (
    exact_code,
    lowering,
    parsed_target,
    refuse_for_device,
    refuse_kernels,
    run_kept,
    short_names,
)
from .dialect import COMPUTES_SIZES
from .in_place import (
    MAIN_IN_PLACE,
    keeps_memory,
    mark_reshapes,
    results_as_views,
    results_of_their_own,
    steps_in_place,
    with_main_in_place,
)
from .legalization import LEGALIZATIONS

CONFIG = {
    "relax.FuseOps.max_depth": 128,
    # TVM puts what it takes out of an expression behind a statement that has it in a Let; LLVM does it right
    "tirx.disable_cse_tir": True,
}
# the first version of DLPack that says of an array that it is read-only
DLPACK_WITH_FLAGS = (1, 0)


def compile_module(
    mod: Any, params: dict[str, Any], target: Any, signature: Signature, clock: PassClock | None = None
) -> Compiled:
    """Compile for Relax's virtual machine, with the values of `params` bound."""
    target = parsed_target(target)
    if params:
        mod = relax.transform.BindParams("main", dict(params))(mod)
    if is_device(target):
        refuse_for_device(mod, signature, target)
    found = Found()
    context = tvm.transform.PassContext(opt_level=3, config=CONFIG, instruments=instruments(clock))
    with context, exact_code(target), lowering(target) as lowers:
        schedules = scheduling_pipeline(target, signature, found, mod)
        try:
            library = tvm.compile(mod, target=target, relax_pipeline=schedules, tir_pipeline=lowers)
        except Exception as error:
            if is_device(target):
                refuse_kernels(error, mod, target, found.faults)
            raise
    return Compiled("relax", library, found.in_place, found.own, target.kind.name if is_device(target) else "cpu")


@dataclass
class Found:
    """What the pipeline finds out, as `Compiled` has it, and why a device would not run kernels."""

    in_place: tuple[InPlace, ...] = ()
    own: tuple[int, ...] = ()
    faults: list[str] = field(default_factory=list)


def scheduling_pipeline(target: Any, signature: Signature, found: Found, module: Any) -> Any:
    """TVM's own pipeline for CPUs, with schedules, which it lacks; what it finds out of memory goes to `found`. On
    devices no result is computed in the memory of an argument."""

    @tvm.transform.module_pass(opt_level=0, name="hlo.Memory")
    def find_memory(mod: Any, context: Any) -> Any:
        found.own = results_of_their_own(mod)
        mod, found.in_place = with_main_in_place(mod, signature) if signature.aliases and not device else (mod, ())
        return mod

    device = is_device(target)
    in_place = not device and (keeps_memory(module) or bool(signature.aliases))
    own = dict(LEGALIZATIONS)
    if COMPUTES_SIZES in (module["main"].attrs or {}):
        # with a variable for each size TVM does not see that a loop nest only reshapes
        own["relax.reshape"] = lambda builder, call: call
    changed = {
        "LegalizeOps": (relax.transform.LegalizeOps(own),),
        "FoldConstant": (evaluate_constants, relax.transform.FoldConstant()),
    }
    passes = [
        *cpu_generic.library_dispatch_passes(target),
        *(new for each in cpu_generic.legalize_passes(target) for new in changed.get(each.info.name, (each,))),
        results_as_views,
        relax.transform.RewriteDataflowReshape(),  # knows a reshape by its loops, so before they are scheduled
        *([mark_reshapes] if in_place else []),
        *(
            [schedule_module_for_device(target, found.faults), short_names]
            if device
            else [schedule_module_pass(target)]
        ),
        *cpu_generic.dataflow_lower_passes(target),
        find_memory,
        *([steps_in_place] if in_place else []),
        *cpu_generic.finalize_passes(target),
    ]

    @tvm.transform.module_pass(opt_level=0, name="hlo.SchedulingPipeline")
    def run(mod: Any, context: Any) -> Any:
        with target:
            return tvm.transform.Sequential(passes)(mod)

    return run


def run_library(compiled: Compiled, signature: Signature, parallel: bool) -> RunFlat:
    """`run_flat` of an Executable, for what `tvm.compile` returned or a library that was exported from it."""
    if compiled.device != "cpu":
        return copied_back(run_kept(compiled, signature, parallel))
    shared, own = {each.argument: each.result for each in compiled.in_place}, frozenset(compiled.own)
    name = MAIN_IN_PLACE if shared else "main"

    # at the first call: code for another machine can be exported, but not loaded
    def make() -> tuple[Any, Arguments]:
        return relax.VirtualMachine(compiled.library, tvm.cpu())[name], Arguments(argument, borrow)

    def run(executor: tuple[Any, Arguments], given: list[Any]) -> list[np.ndarray]:
        main, arguments = executor
        sizes, arrays = sizes_and_arrays(signature, given)
        placed, _ = arguments.placed(arrays)
        tensors = flat_tensors(main(*sizes, *placed))
        return [result_array(tensor, number in own) for number, tensor in enumerate(tensors)]

    def run_in_place(executor: tuple[Any, Arguments], given: list[Any]) -> list[np.ndarray]:
        main, arguments = executor
        sizes, arrays = sizes_and_arrays(signature, given)
        placed = iter(arguments.placed([array for number, array in enumerate(arrays) if number not in shared])[0])
        taken = [borrow(array) if number in shared else next(placed) for number, array in enumerate(arrays)]
        tensors = flat_tensors(main(*sizes, *taken))
        overwritten = {result: arrays[number] for number, result in shared.items()}
        return [
            overwritten[number] if number in overwritten else result_array(tensor, False)
            for number, tensor in enumerate(tensors)
        ]

    return pooled(make, run_in_place if shared else run, parallel)


def result_array(tensor: Any, own: bool) -> np.ndarray:
    """A result as an array that is the caller's; `own` says whether its memory is no one else's. Small ones are copied:
    the virtual machine takes whole pages, which it has again."""
    array = np.from_dlpack(tensor)
    return array if own and array.nbytes >= LARGE_BYTES and array.flags.writeable else array.copy()


def borrow(array: Any) -> Any:
    """One of TVM's arrays on the memory of another of the DLPack protocol, which it keeps alive."""
    if not isinstance(array, np.ndarray) or array.flags.writeable:
        return tvm.runtime.from_dlpack(array)
    return tvm_ffi.from_dlpack(array.__dlpack__(max_version=DLPACK_WITH_FLAGS))


def run_borrowed(compiled: Compiled, signature: Signature, parallel: bool) -> RunBorrowed:
    """Run a library on the memory of arguments; results stay in the memory that the virtual machine took for them."""
    if compiled.device != "cpu":
        return run_kept(compiled, signature, parallel)
    own = frozenset(compiled.own)

    def make() -> Any:
        return relax.VirtualMachine(compiled.library, tvm.cpu())["main"]

    def run(main: Any, given: list[Any]) -> list[Any]:
        results = flat_tensors(main(*given))
        return [each if number in own else each.numpy() for number, each in enumerate(results)]

    return pooled(make, run, parallel)


def sizes_and_arrays(signature: Signature, given: list[Any]) -> tuple[list[Any], list[np.ndarray]]:
    """What main takes in the place of `Signature.sizes`, and the arrays behind it."""
    return ([tvm_ffi.Shape(given[0])], given[1:]) if signature.sizes else ([], given)


def argument(array: np.ndarray) -> tuple[Any, np.ndarray]:
    """One of TVM's arrays as `array` is, and its memory."""
    placed = tvm.runtime.tensor(array)
    return placed, np.from_dlpack(placed)


def placed_run(library: Any, executor: str, signature: Signature, given: list[Any]) -> Callable[[], Any]:
    """A call that runs a library on arrays that are in place already, and leaves its results there."""
    machine = relax.VirtualMachine(library, tvm.cpu())
    sizes, arrays = sizes_and_arrays(signature, given)
    machine.set_input("main", *sizes, *[tvm.runtime.tensor(array) for array in arrays])
    return lambda: machine.invoke_stateful("main")
