"""Programs whose clusters TVM runs give TensorFlow's results."""

import importlib
import shutil
import threading

import numpy as np
import pytest

from tests.support.hybrid_graphs import COUNTER, GRAPHS, LOGGED, ROWS, TEXTS, WEIGHTS, arguments, assert_same, network
from tests.support.hybrid_graphs import strings as strings_function
from tvm_hlo_frontend.backends.select import installed_dialect
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hybrid import offload
from tvm_hlo_frontend.hybrid.bridge.operation import COMPILERS

tf = pytest.importorskip("tensorflow")

NATIVE = installed_dialect() == "relax" and any(map(shutil.which, COMPILERS))


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
@pytest.mark.parametrize("freeze", [False, True], ids=["variables", "frozen"])
def test_results_and_effects_are_tensorflow_s(graph, freeze):
    function = tf.function(graph.function)
    hybrid = offload(function, *graph.specs, freeze=freeze)
    assert hybrid.plan.clusters and hybrid.plan.share >= 0.8
    for seed in range(3):
        given = arguments(graph.specs, seed)
        COUNTER.assign(seed)
        LOGGED.clear()
        want, logged, counted = function(*given), list(LOGGED), COUNTER.numpy()
        COUNTER.assign(seed)
        LOGGED.clear()
        assert_same(hybrid(*given), want)
        np.testing.assert_allclose(LOGGED, logged, rtol=1e-5)
        assert COUNTER.numpy() == counted


def test_the_bridge_is_said():
    notes = " ".join(offload(network, ROWS).plan.notes)
    assert ("run by the operation TvmCluster" in notes) == NATIVE
    assert "called through Python" in " ".join(offload(network, ROWS, in_python=True).plan.notes)


def test_variables_are_read_at_every_call():
    hybrid = offload(tf.function(network), ROWS)
    (x,) = arguments((ROWS,))
    before = WEIGHTS[2].numpy()
    try:
        WEIGHTS[2].assign(before * 2)
        assert_same(hybrid(x), network(x))
    finally:
        WEIGHTS[2].assign(before)


def test_other_shapes_are_compiled_once_and_kept_within_a_limit():
    hybrid = offload(tf.function(network), ROWS, limit=2)
    for rows in (4, 2, 4, 3, 4):
        (x,) = arguments((tf.TensorSpec([rows, 16]),), rows)
        assert_same(hybrid(x), network(x))
    assert len(hybrid.variants) == 2


@pytest.mark.parametrize("in_python", [False, True])
def test_threads_get_their_own_results(in_python):
    hybrid = offload(tf.function(strings_function), TEXTS, ROWS, in_python=in_python)
    wrong = []

    def work(seed):
        given = arguments((TEXTS, ROWS), seed)
        want = strings_function(*given)
        for _ in range(100):
            if not np.array_equal(hybrid(*given).numpy(), want.numpy()):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("in_python", [False, True])
def test_gradients_are_refused(in_python):
    hybrid = offload(tf.function(network), ROWS, in_python=in_python)
    (x,) = arguments((ROWS,))
    with tf.GradientTape() as tape:
        tape.watch(x)
        with pytest.raises(LookupError, match=r"was compiled .* has no gradient; take"):
            tape.gradient(hybrid(x), x)


def test_within_a_function_and_a_data_set():
    hybrid = offload(tf.function(network), ROWS)
    (x,) = arguments((ROWS,))
    assert_same(tf.function(lambda value: hybrid(value) + 1)(x), network(x) + 1)
    rows = tf.data.Dataset.from_tensor_slices(tf.stack([x, x + 1, x * 2])).map(hybrid, num_parallel_calls=2)
    for got, value in zip(rows, (x, x + 1, x * 2)):
        assert_same(got, network(value))


def test_a_keras_model():
    import keras

    inputs = keras.Input((8, 8, 3), batch_size=2)
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    model = keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(hidden)))
    hybrid = offload(model, freeze=True)
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32"))
    assert hybrid.plan.share == 1.0
    assert_same(hybrid(x), model(x))


def test_host_functions_are_called_through_python():
    def eigenvalues(x):
        square = tf.matmul(x, x, transpose_b=True)
        return tf.sort(tf.math.real(tf.linalg.eigvals(square))), network(x)

    hybrid = offload(tf.function(eigenvalues), ROWS)
    (x,) = arguments((ROWS,))
    got, want = hybrid(x), eigenvalues(x)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-3, atol=1e-3)
    assert_same(got[1], want[1])


@pytest.fixture
def no_convolutions(monkeypatch):
    """convert_lowered as of a frontend that has no convolution."""
    from tvm_hlo_frontend.errors import Refusal

    module = importlib.import_module("tvm_hlo_frontend.hybrid.offload")
    real = module.convert_lowered

    def convert(lowered, **options):
        from tvm_hlo_frontend.hlo.proto.reader import read

        found = [each for each in read(lowered.hlo).instructions if each.opcode == "convolution"]
        if found:
            rows = [Refusal(each.name, each.opcode, "main", "not here", str(each.metadata)) for each in found]
            raise UnsupportedHloError(tuple(rows))
        return real(lowered, **options)

    monkeypatch.setattr(module, "convert_lowered", convert)


def test_what_cannot_be_converted_stays_in_tensorflow(no_convolutions):
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype("float32"))

    def convolved(image, x):
        return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"))), network(x)

    specs = (tf.TensorSpec([1, 8, 8, 3]), ROWS)
    hybrid = offload(tf.function(convolved), *specs)
    assert [stay.op for stay in hybrid.plan.stays if "not here" in stay.reason or "not supported" in stay.reason]
    assert hybrid.plan.clusters
    given = arguments(specs)
    assert_same(hybrid(*given), convolved(*given))
    with pytest.raises(UnsupportedHloError):
        offload(tf.function(convolved), *specs, strict=True)
