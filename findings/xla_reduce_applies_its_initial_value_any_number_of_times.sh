#!/usr/bin/env bash
# XLA on CPU (jaxlib 0.10.2) adds the initial value of a `reduce` as often as its loops happen to be split.
#
# The specification of HLO allows it: the initial value ought to be neutral. `lax.reduce` takes any value, though, and a
# sum of n ones with the initial value 10 comes out as n for n = 1 (the value is dropped), as n + 10 for short arrays, and
# as n + 30 for n = 40. A program that is tested on short arrays is wrong on long ones, and on those of length 1.
#
# Seen:
# n=1: 1
# n=2: 12
# n=5: 15
# n=40: 70
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import jax
import numpy as np
from jax import lax

seen = {}
for n in (1, 2, 5, 40):
    total = jax.jit(lambda x: lax.reduce(x, np.float32(10), lax.add, (0,)))(np.ones(n, "float32"))
    seen[n] = int(total)
    print(f"n={n}: {seen[n]}")
sys.exit(seen != {1: 1, 2: 12, 5: 15, 40: 70})
EOF
