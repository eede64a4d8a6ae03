"""TVM's tools on converted modules: saving and text, the virtual machine, exported libraries, debugging, analyses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tvm
from tools.support.compare import compare, run_plain

from tests.support.dialect_marks import DIALECT, skip_file

if DIALECT != "relay":
    skip_file("relay", "Relay's executors, parser and analyses")

from tvm import relay
from tvm.contrib import graph_executor
from tvm.contrib.debugger import debug_executor
from tvm.runtime.vm import VirtualMachine

from tests.support.relay_modules import (
    MODULES,
    bound_weights,
    converted,
    has_branches,
    numbers,
    operators,
    same_numbers,
    sample,
)

pytest.importorskip("jax")


def flat(result):
    """Arrays of what a virtual machine returns."""
    return [result.numpy()] if hasattr(result, "numpy") else [part.numpy() for part in result]


# ---- weights, JSON, text


@pytest.mark.parametrize("name", MODULES[:2])
def test_weights_are_bound_by_name(name):
    module = sample(name)
    names = [variable.name_hint for variable in module.mod["main"].params]
    assert set(names) == {"x", *module.params}
    assert [variable.name_hint for variable in module.bound["main"].params] == ["x"]
    # bound when built is the same as bound before
    compare(run_plain(module.mod, module.params, module.args, False), module.wanted, rtol=1e-5)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("with_weights", [False, True])
def test_modules_survive_json(name, with_weights):
    module = sample(name)
    mod = module.bound if with_weights else module.mod
    again = tvm.ir.load_json(tvm.ir.save_json(mod))
    assert tvm.ir.structural_equal(again, mod)
    same_numbers(again if with_weights else bound_weights(again, module.params), module)


@pytest.mark.parametrize("imports", ["import tvm_hlo_frontend, tvm.relay", "import tvm.relay, tvm_hlo_frontend"])
def test_saved_modules_load_in_another_process(imports, tmp_path):
    module = sample("kernels")
    (tmp_path / "module.json").write_text(tvm.ir.save_json(module.mod))
    np.savez(tmp_path / "in.npz", *module.args)
    program = f"""{imports}
import numpy as np
mod = tvm.ir.load_json(open("module.json").read())
with np.load("in.npz") as arrays:
    np.savez("out.npz", *tvm_hlo_frontend.build(mod)(*[arrays[name] for name in arrays.files]))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    with np.load(tmp_path / "out.npz") as arrays:
        compare([arrays[name] for name in arrays.files], module.wanted, rtol=1e-5)


@pytest.mark.parametrize("name", MODULES)
def test_text_shows_operators_and_what_kernels_compute(name):
    module = sample(name)
    text = module.mod.astext(show_meta_data=False)
    assert text.count("def @") == len(module.mod.get_global_vars())
    for operator, count in operators(module.mod).items():
        assert text.count(f" {operator}(") == count
    assert text.count('"spec"=') == sum(name.startswith("hlo.") for name in operators(module.mod).elements())


def test_text_cannot_be_parsed_back(capfd):
    """Relay's parser knows neither attributes of functions with a dot in the name nor operators with any attributes."""
    module = sample("loop")
    with pytest.raises(tvm.error.DiagnosticError):
        relay.parse(module.mod.astext())
    assert "expected a local variable found identifier" in capfd.readouterr().err
    main = sample("kernels").mod["main"]
    bare = tvm.IRModule.from_expr(relay.Function(main.params, main.body))
    with pytest.raises(tvm.TVMError, match="cannot find the corresponding key in the Map"):
        relay.parse(bare.astext())


def test_text_without_hlo_operators_can_be_parsed_back():
    module = sample("dense")
    main = module.mod["main"]
    names = {
        variable: relay.var(variable.name_hint.replace(".", "_"), variable.type_annotation) for variable in main.params
    }
    body = relay.bind(main.body.args[0], names)  # without the exponential
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(list(names.values()), body)))
    assert tvm.ir.structural_equal(relay.parse(mod.astext()), mod)


# ---- libraries


@pytest.mark.parametrize("name", MODULES)
def test_the_virtual_machine_runs_from_a_library_and_its_bytecode(name, tmp_path):
    module = sample(name)
    with tvm.transform.PassContext(opt_level=3):
        executable = relay.vm.compile(module.mod, target="llvm", params=module.params)
    code, library = executable.save()
    library.export_library(str(tmp_path / "kernels.so"))
    kernels = tvm.runtime.load_module(str(tmp_path / "kernels.so"))
    loaded = tvm.runtime.vm.Executable.load_exec(bytes(code), kernels)
    arrays = [tvm.nd.array(argument) for argument in module.args]
    compare(flat(VirtualMachine(loaded, tvm.cpu()).invoke("main", *arrays)), module.wanted, rtol=1e-5)


@pytest.mark.parametrize("name", MODULES[:3])
def test_graph_libraries_are_exported_and_loaded(name, tmp_path):
    module = sample(name)
    library = relay.build(module.mod, target="llvm", params=module.params)
    library.export_library(str(tmp_path / "model.tar"))
    loaded = graph_executor.GraphModule(tvm.runtime.load_module(str(tmp_path / "model.tar"))["default"](tvm.cpu()))
    names = [variable.name_hint for variable in module.mod["main"].params if variable.name_hint not in module.params]
    loaded.run(**dict(zip(names, module.args)))
    results = [loaded.get_output(index).numpy() for index in range(loaded.get_num_outputs())]
    compare(results, module.wanted, rtol=1e-5)


