"""Cases as compiled programs in folders, with their arguments and what XLA:CPU makes of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.sanitize.cases import INDEX_CASES, Case
from tools.sanitize.faulty import FAULTY_CASES
from tools.sanitize.programs import PROGRAM_CASES
from tools.support.compare import DIALECT, converted
from tools.support.oracle import run_xla, serialized
from tvm_hlo_frontend import build

CASES = {case.name: case for case in (*INDEX_CASES, *PROGRAM_CASES, *FAULTY_CASES)}
DATA = Path(__file__).parent / "data"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# what TVM's generator of C cannot say, by the dialect: the bits of a constant
NOT_IN_C: dict[str, set[str]] = {"relay": {"floats to integers", "top", "factors"}, "relax": set()}
PROGRAM, ARGUMENTS, WANTED, FACTS = "program.so", "arguments.npz", "wanted.npz", "facts.json"


def prepare(case: Case, kind: str, folder: Path) -> None:
    """Write what `run` needs.

    Parameters
    ----------
    case : Case
    kind : str
        ``"pages"`` for code of LLVM, ``"c"`` for C with sanitizers.
    folder : pathlib.Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    module, arguments = case.make()
    mod, params = converted(serialized(module))
    if kind == "c":
        backend().write_c(mod, params, folder, gcc())
    else:
        build(mod, params).export_library(folder / PROGRAM)
    np.savez(folder / ARGUMENTS, *arguments)
    if case.has_reference and kind != "c":  # C has numbers to six digits
        np.savez(folder / WANTED, *map(as_pairs, run_xla(module, arguments)))
    (folder / FACTS).write_text(json.dumps({"name": case.name, "rtol": case.rtol}))


def as_pairs(array: np.ndarray) -> np.ndarray:
    """Complex numbers as main returns them."""
    return np.stack([array.real, array.imag], -1) if array.dtype.kind == "c" else array


def backend() -> Any:
    """How programs of the installed TVM are compiled to C and run."""
    if DIALECT == "relay":
        from tools.sanitize import relay_kernels

        return relay_kernels
    from tools.sanitize import relax_kernels

    return relax_kernels


def gcc() -> list[str]:
    """The command that makes a library of C, without its output and inputs."""
    includes = [str(DATA)]
    if DIALECT == "relax":
        import tvm_ffi
        from tvm.libinfo import find_include_path

        includes = [find_include_path(), *tvm_ffi.libinfo.include_paths()]
    watched = ["-include", str(DATA / "watched.h")]
    return ["gcc", "-shared", "-fPIC", "-g1", "-O1", "-w", *SANITIZERS, *watched, *(f"-I{path}" for path in includes)]


def preloaded() -> dict[str, str]:
    """Environment of a process that loads libraries with AddressSanitizer."""
    # it looks for the function that throws exceptions when it starts
    names = ("libasan.so", "libstdc++.so.6")
    found = [subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip() for name in names]
    return {**os.environ, "LD_PRELOAD": ":".join(found), "ASAN_OPTIONS": "detect_leaks=0"}


def main(kind: str, folder: str, names: Sequence[str]) -> None:
    """Print a line of JSON before and after each case; what it needs to run is in a folder of its name."""
    for name in names:
        print(json.dumps({"item": name, "begins": True}), flush=True)
        fault = ""
        try:
            prepare(CASES[name], kind, Path(folder) / name)
        except subprocess.CalledProcessError as error:
            fault = f"gcc: {error.stderr[-2000:]}"
        except Exception as error:
            fault = f"{type(error).__name__}: {str(error)[-2000:]}"
        print(json.dumps({"item": name, "fault": fault}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
