"""Measures rows on one contestant and on XLA:CPU, in turns, in this process.

Run: python -m benchmarks.rivals.worker CONTESTANT SECONDS ROUNDS LOCK ROW …   (one JSON object per line: the row, and
the phase that it enters; with "done" what was measured, or why it is missing. LOCK is a file, or empty)
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import artifacts, contestants, rows, turns
from .locks import Lock
from .prepared import MissingError, Prepared

# of the largest difference to XLA's results, in units of their deviation; above it is another program
TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-1}


@dataclass(frozen=True)
class Ready:
    """A row that is prepared on both."""

    facts: artifacts.Facts
    calls: dict[str, Callable[[], Any]]
    error: float
    build_s: float


def main(key: str, seconds: str, rounds: str, lock: str, *names: str) -> None:
    """Prepare all rows, then measure them, and tell of each."""
    # libraries print; only what this tells goes to where it is read
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for name in ("te_compiler", "strategy", "autotvm"):
        logging.getLogger(name).setLevel(logging.ERROR)
    contestant, held = contestants.keyed(key), Lock(lock)

    def tell(name: str | None, phase: str, **more: Any) -> None:
        print(json.dumps({"row": name, "phase": phase, **more}), file=out, flush=True)

    ready: dict[str, Ready] = {}
    tell(None, "wait")
    with held.shared():
        for name in names:
            tell(name, "prepare")
            with told(tell, name):
                ready[name] = prepare(contestant, rows.named(name))
    tell(None, "wait")
    with held.alone():
        for name, each in ready.items():
            tell(name, "measure")
            with told(tell, name):
                tell(name, "done", measured=measure(each, float(seconds), int(rounds)))


@contextlib.contextmanager
def told(tell: Callable[..., None], name: str) -> Iterator[None]:
    """What is raised in it is why the row is missing."""
    try:
        yield
    except MissingError as error:
        tell(name, "done", missing=str(error))
    except Exception as error:
        tell(name, "done", missing=artifacts.reason(error))


def prepare(contestant: contestants.Contestant, row: rows.Row) -> Ready:
    """Compile a row on both, and compare their results."""
    from tvm_hlo_frontend.oracle.xla_cpu import compile_xla

    facts, folder = artifacts.load(row), artifacts.folder_of(row)
    if contestant.needs in facts.missing:
        raise MissingError(f"no {contestant.needs}: {facts.missing[contestant.needs]}")
    program = compile_xla(facts.hlo)
    arrays = program.put(facts.arguments)
    begun = time.perf_counter()
    prepared = contestant.prepare(facts, folder)
    build_s = time.perf_counter() - begun
    error = difference(prepared, program(*facts.arguments), facts.channels_last and contestant.of_pytorch)
    return Ready(facts, {"its": prepared.call, "xla": lambda: program.run(arrays)}, error, build_s)


def measure(ready: Ready, seconds: float, rounds: int) -> dict[str, Any]:
    """Milliseconds of both, the ratio with its quartiles, and what else is known."""
    load = os.getloadavg()[0]
    times = turns.in_turns(ready.calls, seconds, rounds)
    found = turns.ratio(times["its"], times["xla"])
    return {
        "ms": min(times["its"]) * 1e3,
        "xla_ms": min(times["xla"]) * 1e3,
        "ratio": found.least,
        "low": found.low,
        "high": found.high,
        "rounds": len(times["its"]),
        "load": load,
        "error": ready.error,
        "build_s": ready.build_s,
        "flops": ready.facts.flops,
        "bytes": ready.facts.bytes_moved,
    }


def difference(ready: Prepared, wanted: Sequence[np.ndarray], channels_last: bool) -> float:
    """Of results to XLA's; MissingError if it is no rounding."""
    if channels_last:
        wanted = [np.moveaxis(array, -1, 1) for array in wanted]
    got = ready.results()
    if [array.shape for array in got] != [array.shape for array in wanted]:
        raise MissingError(f"results of shapes {[array.shape for array in got]}")
    worst = max(relative_error(have, want) for have, want in zip(got, wanted))
    allowed = max(TOLERANCE.get(array.dtype.name, 0.0) for array in wanted)
    if not worst <= allowed:
        raise MissingError(f"its result differs from XLA's by {worst:.1e} deviations")
    return worst


def relative_error(got: np.ndarray, wanted: np.ndarray) -> float:
    """Greatest difference in units of the deviation of what is wanted."""
    want = wanted.astype("f8")
    return float(np.abs(got.astype("f8") - want).max() / (want.std() or 1.0))


if __name__ == "__main__":
    main(*sys.argv[1:])
