#!/usr/bin/env bash
# The pass `stablehlo-legalize-quant-to-math` of jaxlib 0.10.2 turns all positive numbers quantized to u8 into -0.5.
#
# StableHLO has quantized types of unsigned storage, and its verifier takes them. The pass limits codes to 0 … 255, as it
# should, and then keeps them as signless i8, which are signed everywhere else in StableHLO: the conversion to it stops at
# 127, and the conversion from it would read a code of 128 or more as a negative one. Neither an error nor a warning tells.
# With the scale 0.5 and the zero point 128 whatever is positive becomes the code 127. Signed storage is right.
#
# Seen (quantized and dequantized: -64, -10, 0, 10, 63):
# u8:f32, 0.5:128: [-64.0, -10.0, -0.5, -0.5, -0.5]
# i8:f32, 0.5:0: [-64.0, -10.0, 0.0, 10.0, 63.0]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import jax
import numpy as np
from jaxlib import _jax
from jaxlib.mlir import ir, passmanager
from jaxlib.mlir.dialects import chlo, stablehlo

LOADS_QUANTIZED_TYPES = "builtin.module(vhlo-legalize-to-stablehlo)"
LOWERING = "builtin.module(func.func(stablehlo-legalize-quant-to-math,chlo-legalize-to-stablehlo))"
numbers = np.array([-64, -10, 0, 10, 63], "float32")
cpu = jax.devices("cpu")[0]
stablehlo.register_stablehlo_passes()


def there_and_back(kind):
    quantized = f"tensor<5x!quant.uniform<{kind}>>"
    text = f"""func.func @main(%a: tensor<5xf32>) -> tensor<5xf32> {{
      %0 = stablehlo.uniform_quantize %a : (tensor<5xf32>) -> {quantized}
      %1 = stablehlo.uniform_dequantize %0 : ({quantized}) -> tensor<5xf32>
      return %1 : tensor<5xf32>
    }}"""
    with ir.Context() as context, ir.Location.unknown():
        stablehlo.register_dialect(context)
        chlo.register_dialect(context)
        passmanager.PassManager.parse(LOADS_QUANTIZED_TYPES).run(ir.Module.create().operation)
        module = ir.Module.parse(text)
        module.operation.verify()
        passmanager.PassManager.parse(LOWERING).run(module.operation)
        program = cpu.client.compile_and_load(str(module), _jax.DeviceList((cpu,)))
    results = program.execute_sharded([jax.device_put(numbers, cpu)]).disassemble_into_single_device_arrays()
    return np.asarray(results[0][0]).tolist()


seen = {kind: there_and_back(kind) for kind in ("u8:f32, 0.5:128", "i8:f32, 0.5:0")}
for kind, got in seen.items():
    print(f"{kind}: {got}")
sys.exit(list(seen.values()) != [[-64, -10, -0.5, -0.5, -0.5], numbers.tolist()])
PROGRAM
