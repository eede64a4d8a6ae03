#!/usr/bin/env bash
# torchax 0.0.13 lowers `x & 1` of integers to the logical and, and powers of integers to those of floats, without an error.
#
# aten.__and__, __or__ and __xor__ share the lowering of logical_and, logical_or and logical_xor: 6 & 3 is true. By that
# grid_sample in three dimensions with reflected places, which torchax takes apart itself, comes out wrong. A power of int32 is taken in
# f32 while JAX's 64-bit types are off: 3 ** 17 is not exact, and 3 ** 33 does not wrap around.
#
# torchax cannot be imported beside torch 2.13.0 as it is (see the finding of that name), so the names of overloads that are
# gone stand for nothing here.
#
# Seen: PyTorch's number, torchax's
# 6 & 3: 2, 1
# 3 ** 17: 129140163, 129140160
# 3 ** 33: -1504003197, 2147483647
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchax==0.0.13 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import jax.numpy as jnp
import torch

packet = torch._ops.OpOverloadPacket
found = packet.__getattr__


def overload(self, name):
    try:
        return found(self, name)
    except AttributeError:
        if name.startswith("__"):
            raise
        return object()


packet.__getattr__ = overload
from torchax.ops import jaten, ops_registry  # noqa: E402

assert jaten
operators, aten = ops_registry.all_aten_ops, torch.ops.aten
cases = {
    "6 & 3": (aten.__and__, 6, 3),
    "3 ** 17": (aten.pow, 3, 17),
    "3 ** 33": (aten.pow, 3, 33),
}
wrong = []
for name, (operator, first, second) in cases.items():
    tensors = [torch.tensor([value], dtype=torch.int32) for value in (first, second)]
    theirs = int(operator(*tensors)[0])
    ours = int(operators[operator].func(*(jnp.asarray(each.numpy()) for each in tensors))[0])
    print(f"{name}: {theirs}, {ours}")
    wrong.append(ours != theirs)
sys.exit(not all(wrong))
PROGRAM
