"""Random calls of open programs: those that do not fit are a SignatureError in one line, and do no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend import build, from_jax, from_stablehlo
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import SignatureError

jax = pytest.importorskip("jax")
jnp = jax.numpy

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Program:
    """An open program, and what Python and numpy say of it.

    Attributes
    ----------
    make : callable
        The program from the keyword `specialize`.
    dtypes, ranks : list
        Those of the inputs.
    shapes : callable
        Shapes of inputs that fit two sizes; a number is the value of an input without dimensions.
    fits : callable
        Whether inputs of these dtypes and ranks fit.
    wanted : callable
        The result for inputs that fit.
    """

    make: Callable[..., Any]
    dtypes: list[str]
    ranks: list[int]
    shapes: Callable[[int, int], list[Any]]
    fits: Callable[..., bool]
    wanted: Callable[..., Any]

    def takes(self, arrays: Arrays) -> bool:
        """Whether a call with these arrays is right."""
        types = [(array.dtype.name, array.ndim) for array in arrays]
        return types == list(zip(self.dtypes, self.ranks)) and self.fits(*arrays)


def of_jax(function: Any, symbols: str, *inputs: tuple[str, str], constraints: tuple[str, ...] = ()) -> Any:
    """How a function becomes a program; inputs are dtypes and dimensions."""

    def make(**options: Any) -> Any:
        scope = jax.export.SymbolicScope(constraints)
        shapes = [jax.ShapeDtypeStruct(jax.export.symbolic_shape(dims, scope=scope), dtype) for dtype, dims in inputs]
        return from_jax(function, *shapes, **options)

    return make


def of_stablehlo(main: str) -> Any:
    """How a function in MLIR becomes a program."""
    return lambda **options: from_stablehlo(f"module {{ func.func public @main{main} }}", **options)


PROGRAMS = {
    "dimensions that are equal": Program(
        of_jax(lambda x, w, z: x @ w + z, "b, n", ("float32", "b, n"), ("float32", "n, 4"), ("float32", "b, 1")),
        ["float32"] * 3,
        [2, 2, 2],
        lambda b, n: [(b, n), (n, 4), (b, 1)],
        lambda x, w, z: len(x) == len(z) >= 1 and x.shape[1] == len(w) >= 1 and w.shape[1] == 4 and z.shape[1] == 1,
        lambda x, w, z: x @ w + z,
    ),
    "parts of dimensions": Program(
        of_jax(
            lambda x, k: x.reshape(-1, 2, 3).sum(1) * k.reshape(3, -1).sum(1),
            "n, m",
            ("float32", "2*n, 3"),
            ("int32", "3*m"),
        ),
        ["float32", "int32"],
        [2, 1],
        lambda n, m: [(2 * n, 3), (3 * m,)],
        lambda x, k: x.shape[1] == 3 and len(x) in range(2, 100, 2) and len(k) in range(3, 100, 3),
        lambda x, k: x.reshape(-1, 2, 3).sum(1) * k.reshape(3, -1).sum(1),
    ),
    "bounds": Program(
        of_jax(
            lambda x, y: jnp.concatenate([x[2:4], y[:, :2]]),
            "b, n",
            ("float32", "b, 2"),
            ("float32", "n, b"),
            constraints=("b >= 4", "b <= 6", "n <= b"),
        ),
        ["float32"] * 2,
        [2, 2],
        lambda b, n: [(3 + b, 2), (n, 3 + b)],
        lambda x, y: 4 <= len(x) <= 6 and x.shape[1] == 2 and y.shape[1] == len(x) >= len(y) >= 1,
        lambda x, y: np.concatenate([x[2:4], y[:, :2]]),
    ),
    "a value that is a dimension": Program(
        of_stablehlo("""(%b: tensor<i64>, %x: tensor<?x3xf32>) -> tensor<?x3xf32> {
            %n = stablehlo.reshape %b : (tensor<i64>) -> tensor<1xi64>
            %three = stablehlo.constant dense<3> : tensor<1xi64>
            %s = stablehlo.concatenate %n, %three, dim = 0 : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
            %i = stablehlo.dynamic_iota %s, dim = 0 : (tensor<2xi64>) -> tensor<?x3xf32>
            %y = stablehlo.add %x, %i : tensor<?x3xf32>
            return %y : tensor<?x3xf32>
        }"""),
        ["int64", "float32"],
        [0, 2],
        lambda b, n: [b, (b, 3)],
        lambda b, x: x.shape == (b, 3),
        lambda b, x: x + np.arange(b, dtype=np.float32)[:, None],
    ),
    "a value that is half a dimension": Program(
        of_stablehlo("""(%b: tensor<i64>, %x: tensor<?xf32>) -> tensor<?xf32> {
            %n = stablehlo.reshape %b : (tensor<i64>) -> tensor<1xi64>
            %m = stablehlo.add %n, %n : tensor<1xi64>
            %i = stablehlo.dynamic_iota %m, dim = 0 : (tensor<1xi64>) -> tensor<?xf32>
            %y = stablehlo.add %x, %i : tensor<?xf32>
            return %y : tensor<?xf32>
        }"""),
        ["int64", "float32"],
        [0, 1],
        lambda b, n: [b, (2 * b,)],
        lambda b, x: 2 * int(b) == len(x),
        lambda b, x: x + np.arange(len(x), dtype=np.float32),
    ),
    "values whose product is a dimension": Program(
        of_stablehlo("""(%m: tensor<i32>, %n: tensor<i64>, %x: tensor<?xf32>) -> tensor<?x?xf32> {
            %m1 = stablehlo.reshape %m : (tensor<i32>) -> tensor<1xi32>
            %k = stablehlo.convert %n : (tensor<i64>) -> tensor<i32>
            %n1 = stablehlo.reshape %k : (tensor<i32>) -> tensor<1xi32>
            %s = stablehlo.concatenate %m1, %n1, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
            %y = stablehlo.dynamic_reshape %x, %s : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x?xf32>
            return %y : tensor<?x?xf32>
        }"""),
        ["int32", "int64", "float32"],
        [0, 0, 1],
        lambda m, n: [m, n, (m * n,)],
        lambda m, n, x: m >= 0 and n >= 0 and int(m) * int(n) == len(x),
        lambda m, n, x: x.reshape(m, n),
    ),
}
DTYPES = ["float32", "float64", "float16", "int32", "int64", "uint64", "bool", "complex64"]
VALUES = np.array([-(2**63), -(2**31), -3, -1, 0, 1, 2, 5, 2**31 - 1, 2**32 + 1, 2**40, 2**63 - 1])


def array_of(shape: Any, dtype: str, random: np.random.Generator) -> np.ndarray:
    if not isinstance(shape, tuple):
        return np.array(shape, dtype)
    return random.integers(-9, 9, shape).astype(dtype)


def with_another_value(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if array.dtype.kind not in "iu":
        return array_of((), array.dtype.name, random)
    return random.choice(VALUES).astype(array.dtype)  # wraps around in narrow types


def with_another_dimension(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    shape = list(array.shape)
    shape[random.integers(array.ndim)] = random.integers(0, 9)
    return array_of(tuple(shape), array.dtype.name, random)


def with_another_rank(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return array[None] if random.integers(2) or not array.ndim else array.reshape(-1)


def with_another_dtype(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return array_of(array.shape, random.choice(DTYPES), random)


def spoilt(arrays: Arrays, random: np.random.Generator) -> Arrays:
    """The arrays of a call with one change, which may make no difference."""
    place = int(random.integers(len(arrays)))
    kind = random.choice(["size", "rank", "dtype", "number"], p=[0.7, 0.1, 0.1, 0.1])
    if kind == "number":
        return [*arrays[:place], *[arrays[place]] * int(random.choice([0, 2])), *arrays[place + 1 :]]
    change = {"rank": with_another_rank, "dtype": with_another_dtype}.get(kind)
    change = change or (with_another_dimension if arrays[place].ndim else with_another_value)
    return [*arrays[:place], change(arrays[place], random), *arrays[place + 1 :]]


def calls(program: Program, count: int) -> Iterator[Arrays]:
    """Random calls, most of them wrong in one or two ways, some of them right."""
    random = np.random.default_rng(count)
    for _ in range(count):
        shapes = program.shapes(*(int(size) for size in random.integers(1, 4, 2)))
        arrays = [array_of(shape, dtype, random) for shape, dtype in zip(shapes, program.dtypes)]
        for _ in range(random.integers(3)):
            arrays = spoilt(arrays, random) if arrays else arrays
        yield arrays


def assert_is_refused(run: Any, arrays: Arrays) -> None:
    with pytest.raises(SignatureError) as caught:
        run(*arrays)
    assert len(str(caught.value).splitlines()) == 1


def assert_is_right(program: Program, run: Any, arrays: Arrays) -> None:
    np.testing.assert_array_equal(run(*arrays), program.wanted(*arrays))


def first_call(program: Program) -> Arrays:
    shapes = program.shapes(2, 3)
    return [array_of(shape, dtype, np.random.default_rng(0)) for shape, dtype in zip(shapes, program.dtypes)]


@relax_only("Relay leaves open the batches of dense networks alone")
@pytest.mark.parametrize("name", PROGRAMS)
def test_one_build_refuses_what_does_not_fit_and_serves_the_rest(name: str) -> None:
    program = PROGRAMS[name]
    run = build(*mod_and_params(program.make()))
    refused = 0
    for arrays in calls(program, 300):
        if program.takes(arrays):
            assert_is_right(program, run, arrays)
        else:
            assert_is_refused(run, arrays)
            refused += 1
    assert 150 <= refused <= 250
    assert_is_right(program, run, first_call(program))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_build_for_each_shape_refuses_what_does_not_fit_and_compiles_nothing(name: str) -> None:
    program = PROGRAMS[name]
    run = program.make(specialize=True)
    assert_is_right(program, run, first_call(program))
    wrong = [arrays for arrays in calls(program, 300) if not program.takes(arrays)]
    for arrays in wrong:
        assert_is_refused(run, arrays)
    assert len(wrong) >= 150 and len(run.variants) == 1
    assert_is_right(program, run, first_call(program))
