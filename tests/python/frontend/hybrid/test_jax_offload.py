"""JAX functions that TVM computes: the same numbers, eagerly and within JAX's transformations."""

import numpy as np
import pytest

from tests.support.threads import in_threads
from tvm_hlo_frontend.errors import LoweringError, SignatureError, UnsupportedHloError
from tvm_hlo_frontend.hybrid import jax_offload, offload_jax

jax = pytest.importorskip("jax")
jnp = jax.numpy

WEIGHTS = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def network(x, scale=2.0):
    """Of rows, or of a row: a pytree."""
    hidden = jnp.tanh(x @ WEIGHTS) * scale
    return {"hidden": hidden, "best": (jnp.argmax(hidden, -1), None), "sum": hidden.sum()}


def state(tree, *, step):
    return {"new": tree["old"] * step + tree["x"].sum().astype(tree["old"].dtype), "step": step + 1}


def rows(count, dtype="float32"):
    return jnp.asarray(np.random.default_rng(count).normal(size=(count, 4)), dtype)


def same(got, want):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want)):
        assert isinstance(a, jax.Array) and a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(np.asarray(a, "float64"), np.asarray(b, "float64"), rtol=1e-5, atol=1e-6)


@pytest.fixture
def compiled(monkeypatch):
    """How many times something was compiled."""
    made, original = [], jax_offload.build
    monkeypatch.setattr(jax_offload, "build", lambda *given: made.append(given) or original(*given))
    return made


CASES = {
    "a pytree": (network, (rows(5),), {}),
    "a keyword, weakly typed": (network, (rows(5),), {"scale": 3.0}),
    "bf16 with a weak number": (lambda x, y: x * y + 1, (rows(2, "bfloat16"), 3.0), {}),
    "dictionaries": (state, ({"old": rows(3), "x": np.arange(3)},), {"step": np.int32(2)}),
    "truth values": (lambda x: (x > 0, ~(x > 0)), (rows(2),), {}),
    "no arguments": (lambda: (jnp.arange(3), jnp.ones(())), (), {}),
    "an argument passed on": (lambda x, y: (y, x, x), (rows(2), rows(3)), {}),
    "no results": (lambda x: {}, (rows(2),), {}),
    "nothing in them": (lambda x: x.sum(0) + 1, (jnp.zeros((0, 3)),), {}),
    "a loop": (lambda x: jax.lax.fori_loop(0, 7, lambda i, c: c * 0.5 + i, x), (rows(2),), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_the_function_s_in_and_out_of_jit(case):
    function, args, kwargs = CASES[case]
    offloaded, want = offload_jax(function), function(*args, **kwargs)
    same(offloaded(*args, **kwargs), want)
    same(jax.jit(offloaded)(*args, **kwargs), want)


def test_it_is_a_part_of_larger_programs(compiled):
    offloaded = offload_jax(lambda x: jnp.sin(x) * 2)

    def program(x):
        doubled, _ = jax.lax.scan(lambda c, row: (c + offloaded(row), None), jnp.zeros(4), x)
        return jax.lax.cond(doubled.sum() > 0, offloaded, lambda x: x, doubled)

    x = rows(6)
    np.testing.assert_allclose(jax.jit(program)(x), program(x), rtol=1e-5)
    summed = (jnp.sin(x) * 2).sum(0)
    np.testing.assert_allclose(program(x), jnp.sin(summed) * 2 if summed.sum() > 0 else summed, rtol=1e-4, atol=1e-5)
    assert len(compiled) == 1


def test_each_shape_is_compiled_once_and_kept_within_a_limit(compiled):
    offloaded = offload_jax(network, limit=2)
    jitted = jax.jit(offloaded)
    for count in (1, 2, 1, 3, 1):
        same(offloaded(rows(count)), network(rows(count)))
        same(jitted(rows(count)), network(rows(count)))
    assert len(compiled) == 3
    offloaded(rows(2))
    assert len(compiled) == 4
    same(jitted(rows(3)), network(rows(3)))  # jitted programs keep what they call


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (1, None)])
def test_a_batch_is_one_program(axes, compiled):
    offloaded = offload_jax(network)
    x = rows(4) if axes[0] is not None else rows(1)[0]
    scale = jnp.arange(4.0) if axes[1] is not None else jnp.float32(2)
    want = jax.vmap(network, in_axes=axes)(x, scale)
    same(jax.vmap(offloaded, in_axes=axes)(x, scale), want)
    same(jax.jit(jax.vmap(jax.jit(offloaded), in_axes=axes))(x, scale), want)
    assert len(compiled) == 2  # for one call, whose shapes tell the results, and for the batch


def test_batches_of_batches():
    x = np.asarray(rows(6).reshape(2, 3, 4))
    same(jax.vmap(jax.vmap(offload_jax(network)))(x), jax.vmap(jax.vmap(network))(x))


@pytest.mark.parametrize(
    "transformed",
    [
        lambda f: jax.grad(f),
        lambda f: jax.jit(jax.grad(jax.jit(f))),
        lambda f: lambda x: jax.jvp(f, (x,), (x,)),
        lambda f: jax.vmap(jax.grad(f)),
        lambda f: jax.grad(lambda x: jax.vmap(f)(x).sum()),
        lambda f: jax.hessian(f),
    ],
)
def test_gradients_are_refused(transformed):
    offloaded = offload_jax(lambda x: jnp.sin(x).sum())
    with pytest.raises(LoweringError, match="has no gradient"):
        transformed(offloaded)(rows(2))


def test_gradients_around_it_are_not():
    offloaded = offload_jax(jnp.sin)
    got = jax.jit(jax.grad(lambda x: (x * offloaded(jax.lax.stop_gradient(x))).sum()))(rows(2))
    np.testing.assert_allclose(got, jnp.sin(rows(2)), rtol=1e-5)
    gradient = offload_jax(jax.grad(lambda x: (x**3).sum()))
    np.testing.assert_allclose(jax.jit(gradient)(rows(2)), 3 * rows(2) ** 2, rtol=1e-5)


def test_wide_types_where_jax_has_them():
    offloaded = offload_jax(lambda x: x * 2)
    same(offloaded(np.arange(3.0)), jnp.arange(3.0) * 2)
    with jax.enable_x64(True):
        got = jax.jit(offloaded)(np.arange(3.0))
        assert got.dtype == np.float64 and got.tolist() == [0, 2, 4]


@pytest.mark.parametrize("jitted", [False, True])
def test_threads_get_their_own_results(jitted):
    offloaded = offload_jax(network)
    function = jax.jit(offloaded) if jitted else offloaded
    wrong = []

    def work(number):
        for turn in range(10):
            x = rows(2 + number % 3) + turn
            got, want = function(x)["hidden"], np.tanh(np.asarray(x) @ WEIGHTS) * 2
            if not np.allclose(got, want, rtol=1e-4, atol=1e-5):
                wrong.append(number)

    in_threads(work, 8)
    assert wrong == []


def test_large_arguments_do_not_wait_for_themselves():
    function = jax.jit(lambda x: offload_jax(lambda y: y + 1)(x * 2) * 3)
    x = jnp.ones((1 << 20,))
    assert float(function(function(x))[0]) == 57


def test_what_cannot_be_is_refused():
    with pytest.raises(SignatureError, match="limit=0"):
        offload_jax(network, limit=0)
    with pytest.raises(SignatureError, match="key_data"):
        offload_jax(lambda key: jax.random.uniform(key))(jax.random.key(0))
    with pytest.raises((LoweringError, UnsupportedHloError)):
        offload_jax(lambda x: jax.pure_callback(np.sin, x, x))(rows(2))
