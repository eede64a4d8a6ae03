"""tvm-hlo on StableHLO with unknown dimensions: what inspect tells of them, --dim, one build or one for each shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.dialect_marks import DIALECT, relax_only, relay_only
from tvm_hlo_frontend.cli import main

pytest.importorskip("jaxlib", reason="its parser reads StableHLO")

# a layer whose rows are unknown, and the same of two rows
LAYER = """func.func @main(%x: tensor<ROWSx3xf32> loc("x"), %w: tensor<3x4xf32> loc("w")) -> tensor<ROWSx4xf32> {
  %0 = stablehlo.tanh %w : tensor<3x4xf32>
  %1 = stablehlo.dot_general %x, %0, contracting_dims = [1] x [0]
      : (tensor<ROWSx3xf32>, tensor<3x4xf32>) -> tensor<ROWSx4xf32>
  %2 = stablehlo.tanh %1 : tensor<ROWSx4xf32>
  return %2 : tensor<ROWSx4xf32>
}"""
# what is read of x lies within it; Relay leaves no cosine open
CUT = """func.func @main(%x: tensor<?x3xf32> loc("x"), %y: tensor<?xf32> loc("y")) -> (tensor<2x3xf32>, tensor<?xf32>) {
  %0 = stablehlo.slice %x [0:2, 0:3] : (tensor<?x3xf32>) -> tensor<2x3xf32>
  %1 = stablehlo.cosine %y : tensor<?xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<?xf32>
}"""
SUM = """func.func @main(%x: tensor<?x2xf32> loc("x"), %y: tensor<?xbf16> loc("y")) -> tensor<?x2xf32> {
  %0 = stablehlo.convert %y : (tensor<?xbf16>) -> tensor<?xf32>
  %1 = stablehlo.get_dimension_size %x, dim = 0 : (tensor<?x2xf32>) -> tensor<i32>
  %2 = stablehlo.reshape %1 : (tensor<i32>) -> tensor<1xi32>
  %3 = stablehlo.constant dense<2> : tensor<1xi32>
  %4 = stablehlo.concatenate %2, %3, dim = 0 : (tensor<1xi32>, tensor<1xi32>) -> tensor<2xi32>
  %5 = stablehlo.dynamic_broadcast_in_dim %0, %4, dims = [0] : (tensor<?xf32>, tensor<2xi32>) -> tensor<?x2xf32>
  %6 = stablehlo.add %x, %5 : tensor<?x2xf32>
  return %6 : tensor<?x2xf32>
}"""
# the value of n is how many numbers there are
COUNT = """func.func @main(%n: tensor<i64> loc("n"), %x: tensor<f32> loc("x")) -> (tensor<?xf32>, tensor<f32>) {
  %0 = stablehlo.reshape %n : (tensor<i64>) -> tensor<1xi64>
  %1 = stablehlo.dynamic_iota %0, dim = 0 : (tensor<1xi64>) -> tensor<?xf32>
  return %1, %x : tensor<?xf32>, tensor<f32>
}"""
# a rewrite takes cholesky apart once its sizes are numbers; nothing converts the call
REFUSED = """func.func @main(%x: tensor<?x?xf32> loc("x"), %y: tensor<2xf32> loc("y")) -> RESULT {
  %0 = stablehlo.cholesky %x : tensor<?x?xf32>
  %1 = stablehlo.custom_call @my_target(%y) : (tensor<2xf32>) -> tensor<2xf32>
  return %0, %1 : tensor<?x?xf32>, tensor<2xf32>
}""".replace("RESULT", "(tensor<?x?xf32>, tensor<2xf32>)")
X = np.linspace(-1, 1, 9, dtype="float32").reshape(3, 3)
W = np.linspace(0, 1, 12, dtype="float32").reshape(3, 4)
EVERY_COMMAND = {
    "inspect": [], "convert": ["-o", "converted"], "build": ["-o", "model.so"], "run": ["--random", 0], "compare": [],
    "bench": ["--threads", 1],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tvm_hlo_frontend.oracle.timing.SECONDS", 0.01)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, processors: None)


def invoke(*arguments, code=0):
    """Result of a command that ends with `code`."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def error(*arguments, code=2):
    """The one sentence that a command ends with."""
    text = invoke(*arguments, code=code).stderr
    assert text.startswith("Error: ") and text.count("\n") == 1, text
    return text


