#!/usr/bin/env bash
# torchax 0.0.13 lowers a transposed convolution with 1 < groups < channels to wrong numbers, without an error.
#
# It reshapes the weights [in, out / groups, …] to [in / groups, out, …], which leaves them where they are in memory: right for
# groups = 1 and for groups = channels, else channels of one group get weights of another.
#
# torchax cannot be imported beside torch 2.13.0 as it is (see the finding of that name), so the names of overloads that are
# gone stand for nothing here.
#
# Seen: the largest difference from PyTorch by groups
# groups=1 0.0000007
# groups=2 6.1417499
# groups=4 0.0000002
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchax==0.0.13 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import numpy as np
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
convolution = ops_registry.all_aten_ops[torch.ops.aten.convolution].func
torch.manual_seed(0)
image = torch.randn(1, 4, 5)
differences = {}
for groups in (1, 2, 4):
    weight = torch.randn(4, 4 // groups, 3)
    theirs = torch.nn.functional.conv_transpose1d(image, weight, groups=groups).numpy()
    ours = convolution(image.numpy(), weight.numpy(), None, [1], [0], [1], True, [0], groups)
    differences[groups] = float(np.abs(np.asarray(ours) - theirs).max())
    print(f"groups={groups} {differences[groups]:.7f}")
sys.exit(not (differences[1] < 1e-4 and differences[2] > 0.1 and differences[4] < 1e-4))
PROGRAM
