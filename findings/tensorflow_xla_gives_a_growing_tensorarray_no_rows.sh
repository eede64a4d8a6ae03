#!/usr/bin/env bash
# TensorFlow 2.21.0 with jit_compile=True returns an array without rows where the same function returns five without it.
#
# `tf.TensorArray(size=0, dynamic_size=True)` grows in a loop. Under XLA, which knows no growing arrays, the function
# compiles, runs and gives shape (0, 3), and there is neither an error nor a warning. With `size=5` both agree.
#
# Seen:
# without XLA: (5, 3)
# with XLA: (0, 3)
# with XLA and size=5: (5, 3)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import sys

import numpy as np
import tensorflow as tf

rows = tf.constant(np.arange(15, dtype="float32").reshape(5, 3))


def copied(size):
    def copy(x):
        array = tf.TensorArray(tf.float32, size=size, dynamic_size=True)
        for i in tf.range(5):
            array = array.write(i, x[i])
        return array.stack()

    return copy


without = tuple(tf.function(copied(0))(rows).shape)
grown = tuple(tf.function(copied(0), jit_compile=True)(rows).shape)
sized = tuple(tf.function(copied(5), jit_compile=True)(rows).shape)
print("without XLA:", without)
print("with XLA:", grown)
print("with XLA and size=5:", sized)
sys.exit((without, grown, sized) != ((5, 3), (0, 3), (5, 3)))
EOF
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/program.py"
