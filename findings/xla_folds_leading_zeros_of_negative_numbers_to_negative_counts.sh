#!/usr/bin/env bash
# XLA (jaxlib 0.10.2) counts the leading zeros of negative constants as if they had 64 bits, and takes the width off.
#
# A negative number has none. Of an argument that is what comes out; where XLA folds constants, -1 of 32 bits has -32,
# of 8 bits -56.
#
# Seen:
# s32: argument [0, 0, 30], constant [-32, -32, 30]
# s8: argument [0, 0, 6], constant [-56, -56, 6]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

seen = []
for name, dtype in (("s32", np.int32), ("s8", np.int8)):
    numbers = np.array([-1, -8, 3], dtype)
    argument = jax.jit(lax.clz)(numbers).tolist()
    constant = jax.jit(lambda: lax.clz(jnp.asarray(numbers)))().tolist()
    print(f"{name}: argument {argument}, constant {constant}")
    seen.append((argument, constant))
sys.exit(seen != [([0, 0, 30], [-32, -32, 30]), ([0, 0, 6], [-56, -56, 6])])
EOF
