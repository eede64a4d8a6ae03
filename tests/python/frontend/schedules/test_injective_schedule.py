"""Any extents of element-wise and moving kernels: their schedule splits and fuses loops."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import check

from tvm_hlo_frontend.kernels.plans import lanes_of_extent, parallel_loops


@pytest.mark.parametrize(
    "shape", [(), (1,), (5,), (16,), (1000,), (1001,), (7, 3), (1, 4099), (2, 3, 24), (3, 1, 5, 7), (2, 2, 2, 2, 2, 9)]
)
def test_shapes(shape):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-99, 99, shape).astype("int32") for _ in range(2))

    def function(x, y):
        both = jnp.maximum(x, y) * 3 - jnp.sign(y)
        return both, lax.pad(both, 1, [(2, 1, 0)] * both.ndim), (both > x).astype("float32")

    check(jax.jit(function).lower(x, y).compiler_ir("hlo").as_serialized_hlo_module_proto(), [x, y])


@pytest.mark.parametrize(
    ("extent", "lanes"), [(None, 0), (1, 0), (3, 0), (4, 4), (12, 4), (1000, 8), (48, 16), (1001, 0)]
)
def test_vectors_divide_the_extent(extent, lanes):
    assert lanes_of_extent(extent) == lanes


@pytest.mark.parametrize(
    ("extents", "count"), [([1000], 1), ([2, 3, 500], 3), ([64, 100], 1), ([8, 8, 8], 2), ([None, 5], 1), ([1, 1], 2)]
)
def test_loops_are_fused_until_there_are_enough_tasks(extents, count):
    assert parallel_loops(extents) == count
