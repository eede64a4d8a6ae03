"""Bounds of unknown sizes that the user gives."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend import SignatureError, build, from_hlo, from_jax
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.sizes import variable
from tvm_hlo_frontend.rewrites.dimension_bounds import with_bounds

jax = pytest.importorskip("jax")
jnp = jax.numpy

BOUNDS = {"b": (2, 9), "c": (1, 5)}


def shapes():
    """Of one array of unknown sizes."""
    b, c = jax.export.symbolic_shape("b, c")
    return jax.ShapeDtypeStruct((b, c, 4), np.float32)


def rows(x):
    """Sizes that are products and sums of unknown ones, and a loop that carries them."""
    flat = jnp.concatenate([jnp.tanh(x).reshape(-1, 4), jnp.ones((3, 4), x.dtype)])
    return jax.lax.fori_loop(0, 2 + x[0, 0, 0].astype(jnp.int32) * 0, lambda _, y: y[::-1] * 2, flat).sum(axis=1)


def drawn(*sizes):
    return np.random.RandomState(0).standard_normal((*sizes, 4)).astype(np.float32)


def check_calls(run):
    """Right within the bounds, refused beyond them."""
    for sizes in ((2, 1), (9, 5), (4, 3)):
        x = drawn(*sizes)
        np.testing.assert_allclose(np.asarray(run(x)), rows(x), rtol=1e-5, atol=1e-5)
    for sizes, said in (((1, 1), "b >= 2"), ((10, 1), "b <= 9"), ((2, 6), "c <= 5")):
        with pytest.raises(SignatureError, match=rf"needs {said}.*dimension_bounds"):
            run(drawn(*sizes))


@relax_only("Relay leaves open the batches of dense networks alone")
def test_one_build_is_held_to_bounds_and_its_memory_is_planned_for_them():
    mod, params = mod_and_params(from_jax(rows, shapes(), dimension_bounds=BOUNDS))
    planned = dict(mod["main"].attrs["tir_var_upper_bound"])
    assert {"b": 9, "c": 5}.items() <= planned.items()
    # those of computed sizes follow: 4*b*c at most, plus 3 rows
    assert {48, 45} <= {int(size) for size in planned.values()}
    check_calls(build(mod, params))


@relax_only("Relay leaves open the batches of dense networks alone")
def test_a_size_may_be_called_as_a_variable_of_this_package():
    size, other = jax.export.symbolic_shape("size_0, n")
    argument = jax.ShapeDtypeStruct((size, other, 4), np.float32)
    for bounds in ({"size_0": (1, 9), "n": (1, 3)}, {"size_0": (1, 3)}):
        run = build(*mod_and_params(from_jax(rows, argument, dimension_bounds=bounds)))
        x = drawn(bounds["size_0"][1], 3 if "n" in bounds else 5000)
        np.testing.assert_allclose(np.asarray(run(x)), rows(x), rtol=1e-5, atol=1e-5)


def test_a_build_for_each_shape_is_held_to_bounds():
    check_calls(from_jax(rows, shapes(), specialize=True, dimension_bounds=BOUNDS))


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"n": (1, 2)}, "name n, which the module does not have: its unknown sizes are b, c"),
        ({"b": 3}, "the bounds of b are 3, not"),
        ({"b": (1, 2, 3)}, "not .least, greatest."),
        ({"b": (1.5, 2)}, "not .least, greatest."),
        ({"b": (3, 2)}, "the bounds of b are 3 and 2, not 0 <= least <= greatest"),
        ({"b": (-1, 2)}, "the bounds of b are -1 and 2"),
    ],
)
def test_bounds_that_cannot_be(bounds, said):
    with pytest.raises(SignatureError, match=said):
        from_jax(rows, shapes(), specialize=True, dimension_bounds=bounds)


def test_a_module_without_unknown_sizes_takes_no_bounds():
    hlo = jax.jit(jnp.tanh).lower(np.zeros(3, np.float32)).compiler_ir("hlo")
    with pytest.raises(SignatureError, match="it has no unknown sizes"):
        from_hlo(hlo, dimension_bounds={"b": (1, 2)})


def test_bounds_that_are_there_already_are_not_added_again():
    opened = opened_module()
    once = with_bounds(opened, {"b": (1, 9)})
    again = with_bounds(once, {"b": (1, 9)})
    assert len(again.checks) == len(once.checks) == len(opened.checks) + 2


def opened_module():
    """A module f32[b] -> f32[b]."""
    from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
    from tvm_hlo_frontend.hlo.ir.open_module import OpenModule
    from tvm_hlo_frontend.hlo.ir.shape import array_shape

    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (variable("b"),)), "x")
    return OpenModule(module("tanh", builder.build(builder.add("tanh", [x], x.shape))))
