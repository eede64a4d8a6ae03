"""tvm-hlo compare: a module on TVM and on XLA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .command import (
    DIFFERS,
    Command,
    Dims,
    cache_option,
    conversion_options,
    dim_option,
    file_argument,
    from_hlo_options,
    input_options,
    target_option,
    xla_on_cpu,
)


@click.command(cls=Command, short_help="Compare TVM's results with XLA's.")
@file_argument
@input_options
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative error that floats may have; by default by type.")
@target_option
@cache_option
@dim_option
@conversion_options
@click.pass_context
def compare(
    ctx: click.Context,
    file: Path,
    inputs: Path | None,
    seed: int | None,
    rtol: float | None,
    target: str | None,
    dims: Dims,
    custom: Any,
    rng_seed: int | None,
    dialect: str | None,
) -> None:
    """Run a module on TVM and on XLA:CPU with the same inputs, and find the first instruction that differs.

    Integers must be equal. Floats may differ relative to their magnitude and the root mean square of their array: f64
    by 1e-12, f32 by 1e-4, f16 by 2e-3, bf16 by 1e-2. Without --inputs they are drawn with seed 0. Needs jax. Exit code
    1 if a result differs.

    \b
    Example:
      tvm-hlo compare model.pb
      tvm-hlo compare model.pb --inputs x.npz --rtol 1e-5
    """
    xla_on_cpu()
    from ..oracle.comparison import Side, compared, first_difference, flat_arrays, run_on_xla
    from .arrays import given_inputs
    from .output import console, progress, quiet_tvm
    from .program import build_for_both

    quiet_tvm()
    side = Side(from_hlo_options(custom, rng_seed, dialect), target, rtol)
    out = console()
    with progress(f"building {file}") as tell:
        both = build_for_both(file, side.options, target, dims)
        seed = 0 if inputs is None and seed is None else seed
        arrays = given_inputs(both.executable.inputs, inputs, seed, both.weights, both.values)
        tell("running on TVM and on XLA")
        found = compared(flat_arrays(both.executable(*arrays)), run_on_xla(both.original, arrays), rtol)
    print_comparison(out, found)
    if found.same:
        return
    with progress("looking for the first instruction that differs") as tell:
        wrong = first_difference(both.module, arrays, side, tell)
    print_wrong(out, wrong)
    ctx.exit(DIFFERS)


def print_comparison(out: Any, found: Any) -> None:
    """A row per result."""
    from ..oracle.report import rows_of
    from .output import table

    out.print(table("", [">result", "shape", ">wrong elements", ">largest error", ""], rows_of(found)))


def print_wrong(out: Any, wrong: Any) -> None:
    """The instruction, both values and where it came from."""
    from ..oracle.report import NOTHING_FOUND, lines_of

    if wrong is None:
        out.print(NOTHING_FOUND)
        return
    out.print("\nfirst instruction that differs:", style="bold")
    out.print("\n".join(f"  {line}" for line in lines_of(wrong)), markup=False, soft_wrap=True)
