"""from_tensorflow of GraphDefs: inputs, outputs, weights, files, and TVM's own signature with via="hlo"."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tvm_hlo_frontend
from tests.support.dialect_marks import relay_only
from tests.support.tensorflow_graphs import assert_close, graph_def_of, input_names, run_session, run_tvm
from tvm_hlo_frontend import SignatureError, from_tensorflow, report_of
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError
from tvm_hlo_frontend.frameworks.tensorflow import lower_tensorflow

tf = pytest.importorskip("tensorflow")

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
Y = np.linspace(2, 3, 2, dtype=np.float32)
W = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


def layers(tf1):
    """Two inputs of unknown batch, two ends of which one has two outputs, and a reshape by the batch size."""
    image = tf1.placeholder(tf.float32, (None, 3), name="image")
    bias = tf1.placeholder(tf.float32, (None,), name="bias")
    kernel = tf.identity(tf.constant(W, name="kernel"), name="kernel/read")
    hidden = tf.add(tf.matmul(image, kernel), bias[:, None], name="hidden")
    tf.nn.relu(tf.reshape(hidden, [tf.shape(image)[0], 2, 2]), name="folded")
    tf.split(hidden, 2, axis=1, name="halves")


GRAPH = graph_def_of(layers)
SHAPES = {"image": (2, 3), "bias:0": [2]}
ENDS = ["folded:0", "halves:0", "halves:1"]


def test_inputs_are_placeholders_and_outputs_what_nobody_consumes():
    mod, params = mod_and_params(from_tensorflow(GRAPH, shape=SHAPES, freeze_params=False))
    assert input_names(mod, params) == ["image", "bias"] and list(params) == ["kernel"]
    assert_close(run_tvm((mod, params), X, Y), run_session(GRAPH, {"image": X, "bias": Y}, ENDS))
    assert report_of(mod).notes == ("result 0: folded", "result 1: halves", "result 2: halves:1")


@pytest.mark.parametrize("shape", [[(2, 3), (2,)], None], ids=["list", "specs"])
def test_shapes_as_a_list_and_as_specs(shape):
    specs = [] if shape else [X, tf.TensorSpec((2,), tf.float32)]
    lowered = lower_tensorflow(GRAPH, *specs, shape=shape)
    assert lowered.input_names == ("image", "bias", "kernel")


@pytest.mark.parametrize("outputs", [["halves:1", "hidden"], ["hidden:0"], "folded", ["hidden", "hidden", "image"]])
def test_outputs_choose_nodes_in_order(outputs):
    names = [outputs] if isinstance(outputs, str) else outputs
    wanted = run_session(GRAPH, {"image": X, "bias": Y}, [name if ":" in name else f"{name}:0" for name in names])
    assert_close(run_tvm(from_tensorflow(GRAPH, shape=SHAPES, outputs=outputs), X, Y), wanted)


def test_unneeded_placeholders_are_no_inputs():
    mod, params = mod_and_params(from_tensorflow(GRAPH, shape=SHAPES, outputs=["kernel/read"]))
    assert input_names(mod, params) == ["image", "bias"]  # named in shape=, so they stay
    mod, params = mod_and_params(from_tensorflow(GRAPH, outputs=["kernel/read"]))
    assert input_names(mod, params) == []
    assert_close(run_tvm((mod, params)), [W])


def test_a_tensor_named_in_shape_cuts_the_graph():
    hidden = np.arange(8, dtype=np.float32).reshape(2, 4)
    mod, params = mod_and_params(from_tensorflow(GRAPH, shape={"hidden": (2, 4)}, outputs=["halves:1"]))
    assert input_names(mod, params) == ["hidden"] and not params
    assert_close(run_tvm((mod, params), hidden), [hidden[:, 2:]])


def test_defaults_of_placeholders_hold_unless_named():
    def scaled(tf1):
        factor = tf1.placeholder_with_default(np.float32(3), (), name="factor")
        tf.multiply(tf1.placeholder(tf.float32, (2,), name="x"), factor, name="out")

    graph = graph_def_of(scaled)
    assert_close(run_tvm(from_tensorflow(graph), Y), [Y * 3])
    assert_close(run_tvm(from_tensorflow(graph, shape={"factor": ()}), Y, np.float32(5)), [Y * 5])


def test_weights_that_xla_must_know_stay_constants():
    def grid(tf1):
        x = tf1.placeholder(tf.float32, (4,), name="x")
        ends = tf.constant(np.array([0, 4], np.float32), name="ends")
        tf.add(x, tf.range(ends[0], ends[1]), name="out")

    mod, params = mod_and_params(from_tensorflow(graph_def_of(grid)))
    assert not params
    x = np.ones(4, np.float32)
    assert_close(run_tvm((mod, params), x), [x + np.arange(4, dtype=np.float32)])


def test_params_can_be_frozen():
    mod, params = mod_and_params(from_tensorflow(GRAPH, shape=SHAPES, freeze_params=True))
    assert not params
    assert_close(run_tvm((mod, params), X, Y), run_session(GRAPH, {"image": X, "bias": Y}, ENDS))


@pytest.mark.parametrize("suffix", [".pb", ".pbtxt"])
def test_files(tmp_path, suffix):
    tf.io.write_graph(GRAPH, str(tmp_path), f"frozen{suffix}", as_text=suffix == ".pbtxt")
    lowered = lower_tensorflow(str(tmp_path / f"frozen{suffix}"), shape=SHAPES, outputs=["hidden"])
    assert lowered.input_names == ("image", "bias", "kernel")
    np.testing.assert_array_equal(lowered.parameter_values[2], W)


def test_files_that_are_no_graphs(tmp_path):
    for name, content in [("noise.pb", b"\xff\xfe\xfd"), ("empty.pb", b""), ("text.pbtxt", b"no graph")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LoweringError, match="holds no GraphDef"):
            lower_tensorflow(tmp_path / name)
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(SignatureError, match="suffix"):
        lower_tensorflow(tmp_path / "model.onnx")
    with pytest.raises(SignatureError, match="neither a file nor a SavedModel"):
        lower_tensorflow(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"left open.*image float32\(None, 3\), bias float32\(None,\)"),
        ({"shape": {"image": (2, 3)}}, r"static shape is needed for bias"),
        ({"shape": {"picture": (2, 3)}}, "shape= names 'picture'"),
        ({"shape": {"image": (2, 4)}}, r"shape= says \(2, 4\) of the input image"),
        ({"shape": {"image": (-1, 3)}}, "needs sizes for the input image"),
        ({"shape": [(2, 3)]}, "1 entries for the 2 inputs image, bias"),
        ({"outputs": ["logits"]}, "outputs= names 'logits'"),
        ({"outputs": ["halves:2"]}, "outputs= names 'halves:2'"),
        ({"outputs": []}, "outputs= is empty"),
        ({"signature": "serving_default"}, "signature= chooses within a SavedModel"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(SignatureError, match=message):
        lower_tensorflow(GRAPH, **options)


def test_variables_have_no_values_in_a_graph():
    def unfrozen(tf1):
        first = tf1.get_variable("first", (3, 2), use_resource=True)
        second = tf1.get_variable("second", (2,), use_resource=False)
        tf.add(tf.matmul(tf1.placeholder(tf.float32, (4, 3)), first), second, name="out")

    graph = graph_def_of(unfrozen)
    with pytest.raises(LoweringError, match=r"not frozen.*first, second.*convert_variables_to_constants"):
        lower_tensorflow(graph, outputs=["out"])


def test_operations_that_tensorflow_does_not_know_are_listed():
    graph = tf.compat.v1.GraphDef()
    graph.CopyFrom(GRAPH)
    for name in ("one", "two"):
        graph.node.add(name=name, op="MyCustomOp", input=["image"])
    with pytest.raises(LoweringError, match=r"one \(MyCustomOp\), two \(MyCustomOp\)"):
        lower_tensorflow(graph, shape=SHAPES)


def test_devices_and_colocations_that_do_not_exist_are_ignored():
    graph = tf.compat.v1.GraphDef()
    graph.CopyFrom(GRAPH)
    for node in graph.node:
        node.device = "/job:trainer/device:GPU:7"
        node.attr["_class"].list.s.append(b"loc:@nowhere")
    assert_close(run_tvm(from_tensorflow(graph, shape=SHAPES), X, Y), run_session(GRAPH, {"image": X, "bias": Y}, ENDS))


@relay_only("relay.frontend")
def test_the_relay_hook_converts_via_hlo():
    from tvm import relay

    mod, params = relay.frontend.from_tensorflow(GRAPH, shape=SHAPES, outputs=["hidden"], via="hlo")
    assert_close(run_tvm((mod, params), X, Y), run_session(GRAPH, {"image": X, "bias": Y}, ["hidden:0"]))


@relay_only("relay.frontend")
def test_without_via_tvms_own_importer_gets_its_arguments(monkeypatch):
    from tvm import relay

    assert relay.frontend.from_tensorflow.tvm_importer is relay.frontend.tensorflow.from_tensorflow
    given = []
    monkeypatch.delattr(relay.frontend.from_tensorflow, "tvm_importer")
    monkeypatch.setattr(relay.frontend, "from_tensorflow", lambda *args, **options: given.append((args, options)))
    tvm_hlo_frontend.frameworks.hooks.extend(relay.frontend)
    relay.frontend.from_tensorflow(GRAPH, "NCHW", outputs=["hidden"])
    relay.frontend.from_tensorflow(GRAPH, via="tvm")
    assert given == [((GRAPH, "NCHW"), {"outputs": ["hidden"]}), ((GRAPH,), {})]


@relay_only("relay.frontend")
def test_tvms_own_importer_still_works():
    from tvm import relay

    graph = graph_def_of(lambda tf1: tf.nn.relu(tf1.placeholder(tf.float32, (2, 3), name="x"), name="out"))
    mod, _ = relay.frontend.from_tensorflow(graph, shape={"x": (2, 3)}, outputs=["out"])
    assert "nn.relu" in mod.astext() and "hlo.signature" not in mod.astext()


@relay_only("relay.frontend")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "NCHW"}, "layout='NCHW' has no meaning"),
        ({"convert_config": {"use_dense": False}}, "convert_config"),
    ],
)
def test_what_has_no_meaning_via_hlo_is_refused(options, message):
    from tvm import relay

    with pytest.raises(SignatureError, match=message):
        relay.frontend.from_tensorflow(GRAPH, shape=SHAPES, via="hlo", **options)
    with pytest.raises(ValueError, match="via='onnx'"):
        relay.frontend.from_tensorflow(GRAPH, via="onnx")


@relay_only("relay.frontend")
def test_the_hook_does_not_import_tensorflow():
    code = (
        "import sys, tvm_hlo_frontend; from tvm import relay; assert relay.frontend.from_tensorflow.tvm_importer; "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
