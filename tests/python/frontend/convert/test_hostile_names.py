"""Inputs and weights may be called anything: no name reaches a part of TVM that has another use for it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict
from functools import cache

import jax
import numpy as np
import pytest
import tvm
from click.testing import CliRunner
from tools.support.compare import compare, converted, run_plain
from tools.support.oracle import run_xla

import tvm_hlo_frontend
from tests.support.dialect_marks import DIALECT, relay_only
from tvm_hlo_frontend import SignatureError, build, signature_of
from tvm_hlo_frontend.backends.select import parameter_names, placed_run
from tvm_hlo_frontend.backends.signature import Parameter, Signature
from tvm_hlo_frontend.cli import main
from tvm_hlo_frontend.convert.input_names import VariableNames, is_reserved
from tvm_hlo_frontend.deploy.saved import load_library, load_module, save_library, save_module
from tvm_hlo_frontend.hlo.proto.reader import read

# what TVM's sources, C, C++ and Python call things themselves
TVM_NAMES = """
    p0 p1 p2 p11 constant_0 constant_1 sid_0 sid_3 output output0 output1 output2 global_workspace_0_var
    global_const_workspace_0_var device_context_ethos_u tvmgen_default_fused_add tvmgen_default_ccompiler_main_0_const_0
    __tvm_main__ __tvm_module_ctx __tvm_param__p0 TVM_DLL main gv gv1 lv lv_1 R T I params model_params input workspace
    reshape_nop v w0 x0 s0
"""
LANGUAGE_NAMES = """
    int float while if class template lambda None True in is from switch linux unix NULL NAN uint8_t size_t bool
    M_PI _x __x _ 0 0.weight 3d
"""
OTHER_NAMES = ["a.b", "a_b", "a__b", "a/b", "a:b", "a_b_1", "v_p0", "v_p0_1"]
UNCLEAN_NAMES = ["a b", 'a"b', "é", "日", "", "x['k'][0]", "%0"]
NAMES = (*TVM_NAMES.split(), *LANGUAGE_NAMES.split(), *OTHER_NAMES, *UNCLEAN_NAMES)
# of every kind some, which are built and run
BUILT = ("p0", "p1", "p2", "a.b", "a_b", "output", "constant_0", "sid_0", "int", "0.weight", "", "a b", "é", "main")
SHAPE = "s32[12]"


def text_of(count):
    """Every input has a result of its own, made with constants that are no parameters of main."""
    lines = [f"x{number} = {SHAPE} parameter({number})" for number in range(count)]
    lines += [f"c{k} = {SHAPE} constant({{{', '.join(str(i * k + 1) for i in range(12))}}})" for k in range(12)]
    for number in range(count):
        lines.append(f"m{number} = {SHAPE} multiply(x{number}, c{number % 12})")
        lines.append(f"a{number} = {SHAPE} add(m{number}, c{(number + 5) % 12})")
    results, shapes = (", ".join(parts) for parts in ([f"a{i}" for i in range(count)], [SHAPE] * count))
    lines.append(f"ROOT t = ({shapes}) tuple({results})")
    return "HloModule m\nENTRY e {\n  " + "\n  ".join(lines) + "\n}"


@cache
def program():
    """(HLO, arguments, XLA's results)."""
    module = read(text_of(len(BUILT)))
    generator = np.random.default_rng(0)
    arrays = [generator.integers(-99, 99, 12, "int32") for _ in BUILT]
    return module, arrays, run_xla(module, arrays)


def from_names(names):
    """A module with one input of each name, which it returns."""
    lines = [f"x{number} = f32[] parameter({number})" for number in range(len(names))]
    shapes, results = (", ".join(parts) for parts in (["f32[]"] * len(names), [f"x{i}" for i in range(len(names))]))
    text = "\n".join(["HloModule m", "ENTRY e {", *lines, f"ROOT t = ({shapes}) tuple({results})", "}"])
    return converted(read(text), input_names=names)[0]


@cache
def converted_program():
    return converted(program()[0], input_names=BUILT)


def assert_right(got):
    compare(list(got), program()[2], describe=lambda *at: f"at {at} of\n{text_of(len(BUILT))}")


def test_the_signature_shows_the_names_and_no_variable_has_one_that_is_taken():
    mod = from_names(NAMES)
    signature = signature_of(mod)
    assert [parameter.name for parameter in signature.parameters] == list(NAMES)
    variables = [parameter.variable for parameter in signature.parameters]
    assert variables == parameter_names(mod)
    in_c = [re.sub(r"_+", "_", re.sub(r"\W", "_", variable, flags=re.ASCII)) for variable in variables]
    assert len(set(in_c)) == len(NAMES)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:/]*", variable) for variable in variables)
    assert not any(re.fullmatch(r"p\d+|output\d*|constant_\d+|sid_\d+|tvmgen_.*", variable) for variable in in_c)
    kept = {"a.b", "a_b_1", "gv", "lv_1", "main", "R", "x0", "v_p0", "v_p0_1", "input", "reshape_nop", "params"}
    assert kept == {name for name, variable in zip(NAMES, variables) if name == variable} & kept


