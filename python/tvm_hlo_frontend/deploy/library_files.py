"""Compiled libraries as files: what TVM exports, and a JSON file beside it that says how to run it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..backends.base import Compiled, InPlace
from ..backends.signature import Signature
from ..errors import HloParseError
from .whole_files import UNFINISHED

# TVM's names of the files that LLVM writes: code, and what a module imports besides
OBJECTS = ("lib0.o", "devc.o")


@dataclass(frozen=True)
class LibraryFacts:
    """What a library does not say of itself.

    Attributes
    ----------
    signature : Signature
    executor, in_place, own, device
        As of `Compiled`.
    host_functions, parallel
        As of `Executable`.
    """

    signature: Signature
    executor: str
    host_functions: tuple[str, ...]
    parallel: bool
    in_place: tuple[InPlace, ...]
    own: tuple[int, ...]
    device: str

    def to_json(self) -> dict[str, Any]:
        """Entries of the JSON file."""
        return {
            "executor": self.executor,
            "host_functions": list(self.host_functions),
            "parallel": self.parallel,
            "in_place": [asdict(each) for each in self.in_place],
            "own": list(self.own),
            "device": self.device,
            "signature": asdict(self.signature),
        }

    @staticmethod
    def from_json(about: Mapping[str, Any]) -> LibraryFacts:
        """Inverse of `to_json`; KeyError, TypeError, AttributeError or ValueError if entries are missing or others."""
        in_place = [
            InPlace(each["argument"], each["result"], tuple(each["values"])) for each in about.get("in_place", ())
        ]
        return LibraryFacts(
            Signature.from_json(json.dumps(about["signature"])),
            about["executor"],
            tuple(about["host_functions"]),
            bool(about.get("parallel", True)),  # files of earlier versions do not say
            tuple(in_place),
            tuple(about.get("own", ())),
            str(about.get("device", "cpu")),
        )


def export(executor: str, library: Any, path: Path) -> None:
    """Write a library, as `Compiled` has it, as ``.so`` or, without linking, as ``.tar`` of object files."""
    with objects_in_memory(path.parent) as folder:
        (library.mod if executor == "vm" else library).export_library(str(path), workspace_dir=str(folder))


@contextlib.contextmanager
def objects_in_memory(parent: Path) -> Iterator[Path]:
    """A folder for TVM's object files, which are links to memory: LLVM ends the process where it cannot write one, as
    on a disk that is full. The linker writes the library, and says what it cannot."""
    held: list[int] = []
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=parent) as folder:
        try:
            for name in OBJECTS if hasattr(os, "memfd_create") else ():
                held.append(os.memfd_create(name))
                os.symlink(f"/proc/{os.getpid()}/fd/{held[-1]}", os.path.join(folder, name))
            yield Path(folder)
        finally:
            for handle in held:
                os.close(handle)


def description_of(path: Path) -> Path:
    """The JSON file beside a library."""
    return path.with_suffix(".json")


def write_facts(facts: LibraryFacts, path: Path, more: Mapping[str, Any]) -> Path:
    """Write the JSON file of the library `path`, with `more` for people."""
    description = description_of(path)
    description.write_text(json.dumps({**more, **facts.to_json()}, indent=1) + "\n")
    return description


def read_library(path: Path) -> tuple[LibraryFacts, Compiled]:
    """A library and what its JSON file says.

    Raises
    ------
    HloParseError
        If one of the files is missing or something else.
    """
    import tvm

    description = description_of(path)
    try:
        facts = LibraryFacts.from_json(json.loads(description.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HloParseError(
            f"{description}, which says how {path.name} is to be run, cannot be read: {error!r}"
        ) from error
    try:
        library = tvm.runtime.load_module(str(path))
    except (RuntimeError, OSError, ValueError) as error:
        raise HloParseError(f"{path} cannot be loaded as a library: {str(error).splitlines()[-1]}") from error
    if facts.host_functions:
        from ..kernels.linalg import host_lapack

        host_lapack.register()
    return facts, Compiled(facts.executor, library, facts.in_place, facts.own, facts.device)
