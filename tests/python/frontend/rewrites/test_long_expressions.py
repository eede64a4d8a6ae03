"""Element-wise expressions that would be cut become one `map`; everything else stays as it is."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tools.support.compare import check, compare
from tools.support.oracle import run_xla

from tests.support.rewritten import CARRIED, inlined, with_opcode
from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.long_expressions import map_long_expressions

X = np.array([[-np.inf, -9.5, -1.0, -0.3, -0.0], [0.0, 1e-3, 0.9, 30.0, np.nan]], np.float32)
N = np.array([[-7, 2**31 - 1, 3], [0, -(2**31), 11]], np.int32)


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


def twice_read(x):
    """Two results of which one is an operand of the other."""
    inner = gelu(x)
    return inner, gelu(inner)


def integers(x):
    for step in range(16):
        x = x * 3 + step
    return x


def chosen(x):
    """A truth value of no dimensions that no constant is."""
    return jnp.where(x[0, 1] < 0, gelu(x), x)


CASES = {
    "gelu": (gelu, X, 1),
    "two results": (twice_read, X, 2),
    "integers": (integers, N, 1),
    "a scalar chooses": (chosen, X, 1),
    "few operations": (lambda x: jnp.abs(x) * 2 + 1, X, 0),
    "calls of libm in between": (lambda x: gelu(jnp.sin(gelu(x))), X, 2),
    "one element": (gelu, X[:1, :1], 0),
    "no elements": (gelu, X[:0], 0),
}


def rewritten(name, **changes):
    function, x, _ = CASES[name]
    module = inlined(function, x)
    return map_long_expressions(module, replace(CARRIED, **changes))


@pytest.mark.parametrize("name", CASES)
def test_each_expression_is_one_map_and_means_what_it_did(name):
    function, x, count = CASES[name]
    module = rewritten(name)
    verify(module)
    assert len(with_opcode(module, "map")) == count
    compare(run_xla(module, [x]), [np.asarray(each) for each in jax.tree.leaves(jax.jit(function)(x))], rtol=1e-6)


def test_what_has_a_converter_of_its_own_is_no_part():
    module = rewritten("gelu", replaced=frozenset({"exponential"}))
    assert [each.opcode for each in module.entry.instructions].count("exponential") == 1


@pytest.mark.parametrize("name", ["gelu", "two results", "integers", "a scalar chooses"])
def test_kernels_give_what_xla_does(name):
    function, x, _ = CASES[name]
    check(lower_jax(function, x).hlo, [x])
