"""Prepared programs, run with every buffer watched and compared with XLA:CPU."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tools.sanitize.memory import Blocks, ExactBlocks, GuardPages
from tools.support.compare import compare

ALLOCATE, FREE = "__TVMBackendAllocWorkspace", "__TVMBackendFreeWorkspace"
_Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_int)
_Free = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)

# how blocks lie, by kind of code
PLACES: dict[str, dict[str, Blocks]] = {
    "pages": {"ends at guards": GuardPages(True), "beginnings at guards": GuardPages(False)},
    "c": {"under sanitizers": ExactBlocks()},
}


def watch_workspaces(program: Path, blocks: Blocks) -> list[object]:
    """Have a library's kernels take their workspaces from `blocks`; what is returned must live as long."""
    library = ctypes.CDLL(str(program))
    if not hasattr(library, ALLOCATE):
        return []

    def free(device: int, number: int, address: int) -> int:
        blocks.free(address)
        return 0

    callbacks = _Allocate(lambda device, number, count, code, bits: blocks.allocate(count)), _Free(free)
    for name, callback in zip((ALLOCATE, FREE), callbacks):
        ctypes.c_void_p.in_dll(library, name).value = ctypes.cast(callback, ctypes.c_void_p).value
    return [library, *callbacks]


def fault_in(folder: Path, blocks: Blocks) -> str:
    """What is wrong with a program's results; empty if nothing is. What leaves its buffers ends the process."""
    from tools.sanitize.prepare import ARGUMENTS, FACTS, PROGRAM, WANTED, backend

    arguments = list(np.load(folder / ARGUMENTS).values())
    kept = watch_workspaces(folder / PROGRAM, blocks)
    try:
        found = backend().run(folder, arguments, blocks)
        if (folder / WANTED).exists():
            rtol = json.loads((folder / FACTS).read_text())["rtol"]
            compare(found, list(np.load(folder / WANTED).values()), rtol=rtol)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[-2000:]}"
    finally:
        del kept
    return ""


def main(kind: str, folder: str, names: Sequence[str]) -> None:
    """Print a line of JSON before and after each program, which is in the folder of its name."""
    for name in names:
        for place, blocks in PLACES[kind].items():
            print(json.dumps({"item": name, "begins": True, "place": place}), flush=True)
            fault = fault_in(Path(folder) / name, blocks)
            if fault:
                break
        print(json.dumps({"item": name, "fault": fault and f"{place}: {fault}"}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
