"""From FILE to something that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..deploy.executable import Executable
    from ..hlo.ir.module import HloModule

LIBRARIES = (".so", ".dylib", ".dll")


def load_program(file: Path, options: dict[str, Any]) -> tuple[Any, Any]:
    """(mod, params) of an HLO file, or of a folder that `tvm-hlo convert` has made."""
    from ..deploy.executable import mod_and_params
    from ..deploy.saved import is_saved_module, load_module
    from ..frontend import from_hlo

    return load_module(file) if is_saved_module(file) else mod_and_params(from_hlo(file, **options))


def load_executable(file: Path, options: dict[str, Any], target: str | None = None) -> Any:
    """Executable of a library that `tvm-hlo build` has made, or of anything that `load_program` takes."""
    from .output import quiet_tvm

    quiet_tvm()
    if file.suffix in LIBRARIES:
        from ..deploy.saved import load_library

        return load_library(file)
    from ..deploy.executable import build

    mod, params = load_program(file, options)
    return build(mod, params, target)


@dataclass(frozen=True)
class BothSides:
    """A module for TVM and for XLA.

    Attributes
    ----------
    module : HloModule
    original : HloModule or bytes
        What XLA runs: the bytes that the module was read from, not what this package understood of them, unless XLA's
        client cannot run them as they are.
    executable : Executable
    weights : dict of int to int
        See `analysis.weights.products_per_sum`, by position among the inputs.
    """

    module: HloModule
    original: HloModule | bytes
    executable: Executable
    weights: dict[int, int]


def build_for_both(file: Path, options: Mapping[str, Any], target: str | None = None) -> BothSides:
    """Read, convert and build an HLO file that XLA shall run as well."""
    from ..analysis.weights import products_per_sum
    from ..deploy.executable import build, mod_and_params
    from ..frontend import from_hlo
    from ..hlo.ir.extract import flat_parameters
    from ..hlo.proto.reader import module_from_proto, parse_module_proto
    from ..hlo.proto.sources import to_bytes
    from ..rewrites import Capabilities
    from ..rewrites.inline_calls import inline_calls

    proto = parse_module_proto(to_bytes(file))
    module = module_from_proto(proto)  # it gives retired opcodes and comparisons the names that any XLA knows
    original = proto.SerializeToString()
    mod, params = mod_and_params(from_hlo(module, **options))
    executable = build(mod, params, target)
    flat = flat_parameters(module)
    weights = products_per_sum(inline_calls(flat, Capabilities(frozenset())))
    return BothSides(module, original if flat is module else flat, executable, weights)
