"""Control flow of TensorFlow 1 and 2, tensor arrays, and StableHLO inside of a graph."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.emitted import calls_of
from tests.support.tensorflow_graphs import (
    assert_close,
    graph_def_of,
    input_names,
    run_session,
    run_tvm,
    version_1_control_flow,
)
from tvm_hlo_frontend import from_tensorflow
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

tf = pytest.importorskip("tensorflow")

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
W = np.arange(9, dtype=np.float32).reshape(3, 3) / 7
SPEC = tf.TensorSpec((2, 3), tf.float32)


def loop_in_cond(tf1):
    """A while loop with a tensor array inside of a cond, under a cond on an input, and weights used in the loop."""
    x = tf1.placeholder(tf.float32, (None, 3), name="x")
    flag = tf1.placeholder(tf.bool, (), name="flag")
    kernel = tf.constant(W, name="kernel")

    def loop():
        def step(i, value, array):
            value = tf.tanh(tf.matmul(value, kernel)) + tf.cast(i, tf.float32)
            return i + 1, value, array.write(i, tf.reduce_sum(value, 1))

        array = tf.TensorArray(tf.float32, 4, element_shape=(None,))
        _, value, array = tf1.while_loop(lambda i, v, a: i < 4, step, [0, x, array])
        return value, array.stack()

    def straight():
        return tf1.cond(tf.reduce_sum(x) > 0, lambda: x * 2, lambda: x - 1), tf.zeros((4, tf.shape(x)[0]))

    value, sums = tf1.cond(flag, loop, straight)
    tf.identity(value, name="value")
    tf.identity(sums, name="sums")


@pytest.fixture(scope="module")
def version_1_graph():
    with version_1_control_flow():
        graph = graph_def_of(loop_in_cond)
    operations = {node.op for node in graph.node}
    assert {"Switch", "Merge", "Enter", "NextIteration", "TensorArrayV3"} <= operations
    return graph


def test_version_1_control_flow(version_1_graph):
    outputs = ["value", "sums"]
    converted = mod_and_params(
        from_tensorflow(version_1_graph, shape={"x": X.shape}, outputs=outputs, freeze_params=False)
    )
    assert input_names(*converted) == ["x", "flag"] and list(converted[1]) == ["kernel"]
    for x in (X, X + 1):
        for flag in (True, False):
            feeds = {"x": x, "flag": np.array(flag)}
            wanted = run_session(version_1_graph, feeds, ["value:0", "sums:0"])
            assert_close(run_tvm(converted, x, np.array(flag)), wanted)


def test_version_2_loops_that_freezing_lowered_to_version_1():
    from tensorflow.python.framework import convert_to_constants

    kernel = tf.Variable(W, name="kernel")

    def f(x):
        def step(value, row):
            return tf.cond(tf.reduce_sum(row) > 0, lambda: tf.linalg.matvec(kernel, value) + row, lambda: value - row)

        return tf.scan(step, x, tf.zeros(3))

    concrete = tf.function(f).get_concrete_function(tf.TensorSpec((None, 3), tf.float32))
    lowered = convert_to_constants.convert_variables_to_constants_v2(concrete, lower_control_flow=True)
    kept = convert_to_constants.convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    assert {"Switch", "Enter"} <= {node.op for node in lowered.graph.as_graph_def().node}
    assert "Enter" not in {node.op for node in kept.graph.as_graph_def().node}
    wanted = f(X)
    for each in (kept, lowered.graph.as_graph_def()):
        assert_close(run_tvm(from_tensorflow(each, SPEC), X), [wanted])


def test_variables_in_version_1_loops(version_1_graph):
    kernel = tf.Variable(W, name="weights")

    def f(x):
        mapped = {"x:0": x, "flag:0": tf.reduce_sum(x) < 1, "kernel:0": kernel + 0}
        return tf.graph_util.import_graph_def(version_1_graph, input_map=mapped, return_elements=["value:0"])[0]

    f = tf.compat.v1.wrap_function(f, [SPEC])
    mod, params = mod_and_params(from_tensorflow(f, freeze_params=False))
    assert list(params) == ["weights"]
    assert_close(run_tvm((mod, params), X), [f(X)])


def test_version_1_loops_in_called_functions(tmp_path):
    def double(tf1):
        x = tf1.placeholder(tf.float32, (None, 3), name="x")
        tf1.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), [0, x], name="loop")

    with version_1_control_flow():
        graph = graph_def_of(double)
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    loop = wrapped.prune("x:0", "loop/Exit_1:0")
    module = tf.Module()
    module.serve = tf.function(lambda x: tf.nn.relu(loop(x) + 1), input_signature=[SPEC])
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    assert_close(run_tvm(from_tensorflow(tmp_path), X), [np.maximum(X * 8 + 1, 0)])


def test_the_exit_of_a_loop_as_output_and_a_loop_without_inputs():
    def count(tf1):
        tf1.while_loop(lambda i, j: i < 5, lambda i, j: (i + 1, j * 2), [0, 1], name="count")

    with version_1_control_flow():
        graph = graph_def_of(count)
    assert_close(run_tvm(from_tensorflow(graph, outputs=["count/Exit_1"])), [np.int32(32)])


def test_broken_version_1_control_flow_is_refused():
    def broken(tf1):
        x = tf1.placeholder(tf.float32, (2, 3), name="x")
        entered = tf.raw_ops.Enter(data=x, frame_name="never_left")
        tf.raw_ops.Exit(data=entered, name="out")

    with pytest.raises(LoweringError, match=r"Enter \(Enter\): .*\n *out \(Exit\)"):
        lower_tensorflow(graph_def_of(broken))


def test_version_2_if_case_and_while():
    @tf.function
    def f(x, index):
        branches = [lambda: x * 2, lambda: tf.nn.relu(x), lambda: x - 5]
        chosen = tf.switch_case(index, branches)
        count = tf.constant(0)
        while tf.reduce_sum(chosen) < 20:
            chosen = chosen + tf.abs(x) + 0.5
            count += 1
        return chosen, count

    converted = from_tensorflow(f, SPEC, tf.TensorSpec((), tf.int32))
    for index in (0, 1, 2, 7):
        assert_close(run_tvm(converted, X, np.int32(index)), f(X, tf.constant(index)))


def test_tensor_arrays_and_map_fn():
    @tf.function
    def f(x):
        array = tf.TensorArray(tf.float32, size=4, element_shape=(2, 3), clear_after_read=False)
        for index in tf.range(4):
            array = array.write(index, x * tf.cast(index, tf.float32))
        return array.stack(), array.read(2), array.gather([3, 1]), tf.map_fn(lambda row: tf.reverse(row, [0]), x)

    assert_close(run_tvm(from_tensorflow(f, SPEC), X), f(X))


def test_stablehlo_inside_of_a_graph():
    jax = pytest.importorskip("jax")
    from tensorflow.compiler.tf2xla.python import xla

    def jax_function(x, y):
        return jax.numpy.sin(x) @ y, jax.numpy.cumsum(x, axis=1)

    exported = jax.export.export(jax.jit(jax_function), platforms=("cpu",))(X, W)

    @tf.function
    def f(x, y):
        first, second = xla.call_module(
            [tf.nn.relu(x), y],
            version=exported.calling_convention_version,
            module=exported.mlir_module_serialized,
            Tout=[tf.float32, tf.float32],
            Sout=[(2, 3), (2, 3)],
            platforms=["CPU"],
        )
        return first + 1, second

    specs = SPEC, tf.TensorSpec((3, 3), tf.float32)
    assert_close(run_tvm(from_tensorflow(f, *specs), X, W), f(X, W))


# ---- loops as one kernel ---------------------------------------------------------------------------------------------

ROWS = np.sin(np.arange(72, dtype=np.float32)).reshape(12, 6)
SEQUENCES = np.cos(np.arange(156, dtype=np.float32)).reshape(2, 13, 6)
MATRIX = np.sin(np.arange(36, dtype=np.float32) * 1.7).reshape(6, 6) / 3
MASKED = SEQUENCES * (np.arange(13) < np.array([[9], [13]]))[..., None].astype(np.float32)


def recurrence(rows):
    return tf.scan(lambda state, row: tf.tanh(tf.linalg.matvec(MATRIX, state) + row), rows, tf.zeros(6))


def filled_array(rows):
    def step(i, value, array):
        return i + 1, tf.tanh(value + rows[i]), array.write(i, value)

    start = 0, rows[0], tf.TensorArray(tf.float32, 12, element_shape=(6,))
    _, value, array = tf.while_loop(lambda i, *_: i < 12, step, start)
    return value, array.stack()


def until_small(x):
    trips = 0
    while tf.reduce_sum(tf.abs(x)) > 0.1:
        x, trips = tf.reverse(x, [0]) * 0.7, trips + 1
    return x, trips


def gradient_of(function):
    """Of the squares of what `function` gives: a second loop, which reads what the first has kept, backwards."""

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(function(x) ** 2)
        return tape.gradient(loss, x)

    return gradient


def counted_powers(x):
    return tf.while_loop(lambda i, v: i < 11, lambda i, v: (i + 1, tf.sin(v) * v), (0, x), maximum_iterations=11)[1]


LOOPS = {
    "scan": (recurrence, ROWS, 1),
    "map_fn": (lambda rows: tf.map_fn(lambda row: tf.reverse(row, [0]) * 2, rows), ROWS, 1),
    "foldr": (lambda rows: tf.foldr(lambda total, row: total * 0.5 + row, rows), ROWS, 1),
    "an array that a loop fills": (filled_array, ROWS, 1),
    "a while of Python": (until_small, ROWS, 1),
    "gradient of a scan": (gradient_of(recurrence), ROWS, 2),
    "gradient of a while": (gradient_of(counted_powers), ROWS, 2),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_of_tensorflow_is_one_kernel(name):
    function, x, loops = LOOPS[name]
    function = tf.function(function)
    converted = mod_and_params(from_tensorflow(function, tf.TensorSpec(x.shape, tf.float32)))
    assert calls_of(converted[0]).count("loop") == loops, calls_of(converted[0])
    assert_close(run_tvm(converted, x), tf.nest.flatten(function(x)))


LAYERS = {
    "LSTM": (lambda layers: [layers.LSTM(5, return_sequences=True)], SEQUENCES, 1),
    "GRU": (lambda layers: [layers.GRU(5)], SEQUENCES, 1),
    "GRU, reset before": (lambda layers: [layers.GRU(5, reset_after=False)], SEQUENCES, 1),
    "SimpleRNN": (lambda layers: [layers.SimpleRNN(5)], SEQUENCES, 1),
    "LSTM in both directions": (
        lambda layers: [layers.Bidirectional(layers.LSTM(5, return_sequences=True))],
        SEQUENCES,
        2,
    ),
    "stacked cells": (lambda layers: [layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)])], SEQUENCES, 1),
    "masked": (lambda layers: [layers.Masking(), layers.LSTM(5)], MASKED, 1),
}


def recurrent(name):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    layers, x, loops = LAYERS[name]
    return keras.Sequential([keras.Input(x.shape[1:]), *layers(keras.layers)]), x, loops


@pytest.mark.parametrize("name", LAYERS)
def test_a_recurrent_layer_of_keras_is_one_kernel_a_direction(name):
    model, x, loops = recurrent(name)
    converted = mod_and_params(from_tensorflow(model, x))
    assert calls_of(converted[0]).count("loop") == loops, calls_of(converted[0])
    assert_close(run_tvm(converted, x), [model(x, training=False)])


def test_the_gradient_of_a_recurrent_layer_is_two_kernels():
    model, x, _ = recurrent("LSTM")
    gradient = tf.function(gradient_of(model))
    converted = mod_and_params(from_tensorflow(gradient, tf.TensorSpec(x.shape, tf.float32)))
    assert calls_of(converted[0]).count("loop") == 2, calls_of(converted[0])
    assert_close(run_tvm(converted, x), [gradient(tf.constant(x))])
