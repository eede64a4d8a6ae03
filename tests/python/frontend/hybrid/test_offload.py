"""Programs whose clusters TVM runs give TensorFlow's results."""

import gc
import importlib
import shutil

import numpy as np
import pytest

from tests.support.hybrid_graphs import (
    COUNTER,
    GRAPHS,
    LOGGED,
    ROWS,
    TEXTS,
    WEIGHTS,
    again,
    arguments,
    assert_same,
    network,
)
from tests.support.hybrid_graphs import strings as strings_function
from tests.support.threads import in_threads
from tvm_hlo_frontend.backends.select import installed_dialect
from tvm_hlo_frontend.errors import LoweringError, SignatureError, UnsupportedHloError
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

    in_threads(work, 16)
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


def difference(subtrahend, minuend):
    return network(minuend) - 2 * network(subtrahend)


def test_arguments_go_by_name_and_by_place():
    hybrid = offload(tf.function(difference), ROWS, ROWS)
    a, b = arguments((ROWS, ROWS))
    for args, kwargs in (((a, b), {}), ((a,), {"minuend": b}), ((), {"minuend": b, "subtrahend": a})):
        assert_same(hybrid(*args, **kwargs), difference(*args, **kwargs))
    for args, kwargs in (((a,), {}), ((a, b, b), {}), ((a,), {"other": b})):
        with pytest.raises(SignatureError):
            hybrid(*args, **kwargs)


def test_arguments_have_the_structure_that_was_traced():
    hybrid = offload(tf.function(lambda d: network(d["a"]) - network(d["b"])), {"a": ROWS, "b": ROWS})
    a, b = arguments((ROWS, ROWS))
    assert_same(hybrid({"b": b, "a": a}), network(a) - network(b))
    for wrong in ({"a": a, "c": b}, [a, b], a):
        with pytest.raises(SignatureError, match="another structure"):
            hybrid(wrong)


def test_python_arguments_with_defaults():
    def scaled(x, training=False, *, factor=2.0):
        return network(x) * (3.0 if training else factor)

    hybrid = offload(tf.function(scaled), ROWS)
    (x,) = arguments((ROWS,))
    assert_same(hybrid(x), scaled(x))
    assert_same(hybrid(x, training=False), scaled(x))
    with pytest.raises(SignatureError, match="training was False when the program was traced"):
        hybrid(x, True)


def test_effects_of_called_functions_without_results():
    seen = tf.Variable(tf.zeros([4, 8]))

    @tf.function
    def inner(x):
        seen.assign(network(x))

    def outer(x):
        inner(x)

    (x,) = arguments((ROWS,))
    offload(tf.function(outer), ROWS)(x)
    assert_same(tf.convert_to_tensor(seen), network(x))


@pytest.mark.parametrize("in_python", [False, True])
def test_what_was_traced_with_a_variant_outlives_it(in_python):
    hybrid = offload(tf.function(network), ROWS, in_python=in_python, limit=1)
    (x,) = arguments((ROWS,))
    kept = [hybrid]
    del hybrid
    traced = tf.function(lambda value: kept[0](value) + 1).get_concrete_function(ROWS)
    kept[0](x[:2])  # of which only one variant is kept
    assert_same(traced(x), network(x) + 1)
    kept.clear()
    gc.collect()
    assert_same(traced(x), network(x) + 1)


@pytest.mark.parametrize("freeze", [False, True])
def test_a_shape_that_is_new_within_a_function(freeze):
    hybrid = offload(tf.function(network), ROWS, freeze=freeze)
    (x,) = arguments((ROWS,))
    assert_same(tf.function(lambda value: hybrid(value) + 1)(x[:3]), network(x[:3]) + 1)


def test_open_dimensions_of_a_signature_are_those_of_the_specs():
    function = tf.function(network, input_signature=[tf.TensorSpec([None, 16])])
    hybrid = offload(function, ROWS)
    (x,) = arguments((ROWS,))
    for value in (x, x[:3]):
        assert_same(hybrid(value), network(value))


def test_results_of_none_and_of_composites():
    def mixed(x):
        values = network(x)
        rows = tf.RaggedTensor.from_row_splits(tf.reshape(values, [-1]), tf.constant([0, 3, 3, 32]))
        return {"none": None, "rows": rows, "values": values}

    (x,) = arguments((ROWS,))
    got, want = offload(tf.function(mixed), ROWS)(x), mixed(x)
    assert got["none"] is None
    assert_same({**got, "none": 0.0 * want["values"]}, {**want, "none": 0.0 * want["values"]})


def test_constants_that_wait_and_names_like_those_of_clusters():
    def waiting(x):
        first = tf.identity(network(x), name="cluster_0")
        text = tf.strings.as_string(first)
        with tf.control_dependencies([text]):
            factor = tf.constant("1.5")
        return again(first) * tf.strings.to_number(factor), text

    hybrid = offload(tf.function(waiting), ROWS)
    (x,) = arguments((ROWS,))
    assert_same(hybrid(x)[0], waiting(x)[0])


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
    """Also where two clusters have such a node."""
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 3)).astype("float32"))

    def convolved(image, x):
        first = tf.tanh(tf.nn.relu(tf.nn.conv2d(image * 2 + 1, kernel, 1, "SAME")))
        between = tf.ensure_shape(tf.numpy_function(np.negative, [first], tf.float32), first.shape)
        second = tf.nn.conv2d(tf.tanh(between) * 2 + 1, kernel, 1, "SAME")
        return tf.reduce_mean(tf.nn.relu(second)), network(x)

    specs = (tf.TensorSpec([1, 8, 8, 3]), ROWS)
    hybrid = offload(tf.function(convolved), *specs)
    assert [stay.op for stay in hybrid.plan.stays if "not here" in stay.reason or "not supported" in stay.reason]
    assert hybrid.plan.clusters
    given = arguments(specs)
    assert_same(hybrid(*given), convolved(*given))
    with pytest.raises(UnsupportedHloError):
        offload(tf.function(convolved), *specs, strict=True)


def test_keras_models_of_several_inputs_are_called_as_keras_calls_them():
    import keras

    a, b = keras.Input((4,), 2, name="a"), keras.Input((4,), 2, name="b")
    layers = keras.layers
    model = keras.Model([b, a], layers.Dense(3, "tanh")(layers.Dense(5, "relu")(a) - layers.Dense(5, "relu")(b)))
    run = offload(model, min_cluster_size=2)
    x, y = (tf.constant(np.random.default_rng(seed).normal(size=(2, 4)).astype("float32")) for seed in (0, 1))
    want = model([y, x])
    for got in (run(y, x), run([y, x]), run({"a": x, "b": y})):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)
    with pytest.raises(SignatureError, match="inputs are b, a"):
        run({"a": x, "c": y})


def test_tables_of_version_1_are_refused(tmp_path):
    tf1 = tf.compat.v1
    with tf1.Graph().as_default(), tf1.Session() as session:
        texts = tf1.placeholder(tf.string, [4])
        values = tf.lookup.KeyValueTensorInitializer(list("ab"), [1, 2])
        found = tf.cast(tf.lookup.StaticHashTable(values, 0).lookup(texts), tf.float32)
        result = tf.tanh(found * 2 + 1) * found
        session.run(tf1.tables_initializer())
        tf1.saved_model.simple_save(
            session, str(tmp_path / "saved"), {"texts": texts}, {"result": result}, tf1.tables_initializer()
        )
    with pytest.raises(LoweringError, match="tables of version 1"):
        offload(str(tmp_path / "saved"))
