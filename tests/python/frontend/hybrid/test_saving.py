"""Offloaded programs as SavedModels: written, replaced, loaded in processes that have nothing else, and refused."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.support import hybrid_graphs as graphs
from tvm_hlo_frontend import SignatureError, hybrid
from tvm_hlo_frontend.backends.select import installed_dialect
from tvm_hlo_frontend.hybrid.bridge.operation import COMPILERS

tf = pytest.importorskip("tensorflow")
TEXTS = tf.constant(list("abcz"))
has_operation = installed_dialect() == "relax" and any(map(shutil.which, COMPILERS))
operation_only = pytest.mark.skipif(not has_operation, reason="needs TvmCluster: Relax and a C++ compiler")

ALONE = """
import os, sys
for name in ("jax", "jaxlib", "torch"):
    sys.modules[name] = None
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
{load}
assert "tvm" not in sys.modules
print(loaded(tf.constant(list("abcz"))).numpy().tolist())
named = loaded.signatures["serving_default"](texts=tf.constant(list("abcz")))
print({{name: each.numpy().tolist() for name, each in named.items()}})
"""


def in_a_new_process(load):
    """What another process, in which only TensorFlow can be imported, prints."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(load=load)], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [eval(line, {}) for line in done.stdout.splitlines()[-2:]]


@operation_only
def test_loaded_where_only_tensorflow_is(tmp_path):
    run = hybrid.offload(graphs.lookup, graphs.TEXTS)
    run.save(tmp_path / "saved")
    want = graphs.lookup(TEXTS).numpy()
    path = str(tmp_path / "moved")
    shutil.move(tmp_path / "saved", path)
    del run
    operation = str(hybrid.compiled_operation())
    for load in (
        f"from tvm_hlo_frontend import hybrid; loaded = hybrid.load({path!r})",
        f"tf.load_op_library({operation!r}); loaded = tf.saved_model.load({path!r})",
    ):
        result, named = in_a_new_process(load)
        np.testing.assert_allclose(result, want, rtol=1e-5)
        np.testing.assert_allclose(named["output_0"], want, rtol=1e-5)


