#!/usr/bin/env bash
# jaxlib 0.10.2 translates StableHLO's rng_bit_generator with a signed result to HLO with an unsigned one.
#
# The module is valid StableHLO (its own verifier passes it). Where the bits are returned, main returns u32 although it says
# i32. Where something is added to them, the translation ends in an error about the types of that addition, at the line of
# the return.
#
# Seen:
# returned: (u64[2], u32[8])
# added to: Binary op add with different element types: u32[8] and s32[8].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import re
import sys

from jax.interpreters import mlir
from jaxlib import _jax
from jaxlib.mlir import ir

HEAD = "%state, %bits = stablehlo.rng_bit_generator %key, algorithm = THREE_FRY : (tensor<2xui64>) -> "
HEAD += "(tensor<2xui64>, tensor<8xi32>)\n"
MODULE = "module { func.func public @main(%%key: tensor<2xui64>) -> (tensor<2xui64>, tensor<8xi32>) {\n%s} }"
RETURN = "return %%state, %s : tensor<2xui64>, tensor<8xi32>\n"
ADD = "%three = stablehlo.constant dense<3> : tensor<8xi32>\n%sum = stablehlo.add %bits, %three : tensor<8xi32>\n"


def translated(body):
    with mlir.make_ir_context():
        ir.Module.parse(MODULE % body).operation.verify()
    return _jax.mlir.mlir_module_to_xla_computation(MODULE % body, use_tuple_args=False, return_tuple=False)


layout = re.search(r"->(\(.*?\))}", translated(HEAD + RETURN % "%bits").as_hlo_text()).group(1)
returned = re.sub(r"\{\d*\}", "", layout)
print("returned:", returned)
try:
    translated(HEAD + ADD + RETURN % "%sum")
    refusal = "nothing"
except _jax.JaxRuntimeError as error:
    refusal = re.search(r"error: (.*)", str(error)).group(1)
print("added to:", refusal)
sys.exit((returned, "u32[8] and s32[8]" in refusal) != ("(u64[2], u32[8])", True))
EOF
