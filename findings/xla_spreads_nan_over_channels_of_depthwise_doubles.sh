#!/usr/bin/env bash
# jax 0.10.2, XLA:CPU: in a depthwise convolution of f64 a NaN of one channel makes all channels NaN; of f32 its own alone.
#
# Each channel of a depthwise convolution is computed from one channel of the input. Of doubles the others become NaN as well, as
# they would if zero weights stood for the channels that do not count: 0 * NaN and 0 * infinity are NaN.
#
# Seen:
# float32: channels with NaN [0], with an infinity [0]
# float64: channels with NaN [0, 1, 2, 3], with an infinity [0, 1, 2, 3]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import sys

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
CHANNELS = 4


def not_finite(value, dtype):
    """Numbers of the channels of the result that are not finite, where one element of channel 0 is `value`."""
    image = np.ones((1, 6, 6, CHANNELS), dtype)
    image[0, 2, 2, 0] = value

    @jax.jit
    def depthwise(x):
        return jax.lax.conv_general_dilated(
            x,
            jnp.ones((3, 3, 1, CHANNELS), dtype),
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=CHANNELS,
        )

    strange = ~np.isfinite(np.asarray(depthwise(image)))
    return np.unique(np.nonzero(strange)[3]).tolist()


seen = {name: [not_finite(value, name) for value in (np.nan, np.inf)] for name in ("float32", "float64")}
for name, (of_nan, of_infinity) in seen.items():
    print(f"{name}: channels with NaN {of_nan}, with an infinity {of_infinity}")
sys.exit(seen != {"float32": [[0], [0]], "float64": [[0, 1, 2, 3], [0, 1, 2, 3]]})
EOF
JAX_PLATFORMS=cpu "$folder/venv/bin/python" "$folder/program.py"
