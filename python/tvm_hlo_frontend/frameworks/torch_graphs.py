"""Graphs of ATen operators without effects, as AOTAutograd makes them, to HLO for the sizes of one call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import LoweringError
from . import torch_operators
from .exported_program import place_of, to_numpy
from .lowered import LoweredModule, unique_identifiers
from .torchax_bridge import Order, interpret_graph
from .torchax_import import import_torchax

Strides = tuple[int, ...]


@dataclass(frozen=True)
class Output:
    """What a graph returns at one position: a value that is no tensor, or views of an argument or of a result.

    Attributes
    ----------
    kind : str
        ``"value"``, ``"argument"`` or ``"result"``.
    value : object
        The value, or a number of an argument or result.
    views : tuple of (operator, tuple, dict)
        PyTorch's views that make it of that, with their arguments but the first.
    """

    kind: str
    value: Any
    views: tuple[tuple[Any, tuple[Any, ...], dict[str, Any]], ...] = ()


@dataclass(frozen=True)
class LoweredGraph:
    """A graph as HLO, for tensors as they lie in memory.

    Attributes
    ----------
    lowered : LoweredModule or None
        None if the graph computes nothing.
    inputs : tuple of (int, tuple of int or None)
        Which arguments are parameters of it, and the order of dimensions in which they lie.
    results : tuple of (torch.dtype, tuple of int or None)
        What its results are, with the order of dimensions in which they lie.
    outputs : tuple of Output
    operators : int
        How many there are.
    """

    lowered: LoweredModule | None
    inputs: tuple[tuple[int, Order], ...]
    results: tuple[tuple[Any, Order], ...]
    outputs: tuple[Output, ...]
    operators: int


@dataclass(frozen=True)
class StaticGraph:
    """A graph whose sizes are numbers, with what `interpret_graph` asks of an ExportedProgram."""

    graph_module: Any
    range_constraints: dict[Any, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Any:
        """The graph."""
        return self.graph_module.graph


def lower_graph(graph_module: Any, arguments: Sequence[Any], frozen: Collection[int] = ()) -> LoweredGraph:
    """HLO of a graph.

    Parameters
    ----------
    graph_module : torch.fx.GraphModule
        Of flat arguments and results, without effects; its sizes may be arguments.
    arguments : sequence of torch.Tensor, int, float, bool or None
        Of tensors the shapes, strides and types count.
    frozen : collection of int
        Positions of tensors whose elements become part of the program as they are now.

    Raises
    ------
    LoweringError
        If the graph cannot be traced or lowered.
    """
    import torch

    traced, like = _traced(graph_module, arguments)
    nodes = traced.graph.find_nodes(op="placeholder")
    positions = [number for number, value in enumerate(arguments) if isinstance(value, torch.Tensor)]
    place = dict(zip(nodes, positions))
    (output,) = traced.graph.find_nodes(op="output")
    bases: dict[tuple[Any, Strides], int] = {}  # what HLO computes: nodes, as they shall lie
    outputs = tuple(_output(*pair, place, bases) for pair in zip(output.args[0], like, strict=True))
    results = tuple((node.meta["val"].dtype, _order_of_result(node, strides)) for node, strides in bases)
    output.args = (tuple(node for node, _ in bases),)
    traced.graph.eliminate_dead_code()
    _refuse_views_of_memory(traced)
    operators = sum(node.op == "call_function" for node in traced.graph.nodes)
    used = [node for node in nodes if node.users]
    weights = [node for node in used if place[node] in frozen]
    inputs = [node for node in used if place[node] not in frozen]
    tensors = [arguments[place[node]] for node in inputs]
    orders = [dense_order(tensor.shape, tensor.stride()) for tensor in tensors]
    given = tuple((place[node], order) for node, order in zip(inputs, orders))
    if not bases:
        return LoweredGraph(None, (), (), outputs, 0)
    names = [node.name for node in (*weights, *inputs)]
    result_orders = [order for _, order in results]
    hlo = interpret_graph(StaticGraph(traced), names, range(len(bases)), [None] * len(weights) + orders, result_orders)
    values = {number: to_numpy(arguments[place[node]], node.name).copy() for number, node in enumerate(weights)}
    module = LoweredModule(hlo, unique_identifiers(names), values, "pytorch")
    return LoweredGraph(module, given, results, outputs, operators)


def _traced(graph_module: Any, arguments: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The graph of core operators for these arguments, of which tensors alone are placeholders, and outputs as PyTorch
    itself would lay them out."""
    import torch
    from torch._decomp import core_aten_decompositions
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    class Interpreter(torch.fx.Interpreter):
        """What operators are taken apart into may lie otherwise than their own results."""

        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            aten = torch.ops.aten
            return super().call_function(aten.reshape.default if target is aten.view.default else target, args, kwargs)

    def run(*given: Any) -> Any:
        rest = iter(given)
        flat = [next(rest) if isinstance(each, torch.Tensor) else each for each in arguments]
        return tuple(Interpreter(graph_module).run(*flat))

    table = {**core_aten_decompositions(), **import_torchax().decompositions}
    for operator in torch_operators.lowerings():
        table.pop(operator, None)
    tensors = [each.detach() for each in arguments if isinstance(each, torch.Tensor)]
    try:
        with torch.no_grad():
            trace = make_fx(run, decomposition_table=table, tracing_mode="fake", _allow_non_fake_inputs=True)
            traced = trace(*tensors)
            with FakeTensorMode(allow_non_fake_inputs=True) as mode:
                like = run(*map(mode.from_tensor, tensors))
    # what tracing raises has no common base
    except Exception as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise LoweringError(f"the graph cannot be traced for these arguments: {text[0]}") from error
    return traced, list(like)


