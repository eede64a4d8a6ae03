"""Modules of 10,000 instructions and more as programs of today make them, for measurements of imports."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, WIDTH, HEADS, TOKENS = 26, 64, 4, 32
STEPS, CELLS = 160, 32


def write(folder: Path) -> dict[str, Path]:
    """Protos of them all, by what they are and how many instructions they have."""
    from tvm_hlo_frontend.frameworks.jax import lower_jax
    from tvm_hlo_frontend.hlo.proto.reader import read

    found = {}
    for name, make in MODULES.items():
        function, arguments = make()
        hlo = lower_jax(function, *arguments).hlo
        count = sum(1 for _ in read(hlo).instructions)
        path = found[f"{name}, {count:,} instructions"] = folder / f"{make.__name__}.pb"
        path.write_bytes(hlo)
    return found


def decoder() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A step of Adam on a decoder as Gemma's: root mean squares, rotated queries and keys, gated layers."""
    import jax
    import jax.numpy as jnp
    import optax

    half = WIDTH // HEADS // 2
    angles = np.arange(TOKENS)[:, None] / 10_000 ** (np.arange(half) / half)
    sine, cosine = np.sin(angles)[:, None].astype("float32"), np.cos(angles)[:, None].astype("float32")

    def norm(x: Any, scale: Any) -> Any:
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * (1 + scale)

    def rotated(x: Any) -> Any:
        a, b = jnp.split(x, 2, -1)
        return jnp.concatenate([a * cosine - b * sine, b * cosine + a * sine], -1)

    def layer(x: Any, w: Any) -> Any:
        y = norm(x, w["before"])
        queries, keys, values = (jnp.einsum("td,dhk->thk", y, w[name]) for name in ("q", "k", "v"))
        scores = jnp.einsum("thk,shk->hts", rotated(queries), rotated(keys)) / jnp.sqrt(2.0 * half)
        scores = jnp.where(jnp.tril(jnp.ones((TOKENS, TOKENS), bool)), jnp.tanh(scores / 50) * 50, -1e30)
        x = x + jnp.einsum("hts,shk,hkd->td", jax.nn.softmax(scores), values, w["o"])
        y = norm(x, w["after"])
        return x + (jax.nn.gelu(y @ w["gate"]) * (y @ w["up"])) @ w["down"]

    def loss(weights: Any, tokens: Any) -> Any:
        x = weights["embedding"][tokens[:-1]] * jnp.sqrt(1.0 * WIDTH)
        for w in weights["layers"]:
            x = layer(x, w)
        logits = norm(x, weights["last"]) @ weights["embedding"].T
        return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[1:]).mean()

    def one() -> dict[str, Any]:
        shapes = dict.fromkeys("qkv", (WIDTH, HEADS, 2 * half))
        shapes |= {"o": (HEADS, 2 * half, WIDTH), "gate": (WIDTH, 4 * WIDTH), "up": (WIDTH, 4 * WIDTH)}
        shapes |= {"down": (4 * WIDTH, WIDTH), "before": (WIDTH,), "after": (WIDTH,)}
        return {name: np.ones(shape, "float32") for name, shape in shapes.items()}

    embedding = np.ones((1000, WIDTH), "float32")
    weights = {"embedding": embedding, "last": embedding[0], "layers": [one() for _ in range(LAYERS)]}
    optimizer = optax.adamw(1e-3)

    def step(weights: Any, state: Any, tokens: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(weights, tokens)
        updates, state = optimizer.update(gradient, state, weights)
        return value, optax.apply_updates(weights, updates), state

    return step, (weights, optimizer.init(weights), np.zeros(TOKENS + 1, "int32"))


def simulation() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Waves on shallow water, step by step."""
    import jax.numpy as jnp

    def slope(x: Any, axis: int) -> Any:
        return (jnp.roll(x, -1, axis) - jnp.roll(x, 1, axis)) * 0.5

    def run(height: Any, u: Any, v: Any) -> Any:
        for _ in range(STEPS):
            still = sum(jnp.roll(height, shift, axis) for axis in (0, 1) for shift in (-1, 1)) / 4
            dry = jnp.where(height < 0.01, 0.0, 1.0)
            u, v = (
                (x - 0.1 * (u * slope(x, 0) + v * slope(x, 1) + 9.81 * slope(height, axis))) * dry
                for axis, x in enumerate((u, v))
            )
            height = jnp.maximum(0.98 * height + 0.02 * still - 0.1 * (slope(height * u, 0) + slope(height * v, 1)), 0)
        return height, u, v

    return run, tuple(np.ones((CELLS, CELLS), "float32") for _ in range(3))


def cnn() -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A step of training of Keras's ResNet50."""
    os.environ["KERAS_BACKEND"] = "jax"
    import jax
    import keras
    import optax

    model = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10)
    trained = [np.asarray(variable.value) for variable in model.trainable_variables]
    others = [np.asarray(variable.value) for variable in model.non_trainable_variables]
    optimizer = optax.adam(1e-3)

    def loss(trained: Any, others: Any, x: Any, y: Any) -> Any:
        found, others = model.stateless_call(trained, others, x, training=True)
        return -(y * jax.numpy.log(found + 1e-7)).sum(-1).mean(), others

    def step(trained: Any, others: Any, state: Any, x: Any, y: Any) -> Any:
        (value, others), gradient = jax.value_and_grad(loss, has_aux=True)(trained, others, x, y)
        updates, state = optimizer.update(gradient, state, trained)
        return value, optax.apply_updates(trained, updates), others, state

    images, labels = np.ones((2, 64, 64, 3), "float32"), np.ones((2, 10), "float32")
    return step, (trained, others, optimizer.init(trained), images, labels)


MODULES: dict[str, Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]] = {
    "training of a decoder of 26 layers": decoder,
    "160 steps of a simulation": simulation,
    "training of ResNet50": cnn,
}