def inspected(*arguments, code=0):
    return json.loads(invoke("inspect", *arguments, "--json", code=code).stdout)


def file(tmp_path, text, name="model.mlir"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.fixture
def layer(tmp_path):
    return file(tmp_path, LAYER.replace("ROWS", "?"))


@pytest.fixture
def cut(tmp_path):
    return file(tmp_path, CUT)


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def run(path, tmp_path, *options, **arrays):
    """Results of a run on these arrays."""
    inputs, out = save(tmp_path / "in.npz", **arrays), tmp_path / "out.npz"
    invoke("run", path, "--inputs", inputs, "-o", out, *options)
    with np.load(out) as found:
        return [found[name] for name in sorted(found.files)]


# ---- inspect


def test_inspect_shows_sizes_what_tells_them_and_what_must_hold(cut):
    text = invoke("inspect", cut).stdout
    for part in ("x      f32[x_0,3]", "y_0    dimension 0 of `y`", "2 <= x_0   slice.1", "(f32[2,3], f32[y_0])"):
        assert part in text, text
    assert "2 parameters, at least 0 B" in text and "every instruction has a converter once sizes are numbers" in text
    facts = inspected(cut)
    assert [(each["name"], each["input"], each["dimension"]) for each in facts["sizes"]] == [
        ("x_0", "x", 0),
        ("y_0", "y", 0),
    ]
    assert [each["check"] for each in facts["checks"]] == ["2 <= x_0"] and facts["checks"][0]["origin"]
    assert [each["bytes"] for each in facts["parameters"]] == [None, None] and facts["unsupported"] == []


def test_inspect_counts_costs_where_sizes_are_numbers(layer):
    facts = inspected(layer)
    assert (facts["flops"], facts["transcendentals"]) == (0, 12) and facts["uncounted"] == {"dot": 1, "tanh": 1}
    assert [each["bytes"] for each in facts["parameters"]] == [None, 48]
    text = invoke("inspect", layer).stdout
    assert "where sizes are numbers: 0 FLOP" in text and "not counted: dot (1), tanh (1)" in text
    assert inspected(layer, "--dim", "x_0=2")["flops"] == 2 * 2 * 3 * 4


def test_inspect_and_graph_need_no_tvm(cut):
    program = (
        "import sys\nsys.modules['tvm'] = sys.modules['jax'] = None\n"
        "from tvm_hlo_frontend.cli import main\nmain(sys.argv[1:])"
    )
    for arguments in (["inspect", cut], ["inspect", cut, "--dim", "x_0=2"], ["graph", cut, "-o", "picture.svg"]):
        done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_inspect_names_what_is_refused_whatever_the_sizes_are(tmp_path):
    path = file(tmp_path, REFUSED)
    assert [each["opcode"] for each in inspected(path, code=1)["unsupported"]] == ["custom-call(my_target)"]
    (tmp_path / "own_converters.py").write_text("def my_target(ctx, instruction, x):\n    return x\n")
    assert inspected(path, "--custom", "my_target=own_converters:my_target")["unsupported"] == []


def test_a_size_may_be_told_by_a_value(tmp_path):
    (size,) = inspected(file(tmp_path, COUNT))["sizes"]
    assert size == {"name": "n", "input": "n", "dimension": None, "told_by": "the value of `n`"}


@relax_only("Relax leaves sizes open")
def test_inspect_converts_an_open_module(cut):
    assert "every instruction is supported" in invoke("inspect", cut, "--convert").stdout


@relay_only("Relax leaves sizes open")
def test_inspect_says_what_relay_does_not_leave_open(cut):
    refused = inspected(cut, "--convert", code=1)["unsupported"]
    assert [each["opcode"] for each in refused] == ["cosine"] and "known only at run time" in refused[0]["reason"]
    invoke("inspect", cut, "--convert", "--dim", "y_0=2")


def test_bytecode_is_read_too(layer, tmp_path):
    from jaxlib._jax import mlir

    path = tmp_path / "model.mlirbc"
    path.write_bytes(mlir.serialize_portable_artifact(layer.read_text(), "1.9.0"))
    assert [each["name"] for each in inspected(path)["sizes"]] == ["x_0"]


# ---- --dim


@pytest.mark.parametrize(
    "text", ["x_0", "x_0=", "=3", "x_0=two", "x_0=2.5", "x_0=1,y_0=2", "x_0=1..", "x_0=1..2..3", "x_0=" + "9" * 5000]
)
@pytest.mark.parametrize("command", ["inspect", "run"])
def test_a_dim_that_cannot_be_read_is_one_sentence(command, text, cut):
    assert "is not NAME=N" in error(command, cut, "--dim", text)


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_refuses_a_dim_that_does_not_fit(command, cut, tmp_path):
    options = EVERY_COMMAND[command]
    assert "the unknown sizes of" in (text := error(command, cut, *options, "--dim", "z=1")) and "x_0, y_0" in text
    assert "needs 2 <= x_0 (slice.1" in (text := error(command, cut, *options, "--dim", "x_0=1")) and "x_0 is 1" in text
    assert "gives x_0 twice" in error(command, cut, *options, "--dim", "x_0=2", "--dim", "x_0=2")
    assert "sizes are at least 0; y_0 is -1" in error(command, cut, *options, "--dim", "y_0=-1")
    static = file(tmp_path, LAYER.replace("ROWS", "2"), "static.mlir")
    assert "static.mlir has no unknown sizes" in error(command, static, *options, "--dim", "x_0=2")
    assert not (tmp_path / "converted").exists() and not (tmp_path / "model.so").exists()


def test_a_module_of_sizes_that_are_all_given_is_that_of_a_static_file(layer, tmp_path):
    static = file(tmp_path, LAYER.replace("ROWS", "2"), "static.mlir")
    given, wanted = inspected(layer, "--dim", "x_0=2"), inspected(static)
    for key in ("parameters", "result", "opcodes", "flops", "transcendentals", "sizes", "checks", "uncounted"):
        assert given[key] == wanted[key], key
    assert invoke("run", layer, "--random", 0, "--dim", "x_0=2").stdout == invoke("run", static, "--random", 0).stdout


def test_every_command_takes_sizes_that_are_all_given(cut, tmp_path):
    dims = ("--dim", "x_0=3", "--dim", "y_0=2")
    invoke("inspect", cut, "--convert", *dims)
    assert "converted" in invoke("convert", cut, "-o", "converted", *dims).stdout
    invoke("build", cut, "-o", "model.so", *dims)
    arrays = {"x": X, "y": np.zeros(2, "float32")}
    for path in (tmp_path / "converted", tmp_path / "model.so", cut):
        first, second = run(path, tmp_path, *(dims if path is cut else ()), **arrays)
        np.testing.assert_array_equal(first, X[:2])
        np.testing.assert_array_equal(second, [1, 1])


def test_compare_and_bench_take_sizes_that_are_all_given(cut):
    pytest.importorskip("jax")
    dims = ("--dim", "x_0=3", "--dim", "y_0=2")
    assert "float32[2]" in (text := invoke("compare", cut, *dims).stdout) and "differs" not in text
    facts = json.loads(invoke("bench", cut, "--threads", 1, "--json", *dims).stdout)
    assert facts["wrong_results"] == [] and facts["tvm_ms"] > 0


@pytest.mark.parametrize("command", ["compare", "bench"])
def test_compare_and_bench_say_which_dim_is_missing(command, cut):
    pytest.importorskip("jax")
    options = EVERY_COMMAND[command]
    assert "give --dim x_0=N --dim y_0=N" in error(command, cut, *options)
    assert error(command, cut, *options, "--dim", "x_0=2").endswith("give --dim y_0=N\n")


def test_some_sizes_may_be_given(cut, tmp_path):
    facts = inspected(cut, "--dim", "x_0=4")
    assert [each["name"] for each in facts["sizes"]] == ["y_0"] and facts["checks"] == []
    assert [each["shape"] for each in facts["parameters"]] == ["f32[4,3]", "f32[y_0]"]
    save(tmp_path / "in.npz", x=X, y=np.zeros(5, "float32"))
    said = error("run", cut, "--inputs", tmp_path / "in.npz", "--dim", "x_0=4")
    assert "dimension 0 of `x` is 3; the program needs 4" in said


# ---- run: a build for the sizes of the arrays


def test_run_takes_the_sizes_of_its_arrays(cut, tmp_path):
    for count in (1, 4):
        first, second = run(cut, tmp_path, x=X, y=np.zeros(count, "float32"))
        np.testing.assert_array_equal(first, X[:2])
        np.testing.assert_array_equal(second, np.ones(count))
    save(tmp_path / "short.npz", x=X[:1], y=np.zeros(1, "float32"))
    assert "needs 2 <= x_0" in error("run", cut, "--inputs", tmp_path / "short.npz")


def test_random_arrays_need_all_sizes(cut):
    assert "give --dim x_0=N --dim y_0=N, or arrays" in error("run", cut, "--random", 0)
    assert "give --dim y_0=N, or arrays" in error("run", cut, "--random", 0, "--dim", "x_0=2")
    assert "float32[5]" in invoke("run", cut, "--random", 0, "--dim", "x_0=2", "--dim", "y_0=5").stdout


def test_arrays_that_are_given_tell_the_sizes_of_those_that_are_drawn(tmp_path):
    path, x = file(tmp_path, SUM), np.ones((4, 2), "float32")
    (found,) = run(path, tmp_path, "--random", 0, x=x)
    assert found.shape == (4, 2) and (found > x).all()
    # numpy's files keep bfloat16 as bytes
    (found,) = run(path, tmp_path, x=x, y=np.full(4, 2, ml_dtypes.bfloat16))
    np.testing.assert_array_equal(found, x + 2)
    save(tmp_path / "y.npz", y=np.full(4, 2, "float32"))
    assert "`y` is float32[4]" in error("run", path, "--random", 0, "--inputs", tmp_path / "y.npz")


def test_a_value_that_is_a_size_is_drawn_as_that_size(tmp_path):
    path = file(tmp_path, COUNT)
    assert "give --dim n=N" in error("run", path, "--random", 0)
    assert "0.0 1.0 2.0" in invoke("run", path, "--random", 0, "--dim", "n=3").stdout
    arrays = {"n": np.int64(3), "x": np.float32(1)}
    np.testing.assert_array_equal(run(path, tmp_path, **arrays)[0], [0, 1, 2])
    np.testing.assert_array_equal(run(path, tmp_path, "--dim", "n=3", **arrays)[0], [0, 1, 2])
    said = error("run", path, "--inputs", tmp_path / "in.npz", "--dim", "n=4")
    assert "the value of `n` is 3; --dim says that it is 4" in said


# ---- one build for all sizes


@relax_only("Relax leaves sizes open")
@pytest.mark.parametrize("made", ["convert", "build"])
def test_one_build_serves_all_sizes(made, cut, tmp_path):
    path = tmp_path / {"convert": "converted", "build": "model.so"}[made]
    invoke(made, cut, "-o", path, "--dim", "x_0=3")
    for count in (1, 4):
        np.testing.assert_array_equal(run(path, tmp_path, x=X, y=np.zeros(count, "float32"))[1], np.ones(count))
    assert "give --dim y_0=N, or arrays" in error("run", path, "--random", 0)
    assert "float32[5]" in invoke("run", path, "--random", 0, "--dim", "y_0=5").stdout
    assert "the unknown sizes of" in error("run", path, "--random", 0, "--dim", "x_0=3")
    inputs = save(tmp_path / "in.npz", x=X, y=np.zeros(4, "float32"))
    assert "--dim y_0=5 does not fit" in error("run", path, "--inputs", inputs, "--dim", "y_0=5")
    assert "converted already" in error("build", path, "-o", tmp_path / "again.so", "--dim", "y_0=5")


@relax_only("Relax leaves sizes open")
@pytest.mark.parametrize("made", ["convert", "build"])
def test_one_build_is_held_to_bounds(made, cut, tmp_path):
    path = tmp_path / {"convert": "converted", "build": "model.so"}[made]
    invoke(made, cut, "-o", path, "--dim", "x_0=3", "--dim", "y_0=1..4")
    assert run(path, tmp_path, x=X, y=np.zeros(4, "float32"))[1].shape == (4,)
    assert "needs y_0 <= 4" in error("run", path, "--random", 0, "--dim", "y_0=5")
    assert "cannot bound its sizes" in error("run", path, "--random", 0, "--dim", "y_0=1..2")


def test_bounds_are_among_the_checks(cut):
    assert {"y_0 >= 1", "y_0 <= 4"} <= {each["check"] for each in inspected(cut, "--dim", "y_0=1..4")["checks"]}
    assert "give --dim x_0=N" in error("compare", cut, "--dim", "y_0=1..4", "--random", 0)
    assert "gives y_0 twice" in error("inspect", cut, "--dim", "y_0=1..4", "--dim", "y_0=2")
    assert "the bounds of y_0 are 4 and 1" in error("inspect", cut, "--dim", "y_0=4..1")
    assert "the unknown sizes of" in error("inspect", cut, "--dim", "z=1..4")


@relax_only("Relax leaves sizes open")
def test_one_build_takes_sizes_that_a_value_tells(tmp_path):
    path = tmp_path / "model.so"
    invoke("build", file(tmp_path, COUNT), "-o", path)
    for count in (1, 3):
        numbers, _ = run(path, tmp_path, n=np.int64(count), x=np.float32(1))
        np.testing.assert_array_equal(numbers, np.arange(count))
    assert "give --dim n=N" in error("run", path, "--random", 0)
    assert "0.0 1.0 2.0" in invoke("run", path, "--random", 0, "--dim", "n=3").stdout
    assert "--dim says that it is 4" in error("run", path, "--inputs", tmp_path / "in.npz", "--dim", "n=4")


@relay_only("Relax leaves sizes open")
@pytest.mark.parametrize("command", ["convert", "build"])
def test_relay_names_what_it_does_not_leave_open(command, cut, tmp_path):
    text = invoke(command, cut, *EVERY_COMMAND[command], code=1).stderr
    assert "cosine" in text and "known only at run time" in text
    assert not (tmp_path / "converted").exists() and not (tmp_path / "model.so").exists()


def test_networks_of_dense_layers_are_one_build_in_either_dialect(layer, tmp_path):
    executor = {"relay": "vm", "relax": "relax"}[DIALECT]
    assert f"{executor} executor" in invoke("build", layer, "-o", "model.so").stdout
    for rows in (1, 3):
        (found,) = run(tmp_path / "model.so", tmp_path, x=X[:rows], w=W)
        np.testing.assert_allclose(found, np.tanh(X[:rows] @ np.tanh(W)), rtol=1e-5)
