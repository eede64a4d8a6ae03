#!/usr/bin/env bash
# TVM 0.17 computes garbage, without an error, where an input of a Relay function is called p0, p1, ….
#
# The code generator of the graph executor names the constants that it takes out of a function p0, p1, … and does not look at
# the inputs. An input of such a name and the constant share one place in the graph. The names come from users: torch, JAX and
# HLO all have parameters called p0. With another name, and on the virtual machine, the numbers are right.
#
# TVM 0.17 with Relay is on the package index only inside the wheel of bitblas 0.1.0.post1; three empty libraries stand for
# the CUDA that it links.
#
# Seen (x*c + d of 0 … 11):
# input called x: right
# input called p0: wrong
# input called p0, virtual machine: right
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 decorator==5.2.1 psutil==7.0.0 typing_extensions==4.14.1 attrs==25.3.0
"$folder/venv/bin/pip" download --quiet --no-deps --dest "$folder" bitblas==0.1.0.post1
python3 -m zipfile -e "$folder"/bitblas-*.whl "$folder/wheel"
root=$folder/wheel/bitblas/3rdparty/tvm
library=$(find "$root/build" -name libtvm.so)
for name in libcuda.so.1:cu[A-Z] libcudart.so.12:cuda[A-Z] libnvrtc.so.12:nvrtc[A-Z]; do
  soname=${name%%:*}
  nm -D --undefined-only "$library" | sed 's/@.*//' | awk '{print $2}' | grep -E "^${name#*:}" |
    sed 's/.*/int &(void) { return 100; }/' > "$folder/stub.c"
  echo "$soname { global: *; };" > "$folder/stub.map"
  gcc -shared -fPIC -o "$folder/$soname" "$folder/stub.c" -Wl,-soname,"$soname" -Wl,--version-script="$folder/stub.map"
done
cat > "$folder/program.py" <<'EOF'
import ctypes
import sys

folder = sys.argv[1]
for soname in ("libcuda.so.1", "libcudart.so.12", "libnvrtc.so.12"):
    ctypes.CDLL(f"{folder}/{soname}")

import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor
from tvm.runtime.vm import VirtualMachine

x = np.arange(12, dtype="int32")
c, d = np.arange(12, dtype="int32"), np.arange(12, dtype="int32")[::-1].copy()


def module(name):
    variable = relay.var(name, shape=(12,), dtype="int32")
    return tvm.IRModule.from_expr(relay.Function([variable], variable * relay.const(c) + relay.const(d)))


def on_graph_executor(name):
    executor = graph_executor.GraphModule(relay.build(module(name), target="llvm")["default"](tvm.cpu()))
    executor.set_input(name, x)
    executor.run()
    return executor.get_output(0).numpy()


def on_virtual_machine(name):
    return VirtualMachine(relay.vm.compile(module(name), target="llvm"), tvm.cpu()).invoke("main", tvm.nd.array(x)).numpy()


seen = {
    "input called x": on_graph_executor("x"),
    "input called p0": on_graph_executor("p0"),
    "input called p0, virtual machine": on_virtual_machine("p0"),
}
right = [bool(np.array_equal(got, x * c + d)) for got in seen.values()]
for name, is_right in zip(seen, right):
    print(f"{name}: {'right' if is_right else 'wrong'}")
sys.exit(right != [True, False, True])
EOF
HOME=$folder TOPHUB_LOCATION=NONE PYTHONPATH=$root/python "$folder/venv/bin/python" "$folder/program.py" "$folder"
