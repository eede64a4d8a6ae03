# %% [markdown]
# # Generating text in one loop
#
# A small decoder writes 256 tokens: the prompt at once, then token after token in a loop whose state holds the caches
# of keys and values. The whole loop is one kernel, and the caches are written in place.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# whose modules hold their parameters themselves: `mod_and_params` gives module and parameters with either.

# %%
import time

import jax
import jax.numpy as jnp
import numpy as np

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params

LAYERS, WIDTH, HEADS, VOCABULARY = 2, 256, 4, 512
PROMPT, GENERATED = 16, 256
POSITIONS, HEAD = PROMPT + GENERATED, WIDTH // HEADS

# %% [markdown]
# ## The model
#
# Two layers of attention and a perceptron, with root mean square norms and rotary positions. The weights are random, so
# the text is, too.

# %%
rng = np.random.default_rng(23)


def matrix(rows, columns, scale=1.0):
    return rng.normal(size=(rows, columns), scale=scale * rows**-0.5).astype("float32")


def norm_scale():
    return rng.uniform(0.5, 1.5, WIDTH).astype("float32")


params = {
    "blocks": [
        {
            "norm_1": norm_scale(),
            "qkv": matrix(WIDTH, 3 * WIDTH, 2.0),
            "out": matrix(WIDTH, WIDTH),
            "norm_2": norm_scale(),
            "up": matrix(WIDTH, 4 * WIDTH),
            "down": matrix(4 * WIDTH, WIDTH),
        }
        for _ in range(LAYERS)
    ],
    "tokens": rng.normal(size=(VOCABULARY, WIDTH), scale=0.25).astype("float32"),
    "norm": norm_scale() * rng.choice(np.float32([-1, 1]), WIDTH),
}
prompt = rng.integers(0, VOCABULARY, PROMPT).astype("int32")

angles = np.arange(POSITIONS)[:, None] * 100.0 ** (-np.arange(HEAD // 2) / (HEAD // 2))
turns = np.stack([np.cos(angles), np.sin(angles)]).astype("float32")


def rms_norm(scale, x):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale


def rotated(x, cosine, sine):
    first, second = jnp.split(x, 2, -1)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)


# %% [markdown]
# `forward` takes any number of tokens that stand from `start` on: the prompt, or one. It writes their keys and values
# into the caches, and gives the logits of the token that comes next.


# %%
def forward(params, caches, tokens, start):
    count = tokens.shape[0]
    places = start + jnp.arange(count, dtype=jnp.int32)
    seen = jnp.arange(POSITIONS)[None] <= places[:, None]
    cosine, sine = jax.lax.dynamic_slice_in_dim(jnp.asarray(turns), start, count, 1)[:, :, None, None]
    x = params["tokens"][tokens]
    for layer, block in enumerate(params["blocks"]):
        qkv = (rms_norm(block["norm_1"], x) @ block["qkv"]).reshape(count, 3, HEADS, HEAD)
        query, key = jnp.moveaxis(rotated(qkv[:, :2], cosine, sine), 1, 0)
        new = jnp.stack([key, qkv[:, 2]])[None]
        caches = jax.lax.dynamic_update_slice(caches, new, (layer, 0, start, 0, 0))
        keys, values = caches[layer]
        scores = jnp.einsum("qhd,khd->hqk", query, keys) * HEAD**-0.5
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
        mixed = jnp.einsum("hqk,khd->qhd", weights, values).reshape(count, WIDTH)
        x = x + mixed @ block["out"]
        x = x + jax.nn.gelu(rms_norm(block["norm_2"], x) @ block["up"]) @ block["down"]
    return params["tokens"] @ rms_norm(params["norm"], x[-1]), caches


def generate(params, prompt):
    caches = jnp.zeros((LAYERS, 2, POSITIONS, HEADS, HEAD), jnp.float32)
    logits, caches = forward(params, caches, prompt, jnp.int32(0))

    def step(number, state):
        logits, caches, tokens = state
        token = jnp.argmax(logits).astype(jnp.int32)
        logits, caches = forward(params, caches, token[None], PROMPT + number)
        return logits, caches, tokens.at[number].set(token)

    tokens = jnp.zeros(GENERATED, jnp.int32)
    return jax.lax.fori_loop(0, GENERATED, step, (logits, caches, tokens))[2]


# %% [markdown]
# ## To TVM
#
# The report says what became of every opcode; the last row is the loop: with all that is in it, it is one kernel.

# %%
mod, weights = mod_and_params(
    tvm_hlo_frontend.from_jax(generate, params, prompt, weight_argnums=(0,), freeze_params=False)
)
print(tvm_hlo_frontend.report_of(mod))

start = time.perf_counter()
run = tvm_hlo_frontend.build(mod, weights)
print(f"built in {time.perf_counter() - start:.1f} s")

# %% [markdown]
# The tokens are those that JAX generates, all 256:

# %%
jitted = jax.jit(generate)
expected = np.asarray(jitted(params, prompt))
tokens = run(prompt)
np.testing.assert_array_equal(tokens, expected)
print(tokens[:32], "...", len(set(tokens.tolist())), "different tokens")

# %% [markdown]
# ## How fast
#
# The median of ten calls each, in turns; one thread of TVM against as many of XLA as there are processors.

# %%
placed = jax.device_put((params, prompt))
seconds = {"XLA": [], "TVM": []}
for _ in range(10):
    for name, call in (("XLA", lambda: jitted(*placed).block_until_ready()), ("TVM", lambda: run(prompt))):
        start = time.perf_counter()
        call()
        seconds[name].append(time.perf_counter() - start)
speeds = {name: GENERATED / np.median(each) for name, each in seconds.items()}
print({name: f"{speed:.0f} tokens/s" for name, speed in speeds.items()})
