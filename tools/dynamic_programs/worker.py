"""A worker process: names of programs come in, outcomes go out, see `tools.conformance.worker`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tools.conformance.judge import judge
from tools.conformance.stages import flat
from tools.conformance.worker import import_all, serve
from tools.support.outcome import WRONG, Outcome
from tools.support.stages import Announce, run_stages, silent, verdict_on

from .programs import SIZES, Program, program_of

# set where programs are built once for every size, see `from_jax`
SPECIALIZE = "DYNAMIC_PROGRAMS_SPECIALIZE"
STATUS_OF_STAGE = {
    "lower": "not lowered",
    "xla": "xla failed",
    "convert": "convert failed",
    "build": "build failed",
    "run": "run failed",
    "compare": WRONG,
}


def main() -> None:
    """Serve programs until stdin ends."""

    def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
        import_all()
        specialize = SPECIALIZE in os.environ
        return lambda order, announce: run_program(order["name"], specialize, announce)

    serve(prepare)


def run_program(name: str, specialize: bool, announce: Announce = silent) -> Outcome:
    """Outcome of one program at all its sizes, in this process."""
    program = program_of(name)
    return run_stages(
        name,
        program.harness.group_name,
        STATUS_OF_STAGE,
        lambda enter: verdict_on(differences(program, specialize, enter)),
        announce,
    )


def differences(program: Program, specialize: bool, enter: Announce) -> list[str]:
    """What differs between TVM and XLA, at any size."""
    import jax

    import tvm_hlo_frontend
    from tools.support.oracle import run_xla
    from tvm_hlo_frontend.backends.select import mod_and_params

    enter("lower")
    jitted = jax.jit(program.function, keep_unused=True)
    shapes = program.shapes()
    jax.export.export(jitted)(*shapes)
    enter("convert")
    made = tvm_hlo_frontend.from_jax(program.function, *shapes, **({"specialize": True} if specialize else {}))
    enter("build")
    executable = made if specialize else tvm_hlo_frontend.build(*mod_and_params(made))
    faults = []
    for sizes in SIZES[program.symbols]:
        enter("xla")
        arguments = program.arguments(sizes)
        arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(arguments)]
        hlo = jitted.lower(*arguments).compiler_ir("hlo").as_serialized_hlo_module_proto()
        wanted = run_xla(hlo, tuple(arrays))
        enter("run")
        got = flat(executable(*arrays))
        enter("compare")
        found = judge(program.harness.group_name, program.params, arrays, got, wanted)
        faults += [f"at {', '.join(map(str, sizes))}: {fault}" for fault in found]
    return faults


if __name__ == "__main__":
    main()
