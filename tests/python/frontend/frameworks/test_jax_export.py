"""from_jax and from_stablehlo of what jax.export makes: names, platforms, symbolic dimensions, serialized artifacts."""

from __future__ import annotations

import dataclasses
import sys
from itertools import pairwise

import numpy as np
import pytest
from tools.support.compare import run_plain

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import HloParseError, LoweringError, SignatureError, UnsupportedHloError
from tvm_hlo_frontend.frameworks import jax_export
from tvm_hlo_frontend.frameworks.jax import from_jax, lower_jax
from tvm_hlo_frontend.frameworks.stablehlo import from_stablehlo, lower_stablehlo
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.text import parsers

jax = pytest.importorskip("jax")
from jax import export  # noqa: E402

jnp = jax.numpy
X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
WEIGHTS = {"kernel": np.arange(12, dtype=np.float32).reshape(3, 4) / 7, "bias": np.ones(4, np.float32)}
# the module of an export does not hold unused arguments, nor their names
NAMES = ("x", "arg1", "weights.bias", "weights.kernel", "scale")


def layer(x, unused, weights, *, scale):
    return {"y": jax.nn.relu(x @ weights["kernel"]) + weights["bias"], "x": x * scale}


def exported_layer(**options):
    return export.export(jax.jit(layer), **options)(X, np.zeros(5), WEIGHTS, scale=np.float32(2))


def by_platform(x):
    return jax.lax.platform_dependent(x, cpu=lambda v: v + 1, tpu=lambda v: v * 3)


@pytest.mark.parametrize("serialized", [False, True])
@pytest.mark.parametrize("road", [from_jax, from_stablehlo])
def test_export_runs_with_the_names_of_the_function(road, serialized):
    exported = exported_layer()
    mod, params = mod_and_params(road(bytes(exported.serialize()) if serialized else exported))
    assert tuple(parameter.name for parameter in tvm_hlo_frontend.signature_of(mod).parameters) == NAMES
    weights = [WEIGHTS["bias"], WEIGHTS["kernel"]]
    results = tvm_hlo_frontend.build(mod, params)(X, np.zeros(5, np.float32), *weights, np.float32(2))
    results = jax.tree.unflatten(exported.out_tree, results)
    wanted = layer(X, None, WEIGHTS, scale=2)
    np.testing.assert_allclose(results["y"], wanted["y"], rtol=1e-6)
    np.testing.assert_array_equal(results["x"], wanted["x"])


def test_file_with_an_export(tmp_path):
    path = tmp_path / "layer.jax_export"
    path.write_bytes(exported_layer().serialize())
    assert lower_jax(path).input_names == lower_stablehlo(str(path)).input_names == NAMES


def test_arguments_give_weights_their_values():
    lowered = lower_jax(exported_layer(), X, np.zeros(5, np.float32), WEIGHTS, scale=2.0, weight_argnums=(2,))
    assert lowered.input_names == NAMES and sorted(lowered.parameter_values) == [2, 3]
    np.testing.assert_array_equal(lowered.parameter_values[3], WEIGHTS["kernel"])
    assert str(lowered.result_structure) == "PyTreeDef({'x': *, 'y': *})"


@pytest.mark.parametrize(
    ("platforms", "wanted", "factor"),
    [(("cpu",), None, 0), (("tpu",), None, 3), (("cpu", "tpu"), None, 0), (("cpu", "tpu"), ("tpu",), 3)],
)
def test_platform_of_an_export_is_chosen_at_conversion(platforms, wanted, factor):
    exported = export.export(jax.jit(by_platform), platforms=platforms)(X)
    lowered = lower_jax(exported, lowering_platforms=wanted)
    assert lowered.input_names == ("x",)
    assert "conditional" not in {instruction.opcode for instruction in read(lowered.hlo).instructions}
    mod, params = mod_and_params(from_jax(exported, lowering_platforms=wanted))
    np.testing.assert_array_equal(tvm_hlo_frontend.build(mod, params)(X), X * factor if factor else X + 1)


def test_platforms_that_were_not_exported_are_refused():
    exported = export.export(jax.jit(by_platform), platforms=("cpu",))(X)
    with pytest.raises(LoweringError, match=r"exported for cpu; .* not tpu"):
        lower_jax(exported, lowering_platforms=("tpu",))


def test_mlir_of_several_platforms_asks_for_the_export():
    exported = export.export(jax.jit(by_platform), platforms=("cpu", "tpu"))(X)
    for mlir in (exported.mlir_module(), exported.mlir_module_serialized):
        with pytest.raises(LoweringError, match=r"several platforms.*jax\.export\.Exported"):
            from_stablehlo(mlir)


def polymorphic_layer():
    batch, inner = export.symbolic_shape("b, n")
    shapes = (batch, inner), (5,), {"kernel": (inner, 4), "bias": (4,)}
    specs = [jax.tree.map(lambda s: jax.ShapeDtypeStruct(s, np.float32), s, is_leaf=_is_shape) for s in shapes]
    return export.export(jax.jit(layer))(*specs, scale=jax.ShapeDtypeStruct((), np.float32))


def _is_shape(value):
    return isinstance(value, tuple)


