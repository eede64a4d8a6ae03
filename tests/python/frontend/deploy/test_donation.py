"""Calls that overwrite arguments: only where the caller says so, and with XLA's numbers."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import export, lax

import tvm_hlo_frontend
from tvm_hlo_frontend import SignatureError, from_hlo, mod_and_params
from tvm_hlo_frontend.deploy.donation import aligned_copy
from tvm_hlo_frontend.deploy.saved import load_library, save_library
from tvm_hlo_frontend.deploy.targets import cpu_target


def normal(*shape, dtype="float32"):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)


def attention(k, v, x, position):
    k = lax.dynamic_update_slice(k, x[None], (position, 0))
    v = v.at[position].set(2 * x)
    return {"k": k, "out": jax.nn.softmax(k @ x) @ v, "v": v}


def layers(cache, x, position):
    for layer in range(3):
        cache = lax.dynamic_update_slice(cache, (layer + 1) * x[None], (position + layer, 0))
        x = jnp.tanh(cache[layer : layer + 4]).sum(0)
    return x, cache


def column(cache, x, position):
    cache = cache.at[:, position].set(x)
    return cache, (2 * cache[:, :4]).sum(1)


def reshaped(cache, x, position):
    flat = lax.dynamic_update_slice(cache.reshape(-1), x, (8 * position,))
    cache = flat.reshape(cache.shape)
    row = jnp.tanh(cache[:2]).sum(0)
    return cache.at[position + 1].set(row), row


def counted(cache, x):
    return lax.fori_loop(0, 12, lambda i, c: lax.dynamic_update_slice(c, (x * i)[None], (i, 0)), cache)


def loop_of_two(k, v, trips):
    def body(state):
        i, k, v = state
        return i + 1, k.at[i].set(2 * v[0]), v.at[i].add(k[1])

    i, k, v = lax.while_loop(lambda state: state[0] < trips, body, (jnp.int32(0), k, v))
    return k, v, i


def old_elements(cache, x, position):
    return cache.at[position].set(x), (2 * cache).sum(0)


def twice(cache, x):
    cache = cache.at[1].set(x)
    return cache, cache


def own_elements(cache):
    return lax.dynamic_update_slice(cache, cache[::-1][:15], (1, 0)), jnp.float32(3)


def factors(cache, x):
    def body(state):
        i, cache, x = state
        row = jnp.linalg.cholesky(jnp.diag(2 + x * x))[1]
        return i + 1, cache.at[i].set(row), row + cache[0]

    return lax.while_loop(lambda state: state[0] < 12, body, (jnp.int32(0), cache, x))[1:]


def case(function, *arrays, donate=(0,), shared=((0, 0),)):
    """`shared`: which result is the memory of which array."""
    return SimpleNamespace(function=function, arrays=arrays, donate=donate, shared=set(shared))


ROW, AT = normal(8), np.int32(3)
HALF = [normal(*shape, dtype=ml_dtypes.bfloat16) for shape in ((16, 8), (16,), (8,))]
CASES = {
    "attention over two caches": case(
        attention, normal(16, 8), normal(16, 8), ROW, AT, donate=(0, 1), shared=[(0, 0), (2, 1)]
    ),
    "one of two caches": case(
        attention, normal(16, 8), np.ones((16, 8), "float32"), ROW, AT, donate=(1,), shared=[(2, 1)]
    ),
    "layers in one cache": case(layers, normal(16, 8), ROW, AT, shared=[(1, 0)]),
    "a column": case(column, normal(16, 8), normal(16), AT),
    "a place behind the end": case(column, normal(16, 8), normal(16), np.int32(8)),
    "reshapes": case(reshaped, normal(16, 8), ROW, AT),
    "bf16": case(column, HALF[0], HALF[1], AT),
    "reshapes of bf16": case(reshaped, HALF[0], HALF[2], AT),
    "s8": case(old_elements, np.zeros((4, 3), "int8"), np.ones(3, "int8"), AT, shared=[]),
    "pred": case(lambda c, x: (c.at[1].set(x), ~c[0, 0]), np.zeros((4, 3), bool), np.ones(3, bool), shared=[]),
    "a loop": case(counted, normal(16, 8), ROW),
    "a loop on two caches": case(loop_of_two, normal(16, 8), normal(16, 8), AT, donate=(0, 1), shared=[(0, 0), (1, 1)]),
    "an argument that is handed on": case(lambda a, b: (a, a + b), normal(4), normal(4)),
    "old elements are read behind": case(old_elements, normal(16, 8), ROW, AT, shared=[]),
    "a result that comes twice": case(twice, normal(16, 8), ROW, shared=[]),
    "its own elements": case(own_elements, normal(16, 8)),
    "a loop that is no one kernel": case(factors, normal(16, 8), ROW, shared=[]),
    "complex numbers": case(
        lambda c, x: (c.at[1].set(x), c.real.sum()),
        np.complex64(normal(4, 3) * 1j),
        np.complex64(normal(3) * 1j),
        shared=[],
    ),
    "arguments change places": case(lambda a, b: (b, a), normal(4), -normal(4), donate=(0, 1), shared=[(1, 0), (0, 1)]),
    "no elements": case(lambda c, x: (c, 2 * x), np.zeros((0, 3), "float32"), ROW, shared=[]),
}


def built(function, *arrays, **options):
    return tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_jax(function, *arrays, **options)))


def leaves(result):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(result)]


def assert_equal(found, wanted):
    for one, other in zip(leaves(found), leaves(wanted), strict=True):
        assert one.dtype == other.dtype
        tolerance = 2e-2 if other.dtype == ml_dtypes.bfloat16 else 1e-5
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def quietly(run, *arrays, donate):
    """Some arrays may be of no use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(*arrays, donate=donate)


