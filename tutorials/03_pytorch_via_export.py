# %% [markdown]
# # PyTorch via torch.export
#
# `from_pytorch` exports a module, lowers it through torchax, and converts the HLO. It needs a CPU build of PyTorch and
# no torch_xla.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# whose modules hold their parameters themselves: `mod_and_params` gives module and parameters with either.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params


class Denoiser(torch.nn.Module):
    """A small U-shaped network."""

    def __init__(self, width=8):
        super().__init__()
        self.down = torch.nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.norm = torch.nn.GroupNorm(2, width)
        self.attention = torch.nn.MultiheadAttention(width, 2, batch_first=True)
        self.up = torch.nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1)

    def forward(self, image):
        features = torch.nn.functional.silu(self.norm(self.down(image)))
        batch, channels, height, width = features.shape
        tokens = features.flatten(2).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens)
        features = features + mixed.transpose(1, 2).reshape(batch, channels, height, width)
        return image + self.up(features)


torch.manual_seed(0)
network = Denoiser().eval()
image = torch.randn(1, 1, 16, 16)

mod, params = mod_and_params(tvm_hlo_frontend.from_pytorch(network, image, freeze_params=False))
run = tvm_hlo_frontend.build(mod, params)
ours, theirs = run(image.numpy()), network(image).detach().numpy()
print("largest difference:", np.abs(ours - theirs).max())
assert np.abs(ours - theirs).max() < 1e-4

fig, axes = plt.subplots(1, 3, figsize=(7, 2.5))
for axis, picture, title in zip(axes, (image.numpy(), theirs, ours), ("input", "PyTorch", "TVM")):
    axis.imshow(picture[0, 0], cmap="gray")
    axis.set_title(title)
    axis.axis("off")
plt.show()

# %% [markdown]
# Parameters have the names of the `state_dict`:

# %%
print({name: array.shape for name, array in sorted(params.items())})

# %% [markdown]
# ## Exported programs
#
# What `torch.export` has made converts as it is; with dynamic shapes, example inputs say the sizes:

# %%
batch = torch.export.Dim("batch", min=1, max=64)
exported = torch.export.export(network, (torch.randn(2, 1, 16, 16),), dynamic_shapes={"image": {0: batch}})
images = torch.randn(3, 1, 16, 16)
mod, params = mod_and_params(tvm_hlo_frontend.from_pytorch(exported, images))
many = tvm_hlo_frontend.build(mod, params)(images.numpy())
print(many.shape)
np.testing.assert_allclose(many, network(images).detach().numpy(), atol=1e-4)

# %% [markdown]
# ## What cannot be lowered
#
# Operators that have no lowering are one error, with the lines they come from:


# %%
class Unsupported(torch.nn.Module):
    def forward(self, x):
        return torch.nonzero(x)


try:
    tvm_hlo_frontend.from_pytorch(Unsupported(), torch.randn(4))
except tvm_hlo_frontend.HloFrontendError as error:
    print(type(error).__name__, str(error)[:600])