@operation_only
def test_tensorflow_s_own_runner(tmp_path):
    run = hybrid.offload(graphs.lookup, graphs.TEXTS)
    run.save(tmp_path / "saved")
    program = (
        "import sys; from tvm_hlo_frontend import hybrid; hybrid.load_operation()\n"
        "from tensorflow.python.tools import saved_model_cli; saved_model_cli.main()"
    )
    options = ["run", "--dir", tmp_path / "saved", "--tag_set", "serve", "--signature_def", "serving_default"]
    given = ["--input_exprs", "texts=['a', 'b', 'c', 'z']", "--outdir", tmp_path]
    done = subprocess.run([sys.executable, "-c", program, *options, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(np.load(tmp_path / "output_0.npy"), graphs.lookup(TEXTS).numpy(), rtol=1e-5)


@operation_only
def test_all_shapes_that_were_called(tmp_path):
    weights = tf.Variable(np.random.default_rng(0).normal(size=(8, 8)).astype("float32"))

    @tf.function
    def program(x, scale=1.0):
        hidden = tf.nn.relu(x @ weights) * scale
        return {"sum": tf.reduce_sum(tf.nn.tanh(hidden @ weights), 1), "rows": hidden}

    run = hybrid.offload(program, tf.TensorSpec([2, 8]))
    run(tf.ones([5, 8]))
    run.save(tmp_path / "saved")
    loaded = hybrid.load(tmp_path / "saved")
    for rows in (2, 5):
        x = tf.constant(np.random.default_rng(rows).normal(size=(rows, 8)).astype("float32"))
        for name, want in program(x).items():
            np.testing.assert_allclose(loaded(x)[name], want, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(loaded(x=x)[name], want, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        loaded(tf.ones([3, 8]))
    assert set(loaded.signatures["serving_default"](x=tf.ones([5, 8]))) == {"sum", "rows"}


@operation_only
def test_variables_are_saved_and_stay_variables(tmp_path):
    step = tf.Variable(2.0)

    def program(x):
        return step.assign_add(1.0) * tf.reduce_sum(tf.nn.tanh(x * x + 1) * tf.nn.sigmoid(x))

    run = hybrid.offload(program, tf.TensorSpec([4]))
    run.save(tmp_path / "saved")
    loaded = hybrid.load(tmp_path / "saved")
    first, second = float(loaded(tf.ones([4]))), float(loaded(tf.ones([4])))
    assert float(step) == 2.0
    np.testing.assert_allclose(second / first, 4 / 3, rtol=1e-6)
    np.testing.assert_allclose(first, float(program(tf.ones([4]))), rtol=1e-5)


@operation_only
def test_another_program_in_the_place_of_one_at_work(tmp_path):
    def program(factor):
        return lambda x: tf.nn.tanh(x * factor) * factor + tf.nn.sigmoid(x) - x * x

    results, loaded = [], []
    for factor in (1.0, 2.0, 3.0):
        hybrid.offload(program(factor), tf.TensorSpec([64])).save(tmp_path / "saved")
        loaded.append(hybrid.load(tmp_path / "saved"))
        results.append(program(factor)(tf.ones([64])))
        np.testing.assert_allclose(loaded[-1](tf.ones([64])), results[-1], rtol=1e-5)
    for run, want in zip(loaded, results):
        np.testing.assert_allclose(run(tf.ones([64])), want, rtol=1e-5)
    assert [each.name for each in tmp_path.iterdir()] == ["saved"]


@operation_only
def test_a_saved_model_of_a_keras_model_and_of_a_saved_one(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((8,), batch_size=3), keras.layers.Dense(16, "relu"), keras.layers.Dense(4)])
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 8)).astype("float32"))
    want = model(x).numpy()
    hybrid.offload(model, min_cluster_size=2).save(tmp_path / "of_keras")
    np.testing.assert_allclose(hybrid.load(tmp_path / "of_keras")(x), want, rtol=1e-5)
    model.export(tmp_path / "exported", verbose=False)
    run = hybrid.offload(str(tmp_path / "exported"), shape=[(3, 8)], min_cluster_size=2)
    run.save(tmp_path / "of_saved")
    (got,) = hybrid.load(tmp_path / "of_saved").signatures["serving_default"](x).values()
    np.testing.assert_allclose(got, want, rtol=1e-5)


@operation_only
def test_a_table_that_is_not_found_is_named(tmp_path):
    table = graphs.TABLE
    inner = tf.function(graphs.lookup).get_concrete_function(graphs.TEXTS)  # it knows its Python no more
    run = hybrid.offload(inner)
    with pytest.raises(SignatureError, match=r"holds=\["):
        run.save(tmp_path / "saved")
    for holds in (table, iter([table]), {"table": [table]}, [table]):
        run.save(tmp_path / "saved", holds=holds)
    np.testing.assert_allclose(hybrid.load(tmp_path / "saved")(TEXTS), graphs.lookup(TEXTS), rtol=1e-5)


def gated(x):
    """What is worth a cluster."""
    return tf.nn.tanh(x * x + 1) * tf.nn.sigmoid(x) - x


class WithFiles(tf.Module):
    """Has a vocabulary and a text in files."""

    def __init__(self, folder):
        super().__init__()
        (folder / "words.txt").write_text("a\nb\nc\n")
        (folder / "text.txt").write_text("hello")
        whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        words = tf.lookup.TextFileInitializer(str(folder / "words.txt"), tf.string, whole, tf.int64, line)
        self.words, self.text = tf.lookup.StaticVocabularyTable(words, 2), tf.saved_model.Asset(folder / "text.txt")

    @tf.function(input_signature=[graphs.TEXTS])
    def run(self, texts):
        return gated(tf.cast(tf.maximum(self.words.lookup(texts), 0), tf.float32)), tf.io.read_file(
            self.text.asset_path
        )


