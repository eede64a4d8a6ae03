#!/usr/bin/env bash
# TVM 0.27: `hasattr(module, name)` compiles the module's code, and raises an InternalError where that is for another machine.
#
# `tvm.runtime.Module.__getattr__` takes every name that Python does not find for a function of the compiled code and looks
# it up there. For that the LLVM module starts its just-in-time compiler, which refuses code for another architecture, with an
# error that is no AttributeError: so `hasattr` and `getattr` with a default raise as well. On code for this machine they
# answer. What exists (`kind`, `imports`) is answered on either. A program that runs with several versions of TVM and asks
# which names a module has (0.17 has `type_key`, 0.27 `kind`) fails only where it compiles for other machines.
#
# Seen:
# this machine, kind: llvm
# this machine, hasattr type_key: False
# another machine, kind: llvm
# another machine, hasattr type_key: InternalError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1 numpy==2.3.5
"$folder/venv/bin/python" - <<'EOF'
import platform
import sys

import tvm
from tvm import te

other = "x86_64-linux-gnu" if platform.machine() in ("aarch64", "arm64") else "aarch64-linux-gnu"
targets = {"this machine": "llvm", "another machine": {"kind": "llvm", "mtriple": other}}
x = te.placeholder((4,), name="x")
function = te.create_prim_func([x, te.compute((4,), lambda i: x[i] + 1.0, name="y")])
seen = []
for place, target in targets.items():
    module = tvm.compile(tvm.IRModule({"main": function.with_attr("global_symbol", "main")}), target=target).mod
    try:
        answer = str(hasattr(module, "type_key"))
    except Exception as error:
        answer = type(error).__name__
    print(f"{place}, kind: {module.kind}")
    print(f"{place}, hasattr type_key: {answer}")
    seen += [module.kind, answer]
sys.exit(seen != ["llvm", "False", "llvm", "InternalError"])
EOF
