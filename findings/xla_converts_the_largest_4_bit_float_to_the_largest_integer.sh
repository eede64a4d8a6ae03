#!/usr/bin/env bash
# XLA on CPU (jaxlib 0.10.2) converts the float4_e2m1fn number 6 to 127 in int8, and to the largest number of other integers.
#
# What is too large for an integer becomes its largest number. XLA compares with that number as a 4 bit float, which is 6, the
# largest of them, and takes 6 for too large. All other numbers of the format, and those of 8 bit floats, convert as they
# should; so do ml_dtypes and a conversion by way of float32.
#
# Seen:
# int8: 6 becomes 127, -6 becomes -128; 4 becomes 4
# int32: 6 becomes 2147483647, -6 becomes -2147483648; 4 becomes 4
# int8 by way of float32: 6 becomes 6, -6 becomes -6; 4 becomes 4
# int8 by ml_dtypes: 6 becomes 6, -6 becomes -6; 4 becomes 4
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 ml_dtypes==0.6.0
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

numbers = np.array([6, -6, 4], ml_dtypes.float4_e2m1fn)
converted = jax.jit(lambda x, kind: x.astype(kind), static_argnums=1)
seen = {
    "int8": converted(numbers, jnp.int8),
    "int32": converted(numbers, jnp.int32),
    "int8 by way of float32": converted(converted(numbers, jnp.float32), jnp.int8),
    "int8 by ml_dtypes": numbers.astype("int8"),
}
for name, (six, minus_six, four) in seen.items():
    print(f"{name}: 6 becomes {six}, -6 becomes {minus_six}; 4 becomes {four}")
right = [6, -6, 4]
limits = ([127, -128, 4], [2**31 - 1, -(2**31), 4])
sys.exit([np.asarray(got).tolist() for got in seen.values()] != [*limits, right, right])
PROGRAM
