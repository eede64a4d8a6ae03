"""From FILE to something that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIBRARIES = (".so", ".dylib", ".dll")


def load_program(file: Path, options: dict[str, Any]) -> tuple[Any, Any]:
    """(mod, params) of an HLO file, or of a folder that `tvm-hlo convert` has made."""
    from ..frontend import from_hlo
    from ..saved import is_saved_module, load_module

    return load_module(file) if is_saved_module(file) else from_hlo(file, **options)


def load_executable(file: Path, options: dict[str, Any], target: str | None = None) -> Any:
    """Executable of a library that `tvm-hlo build` has made, or of anything that `load_program` takes."""
    from .output import quiet_tvm

    quiet_tvm()
    if file.suffix in LIBRARIES:
        from ..saved import load_library

        return load_library(file)
    from ..runtime import build

    mod, params = load_program(file, options)
    return build(mod, params, target)


def build_with_original(file: Path, options: Mapping[str, Any], target: str | None = None) -> tuple[Any, Any, Any]:
    """The module of an HLO file, what XLA shall run of it, and its Executable.

    XLA gets the bytes that the module was read from, not what this package understood of them, unless XLA's client
    cannot run them as they are.
    """
    from ..frontend import from_hlo
    from ..hlo.reader import module_from_proto, parse_module_proto
    from ..hlo.sources import to_bytes
    from ..runtime import build

    proto = parse_module_proto(to_bytes(file))
    original = proto.SerializeToString()
    module = module_from_proto(proto)
    mod, params = from_hlo(module, **options)
    executable = build(mod, params, target)
    tuples = any(parameter.shape.is_tuple for parameter in module.entry.parameters)
    return module, module if tuples else original, executable