@pytest.mark.parametrize("batch", [1, 2])
def test_arguments_give_symbolic_dimensions_their_sizes(batch):
    exported = polymorphic_layer()
    arguments = (X[:batch], np.zeros(5, np.float32), WEIGHTS)
    mod, params = mod_and_params(
        from_jax(exported, *arguments, scale=np.float32(2), weight_argnums=(2,), freeze_params=False)
    )
    names = tuple(parameter.name for parameter in tvm_hlo_frontend.signature_of(mod).parameters)
    wanted = NAMES if DIALECT == "relay" else (*NAMES[:2], NAMES[4], *NAMES[2:4])  # weights last
    assert names == tuple(name.replace("arg1", "unused") for name in wanted)
    got = tvm_hlo_frontend.build(mod, params)(X[:batch], np.zeros(5, np.float32), np.float32(2))
    wanted = jax.tree.leaves(layer(*arguments, scale=2))
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_symbolic_dimensions_without_sizes_stay_open():
    lowered = lower_jax(polymorphic_layer())
    shapes = [str(parameter.shape) for parameter in lowered.hlo.module.entry.parameters]
    assert shapes == ["f32[b,n]", "f32[5]", "f32[4]", "f32[n,4]", "f32[]"]
    assert sorted(map(str, lowered.hlo.checks)) == ["b >= 1", "n >= 1"]


