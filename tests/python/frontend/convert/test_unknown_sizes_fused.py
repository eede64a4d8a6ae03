"""Chains of operations on arrays whose sizes are computed from unknown ones: what one build fuses, against XLA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend import build, from_jax
from tvm_hlo_frontend.backends.select import mod_and_params

jax = pytest.importorskip("jax")
jnp = jax.numpy

pytestmark = relax_only("Relay leaves open the batches of dense networks alone")

SIZES = ((2, 3), (4, 5), (5, 4))


def halves(x: Any) -> Any:
    """The second half before the first."""
    half = x.shape[0] // 2
    return jnp.concatenate([x[half:], x[:half]], 0)


MOVES: dict[str, Callable[[Any], Any]] = {
    "flatten": lambda x: x.reshape(-1, x.shape[-1]),
    "transpose": lambda x: jnp.swapaxes(x, 0, -1),
    "twice": lambda x: jnp.concatenate([x, x + 1], 0),
    "wider": lambda x: jnp.concatenate([x, x], 1),
    "halves": halves,
    "cut": lambda x: x[1:],
    "every other": lambda x: x[::2],
    "back": lambda x: x[::-1],
    "copies": lambda x: jnp.broadcast_to(x[None], (3, *x.shape)),
    "pad": lambda x: jnp.pad(x, [(1, 0)] * x.ndim),
    "whole numbers": lambda x: (4 * x).astype(jnp.int32).astype(jnp.float32),
    "rows": lambda x: jnp.take(x, jnp.arange(x.shape[0]) // 2, axis=0),
    "centre": lambda x: x - x.sum(axis=-1, keepdims=True),
}
ELEMENTWISE = (jnp.tanh, jnp.exp, lambda x: x * 2, lambda x: x + 1, lambda x: jnp.where(x > 0.5, x, -x))
# every move comes before and behind several others
CHAINS = (
    "flatten transpose twice cut",
    "pad cut transpose pad halves flatten",
    "whole numbers, twice transpose",
    "back cut copies halves twice",
    "transpose centre back rows twice",
    "wider rows cut whole numbers, every other",
    "copies flatten centre halves wider",
    "every other, pad wider transpose centre",
    "flatten rows copies back halves",
    "halves flatten cut twice every other",
)


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_of_moves_and_arithmetic(chain: str) -> None:
    moves = named(chain)

    def function(x: Any) -> Any:
        x = jnp.exp(-x)
        for number, move in enumerate(moves):
            x = ELEMENTWISE[number % len(ELEMENTWISE)](MOVES[move](x) / 4)
        return x

    check(function)


def test_sizes_that_a_function_computes() -> None:
    def function(x: Any) -> Any:
        def step(number: Any, value: Any) -> Any:
            flat = jnp.tanh(value).reshape(-1, value.shape[-1])
            return jnp.where(number < 1, value, (jnp.exp(flat) / 9).reshape(value.shape))

        return jax.lax.fori_loop(0, 3 + x[0, 0, 0].astype(jnp.int32) * 0, step, jnp.concatenate([x, x], 0))

    check(function)


def check(function: Callable[[Any], Any]) -> None:
    """One build for all sizes, against XLA."""
    from jax import export

    b, c = export.symbolic_shape("b, c", constraints=["b >= 2", "c >= 2"])
    executable = build(*mod_and_params(from_jax(function, jax.ShapeDtypeStruct((b, c, 6), np.float32))))
    for sizes in SIZES:
        x = np.random.RandomState(0).standard_normal((*sizes, 6)).astype(np.float32)
        wanted = np.asarray(jax.jit(function)(x))
        got = np.asarray(executable(x))
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5, err_msg=str(sizes))


def named(chain: str) -> list[str]:
    """The moves of a chain, whose names may have spaces."""
    found, left = [], chain.replace(",", "")
    while left:
        name = next(name for name in MOVES if left.startswith(name))
        found.append(name)
        left = left[len(name) :].strip()
    return found
