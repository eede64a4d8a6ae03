"""Loops on the installed TVM and on XLA:CPU: latencies by trips, seconds to compile.

Run: python benchmarks/loops.py [PART OF A NAME …]   (prints JSON; `run.py` starts it with either TVM)
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Program = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Loop:
    """A program by its number of trips."""

    name: str
    program: Callable[[int], Program]
    trips: tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """Milliseconds of a call, seconds from HLO to what can be called."""

    name: str
    trips: int
    ms: float
    rival_ms: float
    build_s: float
    rival_build_s: float


def main(wanted: list[str]) -> None:
    """Measure and print; importing TVM is not counted to the first."""
    import tvm_hlo_frontend

    tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(tvm_hlo_frontend.from_jax(abs, np.float32(1))))
    found = []
    for loop in LOOPS:
        if wanted and not any(part.lower() in loop.name.lower() for part in wanted):
            continue
        for trips in loop.trips:
            found.append(asdict(measure(loop, trips)))
            print(found[-1], file=sys.stderr, flush=True)
    print(json.dumps(found))


def measure(loop: Loop, trips: int) -> Measured:
    """One program, on both."""
    import tvm_hlo_frontend
    from tvm_hlo_frontend.frameworks.jax import lower_jax
    from tvm_hlo_frontend.oracle.timing import alternate, prepared
    from tvm_hlo_frontend.oracle.xla_cpu import compile_xla

    function, arguments = loop.program(trips)
    hlo = lower_jax(function, *arguments).hlo
    start = time.perf_counter()
    program = compile_xla(hlo)
    compiled = time.perf_counter()
    executable = tvm_hlo_frontend.build(*tvm_hlo_frontend.mod_and_params(tvm_hlo_frontend.from_hlo(hlo)))
    built = time.perf_counter()
    given = [np.asarray(x) for x in arguments]
    arrays = program.put(given)
    seconds = alternate({"tvm": prepared(executable, given), "xla": lambda: program.run(arrays)})
    ms, rival_ms = seconds["tvm"] * 1e3, seconds["xla"] * 1e3
    return Measured(loop.name, trips, ms, rival_ms, built - compiled, compiled - start)


def _f32(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def scan(trips: int) -> Program:
    """A recurrent layer that stacks its states."""
    import jax.numpy as jnp
    from jax import lax

    def function(c: Any, xs: Any, w: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            c = jnp.tanh(c @ w + x)
            return c, c

        return lax.scan(step, c, xs)

    return function, (_f32(256), _f32(trips, 256), _f32(256, 256) / 16)


def cache(trips: int, rows: int = 0) -> Program:
    """Row after row of a cache is written and read again; it has one per trip, or `rows`."""
    from jax import lax

    def function(rows: Any) -> Any:
        def step(i: Any, state: Any) -> Any:
            rows, sums = state
            rows = lax.dynamic_update_slice(rows, (rows[i - 1] * 0.5 + sums)[None], (i, 0))
            return rows, sums + lax.dynamic_slice(rows, (i, 0), (1, 1024))[0] * 1e-3

        return lax.fori_loop(0, trips, step, (rows, rows[0]))

    return function, (_f32(rows or trips, 1024),)


def large_cache(trips: int) -> Program:
    """As `cache`, whose size does not depend on the trips."""
    return cache(trips, 10_000)


def large_buffer(trips: int) -> Program:
    """A block of a large buffer is read, changed and written back."""
    from jax import lax

    def function(buffer: Any) -> Any:
        def step(i: Any, buffer: Any) -> Any:
            block = lax.dynamic_slice(buffer, (i % 512, 0), (8, 1024))
            return lax.dynamic_update_slice(buffer, block * 0.5 + 1, (i * 7 % 512, 0))

        return lax.fori_loop(0, trips, step, buffer)

    return function, (_f32(1024, 1024),)


def metropolis(trips: int) -> Program:
    """A Metropolis sampler of four dimensions."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def function(key: Any, x: Any) -> Any:
        def step(state: Any, _: Any) -> Any:
            key, x = state
            key, proposal, level = jax.random.split(key, 3)
            y = x + jax.random.normal(proposal, x.shape)
            accepted = jnp.log(jax.random.uniform(level)) < 0.5 * ((x**2).sum() - (y**2).sum())
            x = jnp.where(accepted, y, x)
            return (key, x), x

        return lax.scan(step, (key, x), None, length=trips)

    return function, (np.array([0, 7], np.uint32), _f32(4))


def leapfrog(trips: int) -> Program:
    """A leapfrog integrator of 64 pendulums."""
    import jax.numpy as jnp
    from jax import lax

    def function(q: Any, p: Any) -> Any:
        def step(_: Any, state: Any) -> Any:
            q, p = state
            p = p - 0.01 * jnp.sin(q)
            q = q + 0.02 * p
            return q, p - 0.01 * jnp.sin(q)

        return lax.fori_loop(0, trips, step, (q, p))

    return function, (_f32(64), _f32(64))


def lstm(trips: int) -> Program:
    """An LSTM of 256 units."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def function(xs: Any, w: Any, u: Any, b: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(x @ w + h @ u + b, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return lax.scan(step, (jnp.zeros(256), jnp.zeros(256)), xs)

    return function, (_f32(trips, 256), _f32(256, 1024) / 16, _f32(256, 1024) / 16, _f32(1024))


def pendulum(trips: int) -> Program:
    """diffrax: Tsitouras' method with adaptive steps, `trips` results saved."""
    os.environ["EQX_ON_ERROR"] = "nan"  # instead of calls back into Python
    import diffrax
    import jax.numpy as jnp

    def field(t: Any, y: Any, args: Any) -> Any:
        return jnp.stack([y[1], -jnp.sin(y[0]) - 0.1 * y[1] + 0.3 * jnp.cos(t)])

    def function(y: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Tsit5(),
            t0=0.0,
            t1=20.0,
            dt0=0.05,
            y0=y,
            saveat=diffrax.SaveAt(ts=jnp.linspace(0, 20, trips)),
            stepsize_controller=diffrax.PIDController(rtol=1e-5, atol=1e-6),
            max_steps=4096,
        ).ys

    return function, (np.array([1.0, 0.0], np.float32),)


def decoding(trips: int) -> Program:
    """Greedy decoding with caches of keys and values in the state, `trips` tokens."""
    import jax
    from tools.models.generation import Decoder, decoder_params, generate

    model = Decoder(generated=trips)
    params = decoder_params(model, np.random.default_rng(model.seed))
    prompt = np.arange(model.prompt, dtype=np.int32)
    leaves, structure = jax.tree.flatten(params)
    return lambda prompt, *leaves: generate(model, jax.tree.unflatten(structure, leaves), prompt), (prompt, *leaves)


LOOPS = [
    Loop("scan, tanh(c @ w + x) of 256", scan, (100, 1_000, 10_000)),
    Loop("rows of a cache [trips, 1024]", cache, (100, 1_000, 10_000)),
    Loop("rows of a cache [10000, 1024]", large_cache, (100, 1_000, 10_000)),
    Loop("blocks of a buffer [1024, 1024]", large_buffer, (100, 1_000, 10_000)),
    Loop("Metropolis sampler", metropolis, (100, 1_000, 10_000)),
    Loop("leapfrog, 64 pendulums", leapfrog, (1_000,)),
    Loop("LSTM of 256", lstm, (2_000,)),
    Loop("diffrax Tsit5, adaptive", pendulum, (100,)),
    Loop("tokens of a decoder of 2 layers of 256", decoding, (256,)),
]


if __name__ == "__main__":
    main(sys.argv[1:])
