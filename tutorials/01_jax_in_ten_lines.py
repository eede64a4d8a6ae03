# %% [markdown]
# # JAX to TVM in ten lines
#
# `from_jax` lowers a function to HLO and converts it. Weights become `params`, everything else inputs.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# whose modules hold their parameters themselves: `mod_and_params` gives module and parameters with either.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params


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

converted = tvm_hlo_frontend.from_jax(model, params, images, weight_argnums=(0,), freeze_params=False)
mod, weights = mod_and_params(converted)
run = tvm_hlo_frontend.build(mod, weights)
probabilities = run(images)

# %% [markdown]
# The numbers are XLA's, up to the order of the sums:

# %%
reference = np.asarray(jax.jit(model)(params, images))
print("largest difference:", np.abs(probabilities - reference).max())
assert np.abs(probabilities - reference).max() < 1e-5

fig, axes = plt.subplots(figsize=(6, 2.5))
axes.bar(np.arange(10) - 0.2, reference[0], 0.4, label="XLA")
axes.bar(np.arange(10) + 0.2, probabilities[0], 0.4, label="TVM")
axes.set_xlabel("class")
axes.legend()
plt.show()

# %% [markdown]
# `mod` is an ordinary module of TVM, and `weights` an ordinary params dictionary:

# %%
print({name: array.shape for name, array in weights.items()})
print(mod["main"].params)

# %% [markdown]
# What became of every opcode:

# %%
tvm_hlo_frontend.report_of(mod)

# %% [markdown]
# Gradients are just another function. JAX differentiates, TVM runs:


# %%
def loss(params, images, labels):
    return -jnp.mean(jnp.log(model(params, images))[jnp.arange(2), labels])


labels = np.array([3, 7], "int32")
mod, constants = mod_and_params(tvm_hlo_frontend.from_jax(jax.grad(loss), params, images, labels))
run = tvm_hlo_frontend.build(mod, constants)
gradients = run(*jax.tree.leaves(params), images, labels)
for ours, theirs in zip(gradients, jax.tree.leaves(jax.grad(loss)(params, images, labels)), strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
print("gradients agree:", [gradient.shape for gradient in gradients])
