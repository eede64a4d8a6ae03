"""A graph of PyTorch as a call of an executable, on the memory of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..backends.arguments import ALIGNMENT
from ..backends.select import mod_and_params
from ..deploy.borrowed import Borrowing, borrowing
from ..deploy.executable import build
from ..frameworks.lowered import convert_lowered
from ..frameworks.torch_graphs import LoweredGraph, Output
from ..frameworks.torchax_bridge import inverse

Order = tuple[int, ...] | None


class TorchCall:
    """What a graph returns, computed by TVM. Any number of threads may call it.

    Parameters
    ----------
    graph : LoweredGraph
    static : collection of int
        Arguments that mostly are the same tensors at each call, as a module's parameters are.
    target, dialect
        As for `build` and `from_hlo`.
    """

    def __init__(self, graph: LoweredGraph, static: Collection[int], target: Any, dialect: str | None) -> None:
        self._graph = graph
        self._memory: Borrowing | None = None
        self._views: list[Any] = []  # of inputs: how main takes them
        if graph.lowered is not None:
            converted = convert_lowered(graph.lowered, dialect=dialect, freeze_params=True)
            executable = build(*mod_and_params(converted), target)
            self._memory = borrowing(executable)
            self._views = [_carried(each.carrier != each.element_type, each.carrier) for each in executable.inputs]
        self._results = [(dtype, order and inverse(order)) for dtype, order in graph.results]
        self._static = frozenset(static)
        self._held: dict[int, tuple[int, Any]] = {}  # address and what was borrowed there, of static arguments

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        """Values of the outputs of the graph; tensors that it only passes on are the arguments themselves."""
        results: list[Any] = []
        if self._memory is not None:
            given = [
                self._borrowed(self._memory.borrow, position, arguments[position], order, view)
                for (position, order), view in zip(self._graph.inputs, self._views)
            ]
            pairs = zip(self._memory.run(given), self._results)
            results = [_tensor(array, dtype, order) for array, (dtype, order) in pairs]
        return [_value(output, arguments, results) for output in self._graph.outputs]

    def _borrowed(
        self, borrow: Callable[[Any], Any], position: int, tensor: Any, order: Order, view: Callable[[Any], Any] | None
    ) -> Any:
        address = tensor.data_ptr()
        if position in self._static:
            held = self._held.get(position)
            if held is not None and held[0] == address:
                return held[1]
        found = in_memory(tensor, order, view)
        borrowed = borrow(found)
        # a copy would not follow updates; the memory of what is borrowed cannot become another tensor's
        if position in self._static and found.data_ptr() == address:
            self._held[position] = address, borrowed
        return borrowed


def in_memory(tensor: Any, order: Order, view: Callable[[Any], Any] | None) -> Any:
    """The tensor without gradients, with its dimensions in another order and as main takes it: the same memory where
    that is contiguous and begins where TVM's code needs it, else a copy."""
    found = tensor.detach().resolve_conj().resolve_neg()
    found = found if order is None else found.permute(order)
    found = found.contiguous()
    if found.data_ptr() % ALIGNMENT:
        found = found.clone()
    return found if view is None else view(found)


def _carried(differs: bool, carrier: str) -> Callable[[Any], Any] | None:
    """What makes a tensor of a type that TVM lacks one of the type that carries it; None if it needs none."""
    import torch

    if not differs:
        return None
    whole = {"u8": torch.uint8, "u16": torch.uint16}.get(carrier)
    return torch.view_as_real if whole is None else lambda tensor: tensor.view(whole)


def _tensor(array: Any, dtype: Any, order: Order) -> Any:
    """A tensor on the memory of a result."""
    import torch

    found = torch.from_dlpack(array)
    if not found.numel():
        found = torch.empty(found.shape, dtype=found.dtype)  # numpy has strides of 0 there
    if found.dtype != dtype:
        found = torch.view_as_complex(found) if dtype.is_complex else found.view(dtype)
    return found if order is None else found.permute(order)


def _value(output: Output, arguments: Sequence[Any], results: Sequence[Any]) -> Any:
    if output.kind == "value":
        return output.value
    found = arguments[output.value] if output.kind == "argument" else results[output.value]
    for operator, others, options in output.views:
        found = operator(found, *others, **options)
    return found
