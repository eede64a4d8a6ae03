"""Small programs of JAX with their arguments: of each kind of kernel at least one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def f32(*sizes):
    return np.random.default_rng(0).standard_normal(sizes).astype("float32")


SPECIAL = np.array([0.0, -0.0, 1.0, -1.5, 2e-38, -2e-38, 3e38, -3e38, np.inf, -np.inf, np.nan, 0.3], "float32")
INTEGERS = np.array([-(2**31), -7, -1, 0, 1, 3, 7, 2**31 - 1], "int32")

PROGRAMS = {
    # each element on its own
    "signs and orders": (
        lambda x, y: (x + y, x * y, x / y, x < y, x == y, jnp.maximum(x, y), jnp.minimum(x, y), jnp.sign(x), -x),
        *np.broadcast_arrays(SPECIAL[:, None], SPECIAL),
    ),
    "roots and rounding": (
        lambda x: (
            jnp.sqrt(x),
            lax.rsqrt(x),
            jnp.floor(x),
            jnp.ceil(x),
            jnp.round(x),
            lax.is_finite(x),
            x.astype("int32"),
        ),
        SPECIAL,
    ),
    "functions written out": (
        lambda x: (jnp.exp(x), jnp.tanh(x), lax.erf(x), jnp.log(x), jnp.log1p(x), lax.logistic(x), jnp.expm1(x)),
        SPECIAL,
    ),
    "functions of the library": (
        lambda x: (jnp.sin(x), jnp.cos(x), jnp.arctan2(x, x + 1), jnp.fmod(x, 0.3), jnp.abs(x) ** 3.3, jnp.cbrt(x)),
        f32(40) * 3,
    ),
    "integers": (
        lambda x, y: (
            x + y,
            x * y,
            lax.div(x, y),
            lax.rem(x, y),
            x << 3,
            lax.shift_right_logical(x, 2),
            x ^ y,
            lax.clz(x),
        ),
        *np.broadcast_arrays(INTEGERS[:, None], INTEGERS),
    ),
    "narrow integers": (
        lambda x: (x * 7, x // 3, x.astype("float32"), x.astype("int8"), lax.population_count(x)),
        np.arange(256, dtype="uint8"),
    ),
    "narrow choices": (
        lambda x: (jnp.where(x > 3, x + 1, x), jnp.where(x > 3, x.astype("int8"), 1), jnp.clip(x, 2, 9)),
        np.arange(20, dtype="uint16"),
    ),
    "truth values": (lambda x: (jnp.where(x > 0, x, -x), jnp.isnan(x) | (x < 1), jnp.all(x > 0)), SPECIAL),
    "bf16": (lambda x: (x * 3 + 1, jnp.tanh(x)), SPECIAL[:6].astype(jnp.bfloat16)),
    "f16": (
        lambda x: (x * 3 + 1, jnp.tanh(x), jnp.sqrt(x), x < 1, x.sum(), x.astype("int32"), jnp.sort(x, 1), x @ x.T),
        f32(5, 40).astype("float16"),
    ),
    "a loop over f16": (
        lambda x: lax.fori_loop(0, 3, lambda i, c: jnp.where(c > 1, c * 0.5, -c) + i.astype("float16"), x),
        f32(7).astype("float16"),
    ),
    "a scalar": (lambda x: x + 1, np.float32(3)),
    "no elements": (lambda x: (x + 1, x.sum(0), x.sum(), x.reshape(3, 0) @ f32(0, 2)), np.zeros((0, 3), "float32")),
    "movement": (
        lambda x: (x.T, x[::-1, 1:7:2], jnp.concatenate([x, x * 2], 1), jnp.pad(x, ((1, 2), (0, 1))), x.reshape(-1)),
        f32(5, 8),
    ),
    # sums and folds
    "reductions": (lambda x: (x.sum(1), x.max(0), x.prod(), jnp.argmax(x, 1), jnp.argmin(x, 0)), f32(9, 33)),
    "a body that is no monoid": (
        lambda x: lax.reduce(x, np.float32(1), lambda a, b: a * np.float32(0.5) + b, (1,)),
        f32(4, 12),
    ),
    "windows": (
        lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 3, 3), (1, 2, 2), "SAME"),
        f32(2, 9, 9),
    ),
    "cumulative": (lambda x: (jnp.cumsum(x, 0), jnp.cumprod(x, 1), lax.cummax(x, 1)), f32(6, 17)),
    "softmax": (lambda x: jax.nn.softmax(x, axis=-1), f32(5, 30)),
    # products
    "dot": (lambda x, y: jnp.maximum(x @ y, 0) + 1, f32(50, 30), f32(30, 41)),
    "dots of few rows": (lambda x, y, z: (x @ y, x @ z.T), f32(1, 70), f32(70, 40), f32(40, 70)),
    "dots of integers": (
        lambda x: lax.dot(x, x.T, preferred_element_type="int32"),
        np.arange(60, dtype="int8").reshape(4, 15),
    ),
    "convolution": (
        lambda x, w: lax.conv_general_dilated(x, w, (2, 1), "SAME", rhs_dilation=(1, 2)),
        f32(2, 3, 10, 9),
        f32(4, 3, 3, 3),
    ),
    "convolution, channels last": (
        lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")),
        f32(1, 8, 8, 16),
        f32(3, 3, 16, 16),
    ),
    # statements whose loops are final
    "gather": (lambda x, i: (x[i], lax.dynamic_slice(x, (i[0], 3), (2, 4))), f32(5, 9), np.array([3, 1, 9], "int32")),
    "scatter": (
        lambda x, i: (x.at[i].add(1.0), x.at[i, 1].set(3.0), x.at[i].multiply(2.0)),
        f32(5, 3),
        np.array([1, 1, 4], "int32"),
    ),
    "a scatter of many rows": (
        lambda x, i: x.at[i].add(f32(300, 64)),
        f32(40, 64),
        np.random.default_rng(1).integers(0, 40, 300).astype("int32"),
    ),
    "sort": (lambda x: (jnp.sort(x, 1), jnp.argsort(x, 1), lax.top_k(x, 3)), f32(5, 40)),
    "a long sort": (lambda x: jnp.sort(x, 1), f32(3, 300)),
    "many sorts": (lambda x: jnp.sort(x, 1), f32(600, 40)),
    "random bits": (lambda k: jax.random.uniform(k, (3, 4)), np.array([0, 7], "uint32")),
    # loops
    "while": (
        lambda x: lax.while_loop(lambda s: s[1].sum() < 100, lambda s: (s[0] + 1, s[1] * 1.5), (0, x * x)),
        f32(5, 3),
    ),
    "scan": (lambda x: lax.scan(lambda c, v: (c * 0.5 + v, jnp.tanh(c)), x[0], x), f32(5, 7)),
    "cond": (lambda x: lax.cond(x[0] > 0, jnp.cos, jnp.negative, x), f32(4)),
    # linear algebra
    "factors": (lambda x: (jnp.linalg.cholesky(x @ x.T + 4 * jnp.eye(5)), jnp.linalg.det(x)), f32(5, 5)),
    "fft": (jnp.fft.rfft, f32(3, 16)),
}
