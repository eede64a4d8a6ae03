#!/usr/bin/env bash
# TensorFlow 2.21.0 lowers `tf.image.rot90` of a tensor of known shape to HLO whose result has no known shape.
#
# The number of turns is a constant, so one branch of a conditional is taken for sure. The kernel of XLA for `If` keeps both
# branches all the same; their shapes differ, and the result becomes f32[2,<=8,<=8,3] with sizes that are known only at run time.
# `Case` with a constant index, which `tf.switch_case` makes, loses the other branches and keeps its shape.
#
# Seen:
# rot90: f32[2,<=8,<=8,3]
# switch_case: f32[2,8,6,3]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import re
import sys

import tensorflow as tf

image = tf.zeros((2, 6, 8, 3))
programs = {
    "rot90": lambda x: tf.image.rot90(x),
    "switch_case": lambda x: tf.switch_case(tf.constant(1), [lambda: x, lambda: tf.transpose(x, [0, 2, 1, 3])]),
}
seen = {}
for name, program in programs.items():
    text = tf.function(program, jit_compile=True).experimental_get_compiler_ir(image)(stage="hlo")
    seen[name] = re.search(r"->\(?(f32\[.*?\])", text).group(1)
    print(f"{name}: {seen[name]}")
sys.exit(list(seen.values()) != ["f32[2,<=8,<=8,3]", "f32[2,8,6,3]"])
EOF
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/program.py"
