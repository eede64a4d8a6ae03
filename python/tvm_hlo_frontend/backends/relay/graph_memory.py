"""Inputs and outputs of a graph executor: large ones in the memory of callers' arrays, where the graph lets that be."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arguments import LARGE_BYTES, aligned_empty, is_aligned
from .in_place import VIEW, graph_in_place
from .packed import Binding


def memory_of(array: Any) -> np.ndarray:
    """A numpy array on the memory of one of TVM's on the host, for as long as that lives."""
    like, held = array.numpy(), array.handle.contents
    buffer = (ctypes.c_char * like.nbytes).from_address((held.data or 0) + held.byte_offset)
    return np.ndarray(like.shape, like.dtype, buffer)


def with_views_as_arguments(graph: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, tuple[int, ...]]]]:
    """`graph`, whose arguments that may be bound to memory of others can be, together with all views of them, which are
    arguments as well: by name of each what is bound with it, and in which dimensions."""
    groups = bindable_arguments(graph)
    changed, places = graph_in_place(graph, list(groups.values()))
    return changed, {name: each.inputs for name, each in zip(groups, places)}


def bindable_arguments(graph: Mapping[str, Any]) -> dict[str, list[int]]:
    """Names of the arguments of a graph that may be bound to memory of others, with their entries and those of all
    views of them: only calls read them, and nothing else is planned to lie there."""
    entry, nodes, storage = graph["node_row_ptr"], graph["nodes"], graph["attrs"]["storage_id"][1]
    groups = {entry[number]: [entry[number]] for number in graph["arg_nodes"]}
    argument = {value: value for value in groups}
    for number, node in enumerate(nodes):
        if _is_view(node):
            ((source, index, *_),) = node["inputs"]
            viewed = argument.get(entry[source] + index)
            if viewed is not None:
                argument[entry[number]] = viewed
                groups[viewed].append(entry[number])
    returned = {entry[node] + index for node, index, *_ in graph["heads"]}  # read from the executor's own memory
    uses = Counter(storage)
    return {
        nodes[number]["name"]: group
        for number in graph["arg_nodes"]
        for group in [groups[entry[number]]]
        if uses[storage[entry[number]]] == len(group) and returned.isdisjoint(group)
    }


def with_written_results(graph: Mapping[str, Any]) -> dict[str, Any]:
    """`graph`, whose results that are views are what they are views of: a view runs no code that could be bound."""
    nodes, heads = graph["nodes"], []
    for head in graph["heads"]:
        while _is_view(nodes[head[0]]):
            (head,) = nodes[head[0]]["inputs"]
        heads.append(head)
    return {**graph, "heads": heads}


def result_dimensions(graph: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """Dimensions of the results of a graph."""
    entry, shapes = graph["node_row_ptr"], graph["attrs"]["shape"][1]
    return [tuple(shapes[entry[node] + index]) for node, index, *_ in graph["heads"]]


def bindable_outputs(graph: Mapping[str, Any]) -> set[int]:
    """Numbers of the results of a graph that may be bound to memory of others: those that a call writes, and that no
    view that is read and no other result shares."""
    entry, nodes = graph["node_row_ptr"], graph["nodes"]
    heads = [entry[node] + index for node, index, *_ in graph["heads"]]
    read = {node for node, *_ in graph["heads"]}
    viewed: set[int] = set()
    written: set[int] = set()
    # those that read come behind what they read
    for number in reversed(range(len(nodes))):
        node = nodes[number]
        if node["op"] == "null" or (_is_view(node) and number not in read):
            continue
        read.update(source for source, *_ in node["inputs"])
        if _is_view(node):
            viewed.update(entry[source] + index for source, index, *_ in node["inputs"])
        else:
            written.update(range(entry[number], entry[number + 1]))
    return {number for number, head in enumerate(heads) if head in written - viewed and heads.count(head) == 1}


def _is_view(node: Mapping[str, Any]) -> bool:
    return node["op"] != "null" and node["attrs"]["func_name"] == VIEW


class Input:
    """An input of a graph executor.

    Parameters
    ----------
    module : tvm.contrib.graph_executor.GraphModule
    name : str
    bound : mapping of str to tuple of int
        What is bound to the memory of arrays in its place, with its dimensions; nothing if it is never bound.
    """

    def __init__(self, module: Any, name: str, bound: Mapping[str, tuple[int, ...]]) -> None:
        self._memory = memory_of(module.get_input(name))
        bindable, bind_input = self._memory.nbytes >= LARGE_BYTES, module["set_input_zero_copy"]
        arrays = {each: self._memory.reshape(dimensions) for each, dimensions in bound.items() if bindable}
        self._bindings = [Binding(bind_input, each, array) for each, array in arrays.items()]
        self._bound = False

    def take(self, array: np.ndarray) -> None:
        """Have the values of an array, which is contiguous, for the next run."""
        if self._bindings and is_aligned(array):
            self._bind(array)
            self._bound = True
            return
        if self._bound:
            self._bind(self._memory)
            self._bound = False
        np.copyto(self._memory, array, casting="no")

    def _bind(self, array: np.ndarray) -> None:
        address = array.ctypes.data
        for each in self._bindings:
            each.to(address)


class Output:
    """An output of a graph executor.

    Parameters
    ----------
    module : tvm.contrib.graph_executor.GraphModule
    number : int
    dimensions : sequence of int
        Those of the result, whose elements lie in the output in this order.
    bindable : bool
        Whether it may be bound to the memory of arrays.
    """

    def __init__(self, module: Any, number: int, dimensions: Sequence[int], bindable: bool) -> None:
        self._memory = memory_of(module.get_output(number))
        self._dimensions = tuple(dimensions)
        bindable = bindable and self._memory.nbytes >= LARGE_BYTES
        self._binding = Binding(module["set_output_zero_copy"], number, self._memory) if bindable else None
        self._array: np.ndarray | None = None

    def prepare(self) -> None:
        """Make room for what the next run computes."""
        if self._binding is not None:
            self._array = aligned_empty(self._memory.shape, self._memory.dtype)
            self._binding.to(self._array.ctypes.data)

    def result(self) -> np.ndarray:
        """What the run has computed, in memory that is not the executor's."""
        array, self._array = self._array, None
        return (self._memory.copy() if array is None else array).reshape(self._dimensions)
