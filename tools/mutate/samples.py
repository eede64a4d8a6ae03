"""Small modules of opcodes that tools/fuzz does not make, and MLIR: ``data/`` has one a line."""

from __future__ import annotations

import io
import re
from pathlib import Path

_DATA = Path(__file__).with_name("data")


def _hlo_texts() -> tuple[str, ...]:
    bodies, entries = (
        [line for line in part.splitlines() if line and not line.startswith("#")]
        for part in (_DATA / "hlo.txt").read_text().split("\n\n")
    )
    return tuple(map(lambda entry: _module(entry, bodies), entries))


def _module(entry: str, bodies: list[str]) -> str:
    """The text of a module, with those of the bodies that its entry calls."""
    called = [body for body in bodies if re.search(rf"[={{,] ?{body.split()[0]}\b", entry)]
    return "\n".join(["HloModule m", *called, f"ENTRY main {{ {entry} }}"]) + "\n"


HLO_TEXTS = _hlo_texts()
MLIR_TEXTS = tuple((_DATA / "mlir.txt").read_text().splitlines())


def mlir_bytecode() -> list[bytes]:
    """The modules of `MLIR_TEXTS` as MLIR writes them in bytes, and as portable artifacts of StableHLO."""
    from jax._src.interpreters.mlir import make_ir_context
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import stablehlo

    written = []
    with make_ir_context():
        for text in MLIR_TEXTS:
            module, buffer = ir.Module.parse(text), io.BytesIO()
            module.operation.write_bytecode(buffer)
            artifact = stablehlo.serialize_portable_artifact(module, stablehlo.get_current_version())
            written += [buffer.getvalue(), artifact]
    return written


def jax_exports() -> list[bytes]:
    """Serialized exports of a few functions: with several results, a dictionary, a loop, and a size that is a name."""
    import jax
    import jax.numpy as jnp
    from jax import export

    row = jax.ShapeDtypeStruct((4,), jnp.float32)
    rows = jax.ShapeDtypeStruct(export.symbolic_shape("n, 4"), jnp.float32)
    functions = [
        (lambda x: (x + 1, jnp.sort(x)), row),
        (lambda x: {"sum": x["a"] + x["b"]}, {"a": row, "b": row}),
        (lambda x: jax.lax.fori_loop(0, 3, lambda _, state: state * 2, x), row),
        (lambda x: jnp.tanh(x) @ jnp.ones((4, 2)), rows),
    ]
    return [bytes(export.export(jax.jit(function))(argument).serialize()) for function, argument in functions]
