"""from_tensorflow of SavedModels of both versions, and of Keras models and files."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.tensorflow_graphs import assert_close, input_names, run_tvm, version_1_control_flow
from tvm_hlo_frontend import SignatureError, from_tensorflow, report_of
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

tf = pytest.importorskip("tensorflow")

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
W = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


class Layers(tf.Module):
    """Two signatures, a function without one, and a counter."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(W, name="kernel")
        self.calls = tf.Variable(0, name="calls")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="image"), tf.TensorSpec((), name="alpha")])
    def serve(self, image, alpha):
        return {"scores": tf.nn.softmax(tf.matmul(image, self.kernel)), "bias": image * alpha}

    @tf.function(input_signature=[tf.TensorSpec((None, 3), name="image")])
    def count(self, image):
        self.calls.assign_add(tf.shape(image)[0])
        return tf.reduce_sum(image)

    @tf.function
    def twice(self, x):
        return x * 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(path, module) of a SavedModel of version 2."""
    layers, path = Layers(), str(tmp_path_factory.mktemp("version_2"))
    layers.twice.get_concrete_function(tf.TensorSpec((2, 3)))
    tf.saved_model.save(layers, path, signatures={"serving_default": layers.serve, "count": layers.count})
    return path, layers


def test_the_default_signature(saved):
    path, layers = saved
    mod, params = mod_and_params(from_tensorflow(path, shape={"image": X.shape}, freeze_params=False))
    # signatures take and return their tensors by name, in the order of the names
    assert input_names(mod, params) == ["alpha", "image"] and list(params) == ["kernel"]
    assert report_of(mod).notes == ("result 0: bias", "result 1: scores")
    wanted = layers.serve(X, 3.0)
    assert_close(run_tvm((mod, params), np.float32(3), X), [wanted["bias"], wanted["scores"]])


def test_the_structure_of_results(saved):
    lowered = lower_tensorflow(f"{saved[0]}/saved_model.pb", shape={"image": X.shape})
    assert sorted(lowered.result_structure) == ["bias", "scores"]


def test_new_values_of_variables_are_named(saved):
    mod, params = mod_and_params(from_tensorflow(saved[0], X, signature="count"))
    assert report_of(mod).notes[-1] == "result 1: new value of the variable calls"
    assert "new value of the variable calls" in str(report_of(mod))
    calls = saved[1].calls.numpy()
    assert_close(run_tvm((mod, params), X), [X.sum(), calls + np.int32(2)])


def test_functions_without_signature(saved):
    assert_close(run_tvm(from_tensorflow(saved[0], tf.TensorSpec((2, 3)), signature="twice"), X), [X * 2])


def test_wrong_signatures_are_refused(saved):
    with pytest.raises(SignatureError, match=r"no signature nowhere; signatures: count, serving_default"):
        lower_tensorflow(saved[0], signature="nowhere")
    with pytest.raises(SignatureError, match=r"static shape is needed for image float32\(None, 3\)"):
        lower_tensorflow(saved[0])
    with pytest.raises(SignatureError, match="outputs= chooses within a GraphDef"):
        lower_tensorflow(saved[0], outputs=["scores"])


@pytest.fixture(scope="module", params=["reference", "resource"])
def saved_version_1(request, tmp_path_factory):
    """(path, results of the signature for X and 2) of a SavedModel of version 1."""
    path = str(tmp_path_factory.mktemp("version_1") / "model")
    tf1 = tf.compat.v1
    with version_1_control_flow(), tf.Graph().as_default(), tf1.Session() as session:
        image = tf1.placeholder(tf.float32, (None, 3), name="ph_image")
        steps = tf1.placeholder(tf.int32, (), name="ph_steps")
        kernel = tf1.get_variable("kernel", initializer=W[:, :3], use_resource=request.param == "resource")
        value = tf1.while_loop(lambda i, v: i < steps, lambda i, v: (i + 1, tf.matmul(v, kernel)), [0, image])[1]
        session.run(tf1.global_variables_initializer())
        signature = tf1.saved_model.predict_signature_def({"steps": steps, "image": image}, {"value": value})
        builder = tf1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
        return path, session.run(value, {image: X, steps: 2})


def test_version_1_with_a_loop_around_its_variable(saved_version_1):
    path, wanted = saved_version_1
    mod, params = mod_and_params(from_tensorflow(path, shape={"image": X.shape}, freeze_params=False))
    assert input_names(mod, params) == ["image", "steps"] and list(params) == ["kernel"]
    assert report_of(mod).notes == ("result 0: value",)
    assert_close(run_tvm((mod, params), X, np.int32(2)), [wanted])


def test_version_1_signatures(saved_version_1):
    with pytest.raises(SignatureError, match="no signature predict; signatures: serving_default"):
        lower_tensorflow(saved_version_1[0], signature="predict")
    with pytest.raises(SignatureError, match=r"static shape is needed for image"):
        lower_tensorflow(saved_version_1[0])


def keras_model():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((3,), name="left"), keras.Input((3,), name="right")]
    both = keras.layers.Concatenate()(inputs)
    hidden = keras.layers.Dense(4, activation="relu", name="hidden")(both)
    return keras.Model(inputs, {"head": keras.layers.Dense(2, name="head")(hidden), "hidden": hidden})


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_files(tmp_path, suffix):
    model = keras_model()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    mod, params = mod_and_params(from_tensorflow(path, shape={"left": (2, 3), "right": (2, 3)}, freeze_params=False))
    assert input_names(mod, params) == ["left", "right"]
    assert sorted(params) == ["head/bias", "head/kernel", "hidden/bias", "hidden/kernel"]
    assert report_of(mod).notes == ("result 0: head", "result 1: hidden")
    wanted = model([X, X + 1], training=False)
    assert_close(run_tvm((mod, params), X, X + 1), [wanted["head"], wanted["hidden"]])


def test_shapes_of_keras_models():
    model = keras_model()
    assert lower_tensorflow(model, shape=[(2, 3), (2, 3)]).input_names[:2] == ("left", "right")
    with pytest.raises(SignatureError, match="shape= names middle; the inputs are left, right"):
        lower_tensorflow(model, shape={"middle": (2, 3)})
    with pytest.raises(SignatureError, match=r"shape= says \(2, 5\) of the input left"):
        lower_tensorflow(model, shape={"left": (2, 5), "right": (2, 3)})


def test_broken_keras_files_are_refused(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"no zip")
    with pytest.raises(LoweringError, match="Keras cannot load"):
        lower_tensorflow(tmp_path / "model.keras")
