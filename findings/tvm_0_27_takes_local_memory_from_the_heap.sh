#!/usr/bin/env bash
# TVM 0.27 on a CPU: memory of scope "local" is not on the stack but a call to the workspace's allocator; "global" is on the stack.
#
# A buffer of a fixed size under 1,024 bytes becomes an array on the stack, which LLVM then keeps in registers, if its scope is
# "global", the default. With scope "local", which schedules for GPUs use for registers and `cache_write(block, 0, "local")`
# asks for, every allocation is TVMBackendAllocWorkspace and its counterpart, however small it is and however deep it lies in
# loops, and its elements stay in memory. The numbers are right; sums of a product in "local" memory are slower, and LLVM takes
# long over functions with many of them. TVM 0.17 does the same.
#
# Seen (16 floats inside a loop):
# local: on the heap
# global: on the stack
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1 numpy==2.3.5
"$folder/venv/bin/python" - <<'EOF'
import sys

import tvm
import tvm.script

SOURCE = """
@I.ir_module
class Module:
    @T.prim_func
    def main(a: T.Buffer((4, 16), "float32"), b: T.Buffer((4, 16), "float32")):
        T.func_attr({"global_symbol": "main"})
        for i in range(4):
            c = T.alloc_buffer((16,), "float32", scope="%s")
            for j in range(16):
                c[j] = a[i, j] * T.float32(2)
            for j in range(16):
                b[i, j] = c[15 - j]
"""
seen = {}
for scope in ("local", "global"):
    code = tvm.compile(tvm.script.from_source(SOURCE % scope), target="llvm").mod.inspect_source("ll")
    seen[scope] = "on the heap" if "TVMBackendAllocWorkspace" in code else "on the stack"
    print(f"{scope}: {seen[scope]}")
sys.exit(seen != {"local": "on the heap", "global": "on the stack"})
EOF
