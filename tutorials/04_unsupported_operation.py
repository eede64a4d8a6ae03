# %% [markdown]
# # What to do with an unsupported operation
#
# What cannot be converted is refused before anything runs, in one message that names every instruction and where it
# came from. Here a program calls code of its own, and prints while it runs.
#
# The output is that of TVM 0.17 with Relay; with today's TVM (`pip install apache-tvm`) the same program runs on Relax,
# whose modules hold their parameters themselves: `mod_and_params` gives module and parameters with either.

# %%
import jax
import jax.numpy as jnp
import numpy as np

import tvm_hlo_frontend
from tvm_hlo_frontend import mod_and_params


def model(x):
    y = jax.ffi.ffi_call("my_hard_swish", jax.ShapeDtypeStruct(x.shape, x.dtype))(x, slope=np.float32(1 / 6))
    jax.debug.print("mean {}", y.mean())
    return y.sum(1)


x = np.linspace(-4, 4, 12, dtype="float32").reshape(3, 4)
try:
    tvm_hlo_frontend.from_jax(model, x)
except tvm_hlo_frontend.UnsupportedHloError as error:
    print(error)

# %% [markdown]
# The print has no place in a compiled module: take it out. The custom-call is a function that we know, so we say what
# it computes. A converter gets typed operands and makes the result with `ctx`; `attributes.options` are what `ffi_call`
# was given.

# %%
from tvm_hlo_frontend.extend import custom_call_converter


@custom_call_converter("my_hard_swish")
def convert_hard_swish(ctx, instruction, x):
    """my_hard_swish: x * clamp(slope * x + 1/2, 0, 1)."""
    kind = x.element_type
    slope = ctx.scalar(instruction.attributes.options["slope"], kind)
    line = ctx.map("add", kind, [ctx.map("multiply", kind, [x, slope]), ctx.scalar(0.5, kind)])
    gate = ctx.map("clamp", kind, [ctx.scalar(0, kind), line, ctx.scalar(1, kind)])
    return ctx.map("multiply", kind, [x, gate])


def quiet_model(x):
    y = jax.ffi.ffi_call("my_hard_swish", jax.ShapeDtypeStruct(x.shape, x.dtype))(x, slope=np.float32(1 / 6))
    return y.sum(1)


mod, params = mod_and_params(tvm_hlo_frontend.from_jax(quiet_model, x))
result = tvm_hlo_frontend.build(mod, params)(x)
print(result)
np.testing.assert_allclose(result, (x * np.clip(x / 6 + 0.5, 0, 1)).sum(1), rtol=1e-5)

# %% [markdown]
# The driver checks what converters return. One with a wrong shape is an error that names its instruction:


# %%
def wrong(ctx, instruction, x):
    return ctx.dialect.slice(x, [0, 0], [3, 2], [1, 1])


try:
    tvm_hlo_frontend.from_jax(quiet_model, x, custom_converters={"my_hard_swish": wrong})
except tvm_hlo_frontend.ConversionError as error:
    print(error)

# %% [markdown]
# Shapes that are known only at run time have no HLO form at all; JAX says so itself, and has a `size=` for it:

# %%
mod, params = mod_and_params(tvm_hlo_frontend.from_jax(lambda x: jnp.nonzero(x > 0, size=4, fill_value=-1), x[1]))
print(tvm_hlo_frontend.build(mod, params)(x[1]))
