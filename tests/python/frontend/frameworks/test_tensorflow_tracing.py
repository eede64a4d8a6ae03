"""How TensorFlow programs are traced: as tf.function(jit_compile=True) does, branches of constants being decided."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.tensorflow_graphs import assert_close, run_tvm
from tvm_hlo_frontend import UnsupportedHloError, build, from_tensorflow
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

tf = pytest.importorskip("tensorflow")

IMAGES = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")
ROWS = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
IMAGE_SPEC, ROW_SPEC = tf.TensorSpec(IMAGES.shape), tf.TensorSpec(ROWS.shape)


def turned(x):
    """Branches of different shapes behind constants: of Case, of nested Ifs, of a number that a shape says, in a
    called function and in the body of a loop."""
    transposed = [lambda: x, lambda: tf.transpose(x, [0, 2, 1, 3])]
    quarter = tf.image.rot90(x)

    @tf.function
    def taller(value):
        return tf.cond(tf.shape(value)[1] > tf.shape(value)[2], lambda: value, lambda: tf.image.rot90(value, 3))

    def step(index, value):
        return index + 1, value + tf.reduce_sum(tf.image.rot90(value, 1), [1, 2], keepdims=True)

    looped = tf.while_loop(lambda index, value: index < 3, step, [0, x])[1]
    return (
        quarter * 2,
        tf.image.rot90(x, 2),
        tf.switch_case(tf.constant(1), transposed),
        tf.switch_case(tf.rank(x) - 4, transposed),
        taller(x) + taller(quarter),
        looped,
    )


def test_branches_of_constants_are_decided_before_shapes_are_asked_for():
    wanted = tf.function(turned, jit_compile=True)(IMAGES)
    assert_close(run_tvm(from_tensorflow(turned, IMAGE_SPEC), IMAGES), wanted)


def test_branches_of_constants_in_saved_models_frozen_graphs_and_keras_layers(tmp_path):
    from tensorflow.python.framework import convert_to_constants

    class Turn(tf.keras.layers.Layer):
        def call(self, x):
            return tf.image.rot90(x)

    module = tf.Module()
    module.serve = tf.function(
        lambda x: tf.case([(tf.constant(False), lambda: x)], default=lambda: tf.image.rot90(x, 3)),
        input_signature=[IMAGE_SPEC],
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    assert_close(run_tvm(from_tensorflow(tmp_path), IMAGES), [module.serve(IMAGES)])
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        module.serve.get_concrete_function(), lower_control_flow=False
    ).graph.as_graph_def()
    operations = {node.op for node in [*frozen.node, *(n for f in frozen.library.function for n in f.node_def)]}
    assert "StatelessIf" in operations
    assert_close(run_tvm(from_tensorflow(frozen), IMAGES), [module.serve(IMAGES)])
    model = tf.keras.Sequential([tf.keras.Input(IMAGES.shape[1:]), Turn()])
    got = run_tvm(from_tensorflow(model, shape=[IMAGES.shape]), IMAGES)
    assert_close(got, [model(IMAGES)])


def filtered(x):
    """Python's own `for` and `if` on tensors."""
    state = tf.zeros((3,))
    for i in tf.range(5):
        state = state * 0.5 + x[i]
    if tf.reduce_sum(state) > 0:
        state = state + 1
    return state


def scan_gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.scan(lambda a, b: a * 0.5 + b, x) ** 2)
    return tape.gradient(loss, x)


@tf.custom_gradient
def clipped(x):
    return tf.tanh(x), lambda upstream: tf.clip_by_value(upstream, -0.5, 0.5) * x


def loop_gradient(x):
    """Of lists that a loop fills, a custom gradient, a nested function and a vectorized map."""
    squared = tf.function(lambda v: clipped(v) ** 2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        mapped = tf.map_fn(squared, x) + tf.vectorized_map(tf.cumsum, x)
        total = tf.constant(0.0)
        for row in mapped:
            total = total * 0.5 + tf.reduce_sum(row**3)
    return tape.gradient(total, x)


@pytest.mark.parametrize("function", [filtered, loop_gradient, tf.function(scan_gradient)])
def test_functions_are_traced_as_tf_function_traces_them_for_xla(function):
    wanted = tf.function(getattr(function, "python_function", function), jit_compile=True)(ROWS)
    assert_close(run_tvm(from_tensorflow(function, ROW_SPEC), ROWS), [wanted])


def test_the_gradient_of_a_recurrent_layer():
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential([tf.keras.Input((3, 2)), tf.keras.layers.LSTM(2)])
    x = np.random.default_rng(2).normal(size=(2, 3, 2)).astype("float32")

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x, training=True) ** 2)
        return [loss, *tape.gradient(loss, model.trainable_variables)]

    wanted = tf.function(step, jit_compile=True)(x)
    assert_close(run_tvm(from_tensorflow(step, tf.TensorSpec(x.shape)), x), wanted)


def test_the_own_traces_of_a_function_stay():
    function = tf.function(filtered)
    before = function.get_concrete_function(ROW_SPEC)
    lower_tensorflow(function, ROW_SPEC)
    assert function.get_concrete_function(ROW_SPEC) is before
    assert function.experimental_get_tracing_count() == 1


def lookup(x):
    text = tf.strings.as_string(x)  # line of as_string
    return tf.strings.length(text)


def unknown_size(x):
    kept = tf.boolean_mask(x, x > 0)[None, :, None]
    return tf.nn.conv1d(kept, tf.ones([2, 1, 1]), 1, "SAME")  # line of conv1d


def noise(x):
    for _ in tf.range(3):
        x = x + tf.random.normal((5, 3))  # line of normal
    return x


def shaped_by_values(x):
    return tf.reshape(x, [tf.cast(x[0, 0], tf.int32), -1])  # line of reshape


def fails(x):
    raise RuntimeError(f"no {x.shape}")


def line_of(text):
    with open(__file__, encoding="utf-8") as file:
        number = next(number for number, line in enumerate(file, 1) if line.rstrip().endswith(f"# line of {text}"))
    return f"{__file__}:{number}"


@pytest.mark.parametrize(
    ("function", "error", "node", "place"),
    [
        (lookup, LoweringError, "AsString (AsString)", "as_string"),
        (unknown_size, LoweringError, "conv1d (Conv2D): custom-call(DynamicConvolutionForward)", "conv1d"),
        (shaped_by_values, LoweringError, "Reshape", "reshape"),
        (noise, UnsupportedHloError, "random_normal/RandomStandardNormal", "normal"),
    ],
)
def test_refusals_name_the_node_and_the_line_of_python(function, error, node, place):
    with pytest.raises(error) as caught:
        from_tensorflow(function, ROW_SPEC)
    assert node in str(caught.value) and line_of(place) in str(caught.value)
    assert "site-packages" not in str(caught.value) and "dynamic_builder" not in str(caught.value)


def test_branches_of_different_shapes():
    def function(x, flag):
        return tf.cond(flag, lambda: x, lambda: x[:3], name="choice")

    run = build(*mod_and_params(from_tensorflow(function, ROW_SPEC, tf.TensorSpec((), tf.bool))))
    np.testing.assert_array_equal(run(ROWS, True), ROWS)
    np.testing.assert_array_equal(run(ROWS, False), ROWS[:3])


def test_errors_while_tracing_are_the_package_s_own():
    with pytest.raises(LoweringError, match=r"(?s)cannot trace fails: .*no \(5, 3\)") as caught:
        from_tensorflow(fails, ROW_SPEC)
    assert isinstance(caught.value.__cause__, RuntimeError)
