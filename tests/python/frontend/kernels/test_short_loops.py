"""Short light loops as one element-wise program (rule 78), against XLA:CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import compare

from tests.support.emitted import calls_of
from tvm_hlo_frontend import build, from_jax
from tvm_hlo_frontend.backends.select import mod_and_params

KEY = np.array([5, 7], np.uint32)
TABLES = np.array([13, 15, 26, 6], np.uint32), np.array([17, 29, 16, 24], np.uint32)

# one more than a kernel runs trip by trip (analysis/loops.py)
LARGE = 4097


def s32(*sizes):
    return u32(*sizes).view(np.int32)


def u32(*sizes):
    return (np.arange(int(np.prod(sizes)), dtype=np.uint32) * np.uint32(2654435761)).reshape(sizes)


def trips(count, body):
    """A loop of `body(i, *state)`, which gives the new state."""

    def function(*state):
        return lax.fori_loop(0, count, lambda i, s: tuple(body(i, *s)), tuple(state))

    return function


def turned(i, x, first, second):
    """A round with tables that change places."""
    return (x << first[1]) ^ (x >> second[2]) ^ i.astype(np.uint32), second, first


def with_tables(x):
    return trips(5, turned)(x, *map(jnp.asarray, TABLES))


# one kernel of statements
SHORT = {
    "random bits": (lambda k: jax.random.bits(k, (7, 5)), KEY),
    "random bits, one": (lambda k: jax.random.bits(k, (1,)), KEY),
    "random bits, a number": (lambda k: jax.random.bits(k, ()), KEY),
    "keys": (jax.random.split, KEY),
    "tables that change places": (with_tables, u32(3, 4)),
    "numbers change places": (trips(3, lambda i, x, a, b: (x * a + b, b, a)), u32(LARGE), np.uint32(3), np.uint32(9)),
    "a number becomes an array": (
        trips(2, lambda i, x, a: (jnp.full_like(x, a) + i.astype(np.uint32), a)),
        u32(LARGE),
        KEY[0],
    ),
    "floats": (
        trips(4, lambda i, x, y: (x - y * 0.5, jnp.where(x > y, x, -y))),
        np.resize(np.array([1.5, np.nan, np.inf, -0.0, 1e-42], np.float32), LARGE),
        np.resize(np.array([-2.5, 1.0, -np.inf, 0.0, -1e-42], np.float32), LARGE),
    ),
    "signed integers wrap": (trips(8, lambda i, x: (x * x + i,)), s32(LARGE)),
}
# what stays a loop
OTHERS = {
    "no elements": (lambda k: jax.random.bits(k, (0,)), KEY),
    "nine trips": (trips(9, lambda i, x, n: (x ^ (x << 3), n)), u32(5), u32(3)),
    "arrays of two shapes": (trips(3, lambda i, x, y: (x ^ 5, y << 1)), u32(4), u32(5)),
    "elements that change places": (trips(3, lambda i, x, n: (x[::-1] ^ 1, n)), u32(4), u32(4)),
    "a table that is no constant": (trips(3, lambda i, x, t: (x << t[i], t)), u32(4), np.array([1, 2, 3], np.uint32)),
    "a number is computed": (trips(3, lambda i, x, n: (x ^ n, n * 3)), u32(4), np.uint32(7)),
}


@pytest.mark.parametrize("name", [*SHORT, *OTHERS])
def test_short_loops_give_what_xla_does(name):
    function, *arrays = (SHORT | OTHERS)[name]
    mod, params = mod_and_params(from_jax(function, *arrays))
    assert ("elementwise" in calls_of(mod)) == (name in SHORT), calls_of(mod)
    got = [np.asarray(leaf) for leaf in jax.tree.leaves(build(mod, params)(*arrays))]
    wanted = [np.asarray(leaf) for leaf in jax.tree.leaves(jax.jit(function)(*arrays))]
    compare(got, wanted)
