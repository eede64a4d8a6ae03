#!/usr/bin/env bash
# XLA:CPU (jaxlib 0.10.2) rounds arguments of type f8e3m4 to whole numbers, ties away from zero, as it should; of a
# constant of that type, which it rounds while it compiles, all that comes out is NaN.
#
# Seen:
# arguments [0.0, 0.0, 1.0, 2.0], constants [nan, nan, nan, nan]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 ml_dtypes==0.6.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax
import ml_dtypes
import numpy as np
from jax import lax


def rounded(numbers):
    return lax.round(numbers, lax.RoundingMethod.AWAY_FROM_ZERO)


numbers = np.array([0.25, 0.375, 0.5, 1.5], ml_dtypes.float8_e3m4)
arguments = np.asarray(jax.jit(rounded)(numbers)).astype(float)
constants = np.asarray(jax.jit(lambda: rounded(numbers))()).astype(float)
print(f"arguments {arguments.tolist()}, constants {constants.tolist()}")
sys.exit(arguments.tolist() != [0.0, 0.0, 1.0, 2.0] or not np.isnan(constants).all())
PYTHON