@pytest.mark.parametrize("name", CASES)
def test_donated_argument_becomes_the_result_and_no_other_changes(name):
    function, given = CASES[name].function, CASES[name].arrays
    wanted = jax.jit(function)(*given)
    run = built(function, *given, donate_argnums=CASES[name].donate)
    arrays = [aligned_copy(np.asarray(array)) for array in given]
    for donate in ((), CASES[name].donate, ()):
        before = [aligned_copy(array) for array in arrays]
        found = quietly(run, *arrays, donate=donate)
        assert_equal(found, wanted)
        pairs = [(r, a) for r, x in enumerate(leaves(found)) for a, y in enumerate(arrays) if np.shares_memory(x, y)]
        assert set(pairs) == (CASES[name].shared if donate else set())
        for number in set(range(len(arrays))) - {a for _, a in pairs}:
            np.testing.assert_array_equal(arrays[number], before[number])
        arrays = before


def test_steps_of_a_decoder_stay_in_one_memory():
    run = built(attention, *CASES["attention over two caches"].arrays, donate_argnums=(0, 1))
    k, v = (np.zeros((16, 8), "float32") for _ in range(2))
    wanted = {"k": k, "v": v}
    places = set()
    for position in range(12):
        x = normal(8) * (position + 1) / 12
        wanted = jax.jit(attention)(wanted["k"], wanted["v"], x, np.int32(position))
        k, out, v = run(k, v, x, np.int32(position), donate=("k", "v"))
        assert_equal([k, out, v], [wanted["k"], wanted["out"], wanted["v"]])
        places.add((k.ctypes.data, v.ctypes.data))
    assert len(places) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(normal(16, 8)),
        np.frombuffer(normal(16, 8).tobytes(), "float32").reshape(16, 8),
        np.zeros(16 * 8 * 4 + 72, np.uint8)[8:-64].view("float32").reshape(16, 8),
        aligned_copy(normal(16, 16))[:, ::2],
        jnp.ones((16, 8)),
    ],
    ids=["another order", "read-only", "a strange place", "strides", "an array of JAX"],
)
def test_array_that_cannot_be_overwritten_is_copied_once(array):
    run = built(column, normal(16, 8), normal(16), AT, donate_argnums=0)
    before = np.array(array)
    cache, _ = run(array, normal(16), AT, donate=0)
    np.testing.assert_array_equal(np.asarray(array), before)
    assert_equal(cache, jax.jit(column)(before, normal(16), AT)[0])
    again, _ = run(cache, normal(16), AT + 1, donate=0)
    assert again.ctypes.data == cache.ctypes.data


def test_donation_that_is_of_no_use_warns_and_changes_nothing():
    run = built(column, normal(16, 8), normal(16), AT)
    cache = aligned_copy(normal(16, 8))
    with pytest.warns(UserWarning, match="no result can be computed in the memory of donated inputs: cache"):
        found = run(cache, normal(16), AT, donate="cache")
    np.testing.assert_array_equal(cache, normal(16, 8))
    assert_equal(found, jax.jit(column)(normal(16, 8), normal(16), AT))


@pytest.mark.parametrize("donate", [3, -1, "kv", (0, "cash")])
def test_donation_of_no_input_is_an_error(donate):
    run = built(column, normal(16, 8), normal(16), AT, donate_argnums=0)
    with pytest.raises(SignatureError, match="0 cache, 1 x, 2 position"):
        run(normal(16, 8), normal(16), AT, donate=donate)


