"""tvm-hlo convert: an HLO module as files of a TVM module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .command import (
    Command,
    Dims,
    Unusable,
    conversion_options,
    dim_option,
    file_argument,
    from_hlo_options,
    output_option,
)


@click.command(cls=Command, short_help="Write a module as TVM's: IR, parameters, signature.")
@file_argument
@output_option("DIR", "Folder that gets module.json, module.txt, params.bin and metadata.json.", folder=True)
@click.option("--force", is_flag=True, help="Overwrite these files.")
@dim_option
@conversion_options
def convert(
    file: Path, output: Path, force: bool, dims: Dims, custom: Any, rng_seed: int | None, dialect: str | None
) -> None:
    """Convert a module to TVM and write it into a folder.

    module.json is the module in Relay or Relax (tvm.ir.load_json reads it), module.txt the same for people, params.bin
    the large constants as TVM's file of parameters, metadata.json the signature, the report and versions. `tvm-hlo
    build` and `tvm-hlo run` take the folder.

    \b
    Example:
      tvm-hlo convert model.pb -o converted/
    """
    options = from_hlo_options(custom, rng_seed, dialect)
    from ..convert.report import report_of
    from ..deploy.executable import mod_and_params
    from ..deploy.saved import FILES, save_module
    from ..frontend import from_hlo
    from .output import console, progress
    from .program import read_program

    existing = [str(output / name) for name in FILES if (output / name).exists()]
    if existing and not force:
        raise Unusable(f"{', '.join(existing)} exist; --force overwrites them")
    with progress(f"converting {file}"):
        source = read_program(file, dims).source
        made = from_hlo(source, freeze_params=False, dimension_bounds=dims.bounds, **options)
        mod, params = mod_and_params(made)
        save_module(mod, params, output, str(file))
    out = console()
    out.print(str(report_of(mod)), markup=False)
    out.print(f"written to {output}: {', '.join(FILES)}", markup=False)
