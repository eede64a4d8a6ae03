"""tvm-hlo run: a module on TVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .command import (
    Command,
    Dims,
    cache_option,
    conversion_options,
    dim_option,
    file_argument,
    from_hlo_options,
    input_options,
)

FIRST = 4


@click.command(cls=Command, short_help="Run a module on TVM.")
@file_argument
@input_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.NPZ",
    help="Write the results; without it, their shapes and first numbers are shown.",
)
@cache_option
@dim_option
@conversion_options
def run(
    file: Path,
    inputs: Path | None,
    seed: int | None,
    output: Path | None,
    dims: Dims,
    custom: Any,
    rng_seed: int | None,
    dialect: str | None,
) -> None:
    """Run a module on TVM: an HLO file, a folder of `tvm-hlo convert`, or a library of `tvm-hlo build`.

    Inputs are named as `tvm-hlo inspect` shows them. Results are named result, or result_0, result_1, … for a tuple.
    NumPy's files keep bfloat16 and other narrow types as raw bytes; they are read back as what the input is. Unknown
    sizes are those of the arrays of --inputs; for --random, --dim gives them.

    \b
    Example:
      tvm-hlo run model.pb --inputs x.npz -o out.npz
      tvm-hlo run model.so --random 0
    """
    options = from_hlo_options(custom, rng_seed, dialect)
    import numpy as np

    from ..deploy.whole_files import written_whole
    from .arrays import given_inputs, named_results
    from .output import plural, progress
    from .program import load_runnable

    with progress(f"loading {file}") as tell:
        made = load_runnable(file, options, dims)
        arrays = given_inputs(made.executable.inputs, inputs, seed, values=made.values, dims=made.dims)
        tell("running")
        results = named_results(made.executable(*arrays))
    if output is None:
        print_results(results)
    else:
        # numpy would add a suffix to a name without one
        with written_whole(output) as whole, whole.open("wb") as opened:
            np.savez(opened, **results)  # type: ignore[arg-type]
        click.echo(f"{plural(len(results), 'result')} written to {output}")


def print_results(results: dict[str, Any]) -> None:
    """A row per result."""
    from .output import console, table

    rows = [(name, f"{array.dtype}{list(array.shape)}", first_numbers(array)) for name, array in results.items()]
    console().print(table("", ["result", "shape", "first numbers"], rows))


def first_numbers(array: Any) -> str:
    """Some elements, in order."""
    flat = array.reshape(-1)
    shown = " ".join(str(value) for value in flat[:FIRST])
    return shown + (" …" if flat.size > FIRST else "")
