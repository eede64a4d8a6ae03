#!/usr/bin/env bash
# XLA:CPU (jaxlib 0.10.2) gives sums of s8 convolutions modulo 256 where it runs them, and the nearest number of the
# type where it folds those of two constants, so a convolution changes its numbers when its operands become constants.
#
# Seen (one channel, kernel of three by one, two groups):
# arguments [60, -15, 51, -87], constants [-128, -128, -128, 127]
# exact [-4804, -3855, -4045, 2217]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax
import numpy as np
from jax import lax


def convolution(images, kernels):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        images, kernels, (1, 1), [(2, 0), (0, 0)], dimension_numbers=layout, feature_group_count=2
    )


draw = np.random.default_rng(0).integers
images, kernels = (draw(-100, 100, sizes).astype(np.int8) for sizes in ((8, 2, 1, 4), (3, 1, 2, 8)))
arguments = jax.jit(convolution)(images, kernels).ravel()[:4].tolist()
constants = jax.jit(lambda: convolution(images, kernels))().ravel()[:4].tolist()
exact = jax.jit(convolution)(images.astype(np.int32), kernels.astype(np.int32)).ravel()[:4].tolist()
print(f"arguments {arguments}, constants {constants}")
print(f"exact {exact}")
sys.exit(
    arguments != np.array(exact).astype(np.int8).tolist()
    or constants != np.clip(exact, -128, 127).tolist()
    or arguments == constants
)
PYTHON
