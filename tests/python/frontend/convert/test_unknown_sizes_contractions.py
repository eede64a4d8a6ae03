"""Products, convolutions, windows, linear algebra and Fourier transforms of unknown sizes: one build of
each for several shapes, against XLA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend import build, from_jax
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import UnsupportedHloError

jax = pytest.importorskip("jax")
jnp, lax, linalg = jax.numpy, jax.lax, jax.numpy.linalg

pytestmark = relax_only("Relay leaves open the batches of dense networks alone")

KERNEL = np.linspace(-1, 1, 16 * 3 * 3 * 3, dtype=np.float32).reshape(16, 3, 3, 3)
WEIGHT = np.linspace(-1, 1, 40 * 64, dtype=np.float32).reshape(40, 64)
ONE, TWO, THREE = ((1,), (2,), (45,)), ((1, 1), (3, 2), (2, 9)), ((1, 3, 4), (2, 7, 9), (1, 20, 17))


def positive(x: Any) -> Any:
    """A positive definite matrix."""
    return x @ x.swapaxes(-1, -2) + 3 * jnp.eye(x.shape[-1], dtype=x.dtype)


def attention(q: Any, k: Any) -> Any:
    """Of sequences [batch, length, heads, size]."""
    scores = jax.nn.softmax(jnp.einsum("bshd,bthd->bhst", q, k))
    return jnp.einsum("bhst,bthd->bshd", scores, k)


def pooled(reducer: Any, start: float, stride: int) -> Callable[[Any], Any]:
    """Windows of 2 by 2 in the middle dimensions of four."""
    return lambda x: lax.reduce_window(x, np.float32(start), reducer, (1, 2, 2, 1), (1, stride, stride, 1), "VALID")


def convolved(x: Any, kernel: Any = KERNEL, low: int = 1, **options: Any) -> Any:
    """Channels first, padded by 1."""
    padding = ((low, 1),) * (x.ndim - 2)
    return lax.conv_general_dilated(x, kernel, options.pop("strides", (1,) * (x.ndim - 2)), padding, **options)


def kernels(*shape: int) -> Any:
    """Of a convolution."""
    return np.random.RandomState(1).standard_normal(shape).astype(np.float32)


# name: (function, shapes of its arguments with names of unknown sizes, values of those, element type)
CASES: dict[str, tuple[Any, ...]] = {
    "rows": (lambda x: x @ WEIGHT, [("b", 40)], ONE),
    "rows of a transpose": (lambda x: x @ WEIGHT[:, :33].T, [("b", 33)], ONE),
    "few columns": (lambda x: x @ WEIGHT[:, :3], [("b", 40)], ONE),
    "a vector": (lambda x: x @ WEIGHT[:, 0], [("b", 40)], ONE),
    "depth": (lambda x: x.T @ x, [("b", 33)], ONE),
    "columns": (lambda x: WEIGHT @ x, [(64, "b")], ONE),
    "rows and columns": (lambda x: x @ x.T, [("b", 5)], ONE),
    "batch": (lambda x, y: x @ y, [("b", 5, 6), ("b", 6, 20)], ONE),
    "two": (lambda x: x @ WEIGHT, [("b", "c", 40)], TWO),
    "attention": (attention, [("b", "c", 2, 8), ("b", "c", 2, 8)], TWO),
    "integers": (lambda x: x @ x.T, [("b", 5)], ONE, np.int8),
    "complex": (lambda x: x @ WEIGHT[:5, :3], [("b", 5)], ONE, np.complex64),
    "images": (convolved, [("b", 3, 8, 8)], ONE),
    "spatial": (convolved, [("b", 3, "c", "d")], THREE),
    "spatial strides": (lambda x: convolved(x, strides=(2, 2)), [("b", 3, "c", "d")], THREE),
    "spatial holes": (
        lambda x: convolved(x, rhs_dilation=(2, 1), lhs_dilation=(1, 2)),
        [("b", 3, "c", "d")],
        THREE[1:],
    ),
    "spatial groups": (
        lambda x: convolved(x, kernels(128, 2, 3, 3), feature_group_count=2),
        [("b", 4, "c", "d")],
        THREE,
    ),
    "spatial without padding": (
        lambda x: lax.conv_general_dilated(x, kernels(32, 3, 1, 1), (1, 1), "VALID"),
        [("b", 3, "c", "d")],
        THREE,
    ),
    "spatial, few channels": (
        lambda x: convolved(x, kernels(3, 1, 2, 2), feature_group_count=3),
        [(1, 3, "b", "c")],
        TWO,
    ),
    "one unknown side": (lambda x: convolved(x, kernels(8, 3, 2, 2)), [(2, 3, 5, "b")], ONE),
    "signals": (lambda x: convolved(x, kernels(24, 3, 4), strides=(2,)), [("b", 3, "c")], ((1, 3), (2, 20), (3, 9))),
    "volumes": (lambda x: convolved(x, kernels(8, 2, 2, 1, 2)), [(2, 2, "b", "c", "d")], THREE),
    "spatial integers": (lambda x: convolved(x, np.ones((8, 3, 2, 2), np.int32)), [(2, 3, "b", "c")], TWO, np.int32),
    "gradient of a kernel": (
        jax.grad(lambda w, x: (lax.conv_general_dilated(x, w, (1, 1), "SAME") ** 2).sum()),
        [(4, 3, 3, 3), ("b", 3, 8, 8)],
        ((1,), (2,), (5,)),
    ),
    "channels last": (
        lambda x: lax.conv_general_dilated(
            x, KERNEL.transpose(2, 3, 1, 0), (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        [("b", 8, 8, 3)],
        ONE,
    ),
    "running sum": (lambda x: jnp.cumsum(x, 1), [("b", 6)], ONE),
    "running sum along the unknown": (lambda x: jnp.cumsum(x, 0), [("b", 6)], ONE),
    "running product back": (lambda x: lax.cumprod(x, 0, reverse=True), [("b",)], ONE),
    "greatest of windows": (pooled(lax.max, -np.inf, 2), [("b", "c", "d", 3)], THREE),
    "sums of windows": (pooled(lax.add, 0, 1), [("b", 9, 9, 3)], ONE),
    "any body": (pooled(lambda a, b: a * 2 + b, 0, 1), [("b", 5, 6, 3)], ONE),
    "cholesky": (lambda x: linalg.cholesky(positive(x)), [("b", 4, 4)], ONE),
    "lu of complex numbers": (lambda x: lax.linalg.lu(x)[0], [("b", 4, 4)], ONE, np.complex64),
    "solve": (lambda x, y: linalg.solve(positive(x), y), [("b", 4, 4), ("b", 4, 3)], ONE),
    "many right sides": (lambda y: linalg.solve(positive(WEIGHT[:4, :4]), y), [(4, "b")], ONE),
    "qr": (lambda x: linalg.qr(positive(x))[1], [("b", "c", 4, 4)], TWO),
    "eigenvalues": (lambda x: linalg.eigh(positive(x))[0], [("b", 4, 4)], ONE),
    "singular values": (lambda x: linalg.svd(x, compute_uv=False), [("b", 5, 3)], ONE),
    "fft": (lambda x: jnp.fft.fft(x), [("b", 100)], ONE, np.complex64),
    "irfft": (lambda x: jnp.fft.irfft(x), [("b", "c", 9)], TWO, np.complex64),
    "rfft2": (lambda x: jnp.fft.rfft2(x), [("b", 8, 10)], ONE),
    "slices": (lambda x: jnp.tanh(jnp.tanh(x)[1:, 1:4]) * 2, [("b", 5)], ((2,), (3,), (45,))),
}


@pytest.mark.parametrize("name", CASES)
def test_one_build_serves_every_size(name: str) -> None:
    function, shapes, values, *kind = CASES[name]
    dtype = np.dtype(*kind or [np.float32])
    symbols = "bcd"[: len(values[0])]
    executable = opened(function, shapes, symbols, dtype)
    for sizes in values:
        known = dict(zip(symbols, sizes))
        arguments = [drawn([known.get(size, size) for size in shape], dtype) for shape in shapes]
        got = executable(*arguments)
        np.testing.assert_allclose(np.asarray(got), function(*arguments), rtol=1e-3, atol=1e-3, err_msg=str(sizes))


def test_matrices_of_unknown_sizes_are_refused() -> None:
    with pytest.raises(UnsupportedHloError, match="lapack_spotrf"):
        opened(lambda x: linalg.cholesky(positive(x)), [("b", "b")], "b", np.dtype(np.float32))


def opened(function: Any, shapes: Any, symbols: str, dtype: np.dtype) -> Any:
    """One build for all sizes."""
    from jax import export

    sizes = dict(zip(symbols, export.symbolic_shape(", ".join(symbols))))
    arguments = [jax.ShapeDtypeStruct(tuple(sizes.get(size, size) for size in shape), dtype) for shape in shapes]
    return build(*mod_and_params(from_jax(function, *arguments)))


def drawn(sizes: Any, dtype: np.dtype) -> np.ndarray:
    """An argument."""
    random = np.random.RandomState(0)
    if dtype.kind == "i":
        return random.randint(0, 5, sizes).astype(dtype)
    values = random.standard_normal(sizes)
    return (values + 1j * random.standard_normal(sizes) if dtype.kind == "c" else values).astype(dtype)
