#!/usr/bin/env bash
# TVM 0.27's importer of StableHLO gives other numbers where a product does not contract what a matrix product contracts.
#
# `tvm.relax.frontend.stablehlo.from_stablehlo` turns every `dot_general` into `relax.op.matmul` and every
# `broadcast_in_dim` into `relax.op.broadcast_to`, whatever their dimension numbers are. Where the shapes fit by chance, as
# with square matrices, the module converts, compiles, and computes something else. (jax 0.8 writes the module: with
# jaxlib 0.9 or newer the importer fails on every module, since MLIR's classes have no `isinstance` any more.)
#
# Seen:
# x.T @ x as one dot_general: wrong
# a column broadcast over columns: wrong
# x @ x: right
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1 jax==0.8.3 jaxlib==0.8.3 numpy==2.3.5
"$folder/venv/bin/python" - <<'EOF'
import sys

import jax
import numpy as np
import tvm
from jax import lax
from tvm import relax
from tvm.relax.frontend.stablehlo import from_stablehlo

x = np.arange(9, dtype="float32").reshape(3, 3)
programs = {
    "x.T @ x as one dot_general": (lambda x: lax.dot_general(x, x, (((0,), (0,)), ((), ()))), x),
    "a column broadcast over columns": (lambda x: lax.broadcast_in_dim(x, (3, 3), (0,)), x[0]),
    "x @ x": (lambda x: x @ x, x),
}
seen = {}
for name, (function, value) in programs.items():
    text = str(jax.jit(function).lower(value).compiler_ir("stablehlo"))
    module = from_stablehlo(text, [(value.shape, "float32")])
    machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
    got = machine["main"](tvm.runtime.tensor(value))
    seen[name] = np.allclose(got.numpy(), jax.jit(function)(value))
    print(f"{name}: {'right' if seen[name] else 'wrong'}")
sys.exit(list(seen.values()) != [False, False, True])
EOF
