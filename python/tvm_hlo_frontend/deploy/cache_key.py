"""The key of a compiled program: a digest of all that it follows from."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.select import canonical
from .targets import cpu_flags

PACKAGE = Path(__file__).parents[1]


def key_of(mod: Any, values: Mapping[str, Any], target: Any) -> str | None:
    """Key of what `build` makes of a module.

    Parameters
    ----------
    mod : tvm.IRModule
        From `from_hlo`; its report makes no difference.
    values : mapping of str to array
        Values for parameters of main, by variable.
    target : str, dict or tvm.target.Target

    Returns
    -------
    str or None
        None if the program is not for this machine, or follows from more than the module and the installed packages.
    """
    found = canonical(mod, target)
    if found is None:
        return None
    text, constants = found
    key = hashlib.sha256()
    _add(key, [*compiler(), *machine(), text, str(len(constants))])
    for array in constants:
        _add_array(key, array)
    for name in sorted(values):
        _add(key, [name])
        _add_array(key, values[name])
    return key.hexdigest()


@functools.cache
def compiler() -> tuple[str, ...]:
    """What compiles: this package, by its sources, and TVM."""
    import tvm

    sources = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        _add(sources, [str(file.relative_to(PACKAGE)), file.read_text()])
    return sources.hexdigest(), tvm.__version__, *map(_state, _libraries())


@functools.cache
def machine() -> tuple[str, ...]:
    """The processor, by what code can ask of it."""
    return platform.machine(), platform.system(), *sorted(cpu_flags())


def _libraries() -> list[Path]:
    """The libraries of the installed TVM."""
    import tvm

    root = Path(tvm.__file__).parent
    return sorted(file for file in root.rglob("libtvm*") if file.is_file())


def _state(file: Path) -> str:
    found = file.stat()
    return f"{file.name} {found.st_size} {found.st_mtime_ns}"


def _add(key: Any, texts: Iterable[str]) -> None:
    """Add texts so that no other ones add the same bytes."""
    for text in texts:
        encoded = text.encode()
        key.update(len(encoded).to_bytes(8, "little"))
        key.update(encoded)


def _add_array(key: Any, array: Any) -> None:
    values = array if isinstance(array, np.ndarray) else array.numpy()
    _add(key, [str(values.dtype), str(values.shape)])
    key.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
