"""TensorFlow programs with open dimensions: a build for each shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend import from_tensorflow, load_specialized
from tvm_hlo_frontend.errors import LoweringError, SignatureError
from tvm_hlo_frontend.frameworks.tensorflow import from_concrete_function

tf = pytest.importorskip("tensorflow")

SIZES = (1, 4)


def rows(*shape: int) -> np.ndarray:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def product() -> Any:
    """A tf.function of two matrices of any sizes."""
    spec = tf.TensorSpec((None, None))

    @tf.function(input_signature=[spec, spec])
    def scaled(x, y):
        return {"product": tf.matmul(x, y) / tf.cast(tf.shape(x)[0], tf.float32), "rows": tf.shape(x)[0]}

    return scaled


def network() -> Any:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    return keras.Sequential([layers.Input((6, 6, 2)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)])


def test_function() -> None:
    """Every dimension that no name makes equal to others is a size of its own."""
    function = product()
    run = from_tensorflow(function, specialize=True)
    assert run.sizes == ("x_0", "x_1", "y_0", "y_1")
    assert run.signature.result == {"tuple": [["f32", ["?", "?"]], ["s32", []]]}
    for count in SIZES:
        x, y = rows(count, 3), rows(3, 5)
        scaled, number = run(x, y)
        np.testing.assert_allclose(scaled, x @ y / count, rtol=1e-5, atol=1e-6)
        assert number == count
    assert [variant.sizes["x_0"] for variant in run.variants] == [1, 4]


def test_names_are_equal_sizes() -> None:
    run = from_tensorflow(product(), shape={"x": ("m", "k"), "y": ("k", "2*n")}, specialize=True)
    run.prepare({"m": 2, "k": 3, "n": 2})
    assert run(rows(2, 3), rows(3, 4))[0].shape == (2, 4)
    assert len(run.variants) == 1
    with pytest.raises(SignatureError, match="dimension 0 of `y` is 5; the program needs k, which is 3 by dimension 1"):
        run(rows(2, 3), rows(5, 4))
    with pytest.raises(SignatureError, match="dimension 1 of `y` is 5; the program needs 2\\*n, a multiple of 2"):
        run(rows(2, 3), rows(3, 5))


def test_what_tensorflow_refuses_of_sizes() -> None:
    run = from_tensorflow(product(), specialize=True)
    with pytest.raises(LoweringError, match=r"with x_0 = 2, x_1 = 3, y_0 = 5, y_1 = 4: .*\[2,3\].*\[5,4\]"):
        run(rows(2, 3), rows(5, 4))
    assert not run.variants


def test_keras_model(tmp_path: Any) -> None:
    model = network()
    run = from_tensorflow(model, shape=[("batch", 6, 6, 2)], specialize=True)
    for batch in SIZES:
        x = rows(batch, 6, 6, 2)
        np.testing.assert_allclose(run(x), model(x), rtol=1e-4, atol=1e-5)
    run.save(tmp_path)
    np.testing.assert_allclose(load_specialized(tmp_path)(x), model(x), rtol=1e-4, atol=1e-5)
    with pytest.raises(SignatureError, match=r"is float32\[4, 6, 6\]; the program needs float32\[batch, 6, 6, 2\]"):
        run(x[..., 0])


def test_saved_model(tmp_path: Any) -> None:
    module = tf.Module()
    module.weight = tf.Variable(rows(3, 4))
    module.apply = tf.function(lambda x: x @ module.weight, input_signature=[tf.TensorSpec((None, 3), name="x")])
    tf.saved_model.save(module, str(tmp_path))
    run = from_tensorflow(tmp_path, shape={"x": ("batch", 3)}, specialize=True)
    for batch in SIZES:
        np.testing.assert_allclose(run(rows(batch, 3)), rows(batch, 3) @ rows(3, 4), rtol=1e-5)


@pytest.mark.parametrize("sizes", ["weights", "weights that are shapes"])
def test_graph_def(sizes: str) -> None:
    """Constants are weights of each variant; those that XLA must know stay constants."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3), name="x")
        y = tf.matmul(x, tf.constant(rows(3, 4)), name="y")
        if sizes != "weights":
            y = tf.reshape(y, tf.cast(tf.constant([-1.0, 2.0]), tf.int32), name="pairs")
    run = from_tensorflow(graph.as_graph_def(), specialize=True)
    for batch in SIZES:
        wanted = rows(batch, 3) @ rows(3, 4)
        np.testing.assert_allclose(run(rows(batch, 3)), wanted.reshape(run(rows(batch, 3)).shape), rtol=1e-5)


def test_concrete_function_and_every_size_known() -> None:
    concrete = product().get_concrete_function()
    run = from_concrete_function(concrete, shape={"x": ("m", 3), "y": (3, 5)}, specialize=True)
    assert run.sizes == ("m",)
    assert run(rows(2, 3), rows(3, 5))[0].shape == (2, 5)
    static = from_concrete_function(concrete, shape=[(2, 3), (3, 5)], specialize=True)
    assert static.sizes == ()
    assert static(rows(2, 3), rows(3, 5))[0].shape == (2, 5)


def test_own_names_avoid_those_that_are_given() -> None:
    run = from_tensorflow(product(), shape={"y": ("x_0", None)}, specialize=True)
    assert run.sizes == ("x_0_", "x_1", "x_0", "y_1")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (None, r"left open.* x float32\(None, None\).*specialize=True"),
        ([("m", 3), (3, 4)], r"left open.* x float32\(None, 3\)"),
        ([("m", 3)], "1 entries for the 2 inputs"),
        ([("m", -3), (3, 4)], "None or a name stands for an open one"),
        (["mk", (3, 4)], "needs sizes for the input x, not 'mk'"),
    ],
)
def test_static_conversion_needs_numbers(shape: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        from_tensorflow(product(), shape=shape)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([("m", "k +"), (3, 4)], "'k \\+'"),
        ([("m*k", 3), (3, 4)], "tells the unknown size"),
        ([("m", 3, 4), (3, 4)], "shape= says"),
    ],
)
def test_shapes_that_are_none(shape: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        from_tensorflow(product(), shape=shape, specialize=True)


def test_ranks_and_types_that_are_none() -> None:
    spec = tf.TensorSpec(None)
    function = tf.function(lambda x: x + 1, input_signature=[spec])
    with pytest.raises(SignatureError, match="rank of the input x is unknown; say its dimensions with shape="):
        from_tensorflow(function, specialize=True)
    run = from_tensorflow(function, shape=[("a", "b")], specialize=True)
    np.testing.assert_array_equal(run(rows(2, 3)), rows(2, 3) + 1)
    function = tf.function(lambda x: tf.strings.length(x), input_signature=[tf.TensorSpec((None,), tf.string)])
    with pytest.raises(SignatureError, match="`x` holds string, which XLA has no element type for"):
        from_tensorflow(function, specialize=True)


def test_frontend_of_tvm_takes_it() -> None:
    graph_function = product().get_concrete_function().graph.as_graph_def()
    run = tvm_hlo_frontend.frameworks.tensorflow.from_tensorflow_graph(
        graph_function, shape={"x": ("m", "k"), "y": ("k", "n")}, specialize=True
    )
    assert run.sizes == ("m", "k", "n")
