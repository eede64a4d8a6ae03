"""Programs of TVM 0.17: compiled for a target, and run kernel by kernel in memory that is watched."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relay

from tools.sanitize.memory import Blocks, placed
from tvm_hlo_frontend.backends.relay import runtime
from tvm_hlo_frontend.backends.relay.in_place import VIEW, as_tensor
from tvm_hlo_frontend.backends.relay.panels import with_panels
from tvm_hlo_frontend.backends.relay.weights import fold_weights

GRAPH_EXECUTOR = "GraphExecutorFactory"
GRAPH, WEIGHTS, PROGRAM, BYTECODE = "graph.json", "weights.bin", "program.so", "bytecode.bin"


def _fabs(call: Any) -> Any:
    return tvm.tir.call_pure_extern(call.dtype, "fabs" if call.dtype == "float64" else "fabsf", *call.args)


# TVM 0.17 knows no function of C for it
tvm.ir.register_intrin_lowering("tir.fabs", target="c", f=_fabs)


def write_c(mod: Any, params: Any, folder: Path, command: list[str]) -> None:
    """Compile a module by way of C, with gcc and its sanitizers."""
    target, machine = tvm.target.Target("c"), runtime.needs_vm(mod)
    bound = with_panels(fold_weights(mod, params, target), target)
    context = runtime.pass_context()
    # C has no vectors
    config = {**context.config, "tir.disable_vectorize": True}
    with tvm.transform.PassContext(opt_level=3, disabled_pass=context.disabled_pass, config=config):
        if machine:
            bytecode, code = relay.vm.compile(bound, target=target).save()
            (folder / BYTECODE).write_bytes(bytecode)
        else:
            library = relay.build(bound, target=target)
            (folder / GRAPH).write_text(library.get_graph_json())
            (folder / WEIGHTS).write_bytes(tvm.runtime.save_param_dict(library.get_params()))
            code = library.get_lib()
    source = folder / "program.c"
    source.write_text(code.get_source())
    command = [*command, "-o", str(folder / PROGRAM), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def run(folder: Path, arrays: list[np.ndarray], blocks: Blocks) -> list[np.ndarray]:
    """Results of a program whose kernels all get buffers in `blocks`; the virtual machine has memory of its own."""
    code = tvm.runtime.load_module(str(folder / PROGRAM))
    bytecode, is_graph = folder / BYTECODE, (folder / GRAPH).exists() or code.type_key == GRAPH_EXECUTOR
    if not is_graph:
        loaded = (
            tvm.runtime.vm.Executable.load_exec(bytearray(bytecode.read_bytes()), code) if bytecode.exists() else code
        )
        machine = tvm.runtime.vm.VirtualMachine(loaded, tvm.cpu(), "naive")
        machine.set_input("main", *[tvm.nd.array(array) for array in arrays])
        machine.invoke_stateful("main")
        return [tensor.numpy() for tensor in machine.get_outputs()]
    if (folder / GRAPH).exists():
        graph = json.loads((folder / GRAPH).read_text())
        weights = tvm.runtime.load_param_dict((folder / WEIGHTS).read_bytes())
    else:
        graph, weights = json.loads(code["get_graph_json"]()), code["get_graph_params"]()
        (code,) = code.imported_modules
    return run_graph(graph, weights, code, arrays, blocks)


def run_graph(graph: Any, weights: Any, code: Any, arrays: list[np.ndarray], blocks: Blocks) -> list[np.ndarray]:
    """Results of a graph: a call after the other, each on copies of its tensors."""
    entry, shapes = graph["node_row_ptr"], graph["attrs"]["shape"][1]
    types, inputs = graph["attrs"]["dltype"][1], iter(arrays)
    values: dict[int, np.ndarray] = {}
    for number, node in enumerate(graph["nodes"]):
        if node["op"] == "null":
            name = node["name"]
            values[entry[number]] = weights[name].numpy() if name in weights else next(inputs)
            continue
        given = [values[entry[source] + index] for source, index, *_ in node["inputs"]]
        if node["attrs"]["func_name"] == VIEW:
            values[entry[number]] = given[0].reshape(shapes[entry[number]])
            continue
        places = range(entry[number], entry[number + 1])
        made = [np.empty(shapes[place], tvm.nd.empty((), types[place]).numpy().dtype) for place in places]
        with placed(blocks, [*given, *made]) as copies:
            code[node["attrs"]["func_name"]](*[as_tensor(copy) for copy in copies])
        values.update(zip(places, made))
    return [values[entry[node] + index] for node, index, *_ in graph["heads"]]
