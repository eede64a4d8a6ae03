"""Programs of JAX whose sizes fit no tile, vector or block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tools.sanitize.cases import Case, Made, hostile


def f32(*sizes: int) -> np.ndarray:
    """Standard normal numbers, the same at every call."""
    return np.random.default_rng(0).standard_normal(sizes).astype("float32")


def lowered(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Made:
    """The proto of a function, with 64-bit types."""
    with jax.enable_x64():
        arrays = [np.asarray(each) for each in arguments]
        hlo = jax.jit(function, keep_unused=True).lower(*arrays).compiler_ir("hlo")
        return hlo.as_serialized_hlo_module_proto(), arrays


def definite(x: Any) -> Any:
    """A positive definite matrix."""
    return x @ x.T + 4 * jnp.eye(len(x), dtype=x.dtype)


def convolution(numbers: tuple[str, str, str] | None = None, **options: Any) -> Callable[..., Any]:
    """A convolution of two arrays."""
    given = {"window_strides": (1, 1), "padding": "VALID", **options}
    return lambda x, w: lax.conv_general_dilated(x, w, dimension_numbers=numbers, **given)


LAST = ("NHWC", "HWIO", "NHWC")
ROWS, COLUMNS = (1, 6, 17, 65), (1, 15, 33, 70)

PROGRAMS: dict[str, tuple[Any, ...]] = {
    **{
        f"dots of {k}": (
            lambda *xs: tuple(a @ b for a in xs[: len(ROWS)] for b in xs[len(ROWS) :]),
            *(f32(m, k) for m in ROWS),
            *(f32(k, n) for n in COLUMNS),
        )
        for k in (1, 19)
    },
    "dots, transposed": (
        lambda x, y: (lax.dot_general(x, y, (((0,), (1,)), ((), ()))), lax.dot_general(x, x, (((0,), (0,)), ((), ())))),
        f32(35, 19),
        f32(37, 35),
    ),
    "dots of batches": (
        lambda x, y: (jnp.einsum("bij,bjk->bik", x, y), jnp.einsum("bij,bjk->ik", x, y)),
        f32(3, 13, 17),
        f32(3, 17, 19),
    ),
    "dots with more": (lambda x, y, z: jnp.maximum(x @ y + z, 0) * 2, f32(50, 31), f32(31, 45), f32(45)),
    "dots of constants": (lambda x: x @ f32(31, 45) + (x @ f32(31, 7)).sum(1, keepdims=True), f32(13, 31)),
    "dots of integers": (
        lambda x, y: (lax.dot(x, y, preferred_element_type="int32"), lax.dot(x, y)),
        np.arange(13 * 31).astype("int8").reshape(13, 31),
        np.arange(31 * 21).astype("int8").reshape(31, 21),
    ),
    "dots of f64": (lambda x, y: x @ y, f32(13, 21).astype("float64"), f32(21, 17).astype("float64")),
    "ragged dot": (lambda x, y, g: lax.ragged_dot(x, y, g), f32(11, 5), f32(4, 5, 7), np.array([3,
        0, 20, -4], "int32")),
    "convolutions": (
        lambda x, w, v: (
            convolution()(x, w),
            convolution(padding=((2, 1), (-1, 3)))(x, w),
            convolution(window_strides=(2, 3), rhs_dilation=(2, 1), padding="SAME")(x, w),
            convolution(lhs_dilation=(2, 2), padding=((1, 1), (1, 2)))(x, w),
            convolution(feature_group_count=3)(x, v),
        ),
        f32(2, 3, 11, 13),
        f32(7, 3, 3, 2),
        f32(6, 1, 3, 3),
    ),
    "convolutions, channels last": (
        lambda x, w, v: (
            convolution(LAST)(x, w),
            convolution(LAST, padding="SAME", window_strides=(2, 2))(x, w),
            convolution(LAST, feature_group_count=17, padding="SAME")(x, v),
        ),
        f32(1, 9, 11, 17),
        f32(3, 3, 17, 19),
        f32(3, 3, 1, 17),
    ),
    "convolutions of constants": (
        lambda x: convolution(padding="SAME")(convolution(padding="SAME")(x, f32(19, 5, 3, 3)), f32(17, 19, 1, 1)),
        f32(1, 5, 13, 15),
    ),
    "convolutions of other ranks": (
        lambda x, w, y, v: (
            convolution(window_strides=(2,))(x, w),
            convolution(window_strides=(1, 2, 1), padding="SAME")(y, v),
        ),
        f32(2, 3, 17),
        f32(5, 3, 4),
        f32(1, 3, 5, 6, 7),
        f32(4, 3, 2, 3, 1),
    ),
    "rows": (
        lambda *xs: tuple(
            (jax.nn.softmax(x), (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1,
                keepdims=True) + 1e-5)) for x in xs
        ),
        *(f32(5, n) for n in (1, 2, 7, 15, 16, 17, 31, 33, 130)),
    ),
    "reductions": (
        lambda *xs: tuple((x.sum(1), x.sum(0), x.max(1), x.min(0), x.sum(), jnp.argmax(x, 1),
            jnp.argmin(x, 0)) for x in xs),
        *(f32(m, n) for m, n in ((1, 1), (9, 33), (3, 130), (65, 3), (2, 15))),
    ),
    "a body that is no monoid": (
        lambda x: lax.reduce(x, np.float32(1), lambda a, b: a * np.float32(0.5) + b, (1,)),
        f32(4, 13),
    ),
    "pooling": (
        lambda x: (
            lax.reduce_window(x, -np.inf, lax.max, (1, 3, 3), (1, 2, 2), "SAME"),
            jax.grad(lambda y: lax.reduce_window(y, -np.inf, lax.max, (1, 2, 3), (1, 2, 1), "VALID").sum())(x),
            lax.reduce_window(x, np.float32(0), lax.add, (1, 9, 1), (1, 1, 1), ((0, 0), (8, 0), (0, 0))),
        ),
        f32(2, 9, 11),
    ),
    "cumulative": (
        lambda x: (jnp.cumsum(x, 0), jnp.cumprod(x, 1), lax.cummax(x, 1, reverse=True), lax.cumlogsumexp(x, 1)),
        f32(6, 17),
    ),
    "movement": (
        lambda x: (
            x.T,
            x[::-1, 1:7:2],
            lax.rev(x, (0, 1)),
            jnp.concatenate([x, x[:, :0], x[:, :3]], 1),
            lax.pad(x, np.float32(0), ((1, -2, 2), (-3, 4, 1))),
            lax.pad(x, np.float32(0), ((-4, -1, 0), (0, 0, 0))),
            x.reshape(-1)[3:35:5],
            jnp.broadcast_to(x[:, None], (5, 3, 9)),
        ),
        f32(5, 9),
    ),
    "bits": (
        lambda x, y: (lax.bitcast_convert_type(x, np.uint8), lax.bitcast_convert_type(y, np.int32), x << 40, x >> 33),
        hostile("s32", 9),
        hostile("s16", 9)[:18].reshape(9, 2),
    ),
    "integers": (
        lambda x, y: (
            x + y, x * y, x - y, -x, lax.abs(x), lax.div(x, y), lax.rem(x, y), lax.shift_left(x, y),
            lax.shift_right_logical(x, y), lax.shift_right_arithmetic(x, y), lax.clz(x), lax.integer_pow(x, 5),
            x.astype("float32"), x.astype("int8"), lax.population_count(x),
        ),
        *np.broadcast_arrays(hostile("s32", 9)[:, None], hostile("s32", 9)),
    ),
    "wide integers": (
        lambda x, y: (x + y, x * y, -x, lax.abs(x), lax.div(x, y), lax.rem(x, y), lax.shift_left(x,
            y), x.astype("int32")),
        *np.broadcast_arrays(hostile("s64", 9)[:, None], hostile("s64", 9)),
    ),
    "narrow integers": (
        lambda x, y: (x + y, x * y, -x, lax.abs(x), lax.div(x, y), lax.rem(x, y), lax.shift_left(x,
            y), x.astype("uint8")),
        *np.broadcast_arrays(hostile("s8", 9)[:, None], hostile("s8", 9)),
    ),
    "floats to integers": (
        lambda x: (x.astype("int32"), x.astype("uint8"), x.astype("int64"), x.astype("bool"),
            lax.round(x), lax.ceil(x)),
        np.array([0.5, -0.0, 3e38, -3e38, np.inf, -np.inf, np.nan, 2.0**31, -(2.0**63), 255.5, -1], "float32"),
    ),
    "functions": (
        lambda x: (jnp.exp(x), jnp.tanh(x), lax.erf(x), jnp.log(x), jnp.sin(x), jnp.cos(x),
            lax.logistic(x), jnp.sqrt(x)),
        np.concatenate([f32(5), np.array([np.inf, -np.inf, np.nan, 1e38, -1e38, 0, -0.0, 2e-38,
            100, -100], "float32")]),
    ),
    "top": (lambda x: (lax.top_k(x, 3), lax.top_k(x, 17), jnp.argsort(x, 1), jnp.sort(x, 0)), f32(5, 17)),
    "fft": (
        lambda *xs: tuple((jnp.fft.rfft(x), jnp.fft.irfft(jnp.fft.rfft(x), len(x[0]))) for x in xs),
        *(f32(3, n) for n in (1, 2, 5, 7, 12, 16, 30, 31, 97)),
    ),
    "solves": (
        lambda x, y: (
            lax.linalg.triangular_solve(definite(x), y, left_side=True, lower=True),
            lax.linalg.triangular_solve(definite(x), y, left_side=True, transpose_a=True),
            lax.linalg.triangular_solve(definite(x), y.T, lower=True),
        ),
        f32(7, 7),
        f32(7, 3),
    ),
    "factors": (
        lambda x, y: (
            jnp.linalg.cholesky(definite(x)), lax.linalg.lu(y)[0], lax.linalg.qr(y, full_matrices=False)[1],
            jnp.linalg.det(x), jnp.linalg.inv(definite(x)),
        ),
        f32(7, 7),
        f32(9, 5),
    ),
    "spectra": (
        lambda x: (jnp.linalg.eigvalsh(definite(x)), jnp.linalg.svd(x, compute_uv=False)),
        f32(7, 7),
    ),
    "random bits": (
        lambda k: (jax.random.uniform(k, (3, 5)), jax.random.bits(k, (7,), "uint8"), jax.random.permutation(k, 11)),
        np.array([0, 7], "uint32"),
    ),
    "random bits of XLA": (lambda k: lax.rng_bit_generator(k, (3, 5)), np.array([1, 2, 3, 4], "uint32")),
    "while": (
        lambda x: lax.while_loop(lambda s: s[1].sum() < 100, lambda s: (s[0] + 1, s[1] * 1.5), (0, x * x)),
        f32(5, 3),
    ),
    "scan": (lambda x: lax.scan(lambda c, v: (c * 0.5 + v, jnp.tanh(c)), x[0], x), f32(5, 7)),
    "switch": (
        lambda numbers, x: tuple(lax.switch(n, [jnp.sin, jnp.cos, jnp.negative], x) for n in numbers),
        np.array([-(2**31), -1, 0, 2, 3, 2**31 - 1], "int32"),
        f32(5),
    ),
    "no elements": (lambda x: (x + 1, x.sum(0), x.sum(), x.reshape(3, 0) @ f32(0, 2)), np.zeros((0, 3), "float32")),
    "scalars": (lambda x, i: (x + 1, jnp.exp(x), i * 2), np.float32(3), np.int64(-(2**63))),
}  # fmt: skip

PROGRAM_CASES = tuple(
    Case(name, lambda function=function, arguments=arguments: lowered(function, arguments), 1e-3)
    for name, (function, *arguments) in PROGRAMS.items()
)
