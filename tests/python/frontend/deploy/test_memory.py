"""Whose memory arguments and results of a call are: large arrays are copied neither in nor out, nothing is shared."""

from __future__ import annotations

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import tvm_hlo_frontend
from tests.support.dialect_marks import relax_only, relay_only
from tvm_hlo_frontend import mod_and_params
from tvm_hlo_frontend.backends.arguments import LARGE_BYTES, aligned_empty
from tvm_hlo_frontend.deploy.borrowed import borrowing
from tvm_hlo_frontend.deploy.saved import load_library, save_library
from tvm_hlo_frontend.deploy.targets import cpu_target

SIDE = 128  # of f32: larger than LARGE_BYTES
ONES = np.ones((SIDE, SIDE), "float32")


def built(function, *arrays, **options):
    return tvm_hlo_frontend.build(*mod_and_params(tvm_hlo_frontend.from_jax(function, *arrays, **options)))


def aligned(array):
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def read_only(array):
    copy = aligned(array)
    copy.flags.writeable = False
    return copy


def unaligned(array):
    memory = aligned_empty((array.nbytes + 4,), np.dtype("uint8"))
    copy = memory[4:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def strided(array):
    wide = np.zeros((array.shape[0], 2 * array.shape[1]), array.dtype)
    wide[:, ::2] = array
    return wide[:, ::2]


PLACES = [aligned, read_only, unaligned, strided, jax.device_put]

PROGRAMS = {
    "new": lambda p, x: x + p,
    "argument": lambda p, x: (x, x + p),
    "argument reshaped": lambda p, x: (x.reshape(-1), x * p),
    "one result twice": lambda p, x: (lambda y: (y, y, jnp.sum(y)))(x + p),
    "a result and its reshape": lambda p, x: (lambda y: (y, y.reshape(-1), y[0]))(x + p),
    "a result that is read again": lambda p, x: (lambda y: (y, jnp.cumsum(y, 0)))(x + p),
    "constant": lambda p, x: (jnp.asarray(ONES), x + p),
    "a branch that hands on": lambda p, x: lax.cond(p > 0, jnp.cos, lambda x: x, x),
    "a branch with a constant": lambda p, x: lax.cond(p > 0, jnp.cos, lambda x: jnp.asarray(ONES), x),
    "a branch on a result": lambda p, x: (lambda y: (y, lax.cond(p > 0, jnp.cos, lambda x: x, y)))(x * 2),
    "reshaped before and after": lambda p, x: (jax.nn.sigmoid(x), x.reshape(-1)[:5] + p),
    "two views of an argument": lambda p, x: (x.reshape(-1, 2).sum(1) + p, lax.cummax(x.reshape(2, -1), 1)),
    "a view that is read and returned": lambda p, x: (lambda y: (y, lax.cummax(y)))((jnp.sin(x) * p).reshape(-1)),
    "a loop": lambda p, x: lax.fori_loop(0, p, lambda i, s: s.at[i].add(1.0), x),
    "other types": lambda p, x: (x > p, x.astype(jnp.bfloat16), x + 1j, x.astype(jnp.float16)),
}


def memories(value):
    return [array for array in jax.tree.leaves(value) if isinstance(array, np.ndarray)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_shares_memory_with_a_result_wherever_arguments_lie(name):
    function = PROGRAMS[name]
    x = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype("float32")
    assert x.nbytes >= LARGE_BYTES
    run = built(function, np.int32(1), x)
    for flag in (np.int32(1), np.int32(0)):
        wanted = jax.tree.leaves(jax.jit(function)(flag, x))
        for place in PLACES:
            given = place(x)
            calls = [run(flag, given) for _ in range(3)]
            for result in memories(calls[1]):
                result[...] = 0  # is the caller's
            for call in (calls[0], calls[2], run(flag, given)):
                for got, right in zip(jax.tree.leaves(call), wanted, strict=True):
                    np.testing.assert_allclose(got, np.asarray(right), rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(given, x)
            arrays = [*memories(given), *memories(calls)]
            assert not any(np.may_share_memory(a, b) for at, a in enumerate(arrays) for b in arrays[:at])


def test_one_executable_takes_arguments_of_all_places_in_turns():
    run = built(lambda x, y: x * 2 + y, ONES, ONES)
    for number, (place, other) in enumerate(zip(PLACES * 2, [*PLACES[2:], *PLACES])):
        np.testing.assert_array_equal(run(place(ONES * number), other(ONES)), ONES * (2 * number + 1))


def test_a_module_without_results_and_one_without_arguments_run():
    assert built(lambda x: (), ONES)(ONES) == ()
    np.testing.assert_array_equal(built(lambda: jnp.arange(3) * 2)(), [0, 2, 4])


def test_a_loaded_library_knows_which_results_are_the_callers(tmp_path):
    run = built(lambda x: (x, x + 1, jnp.asarray(ONES)), ONES)
    save_library(run, tmp_path / "it.so", cpu_target())
    again = load_library(tmp_path / "it.so")
    assert again.own == run.own
    x = aligned(ONES)
    for result in again(x):
        result[...] = 7
    for got, right in zip(again(x), (ONES, ONES + 1, ONES), strict=True):
        np.testing.assert_array_equal(got, right)


@relax_only("Relay's executors plan the memory of results, and own none")
def test_results_of_straight_programs_are_their_own():
    assert built(PROGRAMS["argument"], np.int32(1), ONES).own == (1,)
    assert built(PROGRAMS["one result twice"], np.int32(1), ONES).own == (2,)
    assert built(PROGRAMS["a branch that hands on"], np.int32(1), ONES).own == ()


# flattened for the kernel, and given its dimensions again
MAP = jax.nn.sigmoid


@relax_only("Relay's reshapes are views in any case, which its executor has to bind")
def test_results_that_are_reshaped_are_views_on_relax():
    called = re.findall(r"^ *call +(?!vm\.)(\w+)", built(MAP, ONES).library.as_text(), re.MULTILINE)
    assert called == ["elementwise"]


@relay_only("of its graph executor")
def test_arguments_and_results_that_are_reshaped_are_bound_on_relay():
    from tvm_hlo_frontend.backends.relay import graph_memory

    graph = json.loads(built(MAP, ONES).library.get_graph_json())
    names = [node["name"] for node in graph["nodes"]]
    assert names == ["x", "reshape_nop", "tvmgen_default_fused_hlo_kernel", "reshape_nop"]
    written = graph_memory.with_written_results(graph)
    assert [node for node, *_ in written["heads"]] == [2]
    assert graph_memory.result_dimensions(graph) == [(SIDE, SIDE)]
    assert graph_memory.bindable_outputs(written) == {0}
    _, bound = graph_memory.with_views_as_arguments(written)
    assert bound == {"x": {"x": (SIDE, SIDE), "hlo_view_1": (SIDE * SIDE,)}}


def test_a_borrowed_argument_is_no_result_whichever_branch_runs():
    memory = borrowing(built(PROGRAMS["a branch that hands on"], np.int32(1), ONES))
    x = aligned(ONES)
    for flag in (1, 0):
        (result,) = memory.run([memory.borrow(aligned(np.array(flag, "int32"))), memory.borrow(x)])
        assert not np.may_share_memory(np.from_dlpack(result), x)
