"""tvm-hlo partition: the plan as a table, as JSON and as a picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner

from tvm_hlo_frontend.cli import main

tf = pytest.importorskip("tensorflow")


def invoke(*arguments, code=0):
    result = CliRunner().invoke(main, ["partition", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A SavedModel of a dense layer and a string, for any number of rows."""
    module = tf.Module()
    module.weights = tf.Variable(tf.ones([8, 4]))

    @tf.function(input_signature=[tf.TensorSpec([None, 8], name="x")])
    def label(x):
        return {"label": tf.strings.as_string(tf.argmax(tf.nn.softmax(tf.nn.relu(x @ module.weights) * 2), 1))}

    folder = tmp_path_factory.mktemp("models") / "labels"
    tf.saved_model.save(module, str(folder), signatures=label.get_concrete_function())
    return folder


@pytest.mark.parametrize("suffix", [".svg", ".html"])
def test_a_plan_is_drawn(model, tmp_path, suffix):
    file = tmp_path / f"plan{suffix}"
    printed = invoke(model, "--shape", "x=2,8", "--picture", file).stdout
    assert "cluster_0" in printed and printed.endswith(f"{file}: the plan as a picture\n")
    text = file.read_text()
    assert "AsString" in text and "float32[2,8]" in text and "labels" in text
    if suffix == ".svg":
        assert ElementTree.fromstring(text).tag.endswith("svg")
    else:
        assert text.startswith("<!DOCTYPE html>")


def test_json_and_a_picture(model, tmp_path):
    facts = json.loads(invoke(model, "--shape", "x=2,8", "--json", "--picture", tmp_path / "plan.svg").stdout)
    assert facts["clusters"][0]["name"] == "cluster_0" and (tmp_path / "plan.svg").exists()


def test_pictures_of_other_kinds_are_refused_before_the_model_is_read(model, tmp_path):
    assert ".svg or .html" in invoke(model, "--picture", tmp_path / "plan.png", code=2).stderr


def test_wrong_shapes_are_refused(model):
    assert "NAME=D0,D1" in invoke(model, "--shape", "x=two", code=2).stderr
    assert invoke(model, code=2).stderr.startswith("Error: ")
