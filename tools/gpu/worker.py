"""As `tools.conformance.worker`, for devices: the environment says which."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tools.conformance.harnesses import groups_of, load_harnesses
from tools.conformance.stages import STATUS_OF_STAGE, flat
from tools.conformance.worker import import_all, serve
from tools.support.outcome import REFUSED, Outcome
from tools.support.stages import Announce, run_stages, verdict_on

from .programs import MODEL_GROUP, converted, faults

# variable that holds the kind of the target
KIND = "HLO_GPU_KIND"
CUDA = {"kind": "cuda", "arch": "sm_80"}


def main() -> None:
    """Serve programs until stdin ends."""

    def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
        import_all()
        known, work = groups_of(load_harnesses()), WAYS[os.environ[KIND]]()

        def run(order: dict[str, Any], announce: Announce) -> Outcome:
            name = order["name"]
            return outcome_of(name, known.get(name, MODEL_GROUP), work, announce)

        return run

    serve(prepare)


def outcome_of(name: str, group: str, work: Any, announce: Announce) -> Outcome:
    """Outcome of a program; its data are the opcodes, and what `work` adds."""
    from tvm_hlo_frontend import TargetError

    data, refused = dict[str, Any](), list[str]()

    def stages(enter: Announce) -> tuple[str, str]:
        try:
            return verdict_on(work(name, group, enter, data))
        except TargetError as error:
            refused.append(str(error))
            return REFUSED, str(error)

    return replace(run_stages(name, group, STATUS_OF_STAGE, stages, announce), data=data)


def on_pocl() -> Callable[[str, str, Announce, dict[str, Any]], list[str]]:
    """What differs between a program on PoCL and XLA:CPU."""
    from tools.support.pocl import Pocl
    from tvm_hlo_frontend import build

    pocl = Pocl()

    def work(name: str, group: str, enter: Announce, data: dict[str, Any]) -> list[str]:
        program = converted(name, group, enter, True)
        data["opcodes"] = sorted(program.opcodes)
        with pocl.opened():
            enter("build")
            executable = build(program.mod, program.params, "opencl")
            enter("run")
            got = flat(executable(*program.arguments))
        enter("compare")
        return faults(name, group, program, got)

    return work


def for_cuda() -> Callable[[str, str, Announce, dict[str, Any]], list[str]]:
    """Kernels of a program, which are written to the folder of all kernels; their names are data."""
    from tvm_hlo_frontend import build

    from .nvcc import keep_kernels

    def work(name: str, group: str, enter: Announce, data: dict[str, Any]) -> list[str]:
        program = converted(name, group, enter, False)
        data["opcodes"] = sorted(program.opcodes)
        enter("build")
        (host,) = build(program.mod, program.params, CUDA).library.mod.imports
        data["kernels"] = keep_kernels(device.inspect_source() for device in host.imports)
        return []

    return work


WAYS = {"opencl": on_pocl, "cuda": for_cuda}


if __name__ == "__main__":
    main()
