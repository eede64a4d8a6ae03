"""What is measured: programs against XLA:CPU, and features of this package against themselves switched off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A JAX function on random arrays.

    Attributes
    ----------
    name : str
    function : callable
    arguments : sequence of numpy.ndarray
    """

    name: str
    function: Callable[..., Any]
    arguments: Sequence[np.ndarray]


def cases() -> list[Case]:
    """Opcode families at sizes as models have them."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(0)

    def f32(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def c64(*shape: int) -> np.ndarray:
        return f32(*shape) + 1j * f32(*shape)

    def positive_definite(n: int) -> np.ndarray:
        matrix = f32(n, n)
        return matrix @ matrix.T / n + np.eye(n, dtype=np.float32)

    rows = rng.integers(0, 10_000, 512).astype(np.int32)
    lower = np.tril(f32(1024, 1024)) / 32 + np.eye(1024, dtype=np.float32)
    return [
        Case("add, 1M", lambda x, y: x + y, (f32(1024, 1024), f32(1024, 1024))),
        Case("tanh, 1M", jnp.tanh, (f32(1024, 1024),)),
        Case("exact gelu, 256x3072", lambda x: jax.nn.gelu(x, approximate=False), (f32(256, 3072),)),
        Case("softmax, 1024x1024", jax.nn.softmax, (f32(1024, 1024),)),
        Case("softmax, 9408x49", jax.nn.softmax, (f32(9408, 49),)),
        Case("log_softmax, 256x1000", jax.nn.log_softmax, (f32(256, 1000),)),
        Case("layer norm, 512x768", layer_norm, (f32(512, 768), f32(768), f32(768))),
        Case("max of rows, 1024x1024", lambda x: jnp.max(x, 1), (f32(1024, 1024),)),
        Case("sum of columns, 1024x1024", lambda x: jnp.sum(x, 0), (f32(1024, 1024),)),
        Case("max over all but channels", lambda x: jnp.max(x, (0, 2, 3)), (f32(8, 64, 56, 56),)),
        Case("argmax of rows, 1024x1024", lambda x: jnp.argmax(x, 1), (f32(1024, 1024),)),
        Case("cumsum, 256x1024", lambda x: jnp.cumsum(x, 1), (f32(256, 1024),)),
        Case("max pool 3x3/2", max_pool, (f32(1, 112, 112, 64),)),
        Case("dot 512x512x512", jnp.dot, (f32(512, 512), f32(512, 512))),
        Case("dot 1x1024x1024", jnp.dot, (f32(1, 1024), f32(1024, 1024))),
        Case("batched dot 12x128x64x128", lambda x, y: jnp.einsum("bik,bjk->bij", x, y), (f32(12, 128, 64),) * 2),
        Case(
            "batched dot 192x49x32x49",
            lambda x, y: jnp.einsum("bik,bjk->bij", x, y),
            (f32(192, 49, 32), f32(192, 49, 32)),
        ),
        Case("max of rows, 9408x49", lambda x: jnp.max(x, 1), (f32(9408, 49),)),
        Case("softmax under a mask, 1024x128", masked_softmax, (f32(1024, 128),)),
        Case("convolution 3x3, 56x56x64", convolution, (f32(1, 56, 56, 64), f32(3, 3, 64, 64))),
        Case(
            "dynamic-slice, 1000x1000", lambda x, i: lax.dynamic_slice(x, (i, i), (1000, 1000)), (f32(1024, 1024), I3)
        ),
        Case("embedding, 512 of 10,000x256", lambda t, i: t[i], (f32(10_000, 256), rows)),
        Case("scatter-add, 512 rows of 256", lambda t, i, u: t.at[i].add(u), (f32(10_000, 256), rows, f32(512, 256))),
        Case("sort, 100,000", jnp.sort, (f32(100_000),)),
        Case("top 10 of 128x1000", lambda x: lax.top_k(x, 10), (f32(128, 1000),)),
        Case("fft, 64x4096", lambda x: jnp.abs(jnp.fft.fft(x)), (f32(64, 4096),)),
        Case("fft, 64x1000", lambda x: jnp.fft.fft(x), (c64(64, 1000),)),
        Case("fft, 64x1009", lambda x: jnp.fft.fft(x), (c64(64, 1009),)),
        Case("fft2, 256x256", lambda x: jnp.fft.fft2(x), (c64(256, 256),)),
        Case("rfft, 64x4096", lambda x: jnp.fft.rfft(x), (f32(64, 4096),)),
        Case("irfft, 64x2049", lambda x: jnp.fft.irfft(x), (c64(64, 2049),)),
        Case("ThreeFry, 1M bits", lambda k: jax.random.bits(k, (1024, 1024)), (np.array([0, 7], np.uint32),)),
        Case("scalar loop, 1M trips", scalar_loop, (np.float32(0.5),)),
        Case("cholesky, 1024 (LAPACK)", jnp.linalg.cholesky, (positive_definite(1024),)),
        Case("triangular solve, 1024x64 (BLAS)", solve_triangular, (lower, f32(1024, 64))),
        Case("LU solve, 512 (LAPACK)", jnp.linalg.solve, (positive_definite(512), f32(512, 8))),
        Case("QR, 512x512 (LAPACK)", lambda x: jnp.linalg.qr(x), (f32(512, 512),)),
        Case("eigh, 256 (LAPACK)", lambda x: jnp.linalg.eigh(x), (positive_definite(256),)),
        Case("svd, 256x256 (LAPACK)", lambda x: jnp.linalg.svd(x), (f32(256, 256),)),
        Case("singular values, 256x256 (LAPACK)", lambda x: jnp.linalg.svd(x, compute_uv=False), (f32(256, 256),)),
        Case("svd, 512x64 (LAPACK)", lambda x: jnp.linalg.svd(x, full_matrices=False), (f32(512, 64),)),
    ]


def small_cases() -> list[Case]:
    """Programs of which the call itself takes most of the time."""
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(2)

    def f32(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    def chain(x: Any, y: Any) -> Any:
        for _ in range(5):
            x = jnp.tanh(x * y)
        return x

    def newton(x: Any) -> Any:
        def step(state: Any) -> Any:
            count, x = state
            return count + 1, x - jnp.linalg.solve(jnp.diag(2 * x) + 1, x * x - 2)

        return lax.while_loop(lambda state: state[0] < 5, step, (0, x))[1]

    branches = [lambda x: x + 1, lambda x: x * 2, jnp.exp, jnp.negative]
    one, two = np.int32(1), np.int32(2)
    return [
        Case("ten element-wise operations, 16", chain, (f32(16), f32(16))),
        Case("ten element-wise operations, 64x64", chain, (f32(64, 64), f32(64, 64))),
        Case("reductions, 32x32", lambda x: jnp.sum(x, 0) + jnp.max(x, 1) + jnp.mean(x), (f32(32, 32),)),
        Case("tuple of four results", lambda x: (x + 1, x * 2, (x - 1, jnp.sum(x))), (f32(16),)),
        Case("sum of 20 arguments", lambda *xs: sum(xs), tuple(f32(8) for _ in range(20))),
        Case("scalars", lambda a, b, c: (a * b + c, a - b), tuple(np.float32(n) for n in range(3))),
        Case("two dots, 1x16", lambda x, w: jnp.tanh(x @ w) @ w, (f32(1, 16), f32(16, 16))),
        Case("cond", lambda p, x: lax.cond(p > 0, lambda x: jnp.tanh(x) + 1, lambda x: x * 2, x), (one, f32(16))),
        Case("switch of four", lambda i, x: lax.switch(i, branches, x), (two, f32(16))),
        Case(
            "while, 5 trips",
            lambda x: lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, jnp.tanh(s[1]) * 2), (0, x)),
            (f32(16),),
        ),
        Case("Newton's method, 5 trips of a solve of 4x4", newton, (np.full(4, 2, np.float32),)),
        Case("add, 1M, from numpy", lambda x: x + 1, (f32(1024, 1024),)),
    ]


I3 = np.int32(3)


def layer_norm(x: Any, scale: Any, offset: Any) -> Any:
    """Layer normalisation of rows."""
    import jax.numpy as jnp
    from jax import lax

    centered = x - jnp.mean(x, -1, keepdims=True)
    return centered * lax.rsqrt(jnp.mean(centered**2, -1, keepdims=True) + 1e-6) * scale + offset


def masked_softmax(x: Any) -> Any:
    """Softmax of rows of which one half has no weight: its exponentials are far below all numbers."""
    import jax
    import jax.numpy as jnp

    return jax.nn.softmax(jnp.where(x > 0, x, -100.0 + x))


def max_pool(x: Any) -> Any:
    """Maximum of 3x3 windows, stride 2, channels last."""
    import jax.numpy as jnp
    from jax import lax

    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")


def convolution(x: Any, kernel: Any) -> Any:
    """3x3 convolution, channels last, weights as an argument."""
    from jax import lax

    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def solve_triangular(matrix: Any, right: Any) -> Any:
    """Lower triangular solve."""
    from jax.scipy.linalg import solve_triangular

    return solve_triangular(matrix, right, lower=True)


def scalar_loop(x: Any) -> Any:
    """A logistic map, a million times."""
    from jax import lax

    return lax.fori_loop(0, 1_000_000, lambda i, s: 3.7 * s * (1 - s), x)


def gru(sequence: Any, recurrent: Any, inputs: Any) -> Any:
    """A gated recurrent unit over a sequence: a counted loop with dots in its body."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def step(state: Any, x: Any) -> Any:
        update, reset, _ = jnp.split(jax.nn.sigmoid(x @ inputs + state @ recurrent), 3, -1)
        new = jnp.tanh((x @ inputs)[..., -64:] + (reset * state) @ recurrent[:, -64:])
        state = update * state + (1 - update) * new
        return state, state

    return lax.scan(step, jnp.zeros((4, 64), jnp.float32), sequence)[1]


def recurrent_case() -> Case:
    """32 steps of `gru`."""
    rng = np.random.default_rng(1)
    shapes = ((32, 4, 64), (64, 192), (64, 192))
    arrays = [(rng.normal(size=shape) / 8).astype(np.float32) for shape in shapes]
    return Case("GRU, 32 steps of 4x64", gru, arrays)
