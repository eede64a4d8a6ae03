"""tvm-hlo: every command on small modules, on an XLA dump, on what cannot be read; exit codes; what it imports."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.dialect_marks import DIALECT
from tvm_hlo_frontend.cli import COMMANDS, main
from tvm_hlo_frontend.hlo.ir.attributes import CustomCallAttributes, DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import Metadata
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.opcodes import OPCODES
from tvm_hlo_frontend.hlo.proto.writer import to_proto

ROOT = Path(__file__).resolve().parents[4]
SHAPE = array_shape("f32", (2, 3))
EXECUTOR = {"relay": "graph", "relax": "relax"}[DIALECT]
X = np.array([[0.5, -1.0, 2.0], [0.25, 0.0, -3.0]], "float32")
Y = np.full((2, 3), 2.0, "float32")
LOOP = """HloModule loop
body { s = (s32[], f32[3,3]) parameter(0)
  i = s32[] get-tuple-element(s), index=0 v = f32[3,3] get-tuple-element(s), index=1
  one = s32[] constant(1) next = s32[] add(i, one)
  square = f32[3,3] dot(v, v), lhs_contracting_dims={1}, rhs_contracting_dims={1}
  same = f32[3,3] cholesky(square), lower=true
  w = f32[3,3] dot(same, v), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  ROOT t = (s32[], f32[3,3]) tuple(next, w) }
condition { s = (s32[], f32[3,3]) parameter(0) i = s32[] get-tuple-element(s), index=0
  limit = s32[] constant(2) ROOT c = pred[] compare(i, limit), direction=LT }
ENTRY main { n = s32[] parameter(0) v = f32[3,3] parameter(1) t = (s32[], f32[3,3]) tuple(n, v)
  ROOT w = (s32[], f32[3,3]) while(t), condition=condition, body=body }
"""


def invoke(*arguments, code=0):
    """Result of a command that ends with `code`."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def child(*arguments, **options):
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tvm_hlo_frontend", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


def written(path, hlo):
    path.write_bytes(to_proto(hlo))
    return path


@pytest.fixture
def file(tmp_path):
    """tanh(x) * y, with names and places of a program."""
    builder = ComputationBuilder("main")
    x, y = builder.parameter(0, SHAPE, name="x.1"), builder.parameter(1, SHAPE, name="y.2")
    made = builder.add("tanh", [x], name="tanh.3", metadata=Metadata("tanh", "jit(f)/tanh", "model.py", 12))
    root = builder.add("multiply", [made, y], name="mul.4", metadata=Metadata("mul", "jit(f)/mul", "model.py", 13))
    return written(tmp_path / "model.pb", module("jit_f", builder.build(root)))


