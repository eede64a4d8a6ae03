"""from_tensorflow and from_concrete_function: what they accept, names and values of parameters, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params, parameter_names
from tvm_hlo_frontend.errors import LoweringError, SignatureError
from tvm_hlo_frontend.frameworks.lowered import parameter_shapes
from tvm_hlo_frontend.frameworks.tensorflow import (
    from_concrete_function,
    from_tensorflow,
    lower_concrete_function,
    lower_tensorflow,
)

tf = pytest.importorskip("tensorflow")

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
SPEC = tf.TensorSpec((2, 3), tf.float32)
W = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


@pytest.fixture
def affine():
    """(tf.function, its variables): uses the second variable first, and one it never uses."""
    first, second = tf.Variable(W, name="kernel"), tf.Variable(np.ones((2, 4), np.float32), name="kernel")
    unused = tf.Variable(7.0, name="unused")

    def f(x):
        return tf.matmul(x, first) * 2.0 + second

    return tf.function(f), (first, second, unused)


def shapes(lowered):
    return [str(shape).partition("{")[0] for shape in parameter_shapes(lowered.hlo)]


def run(converted, *arrays):
    return tvm_hlo_frontend.build(*mod_and_params(converted))(*arrays)


def test_inputs_come_first_then_the_captured_variables(affine):
    lowered = lower_tensorflow(affine[0], SPEC)
    assert lowered.input_names == ("x", "kernel", "kernel.1")
    assert shapes(lowered) == ["f32[2,3]", "f32[3,4]", "f32[2,4]"]
    np.testing.assert_array_equal(lowered.parameter_values[1], W)
    assert sorted(lowered.parameter_values) == [1, 2]
    assert lowered.source == "tensorflow"


def test_captured_constants_are_weights():
    constant = tf.constant(W)
    lowered = lower_tensorflow(tf.function(lambda x: tf.matmul(x, constant)), SPEC)
    assert lowered.input_names == ("x", "captured_0")
    np.testing.assert_array_equal(lowered.parameter_values[1], W)


def test_open_dimensions_are_fixed_by_specs(affine):
    concrete = affine[0].get_concrete_function(tf.TensorSpec((None, 3), tf.float32))
    assert shapes(lower_concrete_function(concrete, input_specs=[SPEC]))[0] == "f32[2,3]"
    assert shapes(lower_tensorflow(concrete, X))[0] == "f32[2,3]"
    with pytest.raises(SignatureError, match=r"static shape.*\(None, 3\)"):
        lower_concrete_function(concrete)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([SPEC, SPEC], "takes 1 tensors, but there are 2 specs"),
        ([tf.TensorSpec((2, 3), tf.int32)], "does not fit the input x"),
        ([tf.TensorSpec((2, 4), tf.float32)], "does not fit the input x"),
    ],
)
def test_specs_that_do_not_fit_are_refused(affine, specs, message):
    concrete = affine[0].get_concrete_function(SPEC)
    with pytest.raises(SignatureError, match=message):
        lower_concrete_function(concrete, input_specs=specs)


def test_operations_that_xla_lacks_are_named():
    with pytest.raises(LoweringError, match="AsString"):
        lower_tensorflow(tf.function(tf.strings.as_string), SPEC)


def test_growing_tensor_arrays_are_refused():
    def grow(x):
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=(2, 3))
        for index in range(5):
            array = array.write(index, x)
        return array.stack()

    with pytest.raises(LoweringError, match="dynamic_size"):
        lower_tensorflow(grow, SPEC)


def test_python_functions_with_several_inputs_and_results():
    def f(x, pair):
        return {"sum": x + pair[0], "product": x * pair[1]}

    lowered = lower_tensorflow(f, SPEC, (SPEC, SPEC))
    assert len(lowered.input_names) == 3
    product, total = run(from_tensorflow(f, SPEC, (X, X)), X, X + 1, X + 2)
    np.testing.assert_array_equal(product, X * (X + 2))
    np.testing.assert_array_equal(total, X + (X + 1))


@pytest.mark.parametrize("frozen", [False, True])
def test_weights_as_params_and_frozen(affine, frozen):
    function, (first, second, _) = affine
    concrete = function.get_concrete_function(SPEC)
    mod, params = mod_and_params(from_concrete_function(concrete, freeze_params=frozen))
    assert sorted(params) == ([] if frozen else ["kernel", "kernel.1"])
    want = X @ first.numpy() * 2 + second.numpy()
    np.testing.assert_allclose(run((mod, params), X), want, rtol=1e-5, atol=1e-6)
    assert tvm_hlo_frontend.signature_of(mod).source == "tensorflow"


def test_assigned_variables_are_results_and_keep_their_values():
    counter = tf.Variable(np.ones((2, 3), np.float32), name="counter")

    def f(x):
        counter.assign_add(x)
        return x * 2.0

    doubled, updated = run(from_tensorflow(f, SPEC), X)
    np.testing.assert_array_equal(doubled, X * 2)
    np.testing.assert_array_equal(updated, X + 1)
    np.testing.assert_array_equal(counter.numpy(), np.ones((2, 3)))


def small_keras_model():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((3,), name="left"), keras.Input((3,), name="right")]
    both = keras.layers.Concatenate()([keras.layers.Dropout(0.5)(inputs[0]), inputs[1]])
    return keras.Model(inputs, keras.layers.Dense(4, activation="relu", name="head")(both))


def test_keras_models_run_in_inference_mode_and_name_weights_by_path():
    model = small_keras_model()
    mod, params = mod_and_params(from_tensorflow(model, X, X, freeze_params=False))
    assert parameter_names(mod)[:2] == ["left", "right"]
    assert sorted(params) == ["head/bias", "head/kernel"]
    want = model([X, X + 1], training=False).numpy()
    np.testing.assert_allclose(run((mod, params), X, X + 1), want, rtol=1e-5, atol=1e-6)


def test_a_keras_model_with_open_batch_needs_specs():
    with pytest.raises(SignatureError, match=r"open.*TensorSpec"):
        lower_tensorflow(small_keras_model())


@pytest.mark.parametrize("kept", [True, False])
def test_saved_model_signatures(tmp_path, affine, kept):
    function, variables = affine
    module = tf.Module()
    module.function, module.kept = function, variables
    tf.saved_model.save(module, str(tmp_path), signatures=function.get_concrete_function(SPEC))
    loaded = tf.saved_model.load(str(tmp_path))
    signature = loaded.signatures["serving_default"]
    if not kept:  # the variables' objects go with the model, their values stay with the function
        del loaded
    want = X @ W * 2 + 1
    np.testing.assert_allclose(run(from_tensorflow(signature), X), want, rtol=1e-5, atol=1e-6)
