"""Sizes that no dimension of an argument is: values of arguments, and parts of dimensions. One build serves all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools.dynamic_programs.worker import with_sizes_as_arguments

from tests.support.dialect_marks import relax_only, relay_only
from tvm_hlo_frontend import build, from_jax, from_stablehlo, signature_of
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import SignatureError, UnsupportedHloError

jax = pytest.importorskip("jax")
jnp, lax = jax.numpy, jax.lax

one_build = relax_only("Relay leaves open the batches of dense networks alone")
SIZES = (1, 3, 8)
# %s is a shape [b, 4]
SHAPE = """
    %n = stablehlo.convert %b : (tensor<i64>) -> tensor<i32>
    %n1 = stablehlo.reshape %n : (tensor<i32>) -> tensor<1xi32>
    %four = stablehlo.constant dense<4> : tensor<1xi32>
    %s = stablehlo.concatenate %n1, %four, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
"""
# name: (body of main(b, x f32[?,4]), numpy's function of both)
CASES: dict[str, tuple[str, Any]] = {
    "a dimension as well": (
        """%c = stablehlo.constant dense<2.0> : tensor<f32>
        %y = stablehlo.dynamic_broadcast_in_dim %c, %s, dims = [] : (tensor<f32>, tensor<2xi32>) -> tensor<?x4xf32>
        %z = stablehlo.multiply %x, %y : tensor<?x4xf32>
        return %z : tensor<?x4xf32>""",
        lambda b, x: x * 2,
    ),
    "of the result alone": (
        """%y = stablehlo.dynamic_iota %s, dim = 0 : (tensor<2xi32>) -> tensor<?x4xf32>
        %z = stablehlo.add %y, %y : tensor<?x4xf32>
        return %z : tensor<?x4xf32>""",
        lambda b, x: np.repeat(2 * np.arange(b, dtype=np.float32)[:, None], 4, 1),
    ),
    "in a loop": (
        """%y = stablehlo.dynamic_iota %s, dim = 0 : (tensor<2xi32>) -> tensor<?x4xf32>
        %zero = stablehlo.constant dense<0> : tensor<i32>
        %r:2 = stablehlo.while(%k = %zero, %v = %y) : tensor<i32>, tensor<?x4xf32>
         cond {
          %five = stablehlo.constant dense<5> : tensor<i32>
          %lt = stablehlo.compare LT, %k, %five : (tensor<i32>, tensor<i32>) -> tensor<i1>
          stablehlo.return %lt : tensor<i1>
         } do {
          %one = stablehlo.constant dense<1> : tensor<i32>
          %k2 = stablehlo.add %k, %one : tensor<i32>
          %v2 = stablehlo.add %v, %v : tensor<?x4xf32>
          stablehlo.return %k2, %v2 : tensor<i32>, tensor<?x4xf32>
         }
        return %r#1 : tensor<?x4xf32>""",
        lambda b, x: np.repeat(32 * np.arange(b, dtype=np.float32)[:, None], 4, 1),
    ),
    "where a slice begins": (
        """%one = stablehlo.constant dense<1> : tensor<1xi32>
        %m = stablehlo.subtract %n1, %one : tensor<1xi32>
        %two = stablehlo.constant dense<2> : tensor<1xi32>
        %begin = stablehlo.concatenate %m, %two, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
        %ones = stablehlo.constant dense<1> : tensor<2xi32>
        %r = stablehlo.real_dynamic_slice %x, %begin, %s, %ones
            : (tensor<?x4xf32>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>) -> tensor<?x2xf32>
        return %r : tensor<?x2xf32>""",
        lambda b, x: x[b - 1 : b, 2:],
    ),
    "of numbers": (
        """%f = stablehlo.convert %b : (tensor<i64>) -> tensor<f32>
        %y = stablehlo.dynamic_broadcast_in_dim %f, %s, dims = [] : (tensor<f32>, tensor<2xi32>) -> tensor<?x4xf32>
        return %y : tensor<?x4xf32>""",
        lambda b, x: np.full((b, 4), b, np.float32),
    ),
}


def program(body: str) -> str:
    result = body.rsplit(":", 1)[1]
    head = f"func.func public @main(%b: tensor<i64>, %x: tensor<?x4xf32>) ->{result}"
    return f"module {{ {head} {{ {SHAPE} {body} }} }}"


def rows(size: int) -> np.ndarray:
    return np.linspace(-1, 1, size * 4, dtype=np.float32).reshape(size, 4)


