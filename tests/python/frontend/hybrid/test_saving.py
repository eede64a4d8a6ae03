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
    run.save(tmp_path / "saved", holds=[table])
    np.testing.assert_allclose(hybrid.load(tmp_path / "saved")(TEXTS), graphs.lookup(TEXTS), rtol=1e-5)


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
