#!/usr/bin/env bash
# f8e8m0fnu holds powers of two from 2^-127 up, and neither zero nor a sign. Of 1.25 x 2^-127, 0.0 and -2^-127 in f32:
# ml_dtypes 0.7.0 makes 2^-127 (the nearest), NaN and NaN; ml_dtypes 0.6.0 and XLA:CPU (jaxlib 0.10.2) on arguments
# make 2^-126, NaN and NaN; XLA:CPU on constants, which it converts while it compiles, makes 2^-127, 2^-127 and 2.0.
# So a new release of ml_dtypes moves numpy away from jitted code, and an argument that becomes a constant moves it
# back, and -2^-127 becomes 2.
#
# Seen (exponents of two; nan where there is no number):
# ml_dtypes 0.6.0: [-126, nan, nan]
# ml_dtypes 0.7.0: [-127, nan, nan]
# XLA, arguments: [-126, nan, nan]
# XLA, constants: [-127, -127, 1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat >"$folder/numbers_of_e8m0.py" <<'PYTHON'
import numpy as np

numbers = np.array([1.25 * 2.0**-127, 0.0, -(2.0**-127)], np.float32)


def exponents(powers):
    return [int(byte) - 127 if byte != 255 else "nan" for byte in np.asarray(powers).view(np.uint8)]


def check(name, powers, expected):
    print(f"{name}: [{', '.join(map(str, exponents(powers)))}]")
    if exponents(powers) != expected:
        raise SystemExit(f"expected {expected}")
PYTHON
for release in "0.6.0 -126" "0.7.0 -127"; do
  read -r version least <<<"$release"
  "$folder/venv/bin/pip" install --quiet "ml_dtypes==$version" numpy==2.4.6
  PYTHONPATH="$folder" "$folder/venv/bin/python" - "$version" "$least" <<'PYTHON'
import sys

import ml_dtypes
from numbers_of_e8m0 import check, numbers

check(f"ml_dtypes {sys.argv[1]}", numbers.astype(ml_dtypes.float8_e8m0fnu), [int(sys.argv[2]), "nan", "nan"])
PYTHON
done
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 ml_dtypes==0.7.0
PYTHONPATH="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
from numbers_of_e8m0 import check, numbers


def converted(x):
    return jax.lax.convert_element_type(x, jnp.float8_e8m0fnu)


check("XLA, arguments", jax.jit(converted)(numbers), [-126, "nan", "nan"])
check("XLA, constants", jax.jit(lambda: converted(numbers))(), [-127, -127, 1])
PYTHON