@pytest.mark.parametrize(("name", "message"), [("loop", "no such function in module: while_"), ("branch", "if is not")])
def test_graph_libraries_have_no_control_flow(name, message):
    import jax.numpy as jnp
    from jax import lax

    branch = converted(lambda p, x: lax.cond(p > 0, jnp.sin, jnp.cos, x), np.int32(1), numbers(3))
    module = branch if name == "branch" else sample(name)
    with pytest.raises(tvm.TVMError, match=message):
        graph_executor.GraphModule(relay.build(module.mod, target="llvm")["default"](tvm.cpu()))


# ---- debugging


def test_the_debug_executor_has_every_result(tmp_path, capfd):
    import jax
    import jax.numpy as jnp

    module = sample("convolutions")
    library = relay.build(module.mod, target="llvm", params=module.params)
    debugger = debug_executor.create(library.get_graph_json(), library.get_lib(), tvm.cpu(), dump_root=str(tmp_path))
    debugger.set_input(**library.get_params())
    debugger.run(x=module.args[0])
    compare([debugger.get_output(0).numpy()], module.wanted, rtol=1e-5)
    results = {name.partition("____")[0]: array for name, array in debugger.debug_datum.get_output_tensors().items()}
    # nodes are called after the operators in them
    assert {"tvmgen_default_fused_nn_conv2d_add_maximum_abs", "tvmgen_default_fused_nn_conv2d_add_hlo_map1"} <= set(
        results
    )
    weights = {name: array.numpy() for name, array in module.params.items()}
    kernel, bias = weights["w.k0"], weights["w.b0"]
    layout = ("NHWC", "HWIO", "NHWC")
    wanted = jax.lax.conv_general_dilated(module.args[0], kernel, (1, 1), "SAME", dimension_numbers=layout)
    wanted = np.asarray(jnp.maximum(wanted + bias, 0).transpose(0, 3, 1, 2))
    got = results["tvmgen_default_fused_nn_conv2d_add_maximum_abs"].numpy()
    compare([got], [wanted], rtol=1e-5)
    assert "tvmgen_default_fused_hlo_kernel" in capfd.readouterr().out  # its table of times


def test_the_profiling_virtual_machine_names_hlo_operators():
    from tvm.runtime.profiler_vm import VirtualMachineProfiler

    module = sample("loop")
    executable = relay.vm.compile(module.mod, target="llvm", params=module.params)
    machine = VirtualMachineProfiler(executable, tvm.cpu())
    report = machine.profile(*[tvm.nd.array(argument) for argument in module.args], func_name="main")
    names = [str(call["Name"]) for call in report.calls]
    # three trips
    assert sum(name.endswith("hlo_kernel") for name in names) == 3, names


# ---- analyses


@pytest.mark.parametrize("name", MODULES)
def test_analyses_of_functions(name):
    module = sample(name)
    for function in module.bound.functions.values():
        assert relay.analysis.well_formed(function) and not relay.analysis.free_vars(function)
    counted = {key: int(count) for key, count in relay.analysis.list_op_freqs(module.bound).items()}
    # main asks for the first trip, the others are counted with the functions that it calls
    asked = {"hlo.map2": 1}
    assert counted == (asked if name == "loop" else operators(tvm.IRModule.from_expr(module.bound["main"])))
    dtypes = {
        str(dtype) for function in module.bound.functions.values() for dtype in relay.analysis.all_dtypes(function)
    }
    wanted = {"convolutions": set(), "dense": set(), "kernels": {"int32", "bool"}, "loop": {"int32", "bool"}}
    assert dtypes == {"float32"} | wanted[name]
    assert has_branches(module.bound) == (name == "loop")


def test_multiply_accumulates_are_counted_where_relay_has_the_operator():
    module = sample("convolutions")
    convolutions = 8 * 8 * 8 * 8 * 3 * 9 + 8 * 16 * 4 * 4 * 8 * 9
    assert relay.analysis.get_total_mac_number(module.bound["main"]) == convolutions + 8 * 256 * 10
    assert relay.analysis.count_layers(module.bound, ["nn.conv2d", "nn.dense"]) == 3


def test_tasks_are_extracted_for_tuning():
    from tvm import auto_scheduler, autotvm, meta_schedule

    module = sample("convolutions")
    tasks = autotvm.task.extract_from_program(module.mod["main"], target="llvm", params=module.params)
    assert {task.name for task in tasks} == {"conv2d_NCHWc.x86", "dense_nopack.x86", "dense_pack.x86"}
    target = tvm.target.Target("llvm -num-cores 1")
    found = meta_schedule.relay_integration.extract_tasks(module.mod, target, dict(module.params))
    names = {task.task_name for task in found}
    assert {"fused_nn_contrib_conv2d_NCHWc_add_hlo_map1", "fused_nn_dense_add"} <= names
    found, weights = auto_scheduler.extract_tasks(sample("dense").mod, sample("dense").params, target="llvm")
    assert len(found) == len(weights) == 3


def test_auto_scheduler_takes_reductions_to_a_maximum_of_floats():
    """It would take a reduction that selects for an argmax, of two operands; that keeps NaN as one operation."""
    module = sample("convolutions")
    from tvm import auto_scheduler

    found, weights = auto_scheduler.extract_tasks(module.mod, module.params, target="llvm")
    assert len(found) == len(weights) > 0
