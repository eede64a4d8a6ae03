#!/usr/bin/env bash
# XLA (jaxlib 0.10.2) makes one dynamic-slice of two whose starts it adds, though the second is clamped to the first.
#
# A start beyond the last one that fits is moved back to it. Of 0 to 15, four from 8 are [8, 9, 10, 11], and three of
# those from 4 are the last three, [9, 10, 11]. Under jit they are three from 8 + 4. The same happens in what XLA makes
# of a scatter of one row into a slice.
#
# Seen:
# one after the other: [9, 10, 11]
# under jit: [12, 13, 14]
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


def part_of_a_part(x, first, second):
    return lax.dynamic_slice(lax.dynamic_slice(x, (first,), (4,)), (second,), (3,))


numbers = np.arange(16, dtype=np.int32)
apart = part_of_a_part(numbers, 8, 4).tolist()
together = jax.jit(part_of_a_part)(numbers, 8, 4).tolist()
print(f"one after the other: {apart}")
print(f"under jit: {together}")
sys.exit(not (apart == [9, 10, 11] and together == [12, 13, 14]))
EOF
