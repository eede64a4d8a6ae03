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

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
LAYERS = 24
IMPORT = """
import time
start = time.perf_counter()
import tvm_hlo_frontend
print((time.perf_counter() - start) * 1e3)
"""
# the first conversion imports what conversions need
CONVERT = """
import sys, time
import tvm_hlo_frontend
hlo = open(sys.argv[1], "rb").read()
tvm_hlo_frontend.from_hlo(hlo)
start = time.perf_counter()
tvm_hlo_frontend.from_hlo(hlo)
print((time.perf_counter() - start) * 1e3)
"""


def main(commit: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        earlier, module = Path(folder, "earlier"), Path(folder, "module.pb")
        unpack(commit, earlier)
        count = write_module(module)
        programs = {"import": (IMPORT, ()), f"from_hlo, {count:,} instructions": (CONVERT, (str(module),))}
        found = {name: in_turns(*program, earlier) for name, program in programs.items()}
    print(json.dumps(found))


def unpack(commit: str, folder: Path) -> None:
    """The package as it was at a commit."""
    archive = folder.with_suffix(".tar")
    subprocess.run(["git", "-C", str(ROOT), "archive", "-o", str(archive), commit, "python"], check=True)
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")


def write_module(path: Path) -> int:
    """HLO of the gradient of a transformer's layers; its number of instructions."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from tvm_hlo_frontend.frameworks.jax import lower_jax
    from tvm_hlo_frontend.hlo.proto.reader import read

    def layer(x: jax.Array, w: jax.Array) -> jax.Array:
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
        y = x + jax.nn.softmax(x @ x.T / 8) @ x @ w
        return y + jax.nn.gelu(y @ w) @ w.T

    def loss(ws: list[jax.Array], x: jax.Array) -> jax.Array:
        for w in ws:
            x = layer(x, w)
        return (x**2).sum()

    weights = [np.ones((64, 64), np.float32)] * LAYERS
    hlo = lower_jax(jax.grad(loss), weights, np.ones((32, 64), np.float32)).hlo
    path.write_bytes(hlo)
    return sum(1 for _ in read(hlo).instructions)


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
