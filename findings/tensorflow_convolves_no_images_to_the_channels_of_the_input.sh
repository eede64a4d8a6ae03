#!/usr/bin/env bash
# TensorFlow 2.21.0: tf.nn.conv2d of a batch of no images has the channels of the input, not those of the kernel.
#
# The result has another shape than TensorFlow itself says of it before it runs, so what follows fails or goes on with it. With one
# image, under jit_compile=True, and without oneDNN (TF_ENABLE_ONEDNN_OPTS=0), the channels are those of the kernel.
#
# Seen:
# said (0, 6, 6, 5), made (0, 6, 6, 3), of one image (1, 6, 6, 5), XLA (0, 6, 6, 5)
# said (0, 6, 6, 5), made (0, 6, 6, 5), of one image (1, 6, 6, 5), XLA (0, 6, 6, 5)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import os
import sys

import tensorflow as tf

kernel = tf.ones([3, 3, 3, 5])


def convolved(images):
    return tf.nn.conv2d(images, kernel, 1, "SAME")


none, one = tf.zeros([0, 6, 6, 3]), tf.zeros([1, 6, 6, 3])
program = tf.function(convolved)
seen = [
    program.get_concrete_function(none).outputs[0].shape,
    tf.shape(program(none)),
    tf.shape(program(one)),
    tf.shape(tf.function(convolved, jit_compile=True)(none)),
]
seen = [tuple(int(size) for size in each) for each in seen]
print("said {}, made {}, of one image {}, XLA {}".format(*seen))
channels = 3 if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1" else 5
sys.exit(seen != [(0, 6, 6, 5), (0, 6, 6, channels), (1, 6, 6, 5), (0, 6, 6, 5)])
EOF
export TF_CPP_MIN_LOG_LEVEL=3
TF_ENABLE_ONEDNN_OPTS=1 "$folder/venv/bin/python" "$folder/program.py"
TF_ENABLE_ONEDNN_OPTS=0 "$folder/venv/bin/python" "$folder/program.py"
