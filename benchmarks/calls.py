"""Calls of small programs from Python beside XLA:CPU's, in turns. Prints JSON: milliseconds of both by program."""

from __future__ import annotations

import json

from cases import small_cases

import tvm_hlo_frontend
from tvm_hlo_frontend.oracle.timing import alternate


def main() -> None:
    """Measure; both get the same numpy arrays, XLA's call waits for its results."""
    import jax

    found = {}
    for case in small_cases():
        converted = tvm_hlo_frontend.from_jax(case.function, *case.arguments)
        run = tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(converted))
        compiled = jax.jit(case.function).lower(*case.arguments).compile()
        programs = {
            "tvm": lambda run=run, case=case: run(*case.arguments),
            "xla": lambda compiled=compiled, case=case: jax.block_until_ready(compiled(*case.arguments)),
        }
        seconds = alternate(programs)
        found[case.name] = [seconds["tvm"] * 1e3, seconds["xla"] * 1e3]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
