"""Models of flax, equinox and Hugging Face's flax classes, with random weights; none is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tools.models.jax_models import instance
from tools.models.library import random_images, varied
from tools.models.types import SEED, ModelInstance

WIDTH, HEADS, STEPS = 64, 4, 24
TOKENS, VOCABULARY = 64, 1000


def varied_tree(rng: np.random.Generator, tree: Any) -> Any:
    """`varied` on every array of a tree that holds floats."""
    import jax

    def change(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return varied(rng, array) if array.dtype.kind == "f" else array

    return jax.tree.map(change, tree)


def sequences(rng: np.random.Generator) -> list[np.ndarray]:
    """Two random inputs (batch, steps, width)."""
    return [rng.normal(size=(2, STEPS, WIDTH)).astype(np.float32) for _ in range(2)]


# ---- flax ------------------------------------------------------------------------------------------------------------


def attention() -> ModelInstance:
    """A transformer block of flax.linen with a causal mask."""
    import flax.linen as nn
    import jax

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            mask = nn.make_causal_mask(x[..., 0])
            x = x + nn.MultiHeadDotProductAttention(num_heads=HEADS)(nn.LayerNorm()(x), mask=mask)
            return x + nn.Dense(WIDTH)(nn.gelu(nn.Dense(4 * WIDTH)(nn.LayerNorm()(x))))

    rng = np.random.default_rng(SEED)
    first, second = sequences(rng)
    model = Block()
    params = varied_tree(rng, model.init(jax.random.key(SEED), first))
    return instance(model.apply, params, [first], [second])


def nnx_lstm() -> ModelInstance:
    """An LSTM of flax.nnx, which scans over the sequence, and a dense head."""
    import jax.numpy as jnp
    from flax import nnx

    class Network(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            self.recurrent = nnx.RNN(nnx.OptimizedLSTMCell(WIDTH, 48, rngs=rngs))
            self.head = nnx.Linear(48, 10, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            # the cell would draw its first state, zeros, from random numbers
            start = tuple(jnp.zeros((x.shape[0], 48), x.dtype) for _ in range(2))
            return self.head(self.recurrent(x, initial_carry=start))

    rng = np.random.default_rng(SEED)
    first, second = sequences(rng)
    graph, weights, rest = nnx.split(Network(nnx.Rngs(SEED)), nnx.Param, ...)
    params = varied_tree(rng, nnx.to_pure_dict(weights))

    def forward(params: Any, x: Any) -> Any:
        nnx.replace_by_pure_dict(weights, params)
        return nnx.merge(graph, weights, rest)(x)

    return instance(forward, params, [first], [second])


# ---- equinox ---------------------------------------------------------------------------------------------------------


def equinox_instance(model: Any, run: Callable[[Any, Any], Any], rng: np.random.Generator) -> ModelInstance:
    """`run(model, sequence)` of an equinox module."""
    import equinox

    weights, rest = equinox.partition(model, equinox.is_array)
    first, second = sequences(rng)
    params = varied_tree(rng, weights)
    return instance(lambda params, x: run(equinox.combine(params, rest), x), params, [first], [second])


def equinox_mlp() -> ModelInstance:
    """A perceptron of equinox, vectorised over a batch of sequences."""
    import equinox
    import jax

    model = equinox.nn.MLP(WIDTH, 10, 128, depth=3, activation=jax.nn.silu, key=jax.random.key(SEED))
    return equinox_instance(model, lambda model, x: jax.vmap(jax.vmap(model))(x), np.random.default_rng(SEED))


def equinox_gru() -> ModelInstance:
    """A gated recurrent unit of equinox under `lax.scan`."""
    import equinox
    import jax
    import jax.numpy as jnp

    def run(cell: Any, batch: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            state = cell(x, state)
            return state, state

        return jax.vmap(lambda x: jax.lax.scan(step, jnp.zeros(48, jnp.float32), x)[1])(batch)

    cell = equinox.nn.GRUCell(WIDTH, 48, key=jax.random.key(SEED))
    return equinox_instance(cell, run, np.random.default_rng(SEED))


# ---- transformers ----------------------------------------------------------------------------------------------------


def hugging_face(config: str, model: str, images: bool = False, **options: Any) -> ModelInstance:
    """A flax model of transformers, on token ids or an image.

    Parameters
    ----------
    config, model : str
        Names of the classes.
    images : bool
    **options
        Of the configuration.
    """
    from tools.models.pytorch_models import import_torchvision

    import_torchvision()  # transformers imports it wherever it is installed
    import jax
    import transformers

    rng = np.random.default_rng(SEED)
    network = getattr(transformers, model)(getattr(transformers, config)(**options), seed=SEED)
    params = varied_tree(rng, jax.tree.map(np.asarray, network.params))

    def inputs() -> np.ndarray:
        if images:
            return np.ascontiguousarray(random_images(rng, 1, 224).transpose(0, 3, 1, 2))
        return rng.integers(0, VOCABULARY, (1, TOKENS)).astype(np.int32)

    def forward(params: Any, x: Any) -> Any:
        return network(x, params=params, train=False).to_tuple()

    return instance(forward, params, [inputs()], [inputs()])


def flax_bert() -> ModelInstance:
    return hugging_face(
        "BertConfig",
        "FlaxBertModel",
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=1024,
        initializer_range=0.06,
    )


def flax_gpt2() -> ModelInstance:
    return hugging_face(
        "GPT2Config",
        "FlaxGPT2LMHeadModel",
        vocab_size=VOCABULARY,
        n_embd=256,
        n_layer=2,
        n_head=4,
        use_cache=False,
        initializer_range=0.06,
    )


def flax_vit() -> ModelInstance:
    return hugging_face(
        "ViTConfig",
        "FlaxViTModel",
        images=True,
        hidden_size=192,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=768,
        initializer_range=0.07,
    )
