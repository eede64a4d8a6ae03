"""tvm-hlo bench: latencies of a module on TVM and on XLA."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .command import (
    DIFFERS,
    Command,
    Dims,
    Unusable,
    conversion_options,
    dim_option,
    file_argument,
    from_hlo_options,
    input_options,
    json_option,
    target_option,
    xla_on_cpu,
)

if TYPE_CHECKING:
    from .program import BothSides


@click.command(cls=Command, short_help="Time a module on TVM and on XLA.")
@file_argument
@input_options
@click.option("--threads", type=click.IntRange(min=1), help="Threads of both sides; by default one per processor.")
@target_option
@json_option
@dim_option
@conversion_options
@click.pass_context
def bench(
    ctx: click.Context,
    file: Path,
    inputs: Path | None,
    seed: int | None,
    threads: int | None,
    target: str | None,
    as_json: bool,
    dims: Dims,
    custom: Any,
    rng_seed: int | None,
    dialect: str | None,
) -> None:
    """Time a module on TVM and on XLA:CPU, in turns in one process with as many threads.

    Inputs lie where each side wants them; without --inputs they are drawn with seed 0. Each side is warmed up and then
    run in turns, at least 20 times and for two seconds; the medians are compared. A ratio below 1 means that TVM is
    faster. Needs jax. Exit code 1 if the results differ.

    \b
    Example:
      tvm-hlo bench model.pb --threads 1
    """
    xla_on_cpu()
    from .output import progress, quiet_tvm
    from .program import build_for_both

    quiet_tvm()
    options = from_hlo_options(custom, rng_seed, dialect)
    used = use_threads(threads)
    with progress(f"building {file}") as tell:
        drawn_by = 0 if inputs is None and seed is None else seed
        facts = measured(lambda: build_for_both(file, options, target, dims, cache=False), inputs, drawn_by, tell)
    facts |= {"file": str(file), "threads": used}
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        print_facts(facts)
    if facts["wrong_results"]:
        ctx.exit(DIFFERS)


def use_threads(count: int | None) -> int:
    """Give TVM and XLA `count` threads each, before either has started: XLA counts the processors it may use."""
    from ..backends.executors import processors

    available = processors()
    if count is None:
        count = int(os.environ.get("TVM_NUM_THREADS", len(available)))
    if count > len(available):
        raise Unusable(f"--threads {count}: this process may use {len(available)} processors")
    if count < len(available):
        if not hasattr(os, "sched_setaffinity"):
            raise Unusable("--threads: this system cannot give a process fewer processors")
        os.sched_setaffinity(0, available[:count])
    os.environ["TVM_NUM_THREADS"] = str(count)
    return count


def measured(make: Callable[[], BothSides], inputs: Path | None, seed: int | None, tell: Any) -> dict[str, Any]:
    """Seconds of building and milliseconds of running, on both sides."""
    from ..oracle.comparison import compared, flat_arrays
    from ..oracle.timing import alternate, prepared
    from ..oracle.xla_cpu import compile_xla
    from .arrays import given_inputs

    start = time.perf_counter()
    both = make()
    tvm_build = time.perf_counter() - start
    arrays = given_inputs(both.executable.inputs, inputs, seed, both.weights, both.values)
    tell("compiling for XLA")
    start = time.perf_counter()
    program = compile_xla(both.original)
    xla_build = time.perf_counter() - start
    found = compared(flat_arrays(both.executable(*arrays)), program(*arrays), None)
    tell("timing")
    placed = program.put(arrays)
    seconds = alternate({"tvm": prepared(both.executable, arrays), "xla": lambda: program.run(placed)})
    return {
        "tvm_ms": seconds["tvm"] * 1e3,
        "xla_ms": seconds["xla"] * 1e3,
        "ratio": seconds["tvm"] / seconds["xla"],
        "tvm_build_s": tvm_build,
        "xla_build_s": xla_build,
        "executor": both.executable.executor,
        "wrong_results": [index for index, part in enumerate(found.differences) if part.wrong],
    }


def print_facts(facts: dict[str, Any]) -> None:
    """Two rows and the ratio."""
    from .output import console, plural, table

    out = console()
    rows = [
        ("TVM", f"{facts['tvm_ms']:.3f}", f"{facts['tvm_build_s']:.1f}"),
        ("XLA:CPU", f"{facts['xla_ms']:.3f}", f"{facts['xla_build_s']:.1f}"),
    ]
    out.print(table("", ["", ">ms per run", ">s to build"], rows))
    threads = plural(facts["threads"], "thread")
    out.print(f"TVM / XLA = {facts['ratio']:.2f} on {threads} each, {facts['executor']} executor")
    if facts["wrong_results"]:
        out.print(f"results {facts['wrong_results']} differ: see `tvm-hlo compare`", style="red", markup=False)
