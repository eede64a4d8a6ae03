"""Small modules of many kinds for the tests of hlo/: made by JAX, by TensorFlow, and from text."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import ConstantAttributes
from tvm_hlo_frontend.hlo.ir.module import HloModule


def jax_samples() -> dict[str, tuple[Any, tuple[np.ndarray, ...]]]:
    """Functions and arguments that together use most opcodes."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.RandomState(0)
    f = lambda *shape: rng.randn(*shape).astype(np.float32)  # noqa: E731
    index = np.array([[0], [2], [9]], np.int32)
    loop = lambda x: lax.fori_loop(0, 5, lambda i, v: v * 2 + i, x)  # noqa: E731
    return {
        "matmul": (lambda x, y: jax.nn.relu(x @ y), (f(3, 4), f(4, 5))),
        "dot_general": (lambda x, y: jnp.einsum("bij,bkj->bik", x, y), (f(2, 3, 4), f(2, 5, 4))),
        "convolution": (
            lambda x, k: lax.conv_general_dilated(x, k, (2, 1), ((1, 0), (0, 2)), rhs_dilation=(1, 2)),
            (f(2, 3, 8, 9), f(4, 3, 3, 2)),
        ),
        "grouped_convolution": (
            lambda x, k: lax.conv_general_dilated(x, k, (1,), "SAME", feature_group_count=2),
            (f(1, 4, 7), f(6, 2, 3)),
        ),
        "softmax": (lambda x: jax.nn.softmax(x), (f(3, 7),)),
        "argmax": (lambda x: (jnp.argmax(x, 1), jnp.max(x, 0)), (f(3, 7),)),
        "sort": (lambda x: lax.sort((x, -x), dimension=0, is_stable=True), (f(5, 3),)),
        "topk": (lambda x: lax.top_k(x, 3), (f(2, 6),)),
        "max_pool": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 3), (1, 2), "SAME"), (f(4, 9),)),
        "max_pool_gradient": (
            jax.grad(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID").sum()),
            (f(4, 6),),
        ),
        "cumsum": (lambda x: jnp.cumsum(x, 1), (f(3, 4),)),
        "gather": (lambda x, i: x[i[:, 0], 1:3], (f(10, 4), index)),
        "scatter": (lambda x, i, u: x.at[i[:, 0]].add(u), (f(10, 4), index, f(3, 4))),
        "dynamic_slice": (lambda x, i: lax.dynamic_slice(x, (i, i), (2, 2)), (f(5, 5), np.int32(2))),
        "dynamic_update_slice": (
            lambda x, u, i: lax.dynamic_update_slice(x, u, (i, 0)),
            (f(5, 5), f(2, 5), np.int32(1)),
        ),
        "pad": (lambda x: lax.pad(x, np.float32(1), ((1, -1, 2), (0, 3, 0))), (f(3, 2),)),
        "slices": (lambda x: jnp.concatenate([x[::2], x[:, ::-1][:2], x.T[:2]], 0), (f(4, 4),)),
        "while": (loop, (f(3),)),
        "cond": (lambda p, x: lax.cond(p > 0, jnp.sin, jnp.cos, x), (np.int32(1), f(3))),
        "switch": (lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], x), (np.int32(7), f(3))),
        "call": (lambda x: jax.jit(jnp.sin)(x) + jax.jit(jnp.sin)(2 * x), (f(3),)),
        "bits": (lambda x: (x >> 3, x ^ 5, lax.population_count(x), lax.clz(x)), (np.arange(-4, 4, dtype=np.int32),)),
        "bitcast": (lambda x: lax.bitcast_convert_type(x, np.uint8), (f(3),)),
        "integers": (lambda x: (x // 3, x % 3, jnp.abs(x)), (np.array([-7, 0, 9], np.int16),)),
        "bfloat16": (lambda x: (x.astype(jnp.bfloat16) * 3).astype(jnp.float32), (f(5),)),
        "reduce_precision": (lambda x: lax.reduce_precision(x, 5, 3), (f(5),)),
        "complex": (lambda x, y: (jnp.abs(lax.complex(x, y)), lax.complex(x, y) * 2), (f(3), f(3))),
        "fft": (lambda x: (jnp.fft.rfft(x), jnp.fft.ifft(x)), (f(2, 8),)),
        "linalg": (lambda x: lax.linalg.cholesky(x @ x.T + 4 * jnp.eye(4)), (f(4, 4),)),
        "random": (lambda: jax.random.normal(jax.random.key(0, impl="rbg"), (4,)), ()),
        "threefry": (lambda: jax.random.uniform(jax.random.PRNGKey(1), (5,)), ()),
        "constants": (lambda x: x + np.arange(40, dtype=np.float32).reshape(4, 10), (f(4, 10),)),
        "select": (lambda x: jnp.where(x > 0, x, jnp.float32(-1)).clip(-0.5, 0.5), (f(8),)),
        "empty": (lambda x: (x[:0], x[:, :0].sum(1)), (f(3, 4),)),
        "scalar": (lambda x: x.astype(np.int32) + 1, (np.float32(3.7),)),
    }


@functools.cache
def lowered_samples() -> dict[str, tuple[bytes, tuple[np.ndarray, ...]]]:
    """Serialized HloModuleProto and arguments of every sample."""
    import jax

    result = {}
    for name, (function, arguments) in jax_samples().items():
        hlo = jax.jit(function, keep_unused=True).lower(*arguments).compiler_ir("hlo")
        result[name] = (hlo.as_serialized_hlo_module_proto(), arguments)
    return result


TENSORFLOW = """
import sys
import numpy as np
import tensorflow as tf

@tf.function(jit_compile=True)
def f(x, y):
    return tf.nn.softmax(tf.matmul(x, y)), tf.linalg.cholesky(tf.matmul(x, x, transpose_b=True) + 9 * tf.eye(3))

x = tf.TensorSpec((3, 4), tf.float32)
y = tf.TensorSpec((4, 5), tf.float32)
ir = f.experimental_get_compiler_ir(x, y)
for stage in ("hlo_serialized", "optimized_hlo_serialized", "optimized_hlo_proto_serialized"):
    data = ir(stage=stage, platform_name="CPU")
    sys.stdout.buffer.write(len(data).to_bytes(8, "little") + data)
"""


@functools.cache
def tensorflow_samples() -> list[bytes]:
    """One function in TensorFlow's three serializations, made in a process of its own."""
    out = subprocess.run([sys.executable, "-c", TENSORFLOW], capture_output=True, check=True, timeout=120).stdout
    samples = []
    while out:
        end = 8 + int.from_bytes(out[:8], "little")
        samples.append(out[8:end])
        out = out[end:]
    return samples


def comparable_attributes(attributes: Any) -> Any:
    """The attributes, a constant as its dtype, shape and bytes."""
    if isinstance(attributes, ConstantAttributes):
        return attributes.literal.dtype, attributes.literal.shape, attributes.literal.tobytes()
    return attributes


def structure(hlo: HloModule) -> Any:
    """Everything of a module that a round trip has to keep, as plain comparable data."""
    computations = {c: index for index, c in enumerate(hlo.computations)}
    rows = []
    for computation in hlo.computations:
        places = {instruction: index for index, instruction in enumerate(computation.instructions)}
        rows.append((computation.name, places[computation.root]))
        for i in computation.instructions:
            operands = [places[operand] for operand in i.operands]
            called = [computations[callee] for callee in i.called_computations]
            attributes = comparable_attributes(i.attributes)
            rows.append((i.name, i.opcode, str(i.shape), operands, attributes, called, i.metadata))
    return hlo.name, computations[hlo.entry], rows
