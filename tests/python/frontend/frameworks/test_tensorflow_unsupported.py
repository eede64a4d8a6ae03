"""What the TensorFlow road refuses: operations without XLA kernel, and shapes that are known only at run time."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.support.tensorflow_graphs import assert_close, graph_def_of, run_tvm, version_1_control_flow
from tvm_hlo_frontend import from_tensorflow
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow
from tvm_hlo_frontend.frameworks.tensorflow.unsupported import kernels

tf = pytest.importorskip("tensorflow")

SPEC = tf.TensorSpec((2, 3), tf.float32)


def test_every_operation_without_kernel_is_named_once():
    def text(tf1):
        x = tf1.placeholder(tf.float32, (2, 3), name="x")
        label = tf.strings.as_string(tf.nn.relu(x), name="label")
        tf.strings.join([label, "!"], name="shout")
        tf.math.segment_sum(x, [0, 0], name="sums")

    with pytest.raises(LoweringError) as caught:
        lower_tensorflow(graph_def_of(text), outputs=["shout", "sums"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "XLA has no kernel for 3 operations of this TensorFlow program:"
    assert re.match(r" +label \(AsString\): .*outside of the model", lines[1])
    assert re.match(r" +shout \(StringJoin\): .*outside of the model", lines[2])
    assert lines[3].strip() == "sums (SegmentSum): use tf.math.unsorted_segment_sum"
    assert len(lines) == 4


def test_control_flow_of_version_1_is_not_blamed():
    def branches(tf1):
        x = tf1.placeholder(tf.float32, (2, 3), name="x")
        text = tf1.cond(
            tf.reduce_sum(x) > 0, lambda: tf.strings.as_string(x, name="label"), lambda: tf.fill((2, 3), "")
        )
        tf.identity(text, name="out")

    with version_1_control_flow(), pytest.raises(LoweringError) as caught:
        lower_tensorflow(graph_def_of(branches), outputs=["out"])
    assert "label (AsString)" in str(caught.value) and "Merge" not in str(caught.value)


def test_a_graph_is_cut_behind_what_xla_cannot_do():
    def photo(tf1):
        image = tf.image.decode_jpeg(tf1.placeholder(tf.string, (), name="contents"), channels=3, name="decoded")
        tf.reduce_mean(tf.cast(image, tf.float32, name="pixels"), name="brightness")

    graph = graph_def_of(photo)
    with pytest.raises(LoweringError, match=r"decoded \(DecodeJpeg\): compute it outside of the model"):
        lower_tensorflow(graph)
    pixels = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    assert_close(run_tvm(from_tensorflow(graph, shape={"pixels": pixels.shape}), pixels), [pixels.mean()])


def test_operations_in_called_functions_are_named_with_the_function():
    @tf.function
    def loop(x):
        while tf.reduce_sum(x) < 10:
            x = tf.ensure_shape(tf.py_function(lambda v: v + 1, [x], tf.float32), (2, 3))
        return x

    with pytest.raises(LoweringError, match=r"EagerPyFunc in \S*while_body\S* \(EagerPyFunc\): it calls Python"):
        lower_tensorflow(loop, SPEC)


def test_dtypes_without_kernel_are_named():
    assert all(tf.complex64.as_datatype_enum not in kernel["T"] for kernel in kernels()["MatrixInverse"])
    with pytest.raises(LoweringError, match=r"inverse \(MatrixInverse\): XLA has no kernel for T=complex64; cast"):
        lower_tensorflow(tf.function(lambda x: tf.linalg.inv(x, name="inverse")), tf.TensorSpec((3, 3), tf.complex64))


def test_sizes_from_values_are_explained():
    with pytest.raises(LoweringError, match=r"compile-time constant(.|\n)*make it a Python number") as caught:
        lower_tensorflow(tf.function(lambda x, n: tf.reshape(x, [n, -1])), SPEC, tf.TensorSpec((), tf.int32))
    assert 'File "' not in str(caught.value) and "Reshape" in str(caught.value)


def test_lookup_tables_are_refused():
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1, 2], [3, 4]), -1)
    with pytest.raises(LoweringError, match=r"LookupTableFindV2\): it is a lookup table"):
        lower_tensorflow(tf.function(table.lookup), tf.TensorSpec((2,), tf.int32))


def test_random_numbers_need_a_seed():
    from tvm_hlo_frontend import UnsupportedHloError, build

    noise = tf.function(lambda x: x + tf.random.uniform((2, 3)))
    with pytest.raises(UnsupportedHloError, match="rng_seed"):
        from_tensorflow(noise, SPEC)
    got = build(*mod_and_params(from_tensorflow(noise, SPEC, rng_seed=3)))(np.zeros((2, 3), np.float32))
    assert ((got >= 0) & (got < 1)).all() and len(np.unique(got)) == 6


def test_what_is_no_program_is_refused():
    from tvm_hlo_frontend import SignatureError

    with pytest.raises(SignatureError, match="int is no kind of program"):
        lower_tensorflow(3)
    with pytest.raises(SignatureError, match="TensorSpec"):
        lower_tensorflow(tf.function(lambda x: x))
    with pytest.raises(SignatureError, match="does not say the dtypes"):
        lower_tensorflow(tf.function(lambda x: x), shape={"x": (2, 3)})
