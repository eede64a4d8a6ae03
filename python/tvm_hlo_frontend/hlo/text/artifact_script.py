"""A portable artifact of StableHLO, parsed and written anew, in a process of its own: MLIR's parser may end it.

``parsers.py`` runs the text of this file. Standard input and standard output are artifacts; the arguments are the
module of jaxlib that reads and writes them, and the version that is written.
"""

from __future__ import annotations

import importlib
import sys

from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _jax_mlir_ext
from jaxlib.mlir.dialects import chlo, mhlo, sdy, stablehlo

REFUSED = 3


def context() -> ir.Context:
    """With every dialect that a module of JAX may hold."""
    made, upstream = ir.Context(), ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(upstream)
    made.append_dialect_registry(upstream)
    made.load_all_available_dialects()
    stablehlo.register_dialect(made)
    chlo.register_dialect(made)
    mhlo.register_mhlo_dialect(made)
    sdy.register_dialect(made)
    return made


def names_of(module: ir.Module) -> list[str]:
    """Names that are read of a module later: one that is no text is an error here, or ends the process."""
    found: list[str] = []
    for operation in module.body.operations:
        if "sym_name" in operation.attributes:
            found.append(ir.StringAttr(operation.attributes["sym_name"]).value)
        arguments = [argument for region in operation.regions for block in region for argument in block.arguments]
        found += [getattr(argument.location, "name_str", "") for argument in arguments]
    return found


def main(data: bytes, library: str, version: str) -> bytes:
    """The artifact that means what `data` does."""
    xla = importlib.import_module(library).mlir
    with context():
        module = xla.deserialize_portable_artifact(data)
        module.operation.verify()
        names_of(module)
        written: bytes = xla.serialize_portable_artifact(module, version, True)
    return written


if __name__ == "__main__":
    try:
        result = main(sys.stdin.buffer.read(), sys.argv[1], sys.argv[2])
    except Exception as error:
        sys.stdout.write(str(error))
        sys.exit(REFUSED)
    sys.stdout.buffer.write(result)