def test_one_memory_is_not_donated_twice():
    run = built(attention, *CASES["attention over two caches"].arrays, donate_argnums=(0, 1))
    cache = aligned_copy(normal(16, 8))
    with pytest.raises(SignatureError, match="k and v share memory"):
        run(cache, cache, ROW, AT, donate=(0, 1))
    wanted = jax.jit(attention)(normal(16, 8), normal(16, 8), ROW, AT)
    k, out, v = run(cache, cache, ROW, AT, donate=1)
    assert_equal([k, out, v], [wanted["k"], wanted["out"], wanted["v"]])
    assert v.ctypes.data == cache.ctypes.data


def test_saved_library_computes_in_place(tmp_path):
    run = built(column, normal(16, 8), normal(16), AT, donate_argnums=0)
    save_library(run, tmp_path / "step.so", cpu_target())
    loaded = load_library(tmp_path / "step.so")
    cache = aligned_copy(normal(16, 8))
    found = loaded(cache, normal(16), AT, donate=0)
    assert found[0].ctypes.data == cache.ctypes.data
    assert_equal(found, jax.jit(column)(normal(16, 8), normal(16), AT))


def with_weights(cache, x, position, weights):
    cache = cache.at[position].set(x @ weights)
    return cache, cache[:4] @ weights.reshape(8, 8).T, weights


def test_threads_overwrite_their_own_arrays():
    weights = normal(8, 8)
    run = built(with_weights, normal(16, 8), ROW, AT, weights, donate_argnums=0, weight_argnums=(3,))
    rounds = 40

    def work(thread):
        cache = np.full((16, 8), thread, "float32")
        for step in range(rounds):
            cache, _, same = run(cache, ROW + thread, np.int32(step % 16), donate=0)
            np.testing.assert_array_equal(same, weights)
        return cache

    with ThreadPoolExecutor(4) as pool:
        for thread, cache in enumerate(pool.map(work, range(4))):
            np.testing.assert_allclose(cache, np.tile((ROW + thread) @ weights, (16, 1)), rtol=1e-4, atol=1e-4)


def of_jitted():
    return tvm_hlo_frontend.from_jax(jax.jit(column, donate_argnums=0), normal(16, 8), normal(16), AT)


def of_export():
    exported = export.export(jax.jit(column))(normal(16, 8), normal(16), AT)
    return tvm_hlo_frontend.from_jax(exported, donate_argnums=(0,))


def of_hlo():
    lowered = jax.jit(column, donate_argnums=0, keep_unused=True).lower(normal(16, 8), normal(16), AT)
    return from_hlo(lowered.compiler_ir("hlo"))


def of_hlo_text():
    lowered = jax.jit(column, donate_argnums=0, keep_unused=True).lower(normal(16, 8), normal(16), AT)
    return from_hlo(lowered.compiler_ir("hlo").as_hlo_text())


def of_stablehlo():
    lowered = jax.jit(column, donate_argnums=0, keep_unused=True).lower(normal(16, 8), normal(16), AT)
    return tvm_hlo_frontend.from_stablehlo(lowered.as_text())


@pytest.mark.parametrize("converted", [of_jitted, of_export, of_hlo, of_hlo_text, of_stablehlo])
def test_every_road_keeps_what_jax_donates(converted):
    run = tvm_hlo_frontend.build(*mod_and_params(converted()))
    cache = aligned_copy(normal(16, 8))
    found = run(cache, normal(16), AT, donate=0)
    assert found[0].ctypes.data == cache.ctypes.data
    assert_equal(found, jax.jit(column)(normal(16, 8), normal(16), AT))


def program_by_chance(seed):
    """Updates and reads of one cache in any order; the cache is one of the results."""
    choose = np.random.default_rng(seed)
    plan = choose.integers(0, 6, 6).tolist()
    last = int(choose.integers(0, 2))

    def program(cache, x):
        seen = [cache]
        for step, kind in enumerate(plan):
            old = seen[-1 - step % min(2, len(seen))] if kind == 5 else cache
            if kind == 0:
                cache = lax.dynamic_update_slice(cache, x[None] * step, (step, 0))
            elif kind == 1:
                cache = cache.at[:, step].set(cache[:, 7])
            elif kind == 2:
                cache = cache.at[jnp.array([1, 3])].add(x)
            elif kind == 3:
                cache = cache.reshape(8, 16).at[step % 8, 3:11].set(x).reshape(16, 8)
            else:
                x = jnp.tanh(old).sum(0) + x
            seen.append(cache)
        return (x, cache) if last else (cache, x)

    return program


@pytest.mark.parametrize("seed", range(12))
def test_programs_by_chance_have_the_numbers_of_xla(seed):
    program = program_by_chance(seed)
    run = built(program, normal(16, 8), ROW, donate_argnums=0)
    cache = aligned_copy(normal(16, 8))
    assert_equal(quietly(run, cache, ROW, donate=0), jax.jit(program)(normal(16, 8), ROW))
