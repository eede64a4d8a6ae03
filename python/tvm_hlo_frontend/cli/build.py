"""tvm-hlo build: an HLO module as a shared library."""

from __future__ import annotations

import warnings
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
    output_option,
    target_option,
)


@click.command(cls=Command, short_help="Compile a module into a shared library.")
@file_argument
@output_option(
    "MODEL.SO", "The library; with the suffix .tar object files, for a machine that this one cannot link for."
)
@target_option
@cache_option
@dim_option
@conversion_options
def build(
    file: Path,
    output: Path,
    target: str | None,
    dims: Dims,
    custom: Any,
    rng_seed: int | None,
    dialect: str | None,
) -> None:
    """Convert and compile a module, and export it as a library with a JSON file beside it.

    The JSON file has the signature and the executor ("graph" or "vm", of today's TVM "relax") that runs the library;
    `tvm-hlo run` takes the library. TVM's runtime alone can run it as well. FILE may also be a folder that `tvm-hlo
    convert` has made.

    \b
    Example:
      tvm-hlo build model.pb -o model.so
      tvm-hlo build model.pb -o model.tar --target 'llvm -mtriple=aarch64-linux-gnu'
    """
    options = from_hlo_options(custom, rng_seed, dialect)
    from ..deploy.saved import save_library
    from ..deploy.targets import cpu_target
    from .output import console, progress
    from .program import load_executable

    with progress(f"building {file}"), warnings.catch_warnings(record=True) as warned:
        executable = load_executable(file, options, target, dims, cache=None if output.suffix == ".so" else False)
        description = save_library(executable, output, target or cpu_target(), str(file))
    out = console()
    out.print(f"{output}: for the {executable.executor} executor, described by {description}", markup=False)
    for warning in warned:
        if issubclass(warning.category, UserWarning):
            click.echo(f"Warning: {warning.message}", err=True)
