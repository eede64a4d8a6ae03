"""tvm-hlo compare: a module on TVM and on XLA."""

from __future__ import annotations

import math
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
    by 1e-10, f32 by 1e-4, f16 by 2e-3, bf16 by 1e-2. Without --inputs they are drawn with seed 0. Needs jax. Exit code
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
    from .output import table

    rows = []
    for index, (array, part) in enumerate(zip(found.xla, found.differences)):
        verdict = "differs" if part.wrong else "same" if part.finite else "same, but nothing in it is finite"
        error = f"{part.error:.2g}" if math.isfinite(part.error) else ""
        rows.append((index, f"{array.dtype}{list(array.shape)}", part.wrong, error, verdict))
    out.print(table("", [">result", "shape", ">wrong elements", ">largest error", ""], rows))


def print_wrong(out: Any, wrong: Any) -> None:
    """The instruction, both values and where it came from."""
    from ..hlo.text.printer import instruction_to_text

    if wrong is None:
        out.print("Every value is the same when the module is written anew by this package: please report the file.")
        return
    found, where = wrong.difference, wrong.difference.where
    out.print("\nfirst instruction that differs:", style="bold")
    lines = [instruction_to_text(wrong.instruction)]
    if str(wrong.instruction.metadata):
        lines.append(f"from {wrong.instruction.metadata}")
    if wrong.path:
        lines.append(f"element {'.'.join(map(str, wrong.path))} of its result")
    size = f", by up to {found.error:.2g}" if math.isfinite(found.error) else ""
    lines.append(f"{found.wrong} of {found.size} elements differ{size}; first at {list(where)}")
    lines.append(f"TVM {wrong.tvm[where]!s}   XLA {wrong.xla[where]!s}")
    lines.append(by_itself(wrong))
    out.print("\n".join(f"  {line}" for line in lines), markup=False, soft_wrap=True)


def by_itself(wrong: Any) -> str:
    """What the instruction alone says of the cause."""
    if wrong.alone is None:
        return "it cannot be run by itself"
    if not wrong.alone.same:
        return "by itself, on XLA's operands, it differs as well"
    return (
        "by itself, on XLA's operands, it does not differ: small differences before it have grown, or it is compiled "
        "differently together with its neighbours"
    )