def perceptron(params, x):
    for weight, bias in params[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = params[-1]
    return jax.nn.tanh(x @ weight) * 2 - bias


def polymorphic_perceptron(function):
    rng = np.random.default_rng(0)
    sizes = (784, 128, 64, 10)
    params = [
        (rng.normal(size=(m, n)).astype(np.float32) / m**0.5, rng.normal(size=n).astype(np.float32))
        for m, n in pairwise(sizes)
    ]
    shapes = jax.tree.map(lambda value: jax.ShapeDtypeStruct(value.shape, value.dtype), params)
    (batch,) = export.symbolic_shape("b")
    return export.export(jax.jit(function))(shapes, jax.ShapeDtypeStruct((batch, 784), np.float32)), params


@pytest.mark.parametrize("plain", [False, True])
def test_dense_networks_with_a_symbolic_batch_take_any(plain):
    exported, params = polymorphic_perceptron(perceptron)
    values = dict(enumerate(jax.tree.leaves(params)))
    mod, weights = mod_and_params(from_stablehlo(exported, parameter_values=values, freeze_params=False))
    assert sorted(weights)[:2] == ["params.0.0", "params.0.1"]
    (x,) = (parameter for parameter in tvm_hlo_frontend.signature_of(mod).parameters if not parameter.bound)
    assert x.name == "x" and isinstance(x.dimensions[0], str)
    run = (lambda x: run_plain(mod, weights, [x], True)[0]) if plain else tvm_hlo_frontend.build(mod, weights)
    for rows in (1, 3, 32):
        image = np.random.default_rng(rows).normal(size=(rows, 784)).astype(np.float32)
        np.testing.assert_allclose(run(image), perceptron(params, image), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("specialize", [False, True])
def test_other_networks_with_a_symbolic_batch(specialize):
    exported, params = polymorphic_perceptron(lambda params, x: jax.nn.softmax(perceptron(params, x)))
    options = {"parameter_values": dict(enumerate(jax.tree.leaves(params)))}
    if specialize:
        run = from_stablehlo(exported, specialize=True, **options)
    elif DIALECT == "relay":
        with pytest.raises(UnsupportedHloError, match=r"(?s)reduce.*known only at run time.*specialize=True"):
            from_stablehlo(exported, **options)
        return
    else:
        run = tvm_hlo_frontend.build(*mod_and_params(from_stablehlo(exported, **options)))
    for rows in (1, 3):
        image = np.random.default_rng(rows).normal(size=(rows, 784)).astype(np.float32)
        wanted = jax.nn.softmax(perceptron(params, image))
        np.testing.assert_allclose(run(image), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(SignatureError, match="b >= 1"):
        run(np.zeros((0, 784), np.float32))


def squares(x, y):
    """The matrix y is as high as x is wide."""
    return x @ y, jnp.concatenate([x, x], axis=1)[:, 1:]


def test_dimensions_may_be_computed():
    """jax.export knows b; the module alone says what a multiple of 2 is."""
    (b,) = export.symbolic_shape("b")
    shapes = [jax.ShapeDtypeStruct(s, np.float32) for s in ((3, 2 * b), (2 * b, 4))]
    x, y = (np.random.default_rng(0).normal(size=s).astype(np.float32) for s in ((3, 6), (6, 4)))
    exported = export.export(jax.jit(squares))(*shapes)
    for source, name in ((exported, "b"), (exported.mlir_module_serialized, "x_1_per_2")):
        run = from_stablehlo(source, specialize=True)
        assert run.sizes == (name,)
        for ours, theirs in zip(run(x, y), squares(x, y), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        message = rf"dimension 1 of `x` is 5; the program needs 2\*{name}, a multiple of 2"
        with pytest.raises(SignatureError, match=message):
            run(x[:, :5], y[:5])
        with pytest.raises(SignatureError, match=rf"dimension 0 of `y` is 4; the program needs 2\*{name}, which is 6"):
            run(x, y[:4])


@pytest.mark.parametrize("specialize", [False, True])
def test_integers_that_are_no_sizes_may_be_negative(specialize):
    (n,) = export.symbolic_shape("n")
    function = lambda x, i: jnp.where(i < 0, x + 100, x)  # noqa: E731
    shapes = jax.ShapeDtypeStruct((n,), np.float32), jax.ShapeDtypeStruct((), np.int32)
    if DIALECT == "relay" and not specialize:
        with pytest.raises(UnsupportedHloError, match="specialize=True"):
            from_jax(function, *shapes)
        return
    made = from_jax(function, *shapes, specialize=specialize)
    run = made if specialize else tvm_hlo_frontend.build(*mod_and_params(made))
    for i in (-1, 1):
        np.testing.assert_array_equal(run(X[0], np.int32(i)), function(X[0], i))


def test_dimensions_in_the_words_of_jax():
    """floordiv, mod, max and powers, as JAX prints them."""
    b, half, rest, most, square = export.symbolic_shape("b, floordiv(b, 2), mod(b, 2), max(b, 3), b*b")
    shapes = [jax.ShapeDtypeStruct((size,), np.float32) for size in (b, half, rest, most, square)]
    run = from_jax(lambda *arrays: jnp.concatenate(arrays), *shapes, specialize=True)
    assert run.sizes == ("b",)
    for size in (2, 5):
        sizes = (size, size // 2, size % 2, max(size, 3), size * size)
        arrays = [np.full(each, number, np.float32) for number, each in enumerate(sizes)]
        np.testing.assert_array_equal(run(*arrays), np.concatenate(arrays))
    with pytest.raises(SignatureError, match=r"dimension 0 of `.*` is 3; the program needs"):
        run(*arrays[:4], arrays[4][:3])


def test_arguments_may_have_symbols():
    (b,) = export.symbolic_shape("b")
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32)
    function = lambda x, w: jnp.tanh(x @ w)  # noqa: E731
    mod = from_jax(function, jax.ShapeDtypeStruct((b, 4), np.float32), w, weight_argnums=(1,))
    run = tvm_hlo_frontend.build(*mod_and_params(mod))
    assert [parameter.dimensions for parameter in run.inputs] == [("b", 4)]
    for rows in (1, 3):
        np.testing.assert_allclose(run(x[:rows]), function(x[:rows], w), rtol=1e-5, atol=1e-6)


def test_arguments_that_do_not_fit_the_export_are_refused():
    with pytest.raises(SignatureError, match="do not fit the export of layer"):
        lower_jax(exported_layer(), X[:1], np.zeros(5, np.float32), WEIGHTS, scale=2.0)
    with pytest.raises(SignatureError, match="do not fit the export of layer"):
        lower_jax(exported_layer(), X)
    with pytest.raises(SignatureError, match="static arguments are part of an export"):
        lower_jax(exported_layer(), static_argnums=(1,))


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, bytes(range(256)) * 4])
def test_bytes_that_are_no_export_are_refused(data):
    with pytest.raises(HloParseError, match=r"no serialized jax\.export\.Exported"):
        from_jax(data)
    with pytest.raises(HloParseError, match=r"neither MLIR .* nor an export"):
        from_stablehlo(data)


def test_a_file_is_parsed_in_a_process_of_its_own(tmp_path, monkeypatch):
    """JAX would parse its module in this one, which some broken modules end."""
    data = bytes(exported_layer().serialize())
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o700)
    for road in (from_jax, from_stablehlo):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", str(program))
            with pytest.raises(HloParseError, match="it ended without a word"):
                road(data)


def test_a_file_is_read_once_where_its_numbers_are_checked_too(monkeypatch):
    reads = []

    def settled(data):
        reads.append(data)
        return parsers.settled_artifact(data)

    monkeypatch.setattr(jax_export, "settled_artifact", settled)
    from_jax(bytes(export.export(jax.jit(jnp.tanh))(X).serialize()), X, check=True)
    assert len(reads) == 1


def test_a_parser_that_never_ends_is_stopped(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nwhile :; do :; done\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(parsers, "PARSER_SECONDS", 1)
    with pytest.raises(HloParseError, match="it took more than 1 seconds of a processor"):
        from_stablehlo(bytes(exported_layer().serialize()))


def test_a_file_whose_parts_do_not_fit_is_one_error():
    exported = exported_layer()
    leaf = jax.tree.structure(0)
    wider = tuple(jax.core.ShapedArray((7, *aval.shape), aval.dtype) for aval in exported.in_avals)
    for changes, kind in (
        ({"in_tree": leaf, "in_avals": exported.in_avals[:1]}, HloParseError),
        ({"in_avals": wider}, LoweringError),
        ({"mlir_module_serialized": b"ML\xefRStableHLO_v1.0.0\0"}, HloParseError),
    ):
        data = bytes(dataclasses.replace(exported, **changes).serialize())
        with pytest.raises(kind):
            from_stablehlo(data)
