"""Programs of today's TVM: compiled for a target, and run kernel by kernel in memory that is watched."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

from tools.sanitize.memory import Blocks, placed
from tvm_hlo_frontend.backends.relax import runtime
from tvm_hlo_frontend.backends.relax.devices import OF_MACHINE
from tvm_hlo_frontend.backends.results import flat_tensors
from tvm_hlo_frontend.backends.signature import signature_of

GO_ON, DONE = 0, 1


def write_c(mod: Any, params: Any, folder: Path, command: list[str]) -> None:
    """Compile a module by way of C, with gcc and its sanitizers."""
    target, signature = tvm.target.Target({"kind": "c"}), signature_of(mod)
    if params:
        mod = relax.transform.BindParams("main", dict(params))(mod)
    # C has no vectors
    config = {**runtime.CONFIG, "tirx.disable_vectorize": True}
    pipeline = runtime.scheduling_pipeline(target, signature, runtime.Found(), mod)
    with tvm.transform.PassContext(opt_level=3, config=config), runtime.exact_code(target):
        library = tvm.compile(mod, target=target, relax_pipeline=pipeline)

    def link(name: str, objects: list[str], options: list[str] | None = None, **unused: Any) -> None:
        subprocess.run([*command, *(options or []), "-o", name, *objects], check=True, capture_output=True, text=True)

    library.export_library(str(folder / "program.so"), fcompile=link)


def run(folder: Path, arrays: list[np.ndarray], blocks: Blocks) -> list[np.ndarray]:
    """Results of a program whose kernels all get buffers in `blocks`."""
    machine = relax.VirtualMachine(tvm.runtime.load_module(str(folder / "program.so")), tvm.cpu())

    def watched(function: Any, symbol: str, before: bool, result: Any, *given: Any) -> int:
        if not before or symbol.startswith(OF_MACHINE) or not isinstance(function, tvm_ffi.Function):
            return GO_ON
        tensors = [number for number, each in enumerate(given) if isinstance(each, tvm.runtime.Tensor)]
        if not tensors:
            return GO_ON
        with placed(blocks, [np.from_dlpack(given[number]) for number in tensors]) as copies:
            taken = list(given)
            for number, copy in zip(tensors, copies):
                taken[number] = tvm.runtime.from_dlpack(copy)
            function(*taken)
        return DONE

    machine.set_instrument(watched)
    return [each.numpy() for each in flat_tensors(machine["main"](*[tvm.runtime.tensor(array) for array in arrays]))]
