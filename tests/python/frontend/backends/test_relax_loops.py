"""Loops on Relax's virtual machine change their states in place, wherever nobody needs the old ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relax":
    skip_file("relax", "loops on Relax's virtual machine")

from tools.support.compare import compare

from tvm_hlo_frontend import build, from_jax, mod_and_params
from tvm_hlo_frontend.backends.relax import in_place
from tvm_hlo_frontend.rewrites import unroll_loops

ROWS = 24
X = np.linspace(-1, 1, ROWS * 4, dtype="float32").reshape(ROWS, 4)
A = np.eye(4, dtype="float32") * 3 + 0.25


def factor(a):
    """The first row of what no kernel of a whole loop computes."""
    return jnp.linalg.cholesky(a)[0]


def row_of(x, i):
    return lax.dynamic_index_in_dim(x, i, keepdims=False)


def put(x, row, i):
    return lax.dynamic_update_slice(x, row[None], (i, 0))


def counted(step, trips=ROWS - 3):
    """`step` with the number of the trip."""
    return lambda *state: lax.fori_loop(0, trips, lambda i, s: step(i, *s), state)


def asked(step):
    """As long as the sum of a changing array is below a bound."""

    def function(*state):
        going = lambda s: (s[0] < ROWS - 3) & (s[1].sum() < 40)  # noqa: E731
        return lax.while_loop(going, lambda s: (s[0] + 1, *step(s[0], *s[1:])), (jnp.int32(0), *state))[1:]

    return function


def written(i, x, a):
    return put(x, factor(a) + row_of(x, i + 1), i), a * 1.01


def scattered(i, x, a):
    return x.at[jnp.stack([i, i + 2])].add(factor(a)), a * 1.01


def written_twice(i, x, a):
    x = put(x, factor(a), i)
    return put(x, row_of(x, i) * 2, i + 1), a * 1.01


def read_afterwards(i, x, a):
    new = put(x, factor(a), i)
    return new, a * 1.01 + (row_of(x, i) + row_of(new, i)).sum() * 1e-3


def exchanged(i, x, y, a):
    return y, put(x, factor(a), i), a * 1.01


def old_one_kept(i, x, before, a):
    return put(x, factor(a), i), x, a * 1.01


def twice_the_same(i, x, y, a):
    return put(x, factor(a), i), put(y, factor(a) * 2, i), a * 1.01


def chosen(i, x, last, a):
    new = put(x, factor(a), i)
    return new, lax.cond(i % 2 == 0, lambda: x, lambda: last), a * 1.01


def chosen_afterwards(i, x, last, a):
    new = put(x, factor(a), i)
    return new, lax.cond(i % 3 == 0, lambda: new, lambda: last), a * 1.01


def nested(i, x, a):
    return lax.fori_loop(0, 3, lambda j, s: (put(s[0], factor(s[1]), i + j), s[1] * 1.01), (x, a))


def from_constants(a):
    state = (jnp.asarray(X), jnp.zeros((ROWS, 4), jnp.float32), a)
    return counted(twice_the_same)(*state)


def used_before_and_after(x, a):
    y, _ = counted(written)(x, a)
    return y, x + y, x * 2


# name: function, arguments, how many states are changed in place
CASES = {
    "a row": (counted(written), (X, A), 1),
    "a row, until": (asked(written), (X, A), 1),
    "no trip": (counted(written, 0), (X, A), None),
    "one trip": (counted(written, 1), (X, A), None),
    "rows that are added": (counted(scattered), (X, A), 1),
    "two rows": (counted(written_twice), (X, A), 1),
    "the old one is read afterwards": (counted(read_afterwards), (X, A), 0),
    "two that change places": (counted(exchanged), (X, X * 2, A), 0),
    "the old one is kept": (counted(old_one_kept), (X, X, A), 0),
    "two that begin as one": (lambda x, a: counted(twice_the_same)(x, x, a), (X, A), 2),
    "a branch hands the old one on": (counted(chosen), (X, X, A), 0),
    "a branch hands the new one on": (counted(chosen_afterwards), (X, X, A), 0),
    "a loop in a loop": (counted(nested), (X, A), 1),
    "constants": (from_constants, (A,), 2),
    "the start is needed": (used_before_and_after, (X, A), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_states_change_in_place_where_nobody_needs_the_old_ones(name, monkeypatch):
    function, args, wanted = CASES[name]
    found = []
    shared = in_place._Program.shared

    def noted(program, argument, result):
        found.append(shared(program, argument, result))
        return found[-1]

    monkeypatch.setattr(in_place._Program, "shared", noted)
    monkeypatch.setattr(unroll_loops, "MAX_INSTRUCTIONS", -1)
    run = build(*mod_and_params(from_jax(function, *args)))
    wanted_results = jax.tree.leaves(jax.jit(function)(*args))
    before = [np.array(each) for each in args]
    for _ in range(2):
        compare(jax.tree.leaves(run(*args)), wanted_results, rtol=1e-5)
    for array, old in zip(args, before):
        np.testing.assert_array_equal(array, old)
    if wanted is not None:
        assert sum(each is not None for each in found) == wanted, found
