"""from_stablehlo: every form of MLIR, names from locations, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import (
    HloParseError,
    LoweringError,
    SignatureError,
    UnknownDimensionsError,
    UnsupportedHloError,
)
from tvm_hlo_frontend.frameworks.stablehlo import from_stablehlo, lower_stablehlo
from tvm_hlo_frontend.hlo.ir.open_module import OpenModule
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify

jax = pytest.importorskip("jax")
jnp = jax.numpy

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
W = {"kernel": np.arange(12, dtype=np.float32).reshape(3, 4) / 7, "bias": np.ones(4, np.float32)}
NAMES = ("w_bias", "w_kernel", "x")


def layer(w, x):
    return jnp.tanh(x @ w["kernel"]) + w["bias"]


@pytest.fixture(scope="module")
def module():
    """The layer as a module of MLIR's Python bindings."""
    return jax.jit(layer).lower(W, X).compiler_ir("stablehlo")


def text(module):
    return module.operation.get_asm(enable_debug_info=True)


def bytecode(module):
    from jax.interpreters import mlir

    return mlir.module_to_bytecode(module)


def portable(module, version):
    from jaxlib._jax import mlir

    return mlir.serialize_portable_artifact(text(module), version)


FORMS = {
    "module": lambda module: module,
    "text": text,
    "text as bytes": lambda module: text(module).encode(),
    "bytecode": bytecode,
    "portable artifact": lambda module: portable(module, "1.9.0"),
    "old portable artifact": lambda module: portable(module, "1.0.0"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_a_module(form, module):
    lowered = lower_stablehlo(FORMS[form](module))
    assert lowered.input_names == NAMES and lowered.source == "stablehlo"
    assert {"dot", "tanh", "add"} <= {instruction.opcode for instruction in read(lowered.hlo).instructions}


@pytest.mark.parametrize("suffix", [".mlir", ".mlirbc", ".bin"])
def test_files(suffix, module, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(text(module).encode() if suffix == ".mlir" else bytecode(module))
    assert lower_stablehlo(path).input_names == lower_stablehlo(str(path)).input_names == NAMES


def test_hook_converts_and_runs(module):
    values = {0: W["bias"], 1: W["kernel"]}
    if DIALECT == "relay":
        from tvm import relay

        mod, params = relay.frontend.from_stablehlo(module, parameter_values=values)
    else:
        from tvm import relax

        converted = relax.frontend.from_stablehlo(module, parameter_values=values, keep_params_in_input=True)
        mod, params = mod_and_params(converted)
    assert sorted(params) == ["w_bias", "w_kernel"]
    np.testing.assert_allclose(tvm_hlo_frontend.build(mod, params)(X), layer(W, X), rtol=1e-6)
    assert tvm_hlo_frontend.signature_of(mod).source == "stablehlo"


def test_own_names_win_and_must_fit(module):
    mod, _ = mod_and_params(from_stablehlo(module, input_names=["b", "k", "in"], freeze_params=True))
    assert [parameter.name for parameter in tvm_hlo_frontend.signature_of(mod).parameters] == ["b", "k", "in"]
    with pytest.raises(SignatureError, match="3 different names"):
        from_stablehlo(module, input_names=["b"])


def function(body, results="tensor<2x3xf32>", arguments="%x: tensor<2x3xf32>"):
    return f"func.func @main({arguments}) -> ({results}) {{\n{body}\n}}"


def run(source, *arguments):
    return tvm_hlo_frontend.build(*mod_and_params(from_stablehlo(source)))(*arguments)


def test_mhlo_and_chlo():
    mhlo = function("%0 = mhlo.negate %x : tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32>")
    np.testing.assert_array_equal(run(mhlo, X), -X)
    top = "tensor<2x2xf32>, tensor<2x2xi32>"
    chlo = function(f"%0:2 = chlo.top_k(%x, k = 2) : tensor<2x3xf32> -> ({top})\nreturn %0#0, %0#1 : {top}", top)
    values, indices = run(chlo, X)
    np.testing.assert_array_equal(values, X[:, :0:-1])
    np.testing.assert_array_equal(indices, [[2, 1], [2, 1]])


TENSORFLOW = """
import sys
import tensorflow as tf
f = tf.function(lambda x: tf.nn.softmax(x) * 2.0, jit_compile=True)
ir = f.experimental_get_compiler_ir(tf.TensorSpec((2, 3)))
sys.stdout.buffer.write(ir(stage=sys.argv[1]).encode() if sys.argv[1] == "stablehlo" else ir(stage=sys.argv[1]))
"""


@pytest.mark.parametrize("stage", ["stablehlo", "stablehlo_serialized"])
def test_modules_of_tensorflow(stage):
    pytest.importorskip("tensorflow", reason="only TensorFlow makes these modules")
    done = subprocess.run([sys.executable, "-c", TENSORFLOW, stage], capture_output=True, check=True, timeout=120)
    np.testing.assert_allclose(run(done.stdout, X), 2 * np.asarray(jax.nn.softmax(X)), rtol=1e-6)


def test_functions_and_composites_are_inlined():
    body = """%0 = call @twice(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
%1 = stablehlo.composite "my.twice" %0 {decomposition = @twice} : (tensor<2x3xf32>) -> tensor<2x3xf32>
return %1 : tensor<2x3xf32>"""
    twice = """func.func private @twice(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
%0 = stablehlo.add %x, %x : tensor<2x3xf32>
return %0 : tensor<2x3xf32>
}"""
    np.testing.assert_array_equal(run(f"module @m {{\n{function(body)}\n{twice}\n}}", X), 4 * X)


def test_open_shapes_inside_are_inferred_from_static_arguments():
    body = """%0 = stablehlo.convert %x : (tensor<2x3xf32>) -> tensor<?x3xf32>
%1 = stablehlo.get_dimension_size %0, dim = 0 : (tensor<?x3xf32>) -> tensor<i32>
%2 = stablehlo.reshape %1 : (tensor<i32>) -> tensor<1xi32>
%3 = stablehlo.constant dense<3> : tensor<1xi32>
%4 = stablehlo.concatenate %2, %3, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
%5 = stablehlo.constant dense<2.0> : tensor<f32>
%6 = stablehlo.dynamic_broadcast_in_dim %5, %4, dims = [] : (tensor<f32>, tensor<2xi32>) -> tensor<?x3xf32>
%7 = stablehlo.multiply %0, %6 : tensor<?x3xf32>
%8 = stablehlo.convert %7 : (tensor<?x3xf32>) -> tensor<2x3xf32>
return %8 : tensor<2x3xf32>"""
    np.testing.assert_array_equal(run(function(body), X), 2 * X)
    elementwise = """%0 = stablehlo.convert %x : (tensor<2x3xf32>) -> tensor<?x3xf32>
%1 = stablehlo.negate %0 : tensor<?x3xf32>
%2 = stablehlo.convert %1 : (tensor<?x3xf32>) -> tensor<2x3xf32>
return %2 : tensor<2x3xf32>"""
    np.testing.assert_array_equal(run(function(elementwise), X), -X)


# ---- unknown dimensions

DYNAMIC = "tensor<?x3xf32>"


def on_dynamic(*lines):
    return function("\n".join([*lines, f"return %0 : {DYNAMIC}"]), DYNAMIC, f'%x: {DYNAMIC} loc("x")')


def test_element_wise_operations_take_any_batch():
    executable = tvm_hlo_frontend.build(
        *mod_and_params(from_stablehlo(on_dynamic(f"%0 = stablehlo.tanh %x : {DYNAMIC}")))
    )
    for rows in (1, 2):
        np.testing.assert_allclose(executable(X[:rows]), np.tanh(X[:rows]), rtol=1e-6)
    with pytest.raises(SignatureError, match="dimension 1 of `x` is 2; the program needs 3"):
        executable(X.T)


REVERSED = (
    f"%1 = stablehlo.reverse %x, dims = [0] : {DYNAMIC}",
    f"%2 = stablehlo.cosine %1 : {DYNAMIC}",
    f"%0 = stablehlo.negate %2 : {DYNAMIC}",
)


@pytest.mark.skipif(DIALECT != "relay", reason="Relax leaves the sizes of these operations open")
def test_what_relay_cannot_leave_open_is_named():
    with pytest.raises(UnsupportedHloError, match=r"(?s)reverse.*run time.*specialize=True.*cosine"):
        from_stablehlo(on_dynamic(*REVERSED))


@pytest.mark.skipif(DIALECT == "relay", reason="Relay leaves the sizes of dense networks open, not of these")
def test_one_build_takes_any_size():
    executable = tvm_hlo_frontend.build(*mod_and_params(from_stablehlo(on_dynamic(*REVERSED))))
    for rows in (1, 2):
        np.testing.assert_allclose(executable(X[:rows]), -np.cos(X[:rows][::-1]), rtol=1e-6)


def test_a_build_for_each_shape_takes_any_size():
    executable = from_stablehlo(on_dynamic(*REVERSED), specialize=True)
    for rows in (1, 2):
        np.testing.assert_allclose(executable(X[:rows]), -np.cos(X[:rows][::-1]), rtol=1e-6)
    assert [variant.sizes for variant in executable.variants] == [{"x_0": 1}, {"x_0": 2}]


def test_sizes_that_an_operation_needs_to_be_equal_are_checked():
    body = f"%0 = stablehlo.add %x, %y : {DYNAMIC}\nreturn %0 : {DYNAMIC}"
    source = function(body, DYNAMIC, f'%x: {DYNAMIC} loc("x"), %y: {DYNAMIC} loc("y")')
    executable = tvm_hlo_frontend.build(*mod_and_params(from_stablehlo(source)))
    np.testing.assert_array_equal(executable(X, X), X + X)
    message = r"dimension 0 of `y` is 1; the program needs x_0, which is 2 by dimension 0 of `x`"
    with pytest.raises(SignatureError, match=message):
        executable(X, X[:1])


def test_what_is_read_lies_within():
    body = f"%0 = stablehlo.slice %x [0:2, 0:3] : ({DYNAMIC}) -> tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32>"
    source = function(body, "tensor<2x3xf32>", f'%x: {DYNAMIC} loc("x")')
    assert [str(check) for check in lower_stablehlo(source).hlo.checks] == ["2 <= x_0"]
    executable = from_stablehlo(source, specialize=True)
    np.testing.assert_array_equal(executable(np.concatenate([X, X])), X)
    with pytest.raises(SignatureError, match="the program needs 2 <= x_0"):
        executable(X[:1])


def test_sizes_may_be_values():
    """As in exports of older JAX, where main takes the sizes before everything else."""
    lines = """%0 = stablehlo.reshape %n : (tensor<i64>) -> tensor<1xi64>
%1 = stablehlo.dynamic_iota %0, dim = 0 : (tensor<1xi64>) -> tensor<?xf32>
%2 = stablehlo.add %1, %x : tensor<?xf32>
return %2 : tensor<?xf32>"""
    source = function(lines, "tensor<?xf32>", '%n: tensor<i64> loc("n"), %x: tensor<?xf32> loc("x")')
    if DIALECT == "relay":
        with pytest.raises(UnsupportedHloError, match=r"its value is the size n; .*specialize=True"):
            from_stablehlo(source)
    executable = from_stablehlo(source, specialize=True)
    got = executable(np.int64(3), np.ones(3, np.float32))
    np.testing.assert_array_equal(got, np.arange(3) + 1)
    message = r"needs n == x_0.*; x_0 is 3 by dimension 0 of `x`, n is 4 by the value of `n`"
    with pytest.raises(SignatureError, match=message):
        executable(np.int64(4), np.ones(3, np.float32))


def test_hlo_of_xla_with_dynamic_shapes_is_still_refused():
    from jaxlib._jax import mlir

    hlo = mlir.mlir_module_to_xla_computation(on_dynamic(f"%0 = stablehlo.tanh %x : {DYNAMIC}"), False, False)
    with pytest.raises(UnsupportedHloError, match="known only at run time"):
        tvm_hlo_frontend.from_hlo(hlo)


REFUSED = {
    "another dialect": (function("%0 = arith.negf %x : tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32>"), "arith.negf"),
    "an unknown dialect": (function("%0 = foo.bar %x : tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32>"), "foo"),
    "wrong types": (function("return %x : tensor<2x3xf32>", "tensor<3x2xf32>"), "function result type"),
    "no main": ("func.func @other(%x: tensor<f32>) -> tensor<f32> { return %x : tensor<f32> }", "`main`"),
    "elided constants": (
        function("%0 = stablehlo.constant dense_resource<__elided__> : tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32>"),
        "elides constants",
    ),
    "cut off bytecode": (b"ML\xefR\x0dStableHLO_v1.9.0\x00", "cannot parse the MLIR module"),
    "HLO": ("HloModule m\nENTRY e { ROOT c = f32[] constant(1) }", "neither MLIR|cannot read"),
    "nothing": ("no_such_file.mlir", "cannot read 'no_such_file.mlir'"),
    "an array": (np.zeros(3), "cannot read a StableHLO module from ndarray"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    source, message = REFUSED[case]
    with pytest.raises(HloParseError, match=message):
        from_stablehlo(source)


def test_without_jaxlib_says_what_to_install(monkeypatch):
    import importlib

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(HloParseError, match="needs jaxlib"):
        lower_stablehlo(function("return %x : tensor<2x3xf32>"))


# arguments, an operation of unknown dimensions, and its result; XLA refuses them in many words
_V, _VS, _I = "tensor<?xf32>", "tensor<?x?xf32>", "tensor<1xi32>"
_GATHER = "offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1"
_SORT = (
    '"stablehlo.sort"(%x) <{dimension = 0 : i64}> ({ ^bb0(%a: tensor<f32>, %b: tensor<f32>): %c = stablehlo.compare '
    "LT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1> stablehlo.return %c : tensor<i1> }) "
)
UNKNOWN_DIMENSIONS = {
    "dynamic_broadcast_in_dim": (
        f"%x: {_V}, %s: tensor<2xi32>",
        f"stablehlo.dynamic_broadcast_in_dim %x, %s, dims = [1] : ({_V}, tensor<2xi32>) -> {_VS}",
        _VS,
    ),
    "dynamic_reshape": (
        f"%x: {_V}, %s: tensor<2xi32>",
        f"stablehlo.dynamic_reshape %x, %s : ({_V}, tensor<2xi32>) -> {_VS}",
        _VS,
    ),
    "dynamic_iota": (f"%s: {_I}", f"stablehlo.dynamic_iota %s, dim = 0 : ({_I}) -> {_V}", _V),
    "dynamic_pad": (
        f"%x: {_V}, %v: tensor<f32>, %a: {_I}",
        f"stablehlo.dynamic_pad %x, %v, %a, %a, %a : ({_V}, tensor<f32>, {_I}, {_I}, {_I}) -> {_V}",
        _V,
    ),
    "real_dynamic_slice": (
        f"%x: {_V}, %a: {_I}",
        f"stablehlo.real_dynamic_slice %x, %a, %a, %a : ({_V}, {_I}, {_I}, {_I}) -> {_V}",
        _V,
    ),
    "dynamic_gather": (
        f"%x: {_VS}, %i: tensor<2xi32>, %s: tensor<2xi32>",
        f'"stablehlo.dynamic_gather"(%x, %i, %s) <{{dimension_numbers = #stablehlo.gather<{_GATHER}>}}> : '
        f"({_VS}, tensor<2xi32>, tensor<2xi32>) -> {_VS}",
        _VS,
    ),
    "reshape": (f"%x: {_VS}", f"stablehlo.reshape %x : ({_VS}) -> {_V}", _V),
    "broadcast_in_dim": (f"%x: {_V}", f"stablehlo.broadcast_in_dim %x, dims = [1] : ({_V}) -> {_VS}", _VS),
    "no rank": ("%x: tensor<*xf32>", "stablehlo.negate %x : tensor<*xf32>", "tensor<*xf32>"),
    "shape_of": (f"%x: {_V}", f"shape.shape_of %x : {_V} -> tensor<1xindex>", "tensor<1xindex>"),
    "chlo": (f"%x: {_V}, %y: {_VS}", f"chlo.broadcast_add %x, %y : ({_V}, {_VS}) -> {_VS}", _VS),
    "custom_call": (f"%x: {_V}", f"stablehlo.custom_call @stablehlo.dynamic_top_k(%x) : ({_V}) -> {_V}", _V),
}
OPEN_DIMENSIONS = {
    "get_dimension_size": (
        f"%x: {_V}",
        f"stablehlo.get_dimension_size %x, dim = 0 : ({_V}) -> tensor<i32>",
        "tensor<i32>",
    ),
    "sort": (f"%x: {_V}", f"{_SORT}: ({_V}) -> {_V}", _V),
    "integers": ("%x: tensor<?xi32>", "stablehlo.add %x, %x : tensor<?xi32>", "tensor<?xi32>"),
    "complex": ("%x: tensor<?xcomplex<f32>>", "stablehlo.negate %x : tensor<?xcomplex<f32>>", "tensor<?xcomplex<f32>>"),
    "tuple": (f"%x: tuple<{_V}>", f"stablehlo.get_tuple_element %x[0] : (tuple<{_V}>) -> {_V}", _V),
    "token": (f"%t: !stablehlo.token, %x: {_V}", "stablehlo.after_all %t : !stablehlo.token", "!stablehlo.token"),
}


@pytest.mark.parametrize("name", OPEN_DIMENSIONS)
def test_unknown_dimensions_are_sizes(name):
    arguments, operation, result = OPEN_DIMENSIONS[name]
    text = f"module {{ func.func public @main({arguments}) -> {result} {{ %0 = {operation} return %0 : {result} }} }}"
    opened = lower_stablehlo(text).hlo
    assert isinstance(opened, OpenModule) and not opened.checks
    verify(opened.module)
    sizes = {
        str(size) for i in opened.module.entry.parameters for array in i.shape.arrays() for size in array.dimensions
    }
    assert sizes <= {"arg0_0", "arg1_0"}


@pytest.mark.parametrize("name", UNKNOWN_DIMENSIONS)
def test_unknown_dimensions_are_refused_as_such(name):
    arguments, operation, result = UNKNOWN_DIMENSIONS[name]
    text = f"module {{ func.func public @main({arguments}) -> {result} {{ %0 = {operation} return %0 : {result} }} }}"
    message = r"(unknown dimensions|sizes of some instructions).* static shapes"
    with pytest.raises((LoweringError, UnknownDimensionsError), match=message) as caught:
        from_stablehlo(text)
    if isinstance(caught.value, UnknownDimensionsError) and "?" in arguments:
        assert "tensor<?x" in str(caught.value), "the refusal shows what has them"


def test_a_reshape_to_numbers_says_how_many_elements_there_are():
    source = function("%0 = stablehlo.reshape %x : (tensor<?xf32>) -> tensor<2x2xf32>\nreturn %0 : tensor<2x2xf32>",
                      "tensor<2x2xf32>", '%x: tensor<?xf32> loc("x")')  # fmt: skip
    executable = from_stablehlo(source, specialize=True)
    np.testing.assert_array_equal(executable(np.arange(4, dtype=np.float32)), [[0, 1], [2, 3]])
    with pytest.raises(SignatureError, match="dimension 0 of `x` is 3; the program needs 4"):
        executable(np.arange(3, dtype=np.float32))