def _output(node: Any, like: Any, place: dict[Any, int], bases: dict[tuple[Any, Strides], int]) -> Output:
    """An output of a graph, laid out as another tensor; what has to be computed for it is added to `bases`."""
    import torch

    if not isinstance(node, torch.fx.Node):
        return Output("value", node)
    if not isinstance(node.meta.get("val"), torch.Tensor):
        raise LoweringError(f"{place_of(node)} is an output and no tensor")
    base: Any = node
    views = []
    while _is_view(base):
        views.append((base.target, tuple(base.args[1:]), dict(base.kwargs)))
        base = base.args[0]
    if node.meta["val"].stride() != like.stride():
        base, views = node, []
    if base in place:
        return Output("argument", place[base], tuple(reversed(views)))
    strides = like.stride() if base is node else base.meta["val"].stride()
    return Output("result", bases.setdefault((base, strides), len(bases)), tuple(reversed(views)))


def _is_view(node: Any) -> bool:
    """Whether a node is a view of its first argument, and that its only tensor."""
    import torch

    if not isinstance(node.target, torch._ops.OpOverload) or not node.target.is_view:
        return False
    tensors = isinstance(node.meta.get("val"), torch.Tensor) and isinstance(node.args[0].meta.get("val"), torch.Tensor)
    return tensors and node.all_input_nodes == [node.args[0]]


def _order_of_result(node: Any, strides: Strides) -> Order:
    """The order of dimensions of a result that has these strides."""
    shape = node.meta["val"].shape
    order = dense_order(shape, strides)
    if order is None and not _is_dense(shape, strides, range(len(shape))):
        raise LoweringError(f"the strides {tuple(strides)} of the result {place_of(node)} have gaps or overlap")
    return order


def _refuse_views_of_memory(traced: Any) -> None:
    """LoweringError for operators that see the memory of a tensor where that is not its elements in their order."""
    import torch

    for node in traced.graph.nodes:
        if node.op == "call_function" and getattr(node.target, "overloadpacket", None) in (
            torch.ops.aten.as_strided,
            torch.ops.aten.as_strided_copy,
            torch.ops.aten.as_strided_scatter,
        ):
            value = node.args[0].meta["val"]
            if not value.is_contiguous() or value.storage_offset():
                raise LoweringError(f"{place_of(node)} depends on how a tensor lies in memory")


def dense_order(shape: Sequence[int], strides: Sequence[int]) -> Order:
    """The order of dimensions in which the elements of a tensor lie without gaps; None if that is their own, or there
    is none."""
    axes = range(len(shape))
    order = tuple(sorted(axes, key=lambda axis: (-strides[axis], axis)))
    return order if _is_dense(shape, strides, order) and not _is_dense(shape, strides, axes) else None


def _is_dense(shape: Sequence[int], strides: Sequence[int], order: Sequence[int]) -> bool:
    """Whether elements lie without gaps, the last dimension of `order` the fastest."""
    expected = 1
    for axis in reversed(order):
        if shape[axis] != 1 and strides[axis] != expected:
            return 0 in shape
        expected *= shape[axis]
    return True
