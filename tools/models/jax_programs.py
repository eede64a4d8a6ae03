"""Programs in plain JAX that are no stacks of layers: scans, sampling, and the gradient of a convolutional network."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.models.jax_models import dense, dense_params, instance
from tools.models.library import random_images
from tools.models.types import SEED, ModelInstance

STATES, CHANNELS, STEPS = 16, 32, 64


def state_space_params(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "decay": rng.uniform(0.5, 0.95, (CHANNELS, STATES)).astype(np.float32),
        "in": rng.normal(size=(CHANNELS, STATES)).astype(np.float32),
        "out": rng.normal(size=(CHANNELS, STATES)).astype(np.float32),
        "skip": rng.normal(size=CHANNELS).astype(np.float32),
    }


def state_space_scan() -> ModelInstance:
    """A diagonal state space model, step by step under `lax.scan`."""
    rng = np.random.default_rng(SEED)

    def forward(params: Any, sequence: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def step(state: Any, x: Any) -> Any:
            state = params["decay"] * state + params["in"] * x[:, None]
            return state, (state * params["out"]).sum(-1) + params["skip"] * x

        return jax.lax.scan(step, jnp.zeros((CHANNELS, STATES), jnp.float32), sequence)[1]

    sequence, others = (rng.normal(size=(STEPS, CHANNELS)).astype(np.float32) for _ in range(2))
    return instance(forward, state_space_params(rng), [sequence], [others])


def associative_scan() -> ModelInstance:
    """The same model by `lax.associative_scan`, in a logarithmic number of steps."""
    rng = np.random.default_rng(SEED)

    def forward(params: Any, sequence: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def combine(left: Any, right: Any) -> Any:
            return left[0] * right[0], right[0] * left[1] + right[1]

        inputs = sequence[:, :, None] * params["in"]
        decays = jnp.broadcast_to(params["decay"], inputs.shape)
        states = jax.lax.associative_scan(combine, (decays, inputs))[1]
        return (states * params["out"]).sum(-1) + params["skip"] * sequence

    sequence, others = (rng.normal(size=(STEPS, CHANNELS)).astype(np.float32) for _ in range(2))
    return instance(forward, state_space_params(rng), [sequence], [others])


def metropolis() -> ModelInstance:
    """Random-walk Metropolis: 32 chains on a mixture of two Gaussians, random numbers by threefry."""
    rng = np.random.default_rng(SEED)
    params = {"means": rng.normal(size=(2, 3)).astype(np.float32), "scale": np.array([0.7, 0.4], np.float32)}

    def forward(params: Any, key: Any, start: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def log_density(x: Any) -> Any:
            distances = ((x[:, None] - params["means"]) ** 2).sum(-1)
            return jax.nn.logsumexp(-distances / params["scale"], axis=-1)

        def step(state: Any, key: Any) -> Any:
            x, density = state
            move, accept = jax.random.split(key)
            proposal = x + 0.5 * jax.random.normal(move, x.shape)
            proposed = log_density(proposal)
            taken = jnp.log(jax.random.uniform(accept, proposed.shape)) < proposed - density
            state = jnp.where(taken[:, None], proposal, x), jnp.where(taken, proposed, density)
            return state, state[0]

        _, samples = jax.lax.scan(step, (start, log_density(start)), jax.random.split(key, 20))
        return samples, samples.mean((0, 1))

    start, others = (rng.normal(size=(32, 3)).astype(np.float32) for _ in range(2))
    return instance(forward, params, [np.array([0, 7], np.uint32), start], [np.array([1, 2], np.uint32), others])


def cnn_gradient() -> ModelInstance:
    """Gradient of the cross-entropy of a network with convolutions and max pooling, with respect to all weights."""
    rng = np.random.default_rng(SEED)
    params = {
        "first": rng.normal(size=(3, 3, 3, 16), scale=0.3).astype(np.float32),
        "second": rng.normal(size=(3, 3, 16, 32), scale=0.12).astype(np.float32),
        "head": dense_params(rng, 32, 10),
    }

    def forward(params: Any, images: Any, labels: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def convolve(x: Any, kernel: Any) -> Any:
            return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def loss(params: Any) -> Any:
            x = jax.nn.relu(convolve(images, params["first"]))
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            x = jnp.tanh(convolve(x, params["second"])).mean((1, 2))
            logits = dense(params["head"], x)
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

        return jax.value_and_grad(loss)(params)

    images, others = (random_images(rng, 4, 24) for _ in range(2))
    labels = rng.integers(0, 10, 4).astype(np.int32)
    return instance(forward, params, [images, labels], [others, labels[::-1].copy()])
