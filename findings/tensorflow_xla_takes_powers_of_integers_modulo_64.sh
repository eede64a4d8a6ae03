#!/usr/bin/env bash
# TensorFlow 2.21: under jit_compile=True tf.pow of int32 takes the exponent modulo 64, without an error.
#
# Outside of a compiled function the product wraps at 32 bits, as that of 65 factors does. Below 64 both agree.
#
# Seen:
# 3 to the 65: 1820079875, jit_compile=True 3
# 2 to the 64: 0, jit_compile=True 1
# 3 to the 63: 2111105451, jit_compile=True 2111105451
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'EOF'
import sys

import tensorflow as tf

compiled = tf.function(tf.pow, jit_compile=True)
seen = []
for base, exponent in ((3, 65), (2, 64), (3, 63)):
    numbers = tf.constant(base, tf.int32), tf.constant(exponent, tf.int32)
    seen.append((int(tf.pow(*numbers)), int(compiled(*numbers))))
    print(f"{base} to the {exponent}: {seen[-1][0]}, jit_compile=True {seen[-1][1]}")
right = [pow(3, 65, 1 << 32), 0, pow(3, 63, 1 << 32)]
sys.exit(not (seen == list(zip(right, [3, 1, right[2]]))))
EOF
