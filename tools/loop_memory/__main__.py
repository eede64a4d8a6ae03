"""Resident memory after a long loop against that after a thousand trips: `python -m tools.loop_memory 1000000`.

    loop_memory.py TRIPS [build | plain]

Two loops run, one whose trips nothing tells and one whose trips are a constant, with bodies that are no single kernel.
It fails if memory grew by more than 20 MB. `plain` compiles with TVM alone instead of this package's `build`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import tvm_hlo_frontend

LIMIT_MB = 20
FEW = 1000
PAGE = 4096


def resident_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def asked(x: jax.Array, trips: Any) -> jax.Array:
    """A loop that ends when its condition says so."""
    state = (x, jnp.int32(0))
    return lax.while_loop(lambda s: s[1] < trips, lambda s: (trip(s[0], s[1]), s[1] + 1), state)[0]


def counted(x: jax.Array, trips: int) -> jax.Array:
    """A loop whose trips are known."""
    return lax.fori_loop(0, trips, lambda i, state: trip(state, i), x)


def trip(x: jax.Array, number: Any) -> jax.Array:
    """What no kernel of a whole loop does."""
    return jnp.roll(lax.sort(x), 1) * 0.999 + number % 3


def compiled(kind: str, function: Callable[..., Any], *args: np.ndarray) -> Callable[..., Any]:
    """`function`, run by TVM."""
    converted = tvm_hlo_frontend.from_jax(function, *args)
    mod, params = tvm_hlo_frontend.mod_and_params(converted)
    if kind == "build":
        return tvm_hlo_frontend.build(mod, params)
    import tvm

    if isinstance(converted, tuple):
        from tvm import relay
        from tvm.runtime.vm import VirtualMachine

        machine = VirtualMachine(relay.vm.compile(mod, target="llvm", params=params), tvm.cpu())
        return lambda *args: machine.invoke("main", *args).numpy()
    from tvm import relax

    main = relax.VirtualMachine(tvm.compile(mod, target="llvm"), tvm.cpu())["main"]
    return lambda *args: main(*(tvm.runtime.tensor(arg) for arg in args)).numpy()


def main(trips: int, kind: str = "build") -> int:
    """Exit code: 1 if memory grew."""
    x, grew = np.ones(16, np.float32), []
    run = compiled(kind, asked, x, np.int32(FEW))
    few = compiled(kind, lambda x: counted(x, FEW), x)
    many = compiled(kind, lambda x: counted(x, trips), x)
    for name, short, long, want in (
        ("asked", lambda: run(x, np.int32(FEW)), lambda: run(x, np.int32(trips)), asked),
        ("counted", lambda: few(x), lambda: many(x), counted),
    ):
        short()
        before, start = resident_mb(), time.perf_counter()
        got = long()
        seconds = time.perf_counter() - start
        grew.append(resident_mb() - before)
        print(f"{name}: {trips} trips, {seconds / trips * 1e6:.2f} us each; memory grew by {grew[-1]:.1f} MB")
        np.testing.assert_allclose(got, jax.jit(want, static_argnums=1)(x, trips), rtol=1e-3)
    return int(max(grew) > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:3]))
