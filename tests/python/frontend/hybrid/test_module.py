"""One module of a TensorFlow program: operators, functions that HLO gave, calls back into TensorFlow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support.dialect_marks import DIALECT, relax_only, relay_only
from tests.support.hybrid_graphs import COUNTER, GRAPHS, LOGGED, ROWS, WEIGHTS, arguments, network, sparse, strings
from tvm_hlo_frontend import build, report_of, signature_of
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.deploy.saved import load_module, save_module
from tvm_hlo_frontend.errors import (
    HostFunctionError,
    LoweringError,
    Refusal,
    SignatureError,
    TargetError,
    UnsupportedHloError,
)
from tvm_hlo_frontend.hybrid import from_tensorflow, parts_of
from tvm_hlo_frontend.hybrid.module import frontend

tf = pytest.importorskip("tensorflow")

IMAGE = tf.TensorSpec([1, 16, 16, 3])
NEEDS_EXTERN = relax_only("Relay has no calls back into TensorFlow")


def variable(*sizes: int):
    return tf.Variable(np.random.default_rng(len(sizes)).normal(size=sizes).astype("float32") * 0.3, name="kernel")


FILTERS, BIAS, DENSE = variable(3, 3, 3, 8), variable(8), variable(64, 10)


def classes(x):
    """Operators, a loop and a branch between them, and operators again."""
    hidden = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, FILTERS, 2, "SAME"), BIAS))
    hidden = tf.tanh(hidden) * tf.sigmoid(hidden)
    _, hidden = tf.while_loop(lambda i, value: i < 3, lambda i, value: (i + 1, value * 2 - 1), (0, hidden))
    hidden = tf.cond(tf.reduce_sum(hidden) > 0, lambda: hidden * 2, lambda: hidden - 1)
    hidden = tf.nn.max_pool2d(hidden, 2, 2, "SAME")
    rows = tf.reshape(tf.nn.avg_pool2d(hidden, 2, 1, "SAME"), [2, 64])
    return tf.nn.softmax(tf.matmul(rows, DENSE)), hidden


def image(seed=0):
    return np.random.default_rng(seed).normal(size=IMAGE.shape).astype("float32")


def assert_like_tensorflow(mod, function, *arrays):
    mod, params = mod_and_params(mod)
    got = build(mod, params)(*arrays)
    want = tf.nest.flatten(function(*map(tf.constant, arrays)))
    for a, b in zip(got if isinstance(got, tuple) else [got], want, strict=True):
        assert a.dtype == b.dtype.as_numpy_dtype
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-5)


def functions_of(mod):
    return {each.name_hint for each in mod.get_global_vars()}


@pytest.fixture(scope="module")
def converted():
    return from_tensorflow(tf.function(classes), IMAGE)


def test_a_network_is_operators_and_functions(converted):
    assert_like_tensorflow(converted, classes, image())
    mod, _ = mod_and_params(converted)
    signature = signature_of(mod)
    assert [each.name for each in signature.parameters if not each.bound] == ["x"]
    assert signature.result == {"tuple": [["f32", [2, 10]], ["f32", [1, 4, 4, 8]]]}
    assert "nn.conv2d" in str(mod["main"]) and "cluster_0" in str(mod["main"])


def test_tvm_alone_makes_the_same_of_it():
    def plain(x):
        return tf.nn.softmax(tf.matmul(tf.nn.tanh(tf.nn.relu(tf.matmul(x, WEIGHTS[0]))), WEIGHTS[1]))

    rows = arguments((ROWS,))[0].numpy()
    got = run_plain(*mod_and_params(from_tensorflow(tf.function(plain), ROWS)), rows)
    np.testing.assert_allclose(got, plain(tf.constant(rows)).numpy(), rtol=1e-4, atol=1e-5)


def run_plain(mod, params, *arrays):
    import tvm

    if DIALECT == "relax":
        machine = tvm.relax.VirtualMachine(tvm.compile(mod, tvm.target.Target("llvm")), tvm.cpu())
        return machine["main"](*map(tvm.runtime.tensor, arrays)).numpy()
    from tvm.contrib import graph_executor

    module = graph_executor.GraphModule(tvm.relay.build(mod, target="llvm", params=params)["default"](tvm.cpu()))
    module.run(**dict(zip([variable.name_hint for variable in mod["main"].params], arrays)))
    return module.get_output(0).numpy()


def test_its_parts_are_told(converted):
    mod, _ = mod_and_params(converted)
    parts = parts_of(mod)
    assert [(part.name, part.kind) for part in parts] == [("main", "direct"), ("cluster_0", "hlo")]
    assert functions_of(mod) >= {part.name for part in parts}
    assert sum(part.share for part in parts) == pytest.approx(1.0) and parts[0].share > 0.5
    assert {"while", "cond", "MaxPool2d"} <= set(parts[1].nodes)
    text = str(report_of(mod))
    assert all(str(part) in text for part in parts) and "Conv2D  (operator of main)" in text


@pytest.mark.parametrize("freeze", [True, False])
def test_weights_are_constants_or_parameters_with_the_names_of_variables(freeze):
    def shared(x):
        return tf.matmul(tf.nn.tanh(tf.matmul(x, WEIGHTS[0])), WEIGHTS[1]) + tf.reduce_sum(tf.exp(WEIGHTS[0]))

    mod, params = mod_and_params(from_tensorflow(tf.function(shared), ROWS, freeze_params=freeze))
    bound = [each.name for each in signature_of(mod).parameters if each.bound]
    assert bound == ([] if freeze else ["Variable", "Variable.1"]) and len(params) == len(bound)
    assert_like_tensorflow((mod, params), shared, arguments((ROWS,))[0].numpy())


def test_only_what_is_asked_for_goes_direct():
    mod, _ = mod_and_params(from_tensorflow(tf.function(network), ROWS, direct=()))
    assert [part.kind for part in parts_of(mod)] == ["hlo"]
    mod, _ = mod_and_params(from_tensorflow(tf.function(network), ROWS, direct={"MatMul"}))
    assert [part.kind for part in parts_of(mod)].count("hlo") == 3
    with pytest.raises(SignatureError, match=r"direct= names Tanh; main can have AddV2, "):
        from_tensorflow(tf.function(network), ROWS, direct={"Tanh"})


def test_complex_and_narrow_numbers_go_from_function_to_function():
    def spectrum(x, narrow):
        values = tf.signal.fft(tf.cast(x, tf.complex64))
        hidden = tf.matmul(tf.math.real(values), WEIGHTS[0])
        hidden = tf.matmul(hidden, WEIGHTS[1])[:, :16]
        narrow = narrow * 2
        return values * tf.cast(hidden, tf.complex64), narrow + tf.cast(hidden, tf.bfloat16), narrow

    rows = arguments((ROWS,))[0].numpy()
    narrow = tf.cast(rows, tf.bfloat16).numpy()
    mod, params = mod_and_params(from_tensorflow(tf.function(spectrum), ROWS, tf.TensorSpec([4, 16], tf.bfloat16)))
    got = build(mod, params)(rows, narrow)
    for a, b in zip(got, spectrum(tf.constant(rows), tf.constant(narrow)), strict=True):
        np.testing.assert_allclose(a.astype("complex64"), b.numpy().astype("complex64"), rtol=1e-2, atol=1e-3)


def test_what_is_given_may_be_returned_and_so_may_constants():
    def given(x):
        return tf.identity(x), x, tf.constant([1.0, 2.0]), tf.zeros([100]), x * 2

    assert_like_tensorflow(from_tensorflow(tf.function(given), ROWS), given, arguments((ROWS,))[0].numpy())


def test_a_module_is_saved_and_loaded(converted, tmp_path):
    mod, params = mod_and_params(converted)
    save_module(mod, params, tmp_path)
    loaded, values = load_module(tmp_path)
    assert parts_of(loaded) == parts_of(mod)
    assert_like_tensorflow((loaded, values), classes, image(1))


# what neither road converts
def mixed(x):
    hidden = tf.nn.relu(tf.matmul(x, WEIGHTS[0]))
    hidden = tf.numpy_function(lambda a: np.sort(a, 1), [hidden], tf.float32)
    hidden.set_shape([4, 64])
    numbers = tf.strings.to_number(tf.strings.as_string(hidden[:, :16]))
    return tf.nn.softmax(numbers), tf.linalg.det(tf.matmul(numbers, numbers, transpose_b=True))


def test_all_that_cannot_be_converted_is_named_in_one_error():
    with pytest.raises(LoweringError) as caught:
        from_tensorflow(tf.function(mixed), ROWS)
    text = str(caught.value)
    assert text.startswith("4 nodes of this TensorFlow program can be converted by neither road:")
    for expected in (
        "PyFunc (PyFunc): it has a state, or an effect",
        "AsString (AsString): it handles a string; compute it outside of the model and pass the result as an input",
        "StringToNumber (StringToNumber): it handles a string",
        "MatrixDeterminant (MatrixDeterminant): XLA has no kernel for it; multiply the diagonal",
        "test_module.py:",
        "allow_extern=True",
    ):
        assert expected in text, expected


def test_strings_and_open_shapes_are_no_inputs_and_no_outputs():
    with pytest.raises(LoweringError, match=r"input texts: string\(4,\)\n  output result: string\(4,\)"):
        from_tensorflow(tf.function(strings), tf.TensorSpec([4], tf.string), ROWS)
    with pytest.raises(LoweringError, match=r"output y: int32\(None,\)"):
        from_tensorflow(tf.function(lambda x: tf.unique(tf.cast(x[0], tf.int32))), ROWS)
    with pytest.raises(SignatureError, match="left open"):
        from_tensorflow(tf.function(network), tf.TensorSpec([None, 16]))


@relay_only("Relax has such calls")
def test_relay_calls_nothing_back():
    with pytest.raises(SignatureError, match="allow_extern needs Relax"):
        from_tensorflow(tf.function(network), ROWS, allow_extern=True)


@NEEDS_EXTERN
def test_parts_are_called_back_in_tensorflow():
    mod = from_tensorflow(tf.function(mixed), ROWS, allow_extern=True)
    kinds = {part.kind for part in parts_of(mod)}
    assert kinds == {"direct", "hlo", "extern"} and "call_pure_packed" in str(mod["main"])
    assert sum(part.share for part in parts_of(mod)) == pytest.approx(1.0)
    assert_like_tensorflow(mod, mixed, arguments((ROWS,))[0].numpy())


@NEEDS_EXTERN
@pytest.mark.parametrize("name", ["sparse", "effect", "random numbers", "assignment", "loop"])
def test_results_and_effects_are_tensorflow_s(name):
    (graph,) = [each for each in GRAPHS if each.name == name]
    given = arguments(graph.specs)
    COUNTER.assign(2)
    LOGGED.clear()
    want, logged, counted = graph.function(*given), list(LOGGED), COUNTER.numpy()
    run = build(from_tensorflow(tf.function(graph.function), *graph.specs, allow_extern=True))
    for _ in range(2):
        COUNTER.assign(2)
        LOGGED.clear()
        got = run(*(each.numpy() for each in given))
        for a, b in zip(got if isinstance(got, tuple) else [got], tf.nest.flatten(want), strict=True):
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(LOGGED, logged, rtol=1e-5)
        assert COUNTER.numpy() == counted


def logged_twice(x):
    """Effects that nothing but their order in the program puts one before the other."""
    for number in range(4):
        hidden = network(x) if number % 2 else x
        tf.numpy_function(lambda total, at=number: LOGGED.append(at) or total, [tf.reduce_sum(hidden)], tf.float32)
    return network(x)


@NEEDS_EXTERN
def test_effects_keep_their_order():
    LOGGED.clear()
    build(from_tensorflow(tf.function(logged_twice), ROWS, allow_extern=True))(arguments((ROWS,))[0].numpy())
    assert LOGGED == [0, 1, 2, 3]


@NEEDS_EXTERN
def test_results_of_effects_that_nothing_needs_are_left():
    def dropped(x):
        tf.ensure_shape(tf.numpy_function(lambda total: LOGGED.append(0) or total, [tf.reduce_sum(x)], tf.float32), [])
        return tf.nn.tanh(x) * 2

    LOGGED.clear()
    assert_like_tensorflow(
        from_tensorflow(tf.function(dropped), ROWS, allow_extern=True), dropped, np.ones((4, 16), "f")
    )
    assert LOGGED == [0, 0]


@NEEDS_EXTERN
def test_an_assertion_that_fails_is_tensorflow_s_error():
    def checked(x):
        with tf.control_dependencies([tf.debugging.assert_less(tf.reduce_max(x), 100.0, "too large")]):
            return tf.nn.tanh(x) * 2

    run = build(from_tensorflow(tf.function(checked), ROWS, allow_extern=True))
    rows = np.ones(ROWS.shape, "float32")
    np.testing.assert_allclose(run(rows), np.tanh(rows) * 2, rtol=1e-6)
    with pytest.raises(RuntimeError, match="too large"):  # TVM knows no errors of others
        run(rows * 200)


@NEEDS_EXTERN
def test_what_lies_between_strings_is_tensorflow_s_too():
    def told(x):
        text = tf.strings.as_string(x, precision=2)
        lengths = tf.cast(tf.strings.length(text), tf.float32)
        again = tf.strings.as_string(tf.nn.tanh(lengths) * 3 + 1)
        return tf.strings.length(tf.strings.join([text, again])) * 2

    mod = from_tensorflow(tf.function(told), ROWS, allow_extern=True)
    inside, outside = parts_of(mod)
    assert (inside.kind, outside.kind) == ("extern", "hlo") and {"Tanh", "StringJoin"} <= set(inside.nodes)
    assert {name for name in functions_of(mod) if name.startswith("cluster")} == {outside.name}
    assert_like_tensorflow(mod, told, arguments((ROWS,))[0].numpy())


@NEEDS_EXTERN
def test_what_calls_this_process_is_not_saved(tmp_path):
    mod = from_tensorflow(tf.function(sparse), ROWS, allow_extern=True)
    (name,) = report_of(mod).host_functions
    assert f"works in the process that converted it alone: it calls TensorFlow ({name})" in str(report_of(mod))
    with pytest.raises(HostFunctionError, match="cannot be saved"):
        save_module(mod, {}, tmp_path)
    with pytest.raises(HostFunctionError, match="cannot be saved"):
        build(mod).export_library(tmp_path / "it.so")
    import tvm_ffi

    tvm_ffi.registry.remove_global_func(name)
    with pytest.raises(HostFunctionError, match=f"functions of the process that converted it: {name}"):
        build(mod)


@NEEDS_EXTERN
def test_what_calls_tensorflow_is_refused_for_devices_by_the_names_of_its_operations():
    mod = from_tensorflow(tf.function(sparse), ROWS, allow_extern=True)
    (outside,) = [part for part in parts_of(mod) if part.kind == "extern"]
    with pytest.raises(TargetError, match=r"for 'opencl', as it has a call of .*a function of the host") as raised:
        build(mod, target="opencl")
    for node in outside.nodes:
        assert f"by %{node} (" in str(raised.value)


def test_what_hlo_s_converters_refuse_is_named_as_well(monkeypatch):
    refusals = [Refusal("tanh.1", "tanh", "main", "it is a test", "Tanh (Tanh)")]

    def refusing(lowered, **options):
        if refusals:
            raise UnsupportedHloError((refusals.pop(),))
        return convert(lowered, **options)

    convert = frontend.convert_lowered
    monkeypatch.setattr(frontend, "convert_lowered", refusing)
    with pytest.raises(LoweringError, match=r"1 nodes of .*\n  Tanh \(Tanh\): tanh: it is a test"):
        from_tensorflow(tf.function(lambda x: tf.nn.tanh(tf.exp(x))), ROWS)


def test_the_face_of_tvm_has_it():
    import importlib

    importer = importlib.import_module(f"tvm.{DIALECT}.frontend").from_tensorflow
    graph = tf.function(network).get_concrete_function(tf.TensorSpec([4, 16], name="rows"))
    function = graph if DIALECT == "relax" else _frozen(graph)
    mod, _ = mod_and_params(importer(function, via="hybrid"))
    assert {part.kind for part in parts_of(mod)} == {"direct"}
    by_hlo, _ = mod_and_params(importer(function, via="hlo"))
    with pytest.raises(ValueError, match=r"hlo\.parts"):
        parts_of(by_hlo)
    with pytest.raises(ValueError, match='via "hlo" or via "hybrid"'):
        importer(function, via="both")


def _frozen(function):
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function).graph.as_graph_def()


def test_a_part_prints():
    mod, _ = mod_and_params(from_tensorflow(tf.function(network), ROWS))
    (part,) = parts_of(mod)
    assert str(dataclasses.replace(part, share=0.25)).endswith("25.0 % of the operations, operators of main")
