"""Which loops run on several threads."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend import build, from_jax
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.schedules import small_loops

SMALL, LARGE = (8, 32), (512, 1024)


def launches(function, *shapes):
    """Calls that start TVM's thread pool, in the code that `build` makes."""
    mod, params = mod_and_params(from_jax(function, *(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes)))
    library = build(mod, params).library
    code = library.get_lib().get_source("ll") if DIALECT == "relay" else library.mod.imports[0].inspect_source("ll")
    return len(re.findall(r" load .*@__TVMBackendParallelLaunch", code))


@pytest.mark.parametrize(
    ("function", "small", "large"),
    [
        (lambda x: x + 1, (SMALL,), (LARGE,)),
        (jnp.tanh, (SMALL,), (LARGE,)),
        (lambda x: jnp.max(x, 1), (SMALL,), (LARGE,)),
        (lambda x: jnp.sort(x, 0), (SMALL,), (LARGE,)),
        (lambda x, y: x @ y, (SMALL, (32, 16)), (LARGE, (1024, 256))),
    ],
    ids=["add", "tanh", "reduce", "sort", "dot"],
)
def test_only_large_loops_wake_other_threads(function, small, large):
    assert launches(function, *small) == 0
    assert launches(function, *large) > 0


def test_numbers_do_not_depend_on_it(monkeypatch):
    x = np.random.default_rng(0).normal(size=(40, 70)).astype("float32")
    converted = mod_and_params(from_jax(lambda x: (jnp.tanh(x @ x.T), jnp.cumsum(x, 1), jnp.sort(x, 0)), x))
    serial = build(*converted)(x)
    monkeypatch.setattr(small_loops, "MIN_PARALLEL_INSTRUCTIONS", 0)
    for one, other in zip(serial, build(*converted)(x), strict=True):
        np.testing.assert_array_equal(one, other)
