"""What the commands share: errors and exit codes, arguments and options."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import ConversionError, HloFrontendError, UnsupportedHloError

DIFFERS = 1
UNUSABLE = 2
PICTURES = (".svg", ".html")
_TRACEBACK = "tvm_hlo_frontend.traceback"
# of a size that fits into 64 bits
_NUMBER = re.compile(r"-?\d{1,18}")

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Unusable(click.ClickException):
    """What was given cannot be used; one paragraph without the command's usage."""

    exit_code = UNUSABLE


class Command(click.Command):
    """A command whose errors are one paragraph on stderr, and whose exit code says of what kind they are."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(
                ["--traceback"],
                is_flag=True,
                expose_value=False,
                callback=_remember_traceback,
                help="Show where an error came from.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an exception that is no usage error becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get(_TRACEBACK):
                traceback.print_exc()
            else:
                click.echo(f"Error: {paragraph(error)}", err=True)
            ctx.exit(exit_code(error))


def _remember_traceback(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    ctx.meta[_TRACEBACK] = value


def exit_code(error: Exception) -> int:
    """1 if the module cannot be converted, 2 if it could not be told."""
    return DIFFERS if isinstance(error, (UnsupportedHloError, ConversionError)) else UNUSABLE


def paragraph(error: Exception) -> str:
    """What to tell of an error: our own messages as they are, of others the last line that says something."""
    if isinstance(error, HloFrontendError):
        return "\n".join(line for line in str(error).splitlines() if line.strip())
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[-1] if lines else ""
    if isinstance(error, (ImportError, OSError)):
        return told
    return f"{type(error).__name__}: {told} (--traceback shows where it came from)"


def xla_on_cpu() -> None:
    """Let jax look for no other device, and its library write no notes; before either is imported."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")


def file_argument(function: Decorated) -> Decorated:
    """FILE: what `cli.program.read_program` takes."""
    return click.argument("file", type=click.Path(path_type=Path), callback=_existing)(function)


def _existing(ctx: click.Context, argument: click.Parameter, file: Path) -> Path:
    if not file.exists():
        raise Unusable(f"there is no file or folder {file}")
    return file


def output_option(metavar: str, help: str, folder: bool = False) -> Callable[[Decorated], Decorated]:
    """-o: the file, or the folder, that a command writes."""
    path = click.Path(path_type=Path, dir_okay=folder, file_okay=not folder)
    return click.option("-o", "--output", type=path, required=True, metavar=metavar, help=help)


def check_picture(option: str, file: Path) -> None:
    """Refuse a file that is no picture by its name."""
    if file.suffix not in PICTURES:
        raise Unusable(f"{option} {file}: the suffix must be {' or '.join(PICTURES)}")


def json_option(function: Decorated) -> Decorated:
    """--json: for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(function)


def conversion_options(function: Decorated) -> Decorated:
    """--custom, --rng-seed and --dialect, for `from_hlo_options`."""
    seed = click.option(
        "--rng-seed",
        type=int,
        metavar="SEED",
        help="Seed of the stateful opcodes rng and rng-get-and-update-state, which are refused without one.",
    )
    custom = click.option(
        "--custom",
        multiple=True,
        metavar="KEY=MODULE:FUNCTION",
        help="Converter of an opcode or of a custom-call target, as custom_converters of from_hlo; may be repeated.",
    )
    dialect = click.option(
        "--dialect",
        type=click.Choice(("relay", "relax")),
        help="Language of TVM to convert to; by default what the installed TVM has.",
    )
    return custom(seed(dialect(function)))


def from_hlo_options(custom: Sequence[str], rng_seed: int | None, dialect: str | None) -> dict[str, Any]:
    """Keyword arguments of `from_hlo`."""
    return {"custom_converters": dict(map(custom_converter, custom)), "rng_seed": rng_seed, "dialect": dialect}


def custom_converter(text: str) -> tuple[str, Callable[..., Any]]:
    """(key, function) of KEY=MODULE:FUNCTION; modules of the working directory are found, as by `python -m`."""
    import importlib

    key, _, place = text.partition("=")
    module, _, name = place.partition(":")
    if not (key and module and name):
        raise Unusable(f"--custom {text!r} is not KEY=MODULE:FUNCTION")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return key, getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Unusable(f"--custom {text!r}: {error}") from error


@dataclass(frozen=True)
class Dims:
    """What --dim says of unknown sizes, by name.

    Attributes
    ----------
    numbers : mapping of str to int
    bounds : mapping of str to (int, int)
        Least and greatest number.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.numbers or self.bounds)


NO_DIMS = Dims()


def dim_option(function: Decorated) -> Decorated:
    """--dim: numbers of unknown sizes by name, or least and greatest ones, for `cli.program`."""
    return click.option(
        "--dim",
        "dims",
        multiple=True,
        metavar="NAME=N|NAME=LOW..HIGH",
        callback=_sizes_by_name,
        help="Number of an unknown size of FILE, or the least and greatest it may be, see inspect; may be repeated.",
    )(function)


def _sizes_by_name(ctx: click.Context, option: click.Parameter, texts: Sequence[str]) -> Dims:
    numbers: dict[str, int] = {}
    bounds: dict[str, tuple[int, int]] = {}
    for text in texts:
        name, _, said = (part.strip() for part in text.partition("="))
        low, dots, high = (part.strip() for part in said.partition(".."))
        if not name or not all(map(_NUMBER.fullmatch, (low, high) if dots else (low,))):
            raise Unusable(
                f"--dim {text!r} is not NAME=N, the name of an unknown size and its number, nor NAME=LOW..HIGH"
            )
        if name in numbers or name in bounds:
            raise Unusable(f"--dim gives {name} twice")
        if dots:
            bounds[name] = int(low), int(high)
        else:
            numbers[name] = int(low)
    return Dims(numbers, bounds)


def input_options(function: Decorated) -> Decorated:
    """--inputs and --random: where arrays come from."""
    inputs = click.option(
        "--inputs",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="X.NPZ",
        help="Inputs: an .npz file with an array under the name of each.",
    )
    random = click.option(
        "--random",
        "seed",
        type=click.IntRange(min=0),
        metavar="SEED",
        help="Draw the inputs that are not given: integers from 0 to 7, and floats at which models stay finite.",
    )
    return inputs(random(function))


def cache_option(function: Decorated) -> Decorated:
    """--cache: a directory of compiled programs, for every build of the command."""
    return click.option(
        "--cache",
        metavar="DIRECTORY",
        expose_value=False,
        callback=_use_cache,
        help="Keep compiled programs there, and take those that are there; by default $TVM_HLO_FRONTEND_BUILD_CACHE.",
    )(function)


def _use_cache(ctx: click.Context, option: click.Parameter, directory: str | None) -> None:
    if directory is not None:
        os.environ["TVM_HLO_FRONTEND_BUILD_CACHE"] = directory


target_option = click.option(
    "--target", metavar="TARGET", help="TVM target, for instance 'llvm -mcpu=core-avx2'. By default this machine's CPU."
)
