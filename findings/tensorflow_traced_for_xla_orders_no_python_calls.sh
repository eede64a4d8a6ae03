#!/usr/bin/env bash
# TensorFlow 2.21.0: a function traced with jit_compile=True has no order between its calls of tf.numpy_function.
#
# tf.function lets what is stateful run in the order of the program, by control edges. Traced with jit_compile=True the same
# function has none between tf.numpy_function calls; it cannot be compiled, but its graph can be taken, saved and run, and then the
# order of effects is chance. Assignments of a variable keep their edges.
#
# Seen:
# traced plainly: the second call waits for ['PyFunc'], the second assignment for ['AssignAddVariableOp']
# traced for XLA: the second call waits for [], the second assignment for ['AssignAddVariableOp']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow-cpu==2.21.0 numpy==2.4.6
cat > "$folder/program.py" <<'EOF'
import sys

import tensorflow as tf

count = tf.Variable(0.0)


def program(x):
    first = tf.numpy_function(lambda value: value + 1, [x], tf.float32)
    second = tf.numpy_function(lambda value: value * 2, [x], tf.float32)
    count.assign_add(1.0)
    count.assign_add(2.0)
    return first + second


def waits(jit_compile):
    """Names of what the second call, and the second assignment, wait for."""
    traced = tf.function(program, jit_compile=jit_compile).get_concrete_function(tf.TensorSpec([]))
    found = []
    for kind in ("PyFunc", "AssignAddVariableOp"):
        second = [each for each in traced.graph.get_operations() if each.type == kind][1]
        found.append([each.name for each in second.control_inputs if each.type == kind])
    return found


seen = {False: waits(False), True: waits(True)}
for jit_compile, found in seen.items():
    words = "for XLA" if jit_compile else "plainly"
    print(f"traced {words}: the second call waits for {found[0]}, the second assignment for {found[1]}")
sys.exit(seen != {False: [["PyFunc"], ["AssignAddVariableOp"]], True: [[], ["AssignAddVariableOp"]]})
EOF
export TF_CPP_MIN_LOG_LEVEL=3
"$folder/venv/bin/python" "$folder/program.py"
