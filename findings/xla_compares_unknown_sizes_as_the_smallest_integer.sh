#!/usr/bin/env bash
# XLA (jaxlib 0.10.2): in StableHLO with unknown dimensions some operations are refused because the number that stands for an
# unknown size, -2^63, is compared with sizes that are known.
#
# XLA translates most operations on `?` dimensions to HLO. But the rules for the shapes of dynamic_update_slice, scatter and
# chlo.top_k ask whether an update, or k, is within the operand's dimension, and take the placeholder for the dimension: an
# update of one row is "greater" than any open number of rows, and k = 2 "larger than the last dimension". StableHLO's own
# verifier accepts the same modules. dynamic_slice of the same row is translated.
#
# Seen:
# dynamic_slice: translated
# dynamic_update_slice: Update dim size 1 greater than dynamic slice dimension: -9223372036854775808
# top_k: k=2 is larger than the last dimension of size=-9223372036854775808
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jaxlib==0.10.2 numpy==2.3.5
"$folder/venv/bin/python" - <<'EOF' 2>/dev/null
import re
import sys

from jaxlib import _jax

ROWS, ROW = "tensor<?x4xf32>", "tensor<1x4xf32>"
CASES = {
    "dynamic_slice": (ROW, f"stablehlo.dynamic_slice %x, %i, %i, sizes = [1, 4] : ({ROWS}, tensor<i32>, tensor<i32>) -> {ROW}"),
    "dynamic_update_slice": (
        ROWS,
        f"stablehlo.dynamic_update_slice %x, %u, %i, %i : ({ROWS}, {ROW}, tensor<i32>, tensor<i32>) -> {ROWS}",
    ),
    "top_k": ("tensor<2xf32>", "chlo.top_k(%v, k = 2) : tensor<?xf32> -> (tensor<2xf32>, tensor<2xi32>)"),
}
seen = {}
for name, (result, operation) in CASES.items():
    target = "%0:2" if name == "top_k" else "%0"
    value = "%0#0" if name == "top_k" else "%0"
    text = (
        f"func.func @main(%x: {ROWS}, %u: {ROW}, %i: tensor<i32>, %v: tensor<?xf32>) -> {result} {{ "
        f"{target} = {operation} return {value} : {result} }}"
    )
    try:
        _jax.mlir.mlir_module_to_xla_computation(text, False, False)
        seen[name] = "translated"
    except Exception as error:
        found = re.search(r"(Update dim size|k=)[^\n]*-9223372036854775808", str(error))
        seen[name] = found[0] if found else str(error)
    print(f"{name}: {seen[name]}")
wrong = [name for name in ("dynamic_update_slice", "top_k") if not seen[name].endswith("-9223372036854775808")]
sys.exit(bool(wrong) or seen["dynamic_slice"] != "translated")
EOF
