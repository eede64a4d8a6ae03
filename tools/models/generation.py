"""A small language model that generates in one loop: prompt in, tokens out, keys and values cached in the state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.models.jax_models import instance
from tools.models.types import ModelInstance


@dataclass(frozen=True)
class Decoder:
    """Sizes of a decoder; its caches have room for `prompt` + `generated` tokens.

    With this `seed` the likeliest token is 0.018 or more ahead of the second, hundreds of times what floats differ by.
    """

    layers: int = 2
    width: int = 256
    heads: int = 4
    vocabulary: int = 512
    prompt: int = 16
    generated: int = 256
    seed: int = 23

    @property
    def head(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads

    @property
    def positions(self) -> int:
        """Tokens that the caches have room for."""
        return self.prompt + self.generated


def decoder_params(model: Decoder, rng: np.random.Generator) -> dict[str, Any]:
    """Random weights, scaled so that every layer matters and attention chooses."""
    width = model.width

    def matrix(rows: int, columns: int) -> np.ndarray:
        return rng.normal(size=(rows, columns), scale=rows**-0.5).astype(np.float32)

    def scale() -> np.ndarray:
        return rng.uniform(0.5, 1.5, width).astype(np.float32)

    blocks = [
        {
            "norm_1": scale(),
            "qkv": matrix(width, 3 * width) * 2,
            "out": matrix(width, width),
            "norm_2": scale(),
            "up": matrix(width, 4 * width),
            "down": matrix(4 * width, width),
        }
        for _ in range(model.layers)
    ]
    tokens = rng.normal(size=(model.vocabulary, width), scale=4 * width**-0.5).astype(np.float32)
    # of either sign, or the likeliest token would be the last one again
    norm = scale() * rng.choice(np.float32([-1, 1]), width)
    return {"tokens": tokens, "blocks": blocks, "norm": norm}


def rms_norm(scale: Any, x: Any) -> Any:
    """`x` over the root of its mean square."""
    import jax

    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def turns(model: Decoder) -> np.ndarray:
    """Cosines and sines of the angles by which heads are turned, [cosine or sine, position, number]."""
    half = model.head // 2
    angles = np.arange(model.positions)[:, None] * 100.0 ** (-np.arange(half) / half)
    return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def rotated(x: Any, cosine: Any, sine: Any) -> Any:
    """Queries and keys [token, which, head, number] turned by the angles of their positions (rotary embedding)."""
    import jax.numpy as jnp

    first, second = jnp.split(x, 2, -1)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)


def forward(model: Decoder, params: Any, caches: Any, tokens: Any, start: Any) -> Any:
    """Logits of the token behind `tokens`, which stand from position `start` on, and the caches with them."""
    import jax
    import jax.numpy as jnp

    count = tokens.shape[0]
    places = start + jnp.arange(count, dtype=jnp.int32)
    seen = jnp.arange(model.positions)[None] <= places[:, None]
    angles = jax.lax.dynamic_slice_in_dim(jnp.asarray(turns(model)), start, count, 1)[:, :, None, None]
    x = params["tokens"][tokens]
    for layer, block in enumerate(params["blocks"]):
        qkv = (rms_norm(block["norm_1"], x) @ block["qkv"]).reshape(count, 3, model.heads, model.head)
        query, key = jnp.moveaxis(rotated(qkv[:, :2], *angles), 1, 0)
        new = jnp.stack([key, qkv[:, 2]])[None]
        caches = jax.lax.dynamic_update_slice(caches, new, (layer, 0, start, 0, 0))
        keys, values = caches[layer]
        scores = jnp.einsum("qhd,khd->hqk", query, keys) * model.head**-0.5
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
        mixed = jnp.einsum("hqk,khd->qhd", weights, values).reshape(count, model.width)
        x = x + mixed @ block["out"]
        x = x + jax.nn.gelu(rms_norm(block["norm_2"], x) @ block["up"]) @ block["down"]
    return params["tokens"] @ rms_norm(params["norm"], x[-1]), caches


def generate(model: Decoder, params: Any, prompt: Any) -> Any:
    """The prompt at once, then token after token in one loop; the tokens, and the logits of what would come next."""
    import jax
    import jax.numpy as jnp

    caches = jnp.zeros((model.layers, 2, model.positions, model.heads, model.head), jnp.float32)
    logits, caches = forward(model, params, caches, prompt, jnp.int32(0))

    def step(number: Any, state: Any) -> Any:
        logits, caches, tokens = state
        token = jnp.argmax(logits).astype(jnp.int32)
        logits, caches = forward(model, params, caches, token[None], model.prompt + number)
        return logits, caches, tokens.at[number].set(token)

    start = logits, caches, jnp.zeros(model.generated, jnp.int32)
    logits, _, tokens = jax.lax.fori_loop(0, model.generated, step, start)
    return tokens, logits


def decoder(model: Decoder = Decoder()) -> ModelInstance:
    """A decoder that continues a prompt greedily."""
    rng = np.random.default_rng(model.seed)
    params = decoder_params(model, rng)
    other, prompt = (rng.integers(0, model.vocabulary, model.prompt).astype(np.int32) for _ in range(2))

    def function(params: Any, prompt: Any) -> Any:
        return generate(model, params, prompt)

    return instance(function, params, [prompt], [other])