@pytest.mark.parametrize("specialize", [pytest.param(False, marks=one_build), True], ids=["open", "specialized"])
@pytest.mark.parametrize("name", CASES)
def test_the_value_of_an_argument_is_a_size(name: str, specialize: bool) -> None:
    body, wanted = CASES[name]
    made = from_stablehlo(program(body), specialize=specialize)
    run = made if specialize else build(*mod_and_params(made))
    for size in SIZES:
        np.testing.assert_array_equal(run(np.int64(size), rows(size)), wanted(size, rows(size)))
    with pytest.raises(SignatureError, match="the value of `arg0` is -1; the program needs a size"):
        run(np.int64(-1), rows(1))


def rows_of(x: Any, i: Any) -> Any:
    """A row of each matrix: a gather and a scatter that go along with a batch."""
    taken = jax.vmap(lambda m, k: m[k])(x, i)
    return jax.vmap(lambda m, k, t: m.at[k].set(2 * t))(x, i, taken)


# name: (function, its arguments with names of unknown sizes)
EXPORTED: dict[str, tuple[Any, list[tuple[tuple[Any, ...], str]]]] = {
    "two sizes that a reshape keeps": (lambda x: x.reshape(*x.shape[:2], 3, 2), [(("b", "c", 2, 3), "f4")]),
    "two sizes that a reshape multiplies": (lambda x: x.reshape(-1, 3), [(("b", "c", 3), "f4")]),
    "sizes that a reshape joins with numbers": (lambda x: x.reshape(x.shape[0], -1), [(("b", "c", 3), "f4")]),
    "two sizes that a squeeze keeps": (lambda x: lax.squeeze(x, (2,)), [(("b", "c", 1), "f4")]),
    "batches of indices": (rows_of, [(("b", 4, 3), "f4"), (("b",), "i4")]),
    "batches of factorizations": (lambda x: jnp.linalg.svd(x, full_matrices=False)[1], [(("b", 4, 3), "f4")]),
    "batches of solves": (
        lambda x, y: lax.linalg.triangular_solve(x @ x.mT + 3 * jnp.eye(3), y, left_side=True),
        [(("b", 3, 3), "f4"), (("b", 3, 2), "f4")],
    ),
    "a pool's gradient": (
        jax.grad(lambda x: (lax.reduce_window(x, -np.inf, lax.max, (1, 2), (1, 2), "VALID") ** 2).sum()),
        [(("b", 8), "f4")],
    ),
    "the greatest elements": (lambda x: lax.approx_max_k(x, 3)[0], [(("b", 16), "f4")]),
}


@one_build
@pytest.mark.parametrize("name", EXPORTED)
def test_exports_of_earlier_years(name: str) -> None:
    """Their sizes are the first arguments, and what operations need is all that is known of them."""
    function, given = EXPORTED[name]
    symbols = sorted({size for sizes, _ in given for size in sizes if isinstance(size, str)})
    known = dict(zip(symbols, jax.export.symbolic_shape(", ".join(symbols))))
    shapes = [jax.ShapeDtypeStruct([known.get(size, size) for size in sizes], dtype) for sizes, dtype in given]
    exported = jax.export.export(jax.jit(function, keep_unused=True))(*shapes)
    run = build(*mod_and_params(from_stablehlo(with_sizes_as_arguments(exported))))
    for numbers in ((1, 3), (2, 2), (5, 1)):
        sizes = dict(zip(symbols, numbers))
        random = np.random.default_rng(numbers)
        arrays = [
            (random.normal(size=[sizes.get(size, size) for size in dims]) % 3).astype(dtype) for dims, dtype in given
        ]
        got = run(*(np.int32(sizes[name]) for name in symbols), *arrays)
        np.testing.assert_allclose(got, function(*arrays), rtol=1e-4, atol=1e-5)


@one_build
def test_a_value_that_is_not_the_dimension() -> None:
    run = build(*mod_and_params(from_stablehlo(program(CASES["a dimension as well"][0]))))
    with pytest.raises(SignatureError, match=r"needs arg0 == arg1_0; .*arg0 is 5 by the value of `arg0`"):
        run(np.int64(5), rows(4))


@one_build
def test_main_takes_a_shape_where_no_dimension_is_the_size() -> None:
    mod, _ = mod_and_params(from_stablehlo(program(CASES["in a loop"][0])))
    assert signature_of(mod).sizes == ("arg0",)
    assert signature_of(mod).values == (("arg0", 0),)
    mod, _ = mod_and_params(from_stablehlo(program(CASES["a dimension as well"][0])))
    assert signature_of(mod).sizes == ()


