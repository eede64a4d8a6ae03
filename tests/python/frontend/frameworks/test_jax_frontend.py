"""from_jax and lower_jax: names, values and order of parameters, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT
from tests.support.emitted import calls_of
from tests.support.processes import run_without
from tvm_hlo_frontend.backends.select import mod_and_params, parameter_names
from tvm_hlo_frontend.errors import LoweringError, SignatureError, UnsupportedHloError
from tvm_hlo_frontend.frameworks.jax import from_jax, lower_jax
from tvm_hlo_frontend.frameworks.lowered import parameter_shapes, unique_identifiers
from tvm_hlo_frontend.hlo.proto.reader import read

jax = pytest.importorskip("jax")
jnp = jax.numpy

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
PARAMS = {
    "Dense_0": {"kernel": np.arange(12, dtype=np.float32).reshape(3, 4) / 7, "bias": np.ones(4, np.float32)},
    "scale": np.float32(2.5),
}


def dense(params, x):
    layer = params["Dense_0"]
    return (x @ layer["kernel"] + layer["bias"]) * params["scale"]


def shapes(lowered):
    return [str(shape).partition("{")[0] for shape in parameter_shapes(lowered.hlo)]


def test_inputs_are_named_after_arguments_and_pytree_paths():
    def f(x, batch, *, scale):
        return x + batch["image"] * batch["mask"][1] * scale

    lowered = lower_jax(f, X, {"mask": (X, X), "image": X}, scale=2.0)
    assert lowered.input_names == ("x", "batch.image", "batch.mask.0", "batch.mask.1", "scale")
    assert lowered.source == "jax"
    assert not lowered.parameter_values


def test_unused_arguments_stay():
    lowered = lower_jax(lambda x, unused, y: x + y, X, np.zeros(5, np.int32), X)
    assert lowered.input_names == ("x", "unused", "y")
    assert shapes(lowered) == ["f32[2,3]", "s32[5]", "f32[2,3]"]


def test_shapes_are_enough_for_inputs():
    spec = jax.ShapeDtypeStruct((2, 3), jnp.bfloat16)
    assert shapes(lower_jax(lambda x: x * 2, spec)) == ["bf16[2,3]"]


def test_weights_are_named_by_path_and_in_parameter_order():
    lowered = lower_jax(dense, PARAMS, X, weight_argnums=(0,))
    assert lowered.input_names == ("params.Dense_0.bias", "params.Dense_0.kernel", "params.scale", "x")
    assert sorted(lowered.parameter_values) == [0, 1, 2]
    np.testing.assert_array_equal(lowered.parameter_values[1], PARAMS["Dense_0"]["kernel"])


def test_weights_have_the_dtypes_that_jax_gives_them():
    weights = {"wide": np.ones(3), "flag": True, "integer": 3, "key": jax.random.key(5)}
    lowered = lower_jax(lambda w: (w["wide"], w["flag"], jax.random.uniform(w["key"])), weights, weight_argnums=[-1])
    values = {lowered.input_names[number]: value for number, value in lowered.parameter_values.items()}
    assert {name: str(value.dtype) for name, value in values.items()} == {
        "w.wide": "float32",
        "w.flag": "bool",
        "w.integer": "int32",
        "w.key": "uint32",
    }
    assert values["w.key"].shape == (2,)


@pytest.mark.parametrize("option", ["weight_argnums", "static_argnums"])
def test_positions_that_do_not_exist_are_refused(option):
    with pytest.raises(SignatureError, match=rf"{option}.*\[2\].*2 positional"):
        lower_jax(dense, PARAMS, X, **{option: (2,)})


def test_a_weight_without_a_value_is_refused():
    spec = jax.ShapeDtypeStruct((3,), np.float32)
    with pytest.raises(SignatureError, match=r"w\.a.*ShapeDtypeStruct"):
        lower_jax(lambda w: w["a"], {"a": spec}, weight_argnums=(0,))


def test_static_arguments_are_no_inputs():
    lowered = lower_jax(lambda x, n, y: x * n + y, X, 3, X, static_argnums=(1,))
    assert lowered.input_names == ("x", "y")


def test_static_keyword_arguments_are_no_inputs():
    def f(x, *, scale, mode):
        return x * scale if mode == "multiply" else x

    lowered = lower_jax(f, X, scale=2.0, mode="multiply", static_argnames=("mode",))
    assert lowered.input_names == ("x", "scale")
    assert "multiply" in {instruction.opcode for instruction in read(lowered.hlo).instructions}


def test_donated_arguments_are_inputs_like_others():
    mod, params = mod_and_params(from_jax(jax.jit(lambda x, y: x + y, donate_argnums=(0,)), X, X))
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod, params)(X, 2 * X), X + 2 * X)


def test_jitted_functions_and_varargs():
    assert lower_jax(jax.jit(dense), PARAMS, X).input_names[-1] == "x"
    assert lower_jax(lambda *arrays: arrays[0] + arrays[1], X, X).input_names == ("arg0", "arg1")


def test_repeated_names_become_unique():
    assert unique_identifiers(["a b", "a?b", "", "x['y']"]) == ("a_b", "a_b.1", "input", "x_y")


def test_lowering_for_another_platform_avoids_lapack():
    lowered = lower_jax(jnp.linalg.cholesky, np.eye(4, dtype=np.float32), lowering_platforms=("tpu",))
    opcodes = {instruction.opcode for instruction in read(lowered.hlo).instructions}
    assert "cholesky" in opcodes and "custom-call" not in opcodes


def test_lowering_needs_no_tvm():
    program = "from tvm_hlo_frontend.frameworks.jax import lower_jax\nprint(lower_jax(lambda x: x, 1.0).input_names)"
    done = run_without("tvm", program)
    assert done.stdout.strip() == "('x',)", done.stderr


def test_ordered_effects_are_refused():
    def f(x):
        jax.debug.print("{}", x.sum(), ordered=True)
        return x

    with pytest.raises(LoweringError, match="effects"):
        lower_jax(f, X)


def test_callbacks_are_refused_by_name():
    def f(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises(UnsupportedHloError, match="xla_ffi_python_cpu_callback"):
        from_jax(f, X)


@pytest.mark.parametrize("frozen", [False, True])
def test_weights_as_params_and_frozen(frozen):
    mod, params = mod_and_params(from_jax(dense, PARAMS, X, weight_argnums=(0,), freeze_params=frozen))
    names = parameter_names(mod)
    weights = ["params.Dense_0.bias", "params.Dense_0.kernel", "params.scale"]
    both = [*weights, "x"] if DIALECT == "relay" else ["x", *weights]
    assert names == (["x"] if frozen else both)
    assert sorted(params) == ([] if frozen else weights)
    executable = tvm_hlo_frontend.build(mod, params)
    np.testing.assert_allclose(executable(X), dense(PARAMS, X), rtol=1e-6)
    assert tvm_hlo_frontend.signature_of(mod).source == "jax"


def test_results_are_flat_tuples_of_leaves():
    mod, params = mod_and_params(tvm_hlo_frontend.from_jax(lambda x: {"b": x + 1, "a": (x * 2, -x)}, X))
    results = tvm_hlo_frontend.build(mod, params)(X)
    for got, want in zip(results, (X * 2, -X, X + 1), strict=True):
        np.testing.assert_array_equal(got, want)


def test_result_structure_unflattens_the_results():
    def f(x):
        return {"b": x + 1, "a": [x * 2, {"c": -x}]}

    mod, params = mod_and_params(from_jax(f, X))
    results = jax.tree.unflatten(lower_jax(f, X).result_structure, tvm_hlo_frontend.build(mod, params)(X))
    assert jax.tree.structure(results) == jax.tree.structure(f(X))
    np.testing.assert_array_equal(results["a"][1]["c"], -X)


def test_custom_converters_reach_the_conversion():
    def doubled(ctx, instruction, operand):
        return ctx.map("add", instruction.shape.element_type, [operand, operand])

    mod, params = mod_and_params(from_jax(jnp.negative, X, custom_converters={"negate": doubled}))
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod, params)(X), X + X)


# ---- loops as one kernel ---------------------------------------------------------------------------------------------

ROWS = np.sin(np.arange(60, dtype=np.float32)).reshape(12, 5)
MATRIX = np.sin(np.arange(25, dtype=np.float32) * 1.7).reshape(5, 5) / 3


def recurrence(rows, matrix):
    def step(state, row):
        return (jnp.tanh(state @ matrix + row),) * 2

    return jax.lax.scan(step, rows[0], rows)


def backwards(rows, matrix):
    return jax.lax.scan(lambda state, row: (jnp.tanh(state @ matrix + row), state.sum()), rows[0], rows, reverse=True)


def recomputed(rows, matrix):
    step = jax.checkpoint(lambda state, row: (jnp.tanh(state @ matrix + row),) * 2)
    return jax.lax.scan(step, rows[0], rows)


def gradient_of(function):
    """Of the squares: a second loop, which reads what the first has kept, backwards."""
    return lambda rows, matrix: jax.grad(lambda m: (function(rows, m)[1] ** 2).sum())(matrix)


def counted(row):
    return jax.lax.fori_loop(0, 11, lambda i, value: jnp.sin(value) * value[::-1] + i * 0.1, row)


def until_small(row):
    return jax.lax.while_loop(lambda v: jnp.abs(v).max() > 1e-2, lambda v: v[::-1] * 0.8, row)


def linear_recurrence(decays, rows):
    def combine(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    return jax.lax.associative_scan(combine, (decays, rows))


def scanned_scans(rows):
    def step(state, row):
        return state * 0.5 + jax.lax.associative_scan(jnp.add, row) + jnp.cumsum(row), state

    return jax.lax.scan(step, rows[0], rows)


def chosen(rows):
    def step(state, row):
        return jax.lax.cond(row.sum() > 0, lambda: state + row, lambda: state - row), state[0]

    return jax.lax.scan(step, rows[0], rows)


LOOPS = {
    "scan": (recurrence, (ROWS, MATRIX), 1),
    "scan backwards": (backwards, (ROWS, MATRIX), 1),
    "a batch of scans": (jax.vmap(recurrence, (0, None)), (np.stack([ROWS, ROWS[::-1]]), MATRIX), 1),
    "scan in bf16": (lambda rows: recurrence(rows, rows[:5])[0], (ROWS.astype(jnp.bfloat16),), 1),
    "fori_loop": (counted, (ROWS[1],), 1),
    "while_loop": (until_small, (ROWS[1],), 1),
    "a batch of while_loops": (jax.vmap(until_small), (ROWS,), 1),
    "map": (lambda rows, matrix: jax.lax.map(lambda row: row @ matrix, rows), (ROWS, MATRIX), 1),
    "associative_scan, which is no loop": (linear_recurrence, (np.abs(ROWS), ROWS), 0),
    "associative_scan in scan": (scanned_scans, (ROWS,), 1),
    "cond in scan": (chosen, (ROWS,), 1),
    "gradient of scan": (gradient_of(recurrence), (ROWS, MATRIX), 2),
    "gradient that computes again": (gradient_of(recomputed), (ROWS, MATRIX), 2),
    "gradient of a batch of scans": (jax.vmap(gradient_of(recurrence), (0, None)), (ROWS[None], MATRIX), 2),
    "forward derivative of fori_loop": (jax.jacfwd(counted), (ROWS[1],), 1),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_jax_is_one_kernel(name):
    function, arrays, loops = LOOPS[name]
    mod, params = mod_and_params(from_jax(function, *arrays))
    calls = calls_of(mod)
    assert calls.count("loop") == loops and not any("while" in call for call in calls), calls
    got = jax.tree.leaves(tvm_hlo_frontend.build(mod, params)(*arrays))
    tolerance = 2e-2 if arrays[0].dtype == jnp.bfloat16 else 1e-5
    for ours, theirs in zip(got, map(np.asarray, jax.tree.leaves(jax.jit(function)(*arrays))), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours.astype("f4"), theirs.astype("f4"), rtol=tolerance, atol=tolerance)
