#!/usr/bin/env bash
# An HLO proto written by jax 0.12.0.1 runs in jaxlib 0.10.2 without an error, and sorts numbers wrongly.
#
# A comparison in total order (as in the comparator of `jnp.sort`) was `comparison_type: "TOTALORDER"` in the proto. Newer XLA
# leaves that empty and writes `comparison_order: "TOTAL"`, a field that older XLA does not know and skips; the comparison
# becomes a partial order, in which nothing is less or greater than NaN. One NaN then spoils the order of all the others.
#
# Needs Python 3.12 or 3.13 for the newer jax: python3.13 or python3.12 on PATH, or NEWER_PYTHON.
#
# Seen:
# comparator in jaxlib 0.10.2: pred[] compare(select_n.5, select_n.7), direction=LT
# sorted: [1.0, 3.0, nan, nan, 0.0, 2.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
newer=
for each in "${NEWER_PYTHON:-}" python3.13 python3.12; do
  if [ -n "$each" ] && "$each" -c '' 2>/dev/null; then newer=$each && break; fi
done
[ -n "$newer" ] || { echo "no python3.13 or python3.12 runs here" >&2; exit 2; }
"$newer" -m venv "$folder/newer"
"$folder/newer/bin/pip" install --quiet jax==0.12.0.1 jaxlib==0.12.0.1 numpy==2.4.6
"$folder/newer/bin/python" - "$folder/sort.pb" <<'EOF'
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

module = jax.jit(jnp.sort).lower(np.zeros(6, "float32")).compiler_ir("hlo")
pathlib.Path(sys.argv[1]).write_bytes(module.as_serialized_hlo_module_proto())
EOF
python3 -m venv "$folder/older"
"$folder/older/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/older/bin/python" - "$folder/sort.pb" <<'EOF'
import pathlib
import re
import sys

import jax
import numpy as np
from jaxlib import _hlo, _jax

module = _hlo.XlaComputation(pathlib.Path(sys.argv[1]).read_bytes())
compared = re.search(r"ROOT \S+ = (pred\[\] compare.*)", module.as_hlo_text()).group(1)
print("comparator in jaxlib 0.10.2:", compared)
cpu = jax.devices("cpu")[0]
devices = _jax.DeviceList((cpu,))
program = cpu.client.compile_and_load(_jax.mlir.xla_computation_to_mlir_module(module), devices)
numbers = jax.device_put(np.array([3, np.nan, 1, np.nan, 2, 0], "float32"), cpu)
got = np.asarray(program.execute_sharded([numbers]).disassemble_into_single_device_arrays()[0][0])
print("sorted:", got.tolist())
sys.exit("TOTALORDER" in compared or bool(np.array_equal(got, np.sort(numbers), equal_nan=True)))
EOF