@operation_only
def test_files_are_saved(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    model = WithFiles(folder)
    want = model.run(TEXTS)
    tf.saved_model.save(model, str(folder / "exported"))
    hybrid.offload(model.run).save(tmp_path / "saved")
    hybrid.offload(str(folder / "exported"), signature="run").save(tmp_path / "again")
    shutil.rmtree(folder)
    for name in ("saved", "again"):
        shutil.move(tmp_path / name, tmp_path / f"{name}_moved")
        graphs.assert_same(hybrid.load(tmp_path / f"{name}_moved")(TEXTS), want)


@operation_only
def test_a_loaded_one_is_offloaded_and_saved(tmp_path):
    hybrid.offload(gated, tf.TensorSpec([4])).save(tmp_path / "first")
    loaded = hybrid.load(tmp_path / "first")
    (library,) = os.listdir(tmp_path / "first" / "assets")
    hybrid.offload(loaded, tf.TensorSpec([4])).save(tmp_path / "second")
    assert library in os.listdir(tmp_path / "second" / "assets")
    run = hybrid.offload(loaded.signatures["serving_default"])  # it does not know what it is a part of
    with pytest.raises(SignatureError, match=library):
        run.save(tmp_path / "third")
    run.save(tmp_path / "third", holds=[loaded])
    assert library in os.listdir(tmp_path / "third" / "assets")
    graphs.assert_same(hybrid.load(tmp_path / "second")(tf.ones([4])), gated(tf.ones([4])))


@operation_only
def test_names_that_are_none_or_equal_for_signatures(tmp_path):
    import keras

    inputs = [keras.Input((4,), batch_size=1, name=name) for name in ("a-b", "a_b")]
    model = keras.Model(inputs, {"0": keras.layers.Dense(4, "tanh")(inputs[0]) + inputs[1], "output_0": inputs[1] * 2})
    hybrid.offload(model, min_cluster_size=2).save(tmp_path / "saved")
    x, y = tf.ones([1, 4]), tf.fill([1, 4], 3.0)
    got, want = hybrid.load(tmp_path / "saved").signatures["serving_default"](a_b=x, a_b_1=y), model([x, y])
    graphs.assert_same([got["output_0"], got["output_0_1"]], [want["0"], want["output_0"]])
    hybrid.offload(lambda self, x: gated(self) * x, *[tf.TensorSpec([1, 4])] * 2).save(tmp_path / "self")
    loaded = hybrid.load(tmp_path / "self")
    graphs.assert_same(loaded(x, y), gated(x) * y)
    graphs.assert_same(loaded.signatures["serving_default"](self_=x, x=y)["output_0"], gated(x) * y)


@operation_only
def test_frozen_variables_are_in_the_libraries_alone(tmp_path):
    weights, sum_ = tf.Variable(tf.random.normal([100, 100])), tf.Variable(tf.zeros([2, 100]))

    def program(x):
        return gated(sum_.assign_add(x) @ weights)

    run, x = hybrid.offload(program, tf.TensorSpec([2, 100]), freeze=True), tf.ones([2, 100])
    weights_then = weights.read_value()
    weights.assign_add(weights)
    run.save(tmp_path / "saved")
    loaded = hybrid.load(tmp_path / "saved")
    assert [each.shape for each in loaded.resources] == [sum_.shape]
    np.testing.assert_allclose(loaded(x), gated(x @ weights_then), rtol=1e-4, atol=1e-4)


@operation_only
def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, x = hybrid.offload(gated, tf.TensorSpec([4])), tf.ones([4])
    run.save("relative")
    loaded = hybrid.load("relative")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    graphs.assert_same(loaded(x), gated(x))
    (tmp_path / "link").symlink_to("not_yet")
    run.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "not_yet" / "saved_model.pb").is_file()
    for where in (".", "gs://bucket/model"):
        with pytest.raises(SignatureError, match="directory"):
            run.save(where)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@operation_only
def test_what_is_no_saved_model_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years")
    run = hybrid.offload(graphs.lookup, graphs.TEXTS)
    with pytest.raises(SignatureError, match="no SavedModel"):
        run.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "three years"


def test_calls_through_python_cannot_be_saved(tmp_path):
    run = hybrid.offload(graphs.lookup, graphs.TEXTS, in_python=True)
    with pytest.raises(SignatureError, match="cannot be saved: clusters are called through Python"):
        run.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
