"""Graphs of the graph executor that compute results in the memory of arguments."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tvm import relay

from ...analysis.shared_memory import Step, shared_values
from ...kernels.in_place import overwritten_operands
from ...kernels.spec import KernelSpec
from ..base import InPlace
from ..signature import Signature

# what a graph calls a reshape that shares the memory of its operand
VIEW = "__nop"


def in_place_results(library: Any, signature: Signature) -> tuple[InPlace, ...]:
    """Which results of what `relay.build` returned may be computed in the memory of arguments."""
    if not signature.aliases:
        return ()
    graph, over = json.loads(library.get_graph_json()), overwriting_functions(library)
    entry = graph["node_row_ptr"]
    by_name = {graph["nodes"][node]["name"]: entry[node] for node in graph["arg_nodes"]}
    names = [parameter.variable for parameter in signature.parameters if not parameter.bound]
    results = [entry[node] + index for node, index, *_ in graph["heads"]]
    steps, found = steps_of(graph, over), []
    for argument, result in signature.aliases:
        start = by_name.get(names[argument])
        if start is not None:
            values = shared_values(steps, start, results[result], results)
            found += [InPlace(argument, result, tuple(sorted(values)))] if values else []
    return tuple(found)


def overwriting_functions(library: Any) -> dict[str, tuple[int, ...]]:
    """For functions of a library that write over operands: over which, by result."""
    found = {}
    for name, about in library.function_metadata.items():
        for function in about.relay_primfuncs.values():
            spec = _lone_kernel(function)
            if spec is not None:
                results = function.ret_type.fields if isinstance(function.ret_type, relay.TupleType) else [None]
                found[name] = overwritten_operands(spec, len(results))
    return {name: over for name, over in found.items() if over}


def _lone_kernel(function: Any) -> KernelSpec | None:
    """The kernel that a function is a call of and nothing else, with the operands as they come."""
    call = function.body
    if not isinstance(call, relay.Call) or not isinstance(call.op, tvm.ir.Op) or call.op.name != "hlo.kernel":
        return None
    if len(function.params) != 1 or not call.args[0].same_as(function.params[0]):
        return None
    return KernelSpec.from_json(str(call.attrs["spec"]))


def steps_of(graph: Mapping[str, Any], over: Mapping[str, tuple[int, ...]]) -> list[Step]:
    """The calls of a graph on its entries, in the order in which they run."""
    entry, steps = graph["node_row_ptr"], []
    for number, node in enumerate(graph["nodes"]):
        if node["op"] != "null":
            reads = tuple(entry[source] + index for source, index, *_ in node["inputs"])
            function = node["attrs"]["func_name"]
            writes = tuple(range(entry[number], entry[number + 1]))
            steps.append(Step(reads, writes, over.get(function, ()), function == VIEW))
    return steps


@dataclass(frozen=True)
class Places:
    """What of a graph is bound to the memory of an argument, with its dimensions: inputs by name, outputs by number."""

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[int, tuple[int, ...]]


def graph_in_place(graph: Mapping[str, Any], groups: Sequence[Collection[int]]) -> tuple[dict[str, Any], list[Places]]:
    """`graph` such that the entries of each group can be bound to the same memory, and where they are.

    Results are bound as outputs and arguments as inputs, views as well: they run no code that could be bound. What is
    bound has storage of its own, since TVM's executor binds all that is planned to lie in the same.
    """
    entry, nodes = graph["node_row_ptr"], [dict(node) for node in graph["nodes"]]
    inputs, heads, places = list(graph["arg_nodes"]), list(graph["heads"]), []
    node_of = [
        (number, value - entry[number]) for number in range(len(nodes)) for value in range(*entry[number : number + 2])
    ]
    for group in groups:
        bound = Places({}, {})
        for value in group:
            number, index = node_of[value]
            node, shape = nodes[number], tuple(graph["attrs"]["shape"][1][value])
            if node["op"] != "null" and node["attrs"]["func_name"] == VIEW:
                nodes[number] = node = {"op": "null", "name": f"hlo_view_{number}", "inputs": []}
                inputs.append(number)
            if node["op"] == "null":
                bound.inputs[node["name"]] = shape
            else:
                bound.outputs[len(heads)] = shape
                heads.append([number, index, 0])
        places.append(bound)
    attributes = {**graph["attrs"], "storage_id": ["list_int", own_storages(graph["attrs"]["storage_id"][1], groups)]}
    return {**graph, "nodes": nodes, "arg_nodes": inputs, "heads": heads, "attrs": attributes}, places


def own_storages(planned: Sequence[int], groups: Sequence[Collection[int]]) -> list[int]:
    """Numbers of storages, without gaps: one for all entries of each group, the others as planned."""
    storages: list[tuple[str, int]] = [("planned", storage) for storage in planned]
    for number, group in enumerate(groups):
        for value in group:
            storages[value] = ("bound", number)
    numbers = {storage: number for number, storage in enumerate(dict.fromkeys(storages))}
    return [numbers[storage] for storage in storages]


def bind(module: Any, places: Places, array: np.ndarray) -> None:
    """Let an executor have entries of its graph in the memory of `array`, for one run."""
    for name, dimensions in places.inputs.items():
        module["set_input_zero_copy"](name, as_tensor(array.reshape(dimensions)))
    for number, dimensions in places.outputs.items():
        module["set_output_zero_copy"](number, as_tensor(array.reshape(dimensions)))


def as_tensor(array: np.ndarray) -> Any:
    """One of TVM's arrays on the memory of a numpy array."""
    held, _ = tvm.nd.numpyasarray(array)
    return tvm.nd.NDArray(ctypes.pointer(held), is_view=True)
