"""Loops that run as one kernel, each with what one kernel once computed wrong, refused or compiled long."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import lax

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params

jax.config.update("jax_platforms", "cpu")
TRIPS = (0, 1, 11)


def batch_last(a, b):
    """Neighbours of either operand belong to different batches."""
    products = lax.dot_general(a, b, (((0,), (0,)), ((1,), (1,))))
    return jnp.tanh(a + products), b


def batch_before_contracting(a, b):
    """Only neighbours of one operand do."""
    return jnp.tanh(a + lax.dot_general(a, b.T, (((0,), (1,)), ((1,), (0,))))), b


def element_of_iota(a, b):
    """An index that is a number of Python's is taken as an element."""
    element = lax.slice(lax.iota(jnp.float32, 8), (3,), (4,))
    return jnp.tanh(a * jnp.broadcast_to(element, a.shape)), b


def rounded_functions(a, b):
    """Long operations in each other."""
    x, y = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jnp.tanh(jnp.dot(x, y)).astype(jnp.float32), b


CASES = [batch_last, batch_before_contracting, element_of_iota, rounded_functions]


@pytest.mark.parametrize("step", CASES, ids=lambda step: step.__name__)
def test_whole_loops_are_xlas(step):
    def loop(trips, a, b):
        return lax.while_loop(lambda s: s[0] < trips, lambda s: (s[0] + 1, *step(*s[1:])), (jnp.int32(0), a, b))[1:]

    rng = np.random.RandomState(3)
    a, b = (rng.uniform(-1, 1, (7, 7)).astype(np.float32) for _ in range(2))
    mod, params = mod_and_params(tvm_hlo_frontend.from_jax(loop, np.int32(0), a, b))
    assert tvm_hlo_frontend.report_of(mod).converted["while: kernel"] == 1
    run = tvm_hlo_frontend.build(mod, params)
    tolerance = float(ml_dtypes.finfo(ml_dtypes.bfloat16).eps) if step is rounded_functions else 1e-5
    for trips in TRIPS:
        for got, wanted in zip(run(np.int32(trips), a, b), jax.jit(loop)(trips, a, b)):
            np.testing.assert_allclose(np.asarray(got), wanted, rtol=tolerance, atol=tolerance)