@pytest.fixture
def unsupported_file(tmp_path):
    """A custom-call that nothing converts."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, SHAPE, name="x")
    place = Metadata("ffi", "jit(f)/ffi_call", "model.py", 7)
    call = builder.add("custom-call", [x], SHAPE, CustomCallAttributes("my_target"), name="call.2", metadata=place)
    return written(tmp_path / "unsupported.pb", module("jit_f", builder.build(call)))


@pytest.fixture
def converters(tmp_path, monkeypatch):
    """A module of converters in the working directory."""
    (tmp_path / "my_converters.py").write_text(
        "def wrong_tanh(ctx, instruction, x):\n"
        "    return ctx.map('sine', x.element_type, [x])\n"
        "def my_target(ctx, instruction, x):\n"
        "    return ctx.map('negate', x.element_type, [x])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "my_converters"
    sys.modules.pop("my_converters", None)


# ---- starting


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_has_an_example(command):
    text = invoke(command.name, "--help").stdout
    assert "Example:" in text and f"tvm-hlo {command.name} " in text and "--traceback" in text


def test_the_list_of_commands_is_whole():
    text = invoke("--help").stdout
    listed = text.partition("Commands:")[2].split("\n")
    assert [line.split()[0] for line in listed if line.strip()] == [command.name for command in COMMANDS]
    assert "..." not in text.partition("Commands:")[2]


def test_the_entry_point_is_declared():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    declared = next(line for line in lines if line.startswith("tvm-hlo = "))
    point = importlib.metadata.EntryPoint("tvm-hlo", declared.split('"')[1], "console_scripts")
    assert point.load() is main


def test_the_installed_script_runs(file):
    script = shutil.which("tvm-hlo", path=os.path.dirname(sys.executable))
    if script is None:
        pytest.skip("this environment is older than the script: `make env`")
    done = subprocess.run([script, "inspect", str(file)], capture_output=True, text=True, check=True)
    assert "jit_f" in done.stdout


def test_starting_imports_neither_tvm_nor_a_framework_nor_rich():
    heavy = ("tvm", "jax", "jaxlib", "tensorflow", "rich", "google.protobuf")
    program = (
        "import sys\nfrom tvm_hlo_frontend.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_inspect_graph_and_ops_need_no_tvm(file, tmp_path):
    program = (
        "import sys\nsys.modules['tvm'] = sys.modules['jax'] = None\n"
        "from tvm_hlo_frontend.cli import main\nmain(sys.argv[1:])"
    )
    for arguments in (["inspect", file], ["graph", file, "-o", tmp_path / "g.svg"], ["ops"], ["ops", "dot"]):
        done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-c", program, "run", file, "--random", "0"], capture_output=True, check=False
    )
    assert done.returncode == 2 and b"TVM" in done.stderr


# ---- inspect, ops, graph


def test_inspect_prints_tables(file):
    text = invoke("inspect", file).stdout
    for part in ("jit_f: 4 instructions in 1 computation", "2 parameters, 48 B", "f32[2,3]", "tanh", "f32 4"):
        assert part in text, text
    assert "cost of a run: 6 FLOP and 6 transcendental functions" in text
    assert "every instruction is supported" in invoke("inspect", file, "--convert").stdout


def test_inspect_as_json(file):
    facts = json.loads(invoke("inspect", file, "--json").stdout)
    assert facts["opcodes"] == {"parameter": 2, "tanh": 1, "multiply": 1}
    assert facts["parameters"][1] == {"number": 1, "name": "y.2", "shape": "f32[2,3]", "bytes": 24}
    assert (facts["flops"], facts["transcendentals"], facts["result"]) == (6, 6, "f32[2,3]")
    assert facts["unsupported"] == [] and facts["element_types"] == {"f32": 4}


@pytest.mark.parametrize("options", [(), ("--convert",)])
def test_inspect_names_what_is_not_supported_and_where_it_came_from(unsupported_file, options):
    text = invoke("inspect", unsupported_file, *options, code=1).stdout
    for part in ("%call.2", "custom-call(my_target)", "model.py:7", "custom_call_converter"):
        assert part in text, text
    refused = json.loads(invoke("inspect", unsupported_file, "--json", *options, code=1).stdout)["unsupported"]
    assert [refusal["instruction"] for refusal in refused] == ["call.2"]


def test_long_tables_are_cut_unless_all_is_wanted(tmp_path):
    builder = ComputationBuilder("main")
    values = [builder.parameter(number, SHAPE, name=f"p{number}") for number in range(40)]
    path = written(tmp_path / "many.pb", module("many", builder.build(builder.add("tuple", values))))
    short = invoke("inspect", path).stdout
    assert "p29" in short and "p30" not in short and "10 more" in short
    assert "p39" in invoke("inspect", path, "--all").stdout


def test_inspect_and_compare_a_dump_of_xla(tmp_path):
    pytest.importorskip("jax")
    folder = tmp_path / "dump"
    program = "import jax, numpy as np\njax.jit(lambda x: x @ x.T)(np.ones((2, 3), 'float32')).block_until_ready()"
    flags = f"--xla_dump_to={folder} --xla_dump_hlo_as_proto --xla_dump_hlo_module_re=.*lambda.*"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    facts = json.loads(invoke("inspect", folder, "--json").stdout)
    assert facts["opcodes"]["dot"] == 1 and facts["flops"] == 2 * 2 * 2 * 3
    assert "same" in invoke("compare", folder, "--random", 1).stdout
    invoke("graph", folder, "-o", tmp_path / "dump.html")


def test_a_dump_of_several_modules_asks_for_one(tmp_path):
    pytest.importorskip("jax")
    folder = tmp_path / "dump"
    program = (
        "import jax, jax.numpy as jnp, numpy as np\nx = np.eye(3, dtype='float32')\n"
        "def sums(x): return jnp.tanh(x).sum(1)\n"
        "def loops(x): return jax.lax.while_loop(lambda s: s[0, 0] < 9, lambda s: s @ x + x, x)\n"
        "jax.jit(sums)(x).block_until_ready(), jax.jit(loops)(x).block_until_ready()"
    )
    flags = f"--xla_dump_to={folder} --xla_dump_hlo_as_proto --xla_dump_hlo_module_re=.*(sums|loops).*"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    told = invoke("inspect", folder, code=2).stderr
    assert "holds 2 modules; give the path of one" in told
    sums, loops = (next(folder.glob(f"*jit_{name}.before_optimizations.hlo.pb")) for name in ("sums", "loops"))
    assert sums.name in told and loops.name in told
    assert json.loads(invoke("inspect", loops, "--json").stdout)["opcodes"]["while"] == 1
    assert "same" in invoke("compare", loops).stdout and "same" in invoke("compare", sums).stdout
    invoke("graph", loops, "-o", tmp_path / "loops.svg")
    assert "(its condition)" in (tmp_path / "loops.svg").read_text()
    # what the backend made of it can be looked at as well
    optimised = next(folder.glob("*jit_sums.cpu_after_optimizations.hlo.pb"))
    assert "fusion" in json.loads(invoke("inspect", optimised, "--json").stdout)["opcodes"]
    invoke("graph", optimised, "-o", tmp_path / "optimised.svg")
    assert ">fusion</text>" in (tmp_path / "optimised.svg").read_text()


def test_ops_lists_all_opcodes_and_tells_of_one():
    rows = json.loads(invoke("ops", "--json").stdout)
    assert [row["opcode"] for row in rows] == list(OPCODES)
    text = invoke("ops").stdout
    assert "operator of TVM" in text and f"of {len(OPCODES)} opcodes are supported" in text
    one = json.loads(invoke("ops", "scatter", "--json").stdout)
    assert one["how"] == "kernel" and one["converter"].endswith(":convert_scatter")
    assert "infeed: refused" in invoke("ops", "infeed").stdout
    targets = json.loads(invoke("ops", "custom-call", "--json").stdout)["targets"]
    assert {"Sharding", "Qr", "lapack_?getrf_ffi"} < set(targets)
    assert "rewritten" in invoke("ops", "lapack_sgetrf_ffi").stdout
    assert "take the callback out" in invoke("ops", "xla_ffi_python_cpu_callback").stdout


def test_ops_knows_what_may_have_been_meant():
    assert "Did you mean scatter" in invoke("ops", "scater", code=2).stderr


def test_graph_writes_pictures(file, unsupported_file, tmp_path):
    assert "2 nodes" not in invoke("graph", file, "-o", tmp_path / "g.svg").stdout
    tree = ElementTree.parse(tmp_path / "g.svg")
    groups = [group.get("class", "") for group in tree.iter("{http://www.w3.org/2000/svg}g")]
    assert groups.count("cluster entry") == 1 and sum("node" in group for group in groups) == 1
    assert "4 nodes" in invoke("graph", file, "-o", tmp_path / "full.html", "--full").stdout
    assert "<svg" in (tmp_path / "full.html").read_text()
    invoke("graph", unsupported_file, "-o", tmp_path / "u.svg")
    assert 'class="node root unsupported"' in (tmp_path / "u.svg").read_text()
    assert ".svg or .html" in invoke("graph", file, "-o", tmp_path / "g.png", code=2).stderr


# ---- convert, build, run


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def results(path):
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_convert_writes_a_module_that_runs(file, tmp_path):
    folder, inputs, out = tmp_path / "converted", save(tmp_path / "in.npz", **{"x.1": X, "y.2": Y}), tmp_path / "out"
    assert "tanh" in invoke("convert", file, "-o", folder).stdout
    assert {path.name for path in folder.iterdir()} == {"module.json", "module.txt", "params.bin", "metadata.json"}
    about = json.loads((folder / "metadata.json").read_text())
    assert [parameter["name"] for parameter in about["signature"]["parameters"]] == ["x.1", "y.2"]
    assert about["report"]["name"] == "jit_f" and about["versions"]["tvm"]
    assert {"relay": "def @main", "relax": "def main("}[DIALECT] in (folder / "module.txt").read_text()
    invoke("run", folder, "--inputs", inputs, "-o", out)
    np.testing.assert_allclose(results(out)["result"], np.tanh(X) * 2, rtol=1e-6)


def test_convert_keeps_large_constants_as_parameters(tmp_path):
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (100,)), name="x")
    weights = builder.constant(np.arange(100, dtype="float32"))
    path = written(tmp_path / "w.pb", module("weights", builder.build(builder.add("add", [x, weights]))))
    invoke("convert", path, "-o", tmp_path / "w")
    invoke("run", tmp_path / "w", "--random", 3, "-o", tmp_path / "a.npz")
    invoke("run", path, "--random", 3, "-o", tmp_path / "b.npz")
    drawn = results(tmp_path / "a.npz")["result"] - np.arange(100)
    np.testing.assert_array_equal(results(tmp_path / "a.npz")["result"], results(tmp_path / "b.npz")["result"])
    assert 0.49 < drawn.min() < 0.6 and 1.4 < drawn.max() < 1.51


def test_convert_overwrites_only_when_told(file, tmp_path):
    invoke("convert", file, "-o", tmp_path / "c")
    (tmp_path / "c" / "module.txt").write_text("mine")
    assert "--force" in invoke("convert", file, "-o", tmp_path / "c", code=2).stderr
    assert (tmp_path / "c" / "module.txt").read_text() == "mine"
    invoke("convert", file, "-o", tmp_path / "c", "--force")
    assert (tmp_path / "c" / "module.txt").read_text() != "mine"


def test_a_folder_with_other_files_is_no_module(file, tmp_path):
    invoke("convert", file, "-o", tmp_path / "c")
    (tmp_path / "c" / "params.bin").write_bytes(b"nothing")
    assert "holds no module" in invoke("run", tmp_path / "c", "--random", 0, code=2).stderr


def test_build_writes_a_library_that_runs(file, tmp_path):
    library = tmp_path / "lib" / "model.so"
    assert f"{EXECUTOR} executor" in invoke("build", file, "-o", library).stdout
    about = json.loads(library.with_suffix(".json").read_text())
    assert about["executor"] == EXECUTOR and about["host_functions"] == [] and "llvm" in about["target"]
    invoke("run", library, "--inputs", save(tmp_path / "in.npz", **{"x.1": X, "y.2": Y}), "-o", tmp_path / "out.npz")
    np.testing.assert_allclose(results(tmp_path / "out.npz")["result"], np.tanh(X) * 2, rtol=1e-6)
    library.with_suffix(".json").unlink()
    assert "model.json" in invoke("run", library, "--random", 0, code=2).stderr


def test_what_was_compiled_is_kept_where_cache_says(file, tmp_path, monkeypatch):
    monkeypatch.setenv("TVM_HLO_FRONTEND_BUILD_CACHE", "")
    cache = tmp_path / "cache"
    invoke("run", file, "--random", 0, "--cache", cache, "-o", tmp_path / "out.npz")
    (entry,) = cache.iterdir()
    invoke("build", file, "-o", tmp_path / "model.so", "--cache", cache)
    assert (tmp_path / "model.so").read_bytes() == (entry / "program.so").read_bytes()
    invoke("build", file, "-o", tmp_path / "model.tar", "--cache", cache)
    assert tarfile.is_tarfile(tmp_path / "model.tar") and list(cache.iterdir()) == [entry]


def test_libraries_of_the_virtual_machine_run_too(tmp_path):
    pytest.importorskip("jaxlib")
    (tmp_path / "loop.hlo").write_text(LOOP)
    executor = {"relay": "vm", "relax": "relax"}[DIALECT]
    assert f"{executor} executor" in invoke("build", tmp_path / "loop.hlo", "-o", tmp_path / "loop.so").stdout
    matrix = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 2]], "float32")  # the factor of its product with its transpose
    inputs = save(tmp_path / "in.npz", **{"n": np.int32(0), "v.1": matrix})
    invoke("run", tmp_path / "loop.so", "--inputs", inputs, "-o", tmp_path / "out.npz")
    got = results(tmp_path / "out.npz")
    np.testing.assert_allclose(got["result_1"], np.linalg.matrix_power(matrix, 4), rtol=1e-6)
    assert got["result_0"] == 2 and got["result_0"].dtype == np.int32


def test_build_for_another_machine_makes_object_files(file, tmp_path):
    target = "llvm -mtriple=aarch64-linux-gnu"
    invoke("build", file, "-o", tmp_path / "arm.tar", "--target", target)
    assert json.loads((tmp_path / "arm.json").read_text())["target"] == target


def test_convert_keeps_large_constants_out_of_the_module(tmp_path):
    builder = ComputationBuilder("main")
    weights = builder.constant(np.arange(100_000, dtype="float32"))
    x = builder.parameter(0, array_shape("f32", (100_000,)), name="x")
    path = written(tmp_path / "w.pb", module("weights", builder.build(builder.add("add", [x, weights]))))
    invoke("convert", path, "-o", tmp_path / "w")
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "w").iterdir()}
    assert sizes["params.bin"] > 400_000 and sizes["module.json"] < 100_000 and sizes["module.txt"] < 10_000


def test_a_dialect_that_the_installed_tvm_lacks_is_one_paragraph(file, tmp_path):
    other = {"relay": "relax", "relax": "relay"}[DIALECT]
    told = {"relay": "needs TVM >= 0.25", "relax": "needs TVM <= 0.19"}[DIALECT]
    for command in (
        ["convert", file, "-o", tmp_path / "c"],
        ["run", file, "--random", 0],
        ["inspect", file, "--convert"],
    ):
        assert told in invoke(*command, "--dialect", other, code=2).stderr
        assert "is not one of" in invoke(*command, "--dialect", "onnx", code=2).stderr
    invoke("run", file, "--random", 0, "--dialect", DIALECT)
    invoke("inspect", file, "--dialect", other)  # converts nothing


def test_run_shows_first_numbers(file):
    text = invoke("run", file, "--random", 0).stdout
    assert "float32[2, 3]" in text and "…" in text
    assert text == invoke("run", file, "--random", 0).stdout != invoke("run", file, "--random", 1).stdout


def test_run_draws_only_what_is_not_given(file, tmp_path):
    part = save(tmp_path / "x.npz", **{"x.1": np.zeros_like(X)})
    assert "y.2 f32[2, 3]" in invoke("run", file, "--inputs", part, code=2).stderr
    invoke("run", file, "--inputs", part, "--random", 0, "-o", tmp_path / "out.npz")
    np.testing.assert_array_equal(results(tmp_path / "out.npz")["result"], np.zeros_like(X))


def test_inputs_that_do_not_fit_are_named(file, tmp_path):
    other = save(tmp_path / "a.npz", z=X)
    assert "does not take: z" in invoke("run", file, "--inputs", other, code=2).stderr
    wrong = save(tmp_path / "b.npz", **{"x.1": X.astype("float64"), "y.2": Y})
    assert "input x.1 takes float32[2, 3]" in invoke("run", file, "--inputs", wrong, code=2).stderr
    assert "is no .npz file" in invoke("run", file, "--inputs", file, code=2).stderr


def test_narrow_types_pass_through_files(tmp_path):
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("bf16", (3,)), name="x")
    n = builder.parameter(1, array_shape("s4", (2,)), name="n")
    root = builder.add("tuple", [builder.add("negate", [x]), n])
    path = written(tmp_path / "narrow.pb", module("narrow", builder.build(root)))
    values = np.array([1.5, -2, 0], ml_dtypes.bfloat16)
    inputs = save(tmp_path / "in.npz", x=values, n=np.array([-8, 7], ml_dtypes.int4))
    invoke("run", path, "--inputs", inputs, "-o", tmp_path / "out.npz")
    got = results(tmp_path / "out.npz")
    np.testing.assert_array_equal(got["result_0"].view(ml_dtypes.bfloat16), -values)
    np.testing.assert_array_equal(got["result_1"].view(ml_dtypes.int4).astype(int), [-8, 7])


# ---- compare, bench


def test_compare_says_that_results_are_the_same(file):
    pytest.importorskip("jax")
    assert "same" in invoke("compare", file).stdout


def test_compare_names_the_instruction_that_differs_both_values_and_its_source(file, tmp_path, converters):
    pytest.importorskip("jax")
    inputs = save(tmp_path / "in.npz", **{"x.1": np.full((2, 3), 1.0, "float32"), "y.2": Y})
    text = invoke("compare", file, "--inputs", inputs, "--custom", f"tanh={converters}:wrong_tanh", code=1).stdout
    assert "differs" in text and "tanh.3 = f32[2,3] tanh(x.1)" in text and "model.py:12" in text
    assert "TVM 0.84147" in text and "XLA 0.76159" in text  # sin(1), tanh(1)
    assert "it differs as well" in text


def test_compare_allows_what_it_is_told_to(file, converters):
    pytest.importorskip("jax")
    custom = ("--custom", f"tanh={converters}:wrong_tanh")
    invoke("compare", file, *custom, "--rtol", 10)
    invoke("compare", file, *custom, "--rtol", "1e-3", code=1)


def test_compare_says_when_nothing_is_finite(tmp_path):
    pytest.importorskip("jax")
    builder = ComputationBuilder("main")
    shape = array_shape("f32", (4,))
    wide = builder.add("broadcast", [builder.constant(np.nan, "f32")], shape, DimensionsAttributes(()))
    root = builder.add("add", [builder.parameter(0, shape), wide])
    path = written(tmp_path / "nan.pb", module("nan", builder.build(root)))
    assert "nothing in it is finite" in invoke("compare", path).stdout


def test_converters_of_the_user_make_custom_calls_work(unsupported_file, converters):
    key = f"my_target={converters}:my_target"
    invoke("run", unsupported_file, "--random", 0, "--custom", key)
    invoke("inspect", unsupported_file, "--custom", key)
    assert "KEY=MODULE:FUNCTION" in invoke("run", unsupported_file, "--custom", "my_target", code=2).stderr
    assert "no_such" in invoke("run", unsupported_file, "--custom", "my_target=no_such:f", code=2).stderr


def test_bench_measures_both_sides(file, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr("tvm_hlo_frontend.oracle.timing.SECONDS", 0.01)
    limited = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, processors: limited.append(list(processors)))
    facts = json.loads(invoke("bench", file, "--threads", 1, "--json").stdout)
    assert facts["ratio"] == pytest.approx(facts["tvm_ms"] / facts["xla_ms"]) and facts["tvm_ms"] > 0
    assert facts["threads"] == 1 and facts["wrong_results"] == [] and facts["executor"] == EXECUTOR
    assert all(len(processors) == 1 for processors in limited)
    assert "TVM / XLA = " in invoke("bench", file).stdout
    assert "processors" in invoke("bench", file, "--threads", 10_000, code=2).stderr


def test_bench_of_wrong_results_fails(file, converters, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr("tvm_hlo_frontend.oracle.timing.SECONDS", 0.01)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, processors: None)
    text = invoke("bench", file, "--custom", f"tanh={converters}:wrong_tanh", code=1).stdout
    assert "results [0] differ" in text


BOUNDED = """HloModule bounded
ENTRY main { x = f32[6,3] parameter(0) n = s32[] parameter(1) s = f32[<=6,3] set-dimension-size(x, n), dimensions={0}
  ROOT r = f32[<=6,3] negate(s) }"""


def test_sizes_that_data_tell(tmp_path):
    path = tmp_path / "bounded.hlo"
    path.write_text(BOUNDED)
    text = invoke("inspect", path).stdout
    assert "f32[<=6,3]" in text and "every instruction has a converter" in text
    assert "result" in invoke("run", path, "--random", 0).stdout
    for command in ("compare", "bench"):
        assert "sizes data tell" in invoke(command, path, code=2).stderr


# ---- the page in the documentation

SHOWN_EXACTLY = {"inspect", "ops", "graph", "convert", "build", "partition"}  # others print floats or times


def test_the_page_shows_what_the_commands_print(tmp_path, monkeypatch):
    pytest.importorskip("jax")
    pytest.importorskip("tensorflow")
    page = (ROOT / "docs" / "command_line.md").read_text()
    (tmp_path / "page.py").write_text("\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)))
    subprocess.run([sys.executable, "page.py"], cwd=tmp_path, check=True, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tvm_hlo_frontend.oracle.timing.SECONDS", 0.01)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, processors: None)
    blocks = re.findall(r"^```console\n\$ tvm-hlo (.*?)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert {shlex.split(line)[0] for line, _ in blocks} == {command.name for command in COMMANDS}
    for line, of_relay in blocks:
        words, shown = shlex.split(line), of_relay.replace("for the graph executor", f"for the {EXECUTOR} executor")
        code = 1 if "differs" in shown or "not supported" in shown else 0
        printed = invoke(*words, code=code).stdout.replace(f"{tmp_path}/", "")
        if words[0] == "convert" and DIALECT != "relay":  # the page says what becomes of instructions in Relay
            assert totals(printed) == totals(shown), line
        elif words[0] in SHOWN_EXACTLY:
            assert [text.rstrip() for text in printed.splitlines()] == shown.splitlines(), line


def totals(report):
    """Instructions of each opcode in a report, whatever became of them; but for transposes: Relax has channels last."""
    counts = Counter()
    for count, opcode in re.findall(r"^ +(\d+)  ((?!transpose)\S+)  \(", report, re.MULTILINE):
        counts[opcode] += int(count)
    assert counts
    return counts


# ---- errors


@pytest.mark.parametrize("command", [["inspect"], ["run", "--random", "0"], ["compare"], ["graph", "-o", "g.svg"]])
@pytest.mark.parametrize("content", [b"", b"not a module", b"\x0a\x03abc", None])
def test_what_cannot_be_read_is_one_paragraph(command, content, tmp_path):
    path = tmp_path / "broken.pb"
    if content is not None:
        path.write_bytes(content)
    result = invoke(command[0], path, *command[1:], code=2)
    assert result.stderr.startswith("Error: ") and "\n\n" not in result.stderr and not result.stdout


def test_a_module_that_contradicts_itself_cannot_be_used(tmp_path):
    builder = ComputationBuilder("main")
    root = builder.add("negate", [builder.parameter(0, SHAPE)], array_shape("s32", (7,)))
    path = written(tmp_path / "wrong.pb", module("wrong", builder.build(root)))
    for command in (["inspect"], ["convert", "-o", tmp_path / "c"], ["build", "-o", tmp_path / "m.so"]):
        assert "negate" in invoke(command[0], path, *command[1:], code=2).stderr


def test_unsupported_modules_end_every_conversion_with_one(unsupported_file, tmp_path):
    for command in (["convert", "-o", tmp_path / "c"], ["build", "-o", tmp_path / "m.so"], ["run", "--random", 0]):
        error = invoke(command[0], unsupported_file, *command[1:], code=1).stderr
        assert "my_target" in error and "model.py:7" in error
    assert not (tmp_path / "c").exists() and not (tmp_path / "m.so").exists()


def test_exit_codes_of_a_process(file, unsupported_file, tmp_path):
    assert child("inspect", file).returncode == 0
    assert child("inspect", unsupported_file).returncode == 1
    assert child("inspect").returncode == 2
    assert child("no-such-command").returncode == 2
    broken = tmp_path / "broken.pb"
    broken.write_bytes(b"nothing")
    plain, traced = child("inspect", broken), child("inspect", broken, "--traceback")
    assert (plain.returncode, traced.returncode) == (2, 2)
    assert "Traceback" not in plain.stderr and "Traceback" in traced.stderr


def test_unexpected_errors_are_one_paragraph_too(file, monkeypatch):
    def fails(*arguments, **options):
        raise RuntimeError("Traceback of TVM\n  File x\nTVMError: it is broken")

    monkeypatch.setattr("tvm_hlo_frontend.convert.support.unsupported", fails)
    error = invoke("inspect", file, code=2).stderr
    assert error == "Error: RuntimeError: TVMError: it is broken (--traceback shows where it came from)\n"
