"""Transformers, a recurrent network, a gradient, a Gaussian process and a detection loop, in plain JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tools.models.types import SEED, ModelInstance
from tvm_hlo_frontend.frameworks.jax import lower_jax

WIDTH, HEADS, LAYERS = 128, 4, 2
TOKENS, VOCABULARY = 64, 60


def instance(
    function: Callable[..., Any],
    params: Any,
    inputs: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    lowering_platforms: Sequence[str] | None = None,
    reference_options: Mapping[str, Any] | None = None,
) -> ModelInstance:
    """A model `function(params, *inputs)` whose `params` are weights; the reference is compiled with these options."""
    import jax

    jitted = jax.jit(function, compiler_options=dict(reference_options or {}))
    lowered = lower_jax(function, params, *inputs, weight_argnums=(0,), lowering_platforms=lowering_platforms)
    reference = lambda *arrays: [np.asarray(leaf) for leaf in jax.tree.leaves(jitted(params, *arrays))]  # noqa: E731
    return ModelInstance(lowered, list(inputs), list(others), reference)


# ---- transformers ----------------------------------------------------------------------------------------------------


def dense_params(rng: np.random.Generator, fan_in: int, fan_out: int) -> dict[str, np.ndarray]:
    return {
        "kernel": rng.normal(size=(fan_in, fan_out), scale=fan_in**-0.5).astype(np.float32),
        "bias": rng.normal(size=fan_out, scale=0.1).astype(np.float32),
    }


def block_params(rng: np.random.Generator) -> dict[str, Any]:
    norms = {
        name: {
            "scale": rng.uniform(0.5, 1.5, WIDTH).astype(np.float32),
            "offset": rng.normal(size=WIDTH, scale=0.1).astype(np.float32),
        }
        for name in ("norm_1", "norm_2")
    }
    sizes = {"qkv": (WIDTH, 3 * WIDTH), "out": (WIDTH, WIDTH), "up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH)}
    return norms | {name: dense_params(rng, *size) for name, size in sizes.items()}


def dense(params: Any, x: Any) -> Any:
    return x @ params["kernel"] + params["bias"]


def layer_norm(params: Any, x: Any) -> Any:
    import jax

    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * params["scale"] + params["offset"]


def attention(params: Any, x: Any, mask: Any) -> Any:
    import jax
    import jax.numpy as jnp

    batch, tokens, _ = x.shape
    qkv = dense(params["qkv"], x).reshape(batch, tokens, 3, HEADS, WIDTH // HEADS)
    query, key, value = (qkv[:, :, part] for part in range(3))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * (WIDTH // HEADS) ** -0.5
    if mask is not None:
        scores = jnp.where(mask, scores, jnp.float32(-1e9))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)
    return dense(params["out"], mixed.reshape(batch, tokens, WIDTH))


def block(params: Any, x: Any, mask: Any, exact_gelu: bool) -> Any:
    import jax

    x = x + attention(params, layer_norm(params["norm_1"], x), mask)
    hidden = jax.nn.gelu(dense(params["up"], layer_norm(params["norm_2"], x)), approximate=not exact_gelu)
    return x + dense(params["down"], hidden)


def vit() -> ModelInstance:
    """A stack of ViT blocks on patches of two images."""
    rng = np.random.default_rng(SEED)
    patch = 16 * 16 * 3
    params = {"embed": dense_params(rng, patch, WIDTH), "blocks": [block_params(rng) for _ in range(LAYERS)]}
    params["position"] = rng.normal(size=(49, WIDTH), scale=0.3).astype(np.float32)

    def forward(params: Any, images: Any) -> Any:
        patches = images.reshape(2, 7, 16, 7, 16, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 49, patch)
        x = dense(params["embed"], patches) + params["position"]
        for layer in params["blocks"]:
            x = block(layer, x, None, exact_gelu=True)
        return x.mean(1)

    images, others = (rng.normal(size=(2, 112, 112, 3)).astype(np.float32) for _ in range(2))
    return instance(forward, params, [images], [others])


def bert() -> ModelInstance:
    """A two-layer encoder with embedding lookups and a padding mask."""
    rng = np.random.default_rng(SEED)
    params = embeddings(rng) | {"blocks": [block_params(rng) for _ in range(LAYERS)]}

    def forward(params: Any, ids: Any, lengths: Any) -> Any:
        import jax.numpy as jnp

        x = params["tokens"][ids] + params["positions"][None]
        mask = (jnp.arange(TOKENS)[None, :] < lengths[:, None])[:, None, None, :]
        for layer in params["blocks"]:
            x = block(layer, x, mask, exact_gelu=True)
        return x

    # every token occurs, so that every embedding matters
    ids, others = (rng.permuted(np.tile(np.arange(TOKENS) % VOCABULARY, (2, 1)), axis=1).astype(np.int32) for _ in "ab")
    return instance(forward, params, [ids, np.array([50, 64], np.int32)], [others, np.array([64, 20], np.int32)])


def gpt2() -> ModelInstance:
    """A two-layer decoder with a causal mask and tied output embedding."""
    rng = np.random.default_rng(SEED)
    params = embeddings(rng) | {"blocks": [block_params(rng) for _ in range(LAYERS)]}

    def forward(params: Any, ids: Any) -> Any:
        import jax.numpy as jnp

        x = params["tokens"][ids] + params["positions"][None]
        mask = jnp.tril(jnp.ones((TOKENS, TOKENS), bool))[None, None]
        for layer in params["blocks"]:
            x = block(layer, x, mask, exact_gelu=False)
        return x @ params["tokens"].T

    ids, others = (rng.integers(0, VOCABULARY, (1, TOKENS)).astype(np.int32) for _ in range(2))
    return instance(forward, params, [ids], [others])


def embeddings(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "tokens": rng.normal(size=(VOCABULARY, WIDTH)).astype(np.float32),
        "positions": rng.normal(size=(TOKENS, WIDTH), scale=0.3).astype(np.float32),
    }


# ---- loops -----------------------------------------------------------------------------------------------------------


def scanned_gru() -> ModelInstance:
    """A gated recurrent unit under `lax.scan`."""
    rng = np.random.default_rng(SEED)
    params = {name: dense_params(rng, 2 * WIDTH, WIDTH) for name in ("reset", "update", "candidate")}

    def forward(params: Any, sequence: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def step(state: Any, x: Any) -> Any:
            both = jnp.concatenate([x, state], -1)
            reset, update = (jax.nn.sigmoid(dense(params[name], both)) for name in ("reset", "update"))
            candidate = jnp.tanh(dense(params["candidate"], jnp.concatenate([x, reset * state], -1)))
            state = update * state + (1 - update) * candidate
            return state, state

        return jax.lax.scan(step, jnp.zeros((4, WIDTH), jnp.float32), sequence)

    sequence, others = (rng.normal(size=(24, 4, WIDTH)).astype(np.float32) for _ in range(2))
    return instance(forward, params, [sequence], [others])


def mlp_gradient() -> ModelInstance:
    """Gradient of a cross-entropy loss with respect to all weights."""
    rng = np.random.default_rng(SEED)
    params = [dense_params(rng, 32, 64), dense_params(rng, 64, 10)]

    def forward(params: Any, x: Any, labels: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def loss(params: Any) -> Any:
            logits = dense(params[1], jnp.tanh(dense(params[0], x)))
            return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

        return jax.grad(loss)(params)

    x, others = (rng.normal(size=(16, 32)).astype(np.float32) for _ in range(2))
    labels = rng.integers(0, 10, 16).astype(np.int32)
    return instance(forward, params, [x, labels], [others, labels[::-1].copy()])


def gaussian_process(lowering_platforms: Sequence[str] | None = None) -> ModelInstance:
    """Posterior mean and variance: a Cholesky factorisation and triangular solves."""
    rng = np.random.default_rng(SEED)
    params = {"train": rng.uniform(-3, 3, (40, 2)).astype(np.float32), "y": rng.normal(size=40).astype(np.float32)}

    def forward(params: Any, points: Any) -> Any:
        import jax.numpy as jnp
        import jax.scipy.linalg as linalg

        def kernel(a: Any, b: Any) -> Any:
            return jnp.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(-1))

        factor = jnp.linalg.cholesky(kernel(params["train"], params["train"]) + 0.1 * jnp.eye(40, dtype=jnp.float32))
        cross = kernel(points, params["train"])
        weights = linalg.cho_solve((factor, True), params["y"])
        half = linalg.solve_triangular(factor, cross.T, lower=True)
        return cross @ weights, 1 - (half**2).sum(0)

    points, others = (rng.uniform(-3, 3, (25, 2)).astype(np.float32) for _ in range(2))
    return instance(forward, params, [points], [others], lowering_platforms)


def padded_nms() -> ModelInstance:
    """Non-maximum suppression with a fixed number of results, as a loop."""
    rng = np.random.default_rng(SEED)

    def forward(params: Any, corners: Any, scores: Any) -> Any:
        import jax
        import jax.numpy as jnp

        def overlap(box: Any) -> Any:
            low, high = jnp.maximum(box[:2], corners[:, :2]), jnp.minimum(box[2:], corners[:, 2:])
            shared = jnp.prod(jnp.maximum(high - low, 0), -1)
            area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])  # noqa: E731
            return shared / (area(box) + area(corners) - shared)

        def body(step: Any, state: Any) -> Any:
            left, kept = state
            best = jnp.argmax(left)
            kept = kept.at[step].set(jnp.concatenate([corners[best], scores[best][None]]))
            return jnp.where(overlap(corners[best]) > 0.4, -1.0, left), kept

        return jax.lax.fori_loop(0, 10, body, (scores, jnp.zeros((10, 5), jnp.float32)))[1]

    def boxes() -> list[np.ndarray]:
        low = rng.uniform(0, 10, (60, 2))
        corners = np.concatenate([low, low + rng.uniform(1, 4, (60, 2))], 1).astype(np.float32)
        return [corners, rng.uniform(0, 1, 60).astype(np.float32)]

    return instance(forward, {}, boxes(), boxes())
