"""A worker process: names of programs come in, outcomes go out, see `tools.conformance.worker`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
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
# set where the sizes are the first arguments, as in exports of earlier years
BY_VALUE = "DYNAMIC_PROGRAMS_BY_VALUE"
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
        ways = SPECIALIZE in os.environ, BY_VALUE in os.environ
        return lambda order, announce: run_program(order["name"], *ways, announce)

    serve(prepare)


def run_program(name: str, specialize: bool, by_value: bool, announce: Announce = silent) -> Outcome:
    """Outcome of one program at all its sizes, in this process."""
    program = program_of(name)
    opcodes: set[str] = set()
    outcome = run_stages(
        name,
        program.harness.group_name,
        STATUS_OF_STAGE,
        lambda enter: verdict_on(differences(program, specialize, by_value, opcodes, enter)),
        announce,
    )
    return replace(outcome, data={"opcodes": sorted(opcodes)})


def differences(program: Program, specialize: bool, by_value: bool, opcodes: set[str], enter: Announce) -> list[str]:
    """What differs between TVM and XLA, at any size; the opcodes that have unknown sizes go to `opcodes`."""
    import jax

    import tvm_hlo_frontend
    from tools.support.oracle import run_xla
    from tvm_hlo_frontend.backends.select import mod_and_params
    from tvm_hlo_frontend.frameworks.jax import lower_jax
    from tvm_hlo_frontend.frameworks.lowered import convert_lowered, open_of
    from tvm_hlo_frontend.frameworks.stablehlo import lower_stablehlo

    enter("lower")
    jitted = jax.jit(program.function, keep_unused=True)
    shapes = program.shapes()
    exported = jax.export.export(jitted)(*shapes)
    enter("convert")
    lowered = lower_stablehlo(with_sizes_as_arguments(exported)) if by_value else lower_jax(program.function, *shapes)
    opcodes |= opcodes_of_unknown_sizes(open_of(lowered.hlo).module)
    made = convert_lowered(lowered, specialize=specialize)
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
        first = [np.int32(size) for size in sizes] if by_value else []
        got = flat(executable(*first, *arrays))
        enter("compare")
        found = judge(program.harness.group_name, program.params, arrays, got, wanted)
        faults += [f"at {', '.join(map(str, sizes))}: {fault}" for fault in found]
    return faults


def opcodes_of_unknown_sizes(module: Any) -> set[str]:
    """Those of instructions with a result or an operand that has an unknown size."""
    return {
        each.opcode
        for each in module.instructions
        if each.opcode != "parameter" and not all(x.shape.is_static for x in (each, *each.operands))
    }


def with_sizes_as_arguments(exported: Any) -> str:
    """The module of an export without the function that reads the sizes off the arguments, and checks them: they are
    arguments of main, as exports of earlier years have them."""
    text, count = re.subn(r"(?sm)^  func\.func public @main\(.*?^  \}[^\n]*\n", "", exported.mlir_module(), count=1)
    inner = "func.func private @_wrapped_jax_export_main("
    if count != 1 or text.count(inner) != 1:
        raise ValueError("JAX exports sizes in another way now")
    return text.replace(inner, "func.func public @main(")


if __name__ == "__main__":
    main()
