"""Products of narrow integers: exact at the largest magnitudes, in f32 where that is exact, in parts where they are
deep."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import check

from tests.support.rewritten import CARRIED, inlined
from tvm_hlo_frontend.analysis.accumulators import EXACT_IN_F32, exact_depth, product_type
from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.integer_products import narrow_integer_products


def dot(x, y, contracting=((1,), (0,)), batch=((), ())):
    return lax.dot_general(x, y, (contracting, batch), preferred_element_type=jnp.int32)


def converted(x, y):
    return lax.dot(x.astype(jnp.int32), y.astype(jnp.int32))


def convolved(x, y):
    return lax.conv_general_dilated(
        x, y, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), preferred_element_type=jnp.int32
    )


def converted_convolution(x, y):
    return convolved(x.astype(jnp.int32), y.astype(jnp.int32))


S8, U8 = "int8", "uint8"
# id -> (function, types, shapes, dots that are left)
CASES = {
    "s8, as deep as is exact": (dot, (S8, S8), ((5, 1024), (1024, 8)), 1),
    "s8, one more": (dot, (S8, S8), ((5, 1025), (1025, 8)), 2),
    "u8": (dot, (U8, U8), ((5, 258), (258, 8)), 1),
    "u8, one more": (dot, (U8, U8), ((5, 259), (259, 7)), 2),
    "u8 and s8": (dot, (U8, S8), ((5, 515), (515, 8)), 2),
    "few rows": (dot, (S8, S8), ((2, 1500), (1500, 8)), 2),
    "too deep": (dot, (S8, S8), ((5, 8193), (8193, 4)), 1),
    "two dimensions": (
        lambda x, y: dot(x, y, ((1, 2), (1, 0))), (S8, S8), ((3, 40, 60), (60, 40, 4)), 3
    ),
    "a long dimension beside a short one": (
        lambda x, y: dot(x, y, ((1, 2), (0, 1))), (S8, S8), ((3, 2, 600), (2, 600, 4)), 2
    ),
    "batches": (lambda x, y: dot(x, y, ((2,), (1,)), ((0,), (0,))), (S8, S8), ((2, 5, 1100), (2, 1100, 8)), 2),
    "empty": (dot, (S8, S8), ((5, 0), (0, 8)), 1),
    "converted before": (converted, (S8, U8), ((6, 600), (600, 8)), 2),
}  # fmt: skip


def module_of(function, args, *replaced):
    module = inlined(function, *args)
    return module, narrow_integer_products(module, replace(CARRIED, replaced=frozenset(replaced)))


def arrays(types, shapes, extreme):
    random = np.random.default_rng(0)
    limits = [np.iinfo(kind) for kind in types]
    if extreme:  # -128 and 255 everywhere: every sum is the largest one
        return [
            np.full(shape, limit.min if limit.min else limit.max, limit.dtype) for shape, limit in zip(shapes, limits)
        ]
    return [
        random.integers(limit.min, limit.max + 1, shape).astype(limit.dtype) for shape, limit in zip(shapes, limits)
    ]


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_products_are_exact(name, extreme):
    function, types, shapes, left = CASES[name]
    args = arrays(types, shapes, extreme)
    before, after = module_of(function, args)
    verify(after)
    assert sum(instruction.opcode == "dot" for instruction in after.instructions) == left
    check(before, args)


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("function", [convolved, converted_convolution])
@pytest.mark.parametrize("channels", [113, 114])  # 9 * 113 <= 1024
def test_convolutions_are_exact(function, channels, extreme):
    args = arrays((S8, S8), ((1, 4, 5, channels), (3, 3, channels, 8)), extreme)
    check(lower_jax(function, *args).hlo, args)


@pytest.mark.parametrize("depth", [300, 1300])
def test_constants(depth):
    weight = np.random.default_rng(1).integers(-128, 128, (depth, 16)).astype(S8)
    args = arrays((S8,), ((6, depth),), False)
    check(lower_jax(lambda x: dot(x, weight), *args).hlo, args)


def test_what_replaces_products_sees_them_all():
    args = arrays((S8, S8), ((5, 1025), (1025, 8)), False)
    for opcode in ("dot", "convert"):
        module, after = module_of(dot, args, opcode)
        assert after is module


def test_depths():
    assert exact_depth("s8", "s8") * 128 * 128 == EXACT_IN_F32
    assert exact_depth("u8", "u8") * 255 * 255 <= EXACT_IN_F32 < (exact_depth("u8", "u8") + 1) * 255 * 255
    assert exact_depth("s8", "s16") == exact_depth("f32", "f32") == 0
    assert product_type("s8", "s8", "s32", 1024) == "f32"
    assert [product_type(*types) for types in (("s8", "s8", "s32", 1025), ("s8", "s8", "s8", 4))] == ["s32", "s8"]