@one_build
@pytest.mark.parametrize("loops", [False, True])
def test_parts_of_dimensions(loops: bool) -> None:
    """2*n is a dimension, and n is none."""
    shape = jax.ShapeDtypeStruct(jax.export.symbolic_shape("2*n, 3"), np.float32)

    def halves(x: Any) -> Any:
        pairs = x.reshape(-1, 2, 3)
        if not loops:
            return pairs.sum(1)
        return lax.cond(x[0, 0] > 0, lambda v: lax.fori_loop(0, 3, lambda i, s: jnp.sort(s, 1), v), lambda v: -v, pairs)

    run = build(*mod_and_params(from_jax(halves, shape)))
    for size in SIZES:
        x = np.random.default_rng(size).normal(size=(2 * size, 3)).astype(np.float32)
        np.testing.assert_allclose(run(x), halves(x), rtol=1e-6)
    with pytest.raises(SignatureError, match="a multiple of 2"):
        run(np.ones((3, 3), np.float32))


@one_build
def test_functions_of_a_module_take_sizes_that_their_tensors_do_not_tell() -> None:
    """States of loops and operands of branches have 2*n rows, where n is a dimension of main's argument."""

    def sorted_twice(x: Any) -> Any:
        return lax.cond(x.sum() > 0, lambda v: lax.fori_loop(0, 2, lambda i, s: jnp.sort(s, 0), v), jnp.negative, x)

    (n,) = jax.export.symbolic_shape("n")
    shape = jax.ShapeDtypeStruct((n, 3), np.float32)
    run = build(*mod_and_params(from_jax(lambda x: sorted_twice(jnp.concatenate([x, x])), shape)))
    for size in SIZES:
        for sign in (1, -1):
            x = sign * np.random.default_rng(size).uniform(size=(size, 3)).astype(np.float32)
            np.testing.assert_array_equal(run(x), sorted_twice(jnp.concatenate([x, x])))


@one_build
def test_a_library_keeps_what_it_is_told(tmp_path: Any) -> None:
    from tvm_hlo_frontend.deploy.saved import load_library, save_library
    from tvm_hlo_frontend.deploy.targets import cpu_target

    body, wanted = CASES["in a loop"]
    save_library(build(*mod_and_params(from_stablehlo(program(body)))), tmp_path / "model.so", cpu_target(), "test")
    run = load_library(tmp_path / "model.so")
    for size in SIZES:
        np.testing.assert_array_equal(run(np.int64(size), rows(size)), wanted(size, rows(size)))


@one_build
def test_a_size_is_no_weight() -> None:
    with pytest.raises(SignatureError, match="parameter_values cannot hold what is a size: `arg0` is the size arg0"):
        from_stablehlo(program(CASES["in a loop"][0]), parameter_values={0: np.int64(3)})


@relay_only("Relax takes them")
def test_relay_refuses_sizes_by_value() -> None:
    with pytest.raises(UnsupportedHloError, match="specialize=True"):
        from_stablehlo(program(CASES["a dimension as well"][0]))


@one_build
@pytest.mark.parametrize("value", [1 << 40, 1 << 60, (1 << 63) - 1])
def test_sizes_that_no_memory_holds(value: int) -> None:
    run = build(*mod_and_params(from_stablehlo(program(CASES["of the result alone"][0]))))
    with pytest.raises(SignatureError, match=rf"needs 4\*arg0 <= {1 << 40}"):
        run(np.int64(value), rows(1))
    assert run(np.int64(2), rows(1)).shape == (2, 4)


@pytest.mark.parametrize("specialize", [pytest.param(False, marks=one_build), True], ids=["open", "specialized"])
def test_a_reshape_whose_numbers_differ(specialize: bool) -> None:
    """x [4*b] to [b, 4]: the value is not the dimension."""
    body = """%y = stablehlo.dynamic_reshape %x, %s : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x4xf32>
        return %y : tensor<?x4xf32>"""
    made = from_stablehlo(program(body).replace("%x: tensor<?x4xf32>", "%x: tensor<?xf32>"), specialize=specialize)
    run = made if specialize else build(*mod_and_params(made))
    np.testing.assert_array_equal(run(np.int64(3), rows(3).ravel()), rows(3))
    with pytest.raises(SignatureError, match=r"the program needs 4\*arg0, which is 8 as arg0 is 2 by the value"):
        run(np.int64(2), rows(3).ravel())
