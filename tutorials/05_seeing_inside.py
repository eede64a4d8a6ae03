# %% [markdown]
# # Seeing inside
#
# What is in a module, what it costs, where TVM's numbers differ from XLA's: the command line `tvm-hlo` works on any HLO
# file, whatever framework wrote it.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax.

# %%
import json
import subprocess
import sys
from pathlib import Path

import jax
import matplotlib.pyplot as plt
from IPython.display import SVG


def model(x, kernel, scale):
    """Convolution, normalisation, attention over positions."""
    features = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    features = jax.nn.gelu(features - features.mean((1, 2), keepdims=True)) * scale
    tokens = features.reshape(features.shape[0], -1, features.shape[-1])
    weights = jax.nn.softmax(tokens @ tokens.swapaxes(1, 2))
    return (weights @ tokens).max(1)


shapes = [(2, 16, 16, 3), (3, 3, 3, 8), (8,)]
hlo = jax.jit(model).lower(*(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)).compiler_ir("hlo")
Path("model.pb").write_bytes(hlo.as_serialized_hlo_module_proto())


def tvm_hlo(*arguments):
    """Run the command line; its exit code and what it printed."""
    command = [sys.executable, "-m", "tvm_hlo_frontend", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout


print(tvm_hlo("inspect", "model.pb")[1])

# %% [markdown]
# The same for machines, as JSON:

# %%
facts = json.loads(tvm_hlo("inspect", "model.pb", "--json")[1])
print(sorted(facts))
print("FLOPs:", facts["flops"])
counts = facts["opcodes"]
fig, axes = plt.subplots(figsize=(6, 4))
axes.barh(list(counts)[::-1], list(counts.values())[::-1])
axes.set_xlabel("instructions")
fig.tight_layout()
plt.show()

# %% [markdown]
# ## A picture
#
# Computations are clusters, costly operations are coloured, chains of element-wise ones are one node.

# %%
print(tvm_hlo("graph", "model.pb", "-o", "graph.svg"))
SVG("graph.svg")

# %% [markdown]
# ## TVM against XLA
#
# `compare` runs a module on both and looks at every result:

# %%
code, text = tvm_hlo("compare", "model.pb")
print(text)
assert code == 0

# %% [markdown]
# If a number differs, it finds the first instruction that is wrong. A converter with a mistake shows that:

# %%
Path("mistake.py").write_text(
    '''
def wrong_tanh(ctx, instruction, x):
    """Off by a factor of 1.01."""
    exact = ctx.map("tanh", x.element_type, [x])
    return ctx.map("multiply", x.element_type, [exact, ctx.scalar(1.01, x.element_type)])
'''
)
code, text = tvm_hlo("compare", "model.pb", "--custom", "tanh=mistake:wrong_tanh")
print(text)
assert code == 1

# %% [markdown]
# ## How long does it take?

# %%
code, text = tvm_hlo("bench", "model.pb", "--json")
times = json.loads(text)
print(times)
