"""TensorFlow programs divided by `tvm_hlo_frontend.hybrid`, against TensorFlow alone and with XLA's automatic clusters.

Run: python benchmarks/hybrid.py [PART OF A NAME …]   (of the programs in hybrid_programs.py; if all are measured, it
writes benchmarks/hybrid.md). What the hybrid returns is compared with what TensorFlow returns before it is measured.
TensorFlow's automatic clusters are flags of a process, so they are measured in one of their own, in the same run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hybrid_programs import PROGRAMS

FOLDER = Path(__file__).resolve().parent
CLUSTERS = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit --tf_xla_min_cluster_size=2"
BLOCKS, CALLS = 6, 6
THREADS = (1, 2, 4, 16)
THREADED = next(iter(PROGRAMS))
SECONDS, TURNS = 0.5, 5


def milliseconds(*calls: Callable[[], Any]) -> list[float]:
    """Median of each call; blocks of them are made in turns, as threads that wait for work disturb who comes next."""
    times: list[list[float]] = [[] for _ in calls]
    for block in range(-1, BLOCKS):
        for call, found in zip(calls, times):
            call()
            for _ in range(CALLS):
                start = time.perf_counter()
                call()
                if block >= 0:
                    found.append(time.perf_counter() - start)
    return [1000 * statistics.median(found) for found in times]


def per_second(call: Callable[[], Any], threads: int) -> float:
    """Calls per second by so many threads."""
    counts = [0] * threads
    end = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        while time.perf_counter() < end:
            call()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - start)


def throughput(*calls: Callable[[], Any]) -> list[list[float]]:
    """For each number of threads, the median of the calls per second of each call; they are measured in turns."""
    found = []
    for threads in THREADS:
        turns = [[per_second(call, threads) for call in calls] for _ in range(TURNS)]
        found.append([statistics.median(column) for column in zip(*turns)])
    return found


def of_tensorflow(names: Sequence[str]) -> dict[str, Any]:
    """Latency of programs in TensorFlow, and throughput of the first, with the flags of this process."""
    found: dict[str, Any] = {}
    for name in names:
        function, arguments = PROGRAMS[name]()
        (found[name],) = milliseconds(lambda f=function, a=arguments: f(*a))
        if name == THREADED:
            found["throughput"] = throughput(lambda f=function, a=arguments: f(*a))
    return found


def compare(name: str, got: Any, want: Any) -> None:
    """Leave unless results are TensorFlow's, up to rounding."""
    for mine, theirs in zip(got, want, strict=True):
        if mine.shape != theirs.shape:
            raise SystemExit(f"{name}: {mine.shape} instead of {theirs.shape}")
        if theirs.dtype.is_floating:
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-4)
        elif not np.array_equal(mine.numpy(), theirs.numpy()):
            raise SystemExit(f"{name}: {mine} instead of {theirs}")


def clustered(names: Sequence[str]) -> dict[str, Any]:
    """`of_tensorflow` with XLA's automatic clusters."""
    flags = {**os.environ, "TF_XLA_FLAGS": CLUSTERS}
    command = [sys.executable, __file__, "--tensorflow", *names]
    done = subprocess.run(command, env=flags, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Measure and write the tables."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if sys.argv[1:2] == ["--tensorflow"]:
        print(json.dumps(of_tensorflow(sys.argv[2:])))
        return 0
    names = [name for name in PROGRAMS if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    xla = clustered(names)
    from tvm_hlo_frontend import hybrid

    rows, threaded = [], []
    for name in names:
        function, arguments = PROGRAMS[name]()
        run = hybrid.offload(function, freeze=True)
        got, want = run(*arguments), function(*arguments)
        compare(name, got, want)
        calls = (lambda f=run, a=arguments: f(*a)), (lambda f=function, a=arguments: f(*a))
        mine, alone = milliseconds(*calls)
        rows.append((name, run.plan.share, mine, alone, xla[name]))
        print(*rows[-1], *(each.shape for each in got), run.plan.notes[-1], flush=True)
        if name == THREADED:
            threaded = [(*both, *other) for both, other in zip(throughput(*calls), xla["throughput"])]
            print(threaded, flush=True)
    if len(rows) == len(PROGRAMS):
        (FOLDER / "hybrid.md").write_text(page(rows, threaded), encoding="utf-8")
    return 0


def page(rows: Sequence[Any], threaded: Sequence[Any]) -> str:
    """Both tables."""
    lines = [
        "# The hybrid",
        "",
        "Generated by `make demo-hybrid`: TensorFlow programs whose clusters TVM computes, frozen, against TensorFlow",
        f"alone and with XLA's automatic clusters, medians of one run on {os.cpu_count()} processors.",
        "",
        "| program | FLOPs in TVM | ms | TensorFlow alone, ms | ratio | with XLA's clusters, ms | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {100 * share:.0f} % | {mine:.2f} | {alone:.2f} | **{mine / alone:.2f}** | {xla:.2f} | "
            f"**{mine / xla:.2f}** |"
            for name, share, mine, alone, xla in rows
        ),
        "",
        f"Calls per second of the {THREADED}, by several threads of Python; above 1 the hybrid makes more:",
        "",
        "| threads | calls per second | TensorFlow alone | ratio | with XLA's clusters | ratio |",
        "|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {threads} | {mine:.0f} | {alone:.0f} | **{mine / alone:.2f}** | {xla:.0f} | **{mine / xla:.2f}** |"
            for threads, (mine, alone, xla) in zip(THREADS, threaded)
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
