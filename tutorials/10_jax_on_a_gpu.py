# %% [markdown]
# # A JAX model on a GPU through TVM
#
# `build` compiles for OpenCL and CUDA. **No GPU has run what it makes**: here OpenCL's kernels run on the CPU, by PoCL,
# and the numbers are XLA's. Nothing is known of their speed on a GPU.
#
# The output is that of today's TVM with Relax (`make env-relax`); TVM 0.17 with Relay has no code for devices. It runs
# in the repository, whose `tools/support/pocl.py` stands for the runtime of OpenCL that `apache-tvm` lacks. Where TVM
# has one, the same program runs on the device, without `Pocl`.

# %%
import re
from collections import Counter

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from tools.support.pocl import Pocl

import tvm_hlo_frontend
from tvm_hlo_frontend import TargetError, mod_and_params


def model(params, images):
    """A small convolutional network."""
    for kernel in params["convolutions"]:
        images = jax.lax.conv_general_dilated(
            images, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        images = jax.nn.gelu(images, approximate=False)
    features = jnp.max(images, axis=(1, 2))
    return jax.nn.softmax(features @ params["head"])


rng = np.random.default_rng(0)
params = {
    "convolutions": [rng.normal(size=(3, 3, i, o)).astype("float32") / 5 for i, o in ((3, 16), (16, 32))],
    "head": rng.normal(size=(32, 10)).astype("float32") / 5,
}
images = rng.normal(size=(2, 32, 32, 3)).astype("float32")

# %% [markdown]
# The module is the one for CPUs; the target is said when it is built. An `Executable` for a device takes numpy arrays,
# copies them there and the results back.

# %%
mod, weights = mod_and_params(tvm_hlo_frontend.from_jax(model, params, images, weight_argnums=(0,)))
pocl = Pocl()
with pocl.opened():
    run = tvm_hlo_frontend.build(mod, weights, target="opencl")
    probabilities = run(images)
print("device:", run.device)

# %% [markdown]
# The numbers are XLA's, up to the order of the sums:

# %%
reference = np.asarray(jax.jit(model)(params, images))
print("largest difference:", np.abs(probabilities - reference).max())
assert np.abs(probabilities - reference).max() < 1e-5

fig, axes = plt.subplots(figsize=(6, 2.5))
axes.bar(np.arange(10) - 0.2, reference[0], 0.4, label="XLA")
axes.bar(np.arange(10) + 0.2, probabilities[0], 0.4, label="TVM, OpenCL on PoCL")
axes.set_xlabel("class")
axes.legend()
plt.show()

# %% [markdown]
# ## What was launched
#
# Each kernel has a thread for each element of its result, in blocks of at most 256. No kernel has barriers or shared
# memory.

# %%
for name, extents in pocl.launches:
    print(f"{name:40} {extents['blockIdx.x']:5} blocks of {extents['threadIdx.x']:3} threads")

# %% [markdown]
# ## f16
#
# PoCL has no f16 (`cl_khr_fp16`), and other devices may lack it too. So kernels for OpenCL hold its numbers as words of
# 16 bits and compute in f32, rounded to f16 after each operation: that is what f16's own operations give.

# %%
half = rng.normal(size=(4, 64)).astype("float16")


def normalised(x):
    return (x - x.mean(1, keepdims=True)) / (jnp.sqrt(x.var(1, keepdims=True)) + 1)


with pocl.opened():
    ours = tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_jax(normalised, half)), target="opencl")(half)
theirs = np.asarray(jax.jit(normalised)(half))
print(ours.dtype, "largest difference:", np.abs(ours - theirs).max())
print("a kernel's parameters:", pocl.sources[-1].split("__kernel void ")[1].split(";")[0])
np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)

# %% [markdown]
# ## CUDA
#
# TVM writes CUDA's source on any machine; the target has to say for which GPU. A call raises `TargetError` where there
# is none.

# %%
cuda = tvm_hlo_frontend.build(mod, weights, target={"kind": "cuda", "arch": "sm_80"})
(host,) = cuda.library.mod.imports
source = "".join(device.inspect_source() for device in host.imports)
kernels = re.findall(r"__global__ void .*?(\w+)_kernel\w*\([^;]*\{$", source, re.MULTILINE)
print(len(kernels), "kernels:", dict(Counter(kernels)))
try:
    cuda(images)
except TargetError as error:
    print(error)

# %% [markdown]
# ## What is refused
#
# What no device can run is refused before anything is compiled, with the instruction and the line that it came from:


# %%
def eigenvalues(x):
    return jnp.linalg.eigvals(x)


matrix = np.eye(3, dtype="float32")
try:
    tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_jax(eigenvalues, matrix)), target="opencl")
except TargetError as error:
    print(error)
