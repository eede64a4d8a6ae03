"""Milliseconds per call when several threads call one module: calls per second, upside down.

Run: python benchmarks/threads.py   (prints JSON; `run.py` starts it once per size of TVM's thread pool, which is read
when the process starts to call)
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

THREADS = (1, 2, 4)
SECONDS = 0.5
ROUNDS = 7


def main() -> None:
    """Measure and print."""
    import tvm_hlo_frontend

    found = {}
    for name, function, arrays in programs():
        converted = tvm_hlo_frontend.from_jax(function, *arrays)
        run = tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(converted))
        run(*arrays)
        found[name] = in_turns(lambda run=run, arrays=arrays: run(*arrays))
    print(json.dumps(found))


def programs() -> list[tuple[str, Callable[..., Any], list[Any]]]:
    """A short and a long loop that one thread runs, a small call, and one that all threads take part in."""
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(0)

    def square(size: int) -> np.ndarray:
        return (rng.normal(size=(size, size)) / 8).astype(np.float32)

    def loop(trips: int) -> tuple[str, Callable[..., Any], list[Any]]:
        return (
            f"scalar loop, {trips:,} trips",
            lambda x: lax.fori_loop(0, trips, lambda i, s: 3.7 * s * (1 - s), x),
            [X],
        )

    return [
        loop(100_000),
        loop(2_000_000),
        ("tanh(x @ w), 64x64", lambda x, w: jnp.tanh(x @ w).sum(0), [square(64), square(64)]),
        ("tanh(x @ w), 512x512", lambda x, w: jnp.tanh(x @ w), [square(512), square(512)]),
    ]


X = np.float32(0.5)


def in_turns(call: Callable[[], Any]) -> dict[str, float]:
    """Median milliseconds per call by number of threads, which have their turns one after the other."""
    times: dict[int, list[float]] = {count: [] for count in THREADS}
    for _ in range(ROUNDS):
        for count in THREADS:
            times[count].append(per_call(call, count))
    return {str(count): statistics.median(values) * 1e3 for count, values in times.items()}


def per_call(call: Callable[[], Any], count: int) -> float:
    """Seconds of a turn over the calls that `count` threads have made in it."""
    calls, end = [0] * count, time.perf_counter() + SECONDS

    def work(number: int) -> None:
        while time.perf_counter() < end:
            call()
            calls[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - start) / sum(calls)


if __name__ == "__main__":
    main()
