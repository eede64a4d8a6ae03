#!/usr/bin/env python
"""Write tests/python/frontend/frameworks/newer_jax.json: what the newest JAX makes of small programs, for older ones.

Run it in the environment of `make env-newest`: ``.venv-newest/bin/python -m tools.newer_artifacts``.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

OUTPUT = Path(__file__).resolve().parents[2] / "tests/python/frontend/frameworks/newer_jax.json"
VECTOR = np.array([0.5, np.nan, -0.0, 2.0, 0.0, -np.inf, -np.nan, 0.5, -3.0], np.float32)
MATRIX = np.array([[4, 1, 0.5], [1, 3, 0.25], [0.5, 0.25, 2]], np.float32)
WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 4) / 7 - 0.5


@dataclass(frozen=True)
class Program:
    """A function with arguments, and the ways in which it is written down: proto, text, export or open (batch)."""

    function: Callable[..., Any]
    arguments: tuple[np.ndarray, ...]
    kinds: tuple[str, ...]


def by_platform(x: Any) -> Any:
    """One of two programs; lowered for one platform it is a case with one branch."""
    return jax.lax.platform_dependent(x, cpu=lambda v: v + 1, tpu=lambda v: v * 3)


PROGRAMS = {
    "sort": Program(jnp.sort, (VECTOR,), ("proto", "text")),
    "total_order": Program(lambda x: jax.lax.sort(x, is_stable=True), (VECTOR,), ("proto", "text", "export")),
    "top_k": Program(lambda x: jax.lax.top_k(x, 4), (VECTOR,), ("proto", "text")),
    "lgamma": Program(jax.lax.lgamma, (np.float32([0.5, 3.25, -1.5, 40.0]),), ("proto",)),
    "by_platform": Program(by_platform, (VECTOR,), ("proto", "export")),
    "cholesky": Program(jnp.linalg.cholesky, (MATRIX,), ("proto", "export")),
    "solve": Program(jnp.linalg.solve, (MATRIX, MATRIX[0]), ("export",)),
    "dense": Program(lambda x: jax.nn.relu(x @ WEIGHTS), (MATRIX[:2],), ("open",)),
}


def written(program: Program, kind: str) -> bytes:
    """The program as `kind`."""
    jitted = jax.jit(program.function, keep_unused=True)
    if kind == "export":
        return bytes(export.export(jitted)(*program.arguments).serialize())
    if kind == "open":
        (batch,) = export.symbolic_shape("batch")
        shapes = (jax.ShapeDtypeStruct((batch, *a.shape[1:]), a.dtype) for a in program.arguments)
        return bytes(export.export(jitted)(*shapes).serialize())
    module = jitted.lower(*program.arguments).compiler_ir("hlo")
    return module.as_hlo_text().encode() if kind == "text" else module.as_serialized_hlo_module_proto()


def encoded(array: Any) -> dict[str, Any]:
    """An array for JSON, to the last bit."""
    array = np.asarray(array)
    return {"dtype": str(array.dtype), "shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}


def main() -> int:
    """Write the file."""
    rows = [
        {
            "name": name,
            "kind": kind,
            "data": base64.b64encode(zlib.compress(written(program, kind))).decode(),
            "arguments": [encoded(argument) for argument in program.arguments],
            "results": [encoded(result) for result in jax.tree.leaves(jax.jit(program.function)(*program.arguments))],
        }
        for name, program in PROGRAMS.items()
        for kind in program.kinds
    ]
    OUTPUT.write_text(json.dumps({"jax": jax.__version__, "artifacts": rows}, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} artifacts of jax {jax.__version__} in {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
