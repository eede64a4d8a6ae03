"""What is computed row by row is one call, of which one kernel is made; everything else stays as it is."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tools.support.compare import check, compare
from tools.support.oracle import run_xla

from tests.support.rewritten import CARRIED, inlined, with_opcode
from tvm_hlo_frontend.analysis.row_groups import MAX_LENGTH
from tvm_hlo_frontend.analysis.row_program import match_row_program
from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.rows import call_rows

softmax = jax.nn.softmax


def numbers(*sizes):
    return np.random.default_rng(len(sizes)).normal(size=sizes).astype(np.float32)


def normalized(x, scale=1.0, shift=0.0):
    mean = x.mean(-1, keepdims=True)
    deviation = x - mean
    return deviation * jax.lax.rsqrt((deviation * deviation).mean(-1, keepdims=True) + 1e-6) * scale + shift


def of_channels(x):
    """Rows of two dimensions."""
    return (x - x.mean((2, 3), keepdims=True)) / jnp.sqrt(x.var((2, 3), keepdims=True) + 1e-5)


def in_between(x, w):
    """A product lies between two softmaxes, and the second joins the first by a sum."""
    first = softmax(x)
    return softmax(first @ w) + first


def crossed(x, y, w):
    """Each of two groups needs a part of the other."""
    a, b = jnp.exp(x).sum(-1, keepdims=True), jnp.exp(y).sum(-1, keepdims=True)
    return x / a + jnp.broadcast_to(b, y.shape) @ w, y / b + jnp.broadcast_to(a, x.shape) @ w


def with_numbers(x, of_rows, of_all):
    """What lies outside: a number for each row, one for all, and a row for all."""
    return softmax(x * of_rows[..., None] + of_all) + of_rows[..., None]


EXTREMES = numbers(12, 40)
EXTREMES[0, :] = -np.inf
EXTREMES[1, 3] = np.inf
EXTREMES[2, 39] = np.nan
EXTREMES[3, :] = -0.0
EXTREMES[4, :] = 1e38

# name: function, arguments, calls
CASES = {
    "softmax": (softmax, [numbers(3, 37, 49)], 1),
    "softmax of vectors": (softmax, [numbers(64, 128)], 1),
    "no numbers": (softmax, [EXTREMES], 1),
    "log_softmax": (jax.nn.log_softmax, [numbers(64, 1000)], 1),
    "normalized": (normalized, [numbers(40, 197), numbers(197), numbers(197)], 1),
    "channels": (of_channels, [numbers(4, 8, 7, 7)], 2),
    "masked": (
        lambda x, mask: softmax(jnp.where(mask, x * 0.3, -1e9)),
        [numbers(2, 3, 49, 49), numbers(49, 49) > 0.4],
        1,
    ),
    "one needs the other": (
        lambda x, y: softmax(normalized(x) + y),
        [numbers(64, 33), numbers(64, 33)],
        1,
    ),
    "two results": (lambda x: (softmax(x), jax.nn.logsumexp(x, -1)), [numbers(64, 33)], 2),
    "a product in between": (in_between, [numbers(64, 64), numbers(64, 64)], 2),
    "groups that need each other": (crossed, [numbers(64, 64), numbers(64, 64), numbers(64, 64)], 1),
    "numbers of rows": (with_numbers, [numbers(4, 16, 20), numbers(4, 16), numbers(20)], 1),
    "gradient": (jax.grad(lambda x: (normalized(x) ** 3).sum()), [numbers(64, 48)], 1),
    "integers": (lambda x: x - x.sum(-1, keepdims=True), [np.arange(-480, 480, dtype=np.int32).reshape(16, 60)], 1),
    "f64": (softmax, [numbers(16, 50).astype(np.float64)], 2),
    "a reduction alone": (lambda x: jnp.exp(x).sum(-1), [numbers(64, 64)], 0),
    "short rows": (softmax, [numbers(64, 8)], 0),
    "few rows": (softmax, [numbers(4, 64)], 0),
    "long rows": (softmax, [numbers(8, MAX_LENGTH + 1)], 0),
    "columns": (lambda x: softmax(x, 0), [numbers(64, 64)], 0),
}


def rewritten(name, **changes):
    function, arguments, _ = CASES[name]
    with jax.enable_x64("f64" in name):
        module = inlined(function, *arguments)
    return call_rows(module, replace(CARRIED, **changes))


@pytest.mark.parametrize("name", CASES)
def test_each_group_is_one_call_and_means_what_it_did(name):
    function, arguments, count = CASES[name]
    module = rewritten(name)
    verify(module)
    assert len(with_opcode(module, "call")) == count
    with jax.enable_x64("f64" in name):
        wanted = [np.asarray(each) for each in jax.tree.leaves(jax.jit(function)(*arguments))]
    compare(run_xla(module, arguments), wanted, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, (_, _, count) in CASES.items() if count])
def test_each_call_is_a_program_of_a_row(name):
    for call in with_opcode(rewritten(name), "call"):
        assert match_row_program(call.called_computations[0], CARRIED.computes) is not None


def test_what_has_a_converter_of_its_own_is_no_part():
    for opcode in ("exponential", "call"):
        for call in with_opcode(rewritten("softmax", replaced=frozenset({opcode})), "call"):
            assert all(each.opcode != opcode for each in call.called_computations[0].instructions)
    assert not with_opcode(rewritten("softmax", replaced=frozenset({"call"})), "call")


@pytest.mark.parametrize("name", [name for name, (_, _, count) in CASES.items() if count])
def test_kernels_give_what_xla_does(name):
    function, arguments, _ = CASES[name]
    with jax.enable_x64("f64" in name):
        hlo = lower_jax(function, *arguments).hlo
    check(hlo, arguments, rtol=2e-5)
