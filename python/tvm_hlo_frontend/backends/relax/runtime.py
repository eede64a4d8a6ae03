"""Compiling Relax modules, and running what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import relax
from tvm.relax.backend.cpu_generic import pipeline as cpu_generic

from ...schedules.prim_func import schedule_module_pass
from ..arguments import Arguments
from ..base import Compiled, InPlace, RunBorrowed, RunFlat
from ..executors import pooled
from ..results import flat_results, flat_tensors
from ..signature import Signature
from .dialect import COMPUTES_SIZES
from .in_place import MAIN_IN_PLACE, keeps_memory, mark_reshapes, steps_in_place, with_main_in_place
from .legalization import LEGALIZATIONS

CONFIG = {
    "relax.FuseOps.max_depth": 128,
    # TVM puts what it takes out of an expression behind a statement that has it in a Let; LLVM does it right
    "tirx.disable_cse_tir": True,
}


def compile_module(mod: Any, params: dict[str, Any], target: Any, signature: Signature) -> Compiled:
    """Compile for Relax's virtual machine, with the values of `params` bound."""
    target = parsed_target(target)
    if params:
        mod = relax.transform.BindParams("main", dict(params))(mod)
    found: list[InPlace] = []
    with tvm.transform.PassContext(opt_level=3, config=CONFIG):
        library = tvm.compile(mod, target=target, relax_pipeline=scheduling_pipeline(target, signature, found, mod))
    return Compiled("relax", library, tuple(found))


def scheduling_pipeline(target: Any, signature: Signature, found: list[InPlace], module: Any) -> Any:
    """TVM's own pipeline for CPUs, with schedules, which it lacks; what can be computed in place goes to `found`."""

    @tvm.transform.module_pass(opt_level=0, name="hlo.MainInPlace")
    def add_main_in_place(mod: Any, context: Any) -> Any:
        made, results = with_main_in_place(mod, signature)
        found.extend(results)
        return made

    in_place = keeps_memory(module) or bool(signature.aliases)
    own = dict(LEGALIZATIONS)
    if COMPUTES_SIZES in (module["main"].attrs or {}):
        # with a variable for each size TVM does not see that a loop nest only reshapes
        own["relax.reshape"] = lambda builder, call: call
    legalize = relax.transform.LegalizeOps(own)
    passes = [
        *cpu_generic.library_dispatch_passes(target),
        *(legalize if each.info.name == "LegalizeOps" else each for each in cpu_generic.legalize_passes(target)),
        relax.transform.RewriteDataflowReshape(),  # knows a reshape by its loops, so before they are scheduled
        *([mark_reshapes] if in_place else []),
        schedule_module_pass(target),
        *cpu_generic.dataflow_lower_passes(target),
        *([add_main_in_place] if signature.aliases else []),
        *([steps_in_place] if in_place else []),
        *cpu_generic.finalize_passes(target),
    ]

    @tvm.transform.module_pass(opt_level=0, name="hlo.SchedulingPipeline")
    def run(mod: Any, context: Any) -> Any:
        with target:
            return tvm.transform.Sequential(passes)(mod)

    return run


def parsed_target(target: Any) -> Any:
    """tvm.target.Target of what users write, also of TVM 0.17's ``llvm -mcpu=…``, which today's TVM refuses."""
    if not isinstance(target, str) or not target.split()[1:]:
        return tvm.target.Target(target)
    kind, *options = target.split()
    attributes = dict(option.lstrip("-").split("=", 1) for option in options)
    return tvm.target.Target({"kind": kind, **attributes})


def run_library(
    library: Any, executor: str, signature: Signature, parallel: bool, in_place: tuple[InPlace, ...]
) -> RunFlat:
    """`run_flat` of an Executable, for what `tvm.compile` returned or a library that was exported from it."""
    shared = {each.argument: each.result for each in in_place}

    # at the first call: code for another machine can be exported, but not loaded
    def make(first: Any) -> tuple[Any, Arguments]:
        return relax.VirtualMachine(library, tvm.cpu())["main"], Arguments(argument)

    def make_in_place(first: Any) -> tuple[Any, Arguments]:
        return relax.VirtualMachine(library, tvm.cpu())[MAIN_IN_PLACE], Arguments(argument)

    def run(executor: tuple[Any, Arguments], given: list[Any]) -> list[np.ndarray]:
        main, arguments = executor
        sizes, arrays = sizes_and_arrays(signature, given)
        return flat_results(main(*sizes, *arguments.placed(arrays)))

    def run_in_place(executor: tuple[Any, Arguments], given: list[Any]) -> list[np.ndarray]:
        main, arguments = executor
        sizes, arrays = sizes_and_arrays(signature, given)
        placed = iter(arguments.placed([array for number, array in enumerate(arrays) if number not in shared]))
        taken = [tvm.runtime.from_dlpack(a) if number in shared else next(placed) for number, a in enumerate(arrays)]
        tensors = flat_tensors(main(*sizes, *taken))
        own = {result: arrays[number] for number, result in shared.items()}
        return [own[number] if number in own else tensor.numpy() for number, tensor in enumerate(tensors)]

    if in_place:
        return pooled(make_in_place, run_in_place, parallel)

    return pooled(make, run, parallel)


def borrow(array: Any) -> Any:
    """One of TVM's arrays on the memory of another, which it keeps alive."""
    return tvm.runtime.from_dlpack(array)


def run_borrowed(library: Any, executor: str, signature: Signature, parallel: bool) -> RunBorrowed:
    """Run a library on the memory of arguments; results stay in the memory that the virtual machine took for them."""
    copied: list[frozenset[int]] = []  # found at the first call, and alike for all

    def make(first: Any) -> Any:
        return relax.VirtualMachine(library, tvm.cpu())["main"]

    def run(main: Any, given: list[Any]) -> list[Any]:
        results = flat_tensors(main(*given))
        if not copied:
            copied.append(not_new(given, results, flat_tensors(main(*given))))
        return [each.numpy() if number in copied[0] else each for number, each in enumerate(results)]

    return pooled(make, run, parallel)


def not_new(arguments: Sequence[Any], results: Sequence[Any], of_another_call: Sequence[Any]) -> frozenset[int]:
    """Numbers of results that are no memory of their own: constants of the library, or parts of other arrays.

    Parameters
    ----------
    arguments, results : sequence of tvm.runtime.Tensor
    of_another_call : sequence of tvm.runtime.Tensor
        Results of a call that was made while the others lived.
    """
    taken, found = [np.from_dlpack(each) for each in (*arguments, *of_another_call)], set()
    for number, result in enumerate(results):
        array = np.from_dlpack(result)
        if any(np.may_share_memory(array, other) for other in taken):
            found.add(number)
        taken.append(array)
    return frozenset(found)


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
