#!/usr/bin/env bash
# XLA on CPU (jaxlib 0.10.2) takes denormal f32 numbers for zero in compiled code, but not where it folds constants.
#
# So log is -inf of an argument and -92.1 of the same number as a constant, a denormal equals 0, and sort returns
# denormals of both signs in the order in which they came.. NumPy knows them everywhere.
#
# Seen:
# log: argument -inf, constant -92.1034, NumPy -92.1034
# equals 0: argument True, constant False, NumPy False
# sort: [2e-40, -1e-40, 1e-40], NumPy [-1e-40, 1e-40, 2e-40]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import jax
import jax.numpy as jnp
import numpy as np

SMALL = np.float32(1e-40)
MIXED = np.array([2e-40, -1e-40, 1e-40], np.float32)


def three(jax_function, numpy_function):
    """Of an argument, of a constant, and NumPy's."""
    constant = jax.jit(lambda: jax_function(jnp.float32(SMALL)))()
    return [value.item() for value in (jax.jit(jax_function)(SMALL), constant, numpy_function(SMALL))]


seen = {
    "log": three(jnp.log, np.log),
    "equals 0": three(lambda x: x == 0, lambda x: x == 0),
}
for name, (argument, constant, numpy) in seen.items():
    argument, constant, numpy = (f"{x:.6g}" if isinstance(x, float) else x for x in (argument, constant, numpy))
    print(f"{name}: argument {argument}, constant {constant}, NumPy {numpy}")
ordered = np.asarray(jax.jit(jnp.sort)(MIXED))
texts = ["[" + ", ".join(f"{x:.0e}" for x in array) + "]" for array in (ordered, np.sort(MIXED))]
print(f"sort: {texts[0]}, NumPy {texts[1]}")
as_said = all(argument != constant and np.allclose(constant, numpy) for argument, constant, numpy in seen.values())
sys.exit(not (as_said and ordered.tolist() == MIXED.tolist()))
EOF
