#!/usr/bin/env bash
# TensorFlow 2.21.0: the last element of `tf.boolean_mask` is another one under jit_compile=True, without an error.
#
# XLA holds what a mask leaves in an array of bounded dimension, f32[<=8]. The kernel of XLA for StridedSlice resolves the index -1
# against the bound, so it reads element 7, which lies behind the elements that the mask left. The index computed from the size, and
# XLA with the whole vector left, give the right one.
#
# Seen:
# plain 9.0, by the size 9.0, XLA 5.0, XLA by the size 9.0, XLA with all left -5.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import sys

import tensorflow as tf


def last(x):
    return tf.boolean_mask(x, x > 0)[-1]


def by_size(x):
    kept = tf.boolean_mask(x, x > 0)
    return tf.gather(kept, tf.shape(kept)[0] - 1)


def whole(x):
    return tf.boolean_mask(x, x > -9)[-1]


x = tf.constant([5.0, -1, 7, -2, 9, -3, -4, -5])
seen = [last(x), by_size(x)]
seen += [tf.function(program, jit_compile=True)(x) for program in (last, by_size, whole)]
seen = [float(each) for each in seen]
print("plain {}, by the size {}, XLA {}, XLA by the size {}, XLA with all left {}".format(*seen))
sys.exit(seen != [9.0, 9.0, 5.0, 9.0, -5.0])
EOF
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/program.py"
