"""Milliseconds of what does not run a module: importing the package, and converting HLO.

Run: python benchmarks/earlier.py COMMIT   (prints JSON: name -> [this tree's, the commit's], medians of processes that
take turns)
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import import_modules

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
IMPORT = """
import time
start = time.perf_counter()
import tvm_hlo_frontend
print((time.perf_counter() - start) * 1e3)
"""
# the first conversion imports what conversions need; the processor's time, which other programs disturb little
CONVERT = """
import sys, time
import tvm_hlo_frontend
hlo = open(sys.argv[1], "rb").read()
tvm_hlo_frontend.from_hlo(hlo)
start = time.process_time()
tvm_hlo_frontend.from_hlo(hlo)
print((time.process_time() - start) * 1e3)
"""


def main(commit: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder, "earlier")
        unpack(commit, earlier)
        programs: dict[str, tuple[str, tuple[str, ...]]] = {"import": (IMPORT, ())}
        for name, path in import_modules.write(Path(folder)).items():
            programs[f"from_hlo, {name}"] = CONVERT, (str(path),)
        found = {name: in_turns(*program, earlier) for name, program in programs.items()}
    print(json.dumps(found))


def unpack(commit: str, folder: Path) -> None:
    """The package as it was at a commit."""
    archive = folder.with_suffix(".tar")
    subprocess.run(["git", "-C", str(ROOT), "archive", "-o", str(archive), commit, "python"], check=True)
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")


def in_turns(program: str, arguments: tuple[str, ...], earlier: Path) -> list[float]:
    """Medians of what `program` prints with this tree's package and with the earlier one."""
    times: dict[Path, list[float]] = {ROOT: [], earlier: []}
    for _ in range(ROUNDS):
        for tree, measured in times.items():
            environment = {**os.environ, "PYTHONPATH": str(tree / "python")}
            command = [sys.executable, "-c", program, *arguments]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            measured.append(float(done.stdout.split()[-1]))
    return [statistics.median(measured) for measured in times.values()]


if __name__ == "__main__":
    main(sys.argv[1])
