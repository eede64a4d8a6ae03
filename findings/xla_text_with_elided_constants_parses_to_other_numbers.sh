#!/usr/bin/env bash
# The text that jaxlib 0.10.2 prints of an HLO module can be read back by jaxlib without an error, with other weights.
#
# `XlaComputation.as_hlo_text()` shortens constants of more than ten elements to `{...}`. The parser of the same library
# takes `{...}` for a constant and fills it with the bit patterns 0, 1, 2, …, which are subnormal floats. Nothing tells that
# the weights are gone; `as_hlo_text(print_large_constants=True)` keeps them.
#
# Seen:
# printed: constant({...})
# read back: {0, 1.4013e-45, 2.8026e-45, 4.2039e-45, ...
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jaxlib import _hlo

weights = np.linspace(1, 2, 12).astype("float32")
text = jax.jit(lambda x: x + jnp.asarray(weights)).lower(weights).compiler_ir("hlo").as_hlo_text()
print("printed:", re.search(r"constant\(\{.*?\}\)", text).group())
module = _hlo.hlo_module_from_text(text)
back = _hlo.XlaComputation(module.as_serialized_hlo_module_proto()).as_hlo_text(print_large_constants=True)
numbers = re.search(r"constant\((\{.*?)\}\)", back).group(1)
print("read back:", ", ".join(numbers.split(", ")[:4]) + ", ...")
sys.exit("{...}" not in text or "1.4013e-45" not in numbers)
EOF
