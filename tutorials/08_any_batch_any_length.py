# %% [markdown]
# # Any batch, any length
#
# A program may leave dimensions of its arguments unknown. `specialize=True` compiles it for each shape that it is
# called with; on Relax one build can serve all shapes.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# and then the cell under "One build for all shapes" runs too.

# %%
import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import export

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import installed_dialect

WIDTH, HEADS, VOCABULARY, CLASSES = 32, 4, 100, 5

# %% [markdown]
# ## An encoder
#
# One layer of attention and a perceptron; the result is a score per class for each row of tokens. The weights are
# random.

# %%
rng = np.random.default_rng(8)


def matrix(rows, columns):
    return rng.normal(size=(rows, columns), scale=rows**-0.5).astype("float32")


params = {
    "tokens": matrix(VOCABULARY, WIDTH) * 10,
    "qkv": matrix(WIDTH, 3 * WIDTH),
    "out": matrix(WIDTH, WIDTH),
    "up": matrix(WIDTH, 4 * WIDTH),
    "down": matrix(4 * WIDTH, WIDTH),
    "head": matrix(WIDTH, CLASSES),
}
frequencies = np.geomspace(1, 0.01, WIDTH // 2, dtype="float32")


def rms_norm(x):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6)


def encoder(params, tokens):
    batch, length = tokens.shape
    angles = jnp.arange(length)[:, None] * frequencies
    x = params["tokens"][tokens] + jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], 1)
    qkv = (rms_norm(x) @ params["qkv"]).reshape(batch, length, 3, HEADS, WIDTH // HEADS)
    query, key, value = jnp.moveaxis(qkv, 2, 0)
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key) * (WIDTH // HEADS) ** -0.5)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(batch, length, WIDTH)
    x = x + mixed @ params["out"]
    x = x + jax.nn.relu(rms_norm(x) @ params["up"]) @ params["down"]
    return rms_norm(x).mean(1) @ params["head"]


# %% [markdown]
# `jax.export` traces it once, with a symbol for each dimension that is unknown:

# %%
symbolic = jax.ShapeDtypeStruct(export.symbolic_shape("batch, length"), "int32")
exported = export.export(jax.jit(encoder))(params, symbolic)
print(exported.in_avals[-1], "->", exported.out_avals[0])

# %% [markdown]
# ## A build for each shape
#
# `specialize=True` gives an executable at once. A call with new sizes converts and compiles the program for them; later
# calls with these sizes use what is there.

# %%
run = tvm_hlo_frontend.from_jax(exported, params, symbolic, weight_argnums=(0,), specialize=True)
print("inputs:", [(p.name, p.element_type, p.dimensions) for p in run.inputs])


def check(run, *shapes):
    for shape in shapes:
        tokens = rng.integers(0, VOCABULARY, shape).astype("int32")
        scores = run(tokens)
        np.testing.assert_allclose(scores, jax.jit(encoder)(params, tokens), rtol=1e-4, atol=1e-5)
        print(shape, "->", scores.shape)


check(run, (1, 7), (3, 12), (1, 7))

# %% [markdown]
# `prepare` compiles before there is a call. `variants` lists what is compiled, with the seconds that it took:

# %%
run.prepare({"batch": 8, "length": 16})
for variant in run.variants:
    print(variant.sizes, f"{variant.seconds:.1f} s")

# %% [markdown]
# Arrays that do not fit are refused in one sentence, before anything is compiled:

# %%
for tokens in (np.zeros(7, "int32"), np.zeros((0, 7), "int32"), np.zeros((1, 7), "int64")):
    try:
        run(tokens)
    except tvm_hlo_frontend.SignatureError as error:
        print(error)

# %% [markdown]
# `save` writes the compiled variants. `load_specialized` reads them without JAX and without the program, so it serves
# these shapes alone:

# %%
run.save("encoder")
served = tvm_hlo_frontend.load_specialized("encoder")
check(served, (1, 7), (3, 12), (8, 16))
try:
    served(np.zeros((2, 7), "int32"))
except tvm_hlo_frontend.SignatureError as error:
    print(error)

# %% [markdown]
# ## One build for all shapes
#
# On Relax, `from_jax` without `specialize` leaves the sizes open in the module, and `build` compiles it once for all of
# them. The calls are checked as above. An instruction that needs a size as a number is refused in an error that says
# so; then `specialize=True` is the way. Relay has no such build of this program, so nothing is printed here.

# %%
if installed_dialect() == "relax":
    mod = tvm_hlo_frontend.from_jax(exported, params, symbolic, weight_argnums=(0,))
    check(tvm_hlo_frontend.build(mod), (1, 7), (3, 12), (8, 16), (2, 50))

# %% [markdown]
# ## PyTorch
#
# `torch.export.Dim` marks the dimensions that are unknown. Here a size is named after its argument and its place there.

# %%
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv1d(4, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 16, CLASSES)
).eval()
program = torch.export.export(
    network, (torch.randn(2, 4, 16),), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},)
)
run = tvm_hlo_frontend.from_pytorch(program, specialize=True)
print("inputs:", [(p.name, p.element_type, p.dimensions) for p in run.inputs])
for batch in (1, 5):
    signals = torch.randn(batch, 4, 16)
    np.testing.assert_allclose(run(signals.numpy()), network(signals).detach().numpy(), rtol=1e-4, atol=1e-5)
print([variant.sizes for variant in run.variants])

# %% [markdown]
# ## StableHLO
#
# In StableHLO an unknown dimension is a `?`; it gets its name in the same way:

# %%
text = """
module @similarities {
  func.func public @main(%x: tensor<?x4xf32> loc("x"), %y: tensor<?x4xf32> loc("y")) -> tensor<?x?xf32> {
    %products = stablehlo.dot_general %x, %y, contracting_dims = [1] x [1]
        : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x?xf32>
    %result = stablehlo.tanh %products : tensor<?x?xf32>
    return %result : tensor<?x?xf32>
  }
}
"""
run = tvm_hlo_frontend.from_stablehlo(text, specialize=True)
print("sizes:", run.sizes)
for rows, columns in ((1, 3), (6, 2)):
    x, y = rng.normal(size=(rows, 4)).astype("float32"), rng.normal(size=(columns, 4)).astype("float32")
    np.testing.assert_allclose(run(x, y), np.tanh(x @ y.T), rtol=1e-4, atol=1e-5)
print([variant.sizes for variant in run.variants])