def test_build_and_its_placed_run():
    executable = build(*converted_program())
    assert [parameter.name for parameter in executable.inputs] == list(BUILT)
    assert_right(executable(*program()[1]))
    run = placed_run(executable.library, executable.executor, executable.signature, list(program()[1]))
    run()


@pytest.mark.parametrize("executor", [True, "vm"] if DIALECT == "relay" else [True])
def test_plain_tvm(executor):
    assert_right(run_plain(*converted_program(), program()[1], executor == "vm"))


@relay_only("the AOT executor")
def test_aot_executor(tmp_path):
    from tvm import relay

    mod, _ = converted_program()
    library = relay.build(mod, target="llvm", executor=relay.backend.Executor("aot"))
    library.export_library(str(tmp_path / "aot.so"))
    module = tvm.runtime.executor.AotModule(tvm.runtime.load_module(str(tmp_path / "aot.so"))["default"](tvm.cpu()))
    for name, array in zip(parameter_names(mod), program()[1]):
        module.set_input(name, array)
    module.run()
    assert_right([module.get_output(index).numpy() for index in range(module.get_num_outputs())])


@relay_only("C's interface to the AOT executor")
@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_for_c_compiles(tmp_path, language):
    names = parameter_names(from_names(NAMES))
    make = tvm.get_global_func("runtime.InterfaceCCreate")
    sizes = dict.fromkeys(names, 48)
    header = make("default", names, ["output"], [], {}, [], 0, sizes, {"output": 48}).get_source()
    arguments = ", ".join(["void* " + re.sub(r"\W", "_", name, flags=re.ASCII) for name in names])
    prototype = f"int32_t tvmgen_default___tvm_main__({arguments}, void* output0, uint8_t* global_workspace_0_var);\n"
    (tmp_path / "it.h").write_text(
        "#include <math.h>\n#include <stdbool.h>\n#include <stddef.h>\n" + header + prototype
    )
    done = subprocess.run(
        ["gcc", "-x", language, "-fsyntax-only", str(tmp_path / "it.h")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_weights_of_build_go_by_name_and_by_variable():
    hlo, arrays, _ = program()
    weights = {number: array for number, array in enumerate(arrays) if number % 3}
    mod, params = converted(hlo, input_names=BUILT, parameter_values=weights, freeze_params=False)
    bound = [parameter for parameter in signature_of(mod).parameters if parameter.bound]
    assert {parameter.variable for parameter in bound} == set(params)
    for by in ("name", "variable"):
        given = {getattr(parameter, by): params[parameter.variable] for parameter in bound}
        executable = build(mod, given)
        assert [parameter.name for parameter in executable.inputs] == list(BUILT)[::3]
        assert_right(executable(*arrays[::3]))
        del given[getattr(bound[0], by)]
        with pytest.raises(SignatureError, match=f"no value for {re.escape(bound[0].name)};"):
            build(mod, given)


def test_saved_modules_libraries_and_the_command_line(tmp_path):
    mod, params = converted_program()
    save_module(mod, params, tmp_path / "folder")
    again, values = load_module(tmp_path / "folder")
    assert signature_of(again) == signature_of(mod)
    save_library(build(again, values), tmp_path / "it.so", "llvm")
    assert_right(load_library(tmp_path / "it.so")(*program()[1]))
    short = {"p0": np.arange(12, dtype="int32"), "int": np.ones(12, "int32")}
    (tmp_path / "m.hlo").write_text(text_of(2).replace("x0", "p0").replace("x1", "int"))
    np.savez(tmp_path / "in.npz", **short)
    arguments = ["run", tmp_path / "m.hlo", "--inputs", tmp_path / "in.npz", "-o", tmp_path / "out.npz"]
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, (done.output, done.stderr)
    got = np.load(tmp_path / "out.npz")
    compare([got[name] for name in got.files], run_xla(read(text_of(2)), list(short.values())))


def test_names_of_a_framework():
    x, p0 = np.arange(12, dtype="int32"), np.arange(12, 24, dtype="int32")
    table = np.array([10, 6, 3, 2, 5, 3, 7, 4, 2, 3, 1, 0], "int32")
    mod, params = tvm_hlo_frontend.backends.select.mod_and_params(
        tvm_hlo_frontend.from_jax(lambda x, p0: {"output": jax.lax.rev(p0, (0,)) * table + x}, x, p0)
    )
    assert [parameter.name for parameter in signature_of(mod).parameters] == ["x", "p0"]
    (got,) = run_plain(mod, params, [x, p0], False)
    np.testing.assert_array_equal(got, p0[::-1] * table + x)


def test_tuples_and_large_constants():
    table = ", ".join(map(str, range(65)))
    text = f"""HloModule m
    ENTRY e {{ a = (s32[65], s32[65]) parameter(0)  b = s32[65] parameter(1)  a0 = s32[65] parameter(2)
      p0 = s32[65] constant({{{table}}})
      x = s32[65] get-tuple-element(a), index=0  y = s32[65] get-tuple-element(a), index=1
      s = s32[65] multiply(x, p0)  t = s32[65] subtract(s, y)  u = s32[65] multiply(t, b)
      ROOT v = s32[65] subtract(u, a0) }}"""
    names = ["p", "a.1", "p.0"]  # the arrays of the tuple are p.0 and p.1
    mod, params = converted(read(text), input_names=names, freeze_params=False)
    signature = signature_of(mod)
    assert [parameter.name for parameter in signature.parameters if not parameter.bound] == [
        "p.0.1",
        "p.1",
        "a.1",
        "p.0",
    ]
    assert [parameter.name for parameter in signature.parameters if parameter.bound] == list(params) == ["v_p0"]
    arrays = [np.arange(65, dtype="int32") + number for number in range(4)]
    wanted = (arrays[0] * np.arange(65) - arrays[1]) * arrays[2] - arrays[3]
    np.testing.assert_array_equal(build(mod, params)(*arrays), wanted)


def test_variables_of_any_names_differ():
    names = VariableNames()
    wanted = ["p0", "v_p0", "a.b", "a_b", "a_b_1", "", "value"]
    assert names.take_all(wanted) == ["v_p0_1", "v_p0", "a.b", "a_b_2", "a_b_1", "value_1", "value"]
    assert names.take("p0") == "v_p0_2" and names.take("a/b") == "a/b_3"
    assert is_reserved("p0") and is_reserved("a.b") is is_reserved("p0x") is is_reserved("pa0") is False


def test_signatures_of_before_variables_had_names_of_their_own():
    signature = Signature((Parameter("x", "f32", (2, "n"), "f32"),), ["f32", [2, "n"]])
    data = asdict(signature)
    for parameter in data["parameters"]:
        del parameter["variable"]
    assert Signature.from_json(json.dumps(data)) == signature == Signature.from_json(signature.to_json())
    assert signature.variables == {"x": "x"}
