"""Calls compiled modules from many threads at once and checks every result.

Run: python -m tools.thread_stress [--threads N] [--calls N]   (with either TVM; exit status 1 if a result is wrong)

Each thread has inputs of its own. Every hundredth call has a wrong shape, and every hundredth fails while it runs, in a
function of the host; the calls of the other threads must not notice.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SIZE = 64
LOOP_SIZE = 8
EVERY = 100


@dataclass(frozen=True)
class Program:
    """A module under stress.

    Attributes
    ----------
    name : str
    executable : tvm_hlo_frontend.deploy.executable.Executable
    inputs : list
        Arguments of each thread.
    wanted : list
        Results of each thread, of calls from one thread alone.
    """

    name: str
    executable: Any
    inputs: list[Any]
    wanted: list[Any]


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--calls", type=int, default=1500, help="of each thread and each executor")
    options = parser.parse_args()
    faulthandler.enable()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    wrong = 0
    for program in programs(options.threads):
        start = time.perf_counter()
        found = stressed(program, options.calls)
        wrong += found
        print(
            f"{program.name}: {found} wrong of {options.threads * options.calls} calls from {options.threads} threads, "
            f"TVM_NUM_THREADS={os.environ['TVM_NUM_THREADS']}, {time.perf_counter() - start:.1f} s",
            flush=True,
        )
    return 1 if wrong else 0


def programs(threads: int) -> list[Program]:
    """One without control flow, one with a loop, and one that calls the host while it runs and then may fail."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(SIZE, SIZE)).astype(np.float32) / 8
    squares = [(rng.normal(size=(SIZE, SIZE)).astype(np.float32),) for _ in range(threads)]
    small = [(rng.normal(size=(LOOP_SIZE, LOOP_SIZE)).astype(np.float32) / 8,) for _ in range(threads)]
    loops = [(*arrays, np.int32(2 + number % 3)) for number, arrays in enumerate(small)]
    return [
        program("straight", straight, squares, weight),
        program("loop", loop, loops),
        program("host function", host_function, small),
    ]


def straight(x: Any, w: Any) -> Any:
    """A layer with a weight."""
    import jax.numpy as jnp

    return jnp.tanh(x @ w).sum(0)


def loop(x: Any, trips: Any) -> Any:
    """A loop that stays one: the number of trips is an input, and no kernel of a whole loop sorts."""
    from jax import lax

    def body(state: Any) -> Any:
        number, y = state
        return number + 1, lax.sort(y @ y + y)

    return lax.while_loop(lambda s: s[0] < trips, body, (np.int32(0), x))[1]


def host_function(x: Any) -> Any:
    """The trace of a Schur form, which the host computes, between kernels of TVM."""
    import jax.numpy as jnp
    from jax import lax

    return jnp.trace(lax.linalg.schur(jnp.tanh(x), compute_schur_vectors=False)[0])


def program(name: str, function: Callable[..., Any], inputs: list[Any], *weights: Any) -> Program:
    """Build, and compute what every thread should get."""
    import tvm_hlo_frontend

    fail_for_nan()
    arguments = (*inputs[0], *weights)
    numbers = tuple(range(len(inputs[0]), len(arguments)))
    converted = tvm_hlo_frontend.from_jax(function, *arguments, weight_argnums=numbers)
    executable = tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(converted))
    wanted = [executable(*arrays) for arrays in inputs]
    return Program(f"{name} ({executable.executor})", executable, inputs, wanted)


def fail_for_nan() -> None:
    """Let the host's function raise an error for NaN, of which LAPACK's own makes NaN."""
    import tvm

    from tvm_hlo_frontend.deploy import host_lapack

    def gees(parts: int, vectors: int, *arrays: Any) -> None:
        if np.isnan(arrays[0].numpy()).any():
            raise ValueError("NaN")
        host_lapack.gees(parts, vectors, *arrays)

    register = getattr(tvm, "register_global_func", None) or tvm.register_func
    register(f"{host_lapack.HOST_PREFIX}gees", gees, override=True)


def stressed(program: Program, calls: int) -> int:
    """Number of calls from all threads that did not do what they should."""
    wrong = [0] * len(program.inputs)
    start = threading.Barrier(len(wrong))

    def work(number: int) -> None:
        start.wait()
        wrong[number] = sum(not right(program, number, call) for call in range(calls))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(wrong))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(wrong)


def right(program: Program, number: int, call: int) -> bool:
    """Whether one call gives its thread's result, or the error that it should."""
    from tvm_hlo_frontend import SignatureError

    arrays = program.inputs[number]
    if call % EVERY == number:
        return raises(SignatureError, program.executable, [array[..., :-1] for array in arrays[:1]])
    if program.executable.host_functions and call % EVERY == number + EVERY // 2:
        return raises(Exception, program.executable, [np.full_like(array, np.nan) for array in arrays])
    return np.array_equal(program.executable(*arrays), program.wanted[number])


def raises(wanted: type[Exception], function: Callable[..., Any], arrays: list[Any]) -> bool:
    """Whether a call raises an error of a type."""
    try:
        function(*arrays)
    except wanted:
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
