#!/usr/bin/env bash
# TVM 0.27 writes the constants of GPU kernels with fewer digits than they have: products with them come out wrong.
#
# OpenCL's constants have seven digits, those of f64 as well, so 1.0000000001 becomes 1 and the f32 16777215 becomes 16777220.
# CUDA's constants of f64 have fifteen decimals without an exponent, so 1.25e-17 becomes 0. Small coefficients of polynomials
# vanish in this way. f32 of CUDA is written in hexadecimal, with all digits. No GPU is needed to see it: TVM gives the source away.
#
# Seen (factor in the program, factor in the source):
# opencl float64: 1.0000000001 is 1.0
# opencl float32: 16777215.0 is 16777220.0
# cuda float64: 1.25e-17 is 0.0
# cuda float32: 16777215.0 is 16777215.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-tvm==0.27.0.post1 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import re
import sys

import tvm
from tvm import te
from tvm.s_tir import Schedule


def written(target, dtype, factor):
    """The factor that the source of a kernel has."""
    x = te.placeholder((64,), dtype, name="x")
    y = te.compute((64,), lambda i: x[i] * tvm.tirx.const(factor, dtype), name="y")
    schedule = Schedule(te.create_prim_func([x, y]))
    (loop,) = schedule.get_loops(schedule.get_sblock("y"))
    schedule.bind(loop, "threadIdx.x")
    library = tvm.compile(schedule.mod, target=tvm.target.Target({**target, "host": {"kind": "llvm"}}))
    (device,) = library.mod.imports
    (text,) = re.findall(r"\] \* (0x[0-9a-f.]+p[+-][0-9]+|[0-9.]+(?:e[+-][0-9]+)?)", device.inspect_source())
    return float.fromhex(text) if text.startswith("0x") else float(text)


OPENCL, CUDA = {"kind": "opencl"}, {"kind": "cuda", "arch": "sm_80"}
cases = [(OPENCL, "float64", 1.0000000001), (OPENCL, "float32", 16777215.0), (CUDA, "float64", 1.25e-17),
         (CUDA, "float32", 16777215.0)]
found = [written(*case) for case in cases]
for (target, dtype, factor), number in zip(cases, found):
    print(f"{target['kind']} {dtype}: {factor} is {number}")
sys.exit(found != [1.0, 16777220.0, 0.0, 16777215.0])
EOF
HOME=$folder "$folder/venv/bin/python" "$folder/program.py"
