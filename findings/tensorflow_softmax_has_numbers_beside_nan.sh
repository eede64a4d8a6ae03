#!/usr/bin/env bash
# TensorFlow 2.21.0: tf.nn.softmax of f32 gives zeros in a row that holds a NaN or an infinity, and a NaN in that place alone.
#
# A softmax divides all elements of a row by one sum, so none is a number if the sum is none. In f64, under jit_compile=True, and
# without oneDNN (TF_ENABLE_ONEDNN_OPTS=0), the whole row is NaN. The rows no longer sum to 1, and an argmax of them finds a class.
#
# Seen:
# with oneDNN: f32 [0.0, 0.0, nan, 0.0], of infinity [0.0, nan, 0.0, 0.0], f64 [nan, nan, nan, nan], XLA [nan, nan, nan, nan]
# without: f32 [nan, nan, nan, nan], of infinity [nan, nan, nan, nan], f64 [nan, nan, nan, nan], XLA [nan, nan, nan, nan]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import os
import sys

import numpy as np
import tensorflow as tf

nan, infinity = [1, 2, np.nan, 4], [0, np.inf, 1, 2]


def softmax(row, dtype="float32", **options):
    return tf.function(tf.nn.softmax, **options)(tf.constant([row], dtype)).numpy()[0].tolist()


seen = [softmax(nan), softmax(infinity), softmax(nan, "float64"), softmax(nan, jit_compile=True)]
has_onednn = os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
print("with oneDNN:" if has_onednn else "without:", "f32 {}, of infinity {}, f64 {}, XLA {}".format(*seen))
wanted = [[False] * 4, [False] * 4, [True] * 4, [True] * 4]
if not has_onednn:
    wanted[:2] = [[True] * 4] * 2
else:
    wanted[0][2] = wanted[1][1] = True
sys.exit(np.isnan(seen).tolist() != wanted)
EOF
export TF_CPP_MIN_LOG_LEVEL=3
TF_ENABLE_ONEDNN_OPTS=1 "$folder/venv/bin/python" "$folder/program.py"
TF_ENABLE_ONEDNN_OPTS=0 "$folder/venv/bin/python" "$folder/program.py"
