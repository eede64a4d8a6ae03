"""Inputs and outputs of a graph executor: large ones in the memory of callers' arrays, where the graph lets that be."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arguments import LARGE_BYTES, aligned_empty, is_aligned
from .in_place import VIEW
from .packed import Binding


def memory_of(array: Any) -> np.ndarray:
    """A numpy array on the memory of one of TVM's on the host, for as long as that lives."""
    like, held = array.numpy(), array.handle.contents
    buffer = (ctypes.c_char * like.nbytes).from_address((held.data or 0) + held.byte_offset)
    return np.ndarray(like.shape, like.dtype, buffer)


def own_storage(graph: Mapping[str, Any]) -> list[str]:
    """Names of the arguments of a graph whose memory is no other tensor's as well, as a reshaped one's is."""
    storage = graph["attrs"]["storage_id"][1]
    entry = {number: storage[graph["node_row_ptr"][number]] for number in graph["arg_nodes"]}
    return [graph["nodes"][number]["name"] for number, place in entry.items() if storage.count(place) == 1]


def bindable_inputs(graph: Mapping[str, Any]) -> set[str]:
    """Names of the arguments of a graph that may be bound to memory of others: those that only calls read."""
    returned = {graph["nodes"][node]["name"] for node, *_ in graph["heads"]}  # read from the executor's own memory
    return set(own_storage(graph)) - returned


def bindable_outputs(graph: Mapping[str, Any]) -> set[int]:
    """Numbers of the results of a graph that may be bound to memory of others: those that a call writes, and that no
    view or other result shares."""
    entry, nodes = graph["node_row_ptr"], graph["nodes"]
    heads = [entry[node] + index for node, index, *_ in graph["heads"]]
    calls = [node for node in nodes if node["op"] != "null"]
    viewed = {
        entry[source] + index
        for node in calls
        if node["attrs"]["func_name"] == VIEW
        for source, index, *_ in node["inputs"]
    }
    written = {
        value
        for number, node in enumerate(nodes)
        if node["op"] != "null" and node["attrs"]["func_name"] != VIEW
        for value in range(entry[number], entry[number + 1])
    }
    return {number for number, head in enumerate(heads) if head in written - viewed and heads.count(head) == 1}


def _binding(function: Any, which: int | str, memory: np.ndarray, bindable: bool) -> Binding | None:
    """Of an array that may be bound and is large; of others None."""
    return Binding(function, which, memory) if bindable and memory.nbytes >= LARGE_BYTES else None


class Input:
    """An input of a graph executor.

    Parameters
    ----------
    module : tvm.contrib.graph_executor.GraphModule
    name : str
    bindable : bool
        Whether it may be bound to the memory of arrays.
    """

    def __init__(self, module: Any, name: str, bindable: bool) -> None:
        self._memory = memory_of(module.get_input(name))
        self._binding = _binding(module["set_input_zero_copy"], name, self._memory, bindable)
        self._bound = False

    def take(self, array: np.ndarray) -> None:
        """Have the values of an array, which is contiguous, for the next run."""
        if self._binding is not None:
            if is_aligned(array):
                self._binding.to(array.ctypes.data)
                self._bound = True
                return
            if self._bound:
                self._binding.to(self._memory.ctypes.data)
                self._bound = False
        np.copyto(self._memory, array, casting="no")


class Output:
    """An output of a graph executor.

    Parameters
    ----------
    module : tvm.contrib.graph_executor.GraphModule
    number : int
    bindable : bool
        Whether it may be bound to the memory of arrays.
    """

    def __init__(self, module: Any, number: int, bindable: bool) -> None:
        self._memory = memory_of(module.get_output(number))
        self._binding = _binding(module["set_output_zero_copy"], number, self._memory, bindable)
        self._array: np.ndarray | None = None

    def prepare(self) -> None:
        """Make room for what the next run computes."""
        if self._binding is not None:
            self._array = aligned_empty(self._memory.shape, self._memory.dtype)
            self._binding.to(self._array.ctypes.data)

    def result(self) -> np.ndarray:
        """What the run has computed, in memory that is not the executor's."""
        array, self._array = self._array, None
        return self._memory.copy() if array is None else array
