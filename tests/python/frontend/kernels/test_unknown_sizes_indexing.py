"""Indexing, sorting and folding of unknown sizes: one build against JAX at several sizes, 1 among them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

import tvm_hlo_frontend
from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend.backends.select import mod_and_params

pytestmark = relax_only("Relay's kernels are made for numbers")

SIZES = [{"n": 1, "b": 3}, {"n": 2, "b": 1}, {"n": 7, "b": 9}, {"n": 120, "b": 4}]


def drawn(rng, shape, kind):
    """Elements of a type; those of integers lie on both sides of what is a place."""
    if kind == "float32":
        return rng.standard_normal(shape).astype(kind)
    limits = np.iinfo(kind)
    return rng.integers(max(limits.min, -400), min(limits.max, 400), shape).astype(kind)


def combined(one, other):
    """An associative body that no kernel knows, with neutral (1, 0): one affine map after the other."""
    return one[0] * other[0], one[1] * other[0] + other[1]


def affine(scale, offset, axis):
    return lax.reduce((jnp.tanh(scale), offset), (np.float32(1), np.float32(0)), combined, (axis,))


CASES = {
    "take rows": (lambda x, i: jnp.take(x, i, axis=0), "n,3 float32", "b int32"),
    "take clipped, narrow": (lambda x, i: x.at[i].get(mode="clip"), "n,3 float32", "b int8"),
    "take clipped, unsigned": (lambda x, i: x.at[i].get(mode="clip"), "n,3 float32", "b uint32"),
    "embedding": (lambda x, i: jnp.take(x, i, axis=0, mode="clip"), "50,4 float32", "b,n int32"),
    "set": (lambda x, i: x.at[i].set(1.0), "n,3 float32", "b int32"),
    "add, narrow": (lambda x, i, y: x.at[i].add(y), "n,3 float32", "b int8", "b,3 float32"),
    "add, unsigned": (lambda x, i, y: x.at[:, i].add(y), "b,n float32", "b uint8", "b,b float32"),
    "dynamic slice": (lambda x, i: lax.dynamic_slice(x, (i[0], i[1]), (1, 2)), "n,4 float32", "2 int16"),
    "dynamic update": (
        lambda x, y, i: lax.dynamic_update_slice(x, y, (i[0], i[1])), "n,4 float32", "1,2 float32", "2 int32"),
    "rows as slices": (jax.vmap(lambda x, i: lax.dynamic_slice(x, (i,), (1,))), "b,n float32", "b int32"),
    "twice but the first": (lambda x: jnp.concatenate([x, x])[1:], "n,4 float32"),
    "roll": (lambda x: jnp.roll(x, 1, axis=0), "n,4 float32"),
    "pad": (lambda x: jnp.pad(x, ((1, 1), (0, 0))), "n,4 float32"),
    "pad inside": (lambda x: lax.pad(x, np.float32(2), ((1, -1, 2), (0, 1, 0))), "n,4 float32"),
    "pad by sizes": (lambda x: jnp.pad(x, ((x.shape[0], 2), (0, 0))), "n,4 float32"),
    "sort": (lambda x: jnp.sort(x, axis=0), "n,4 float32"),
    "sort rows": (lambda x: jnp.sort(x, axis=1), "n,20 int16"),
    "argsort": (lambda x: jnp.argsort(x, axis=1, stable=True, descending=True), "b,n int8"),
    "sort by two": (lambda x, y, z: lax.sort((x, y, z), num_keys=2), "n int8", "n float32", "n float32"),
    "sort complex": (lambda x, y: jnp.sort(lax.complex(jnp.round(x), y)), "n float32", "n float32"),
    "top k": (lambda x: lax.top_k(x, 3), "n,b,30 float32"),
    "top k of few": (lambda x: lax.top_k(x, 2), "n,b,3 float32"),
    "top k of unknown": (lambda x: lax.top_k(x, 1), "b,n float32"),
    "all of top k": (lambda x: lax.top_k(x, x.shape[1]), "b,n float32"),
    "argmax of columns": (lambda x: jnp.argmax(x, axis=0), "n,b float32"),
    "argmax of known rows": (lambda x: jnp.argmax(x, axis=1), "n,130 float32"),
    "reduce rows": (lambda x, y: affine(x, y, 1), "b,n float32", "b,n float32"),
    "reduce broadcasts": (
        lambda x, y: affine(*(jnp.broadcast_to(each, (y.shape[0], 3)) for each in (x, x * 0.5)), 0),
        "3 float32", "n float32"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_build_serves_all_sizes(name):
    function, *rows = CASES[name]
    texts = [row.split() for row in rows]
    scope = export.SymbolicScope()
    shapes = [jax.ShapeDtypeStruct(export.symbolic_shape(text, scope=scope), kind) for text, kind in texts]
    executable = tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_jax(function, *shapes)))
    rng = np.random.default_rng(0)
    for sizes in SIZES:
        arrays = [drawn(rng, [sizes.get(size) or int(size) for size in text.split(",")], kind) for text, kind in texts]
        wanted = jax.tree.leaves(jax.jit(function)(*arrays))
        got = jax.tree.leaves(executable(*arrays))
        for value, other in zip(got, wanted, strict=True):
            np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6, err_msg=str(sizes))
