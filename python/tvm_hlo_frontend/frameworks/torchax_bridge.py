"""torch.export's graphs run by torchax on JAX's tracers, which makes HLO of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache
from typing import Any

import numpy as np

from ..errors import LoweringError
from ..hlo.ir.open_module import OpenModule
from . import torch_control, torch_corrections, torch_operators, torch_quantized, torch_sizes
from .exported_program import place_of, result_positions, tensors_of, to_numpy, with_places
from .jax_export import lower_symbolic
from .torch_sizes import names_of, shapes_of, symbols_of
from .torchax_import import import_torchax

# checks at run time, which compiled code does without: a matrix that has no factorization gives NaN
CHECKS = frozenset({"aten::_linalg_check_errors"})
# of dimensions; None where it is as it is
Order = tuple[int, ...] | None


def decomposed(program: Any) -> Any:
    """The ExportedProgram in terms of torch's core operators, without those that torchax prefers taken apart."""
    program = program.run_decompositions()
    table = {**import_torchax().decompositions, **torch_quantized.decompositions(program)}
    # tracing a program anew takes time
    wanted = any(node.target in table for node in torch_control.nodes_of(program.graph_module))
    return program.run_decompositions(table) if wanted else program


def _refuse_unsupported(program: Any, known_sizes: Set[str]) -> None:
    """LoweringError that names all operators which cannot be lowered, and where they come from."""
    groups: dict[str, list[str]] = {}
    for node in torch_control.nodes_of(program.graph_module):
        reason = _reason_against(node, known_sizes)
        if reason:
            groups.setdefault(reason, []).append(place_of(node))
    if groups:
        lines = ["torchax cannot lower operators of this program:"]
        for reason, places in groups.items():
            lines += [f"  {reason}, {len(places)} time(s)", *(f"    {place}" for place in places)]
        raise LoweringError("\n".join(lines))


def _reason_against(node: Any, known_sizes: Set[str]) -> str:
    """Name of the operator and why it cannot be lowered; empty if it can."""
    import torch

    if node.op != "call_function" or _is_check(node):
        return ""
    if isinstance(node.target, torch._ops.HigherOrderOperator):
        if node.target in torch_control.lowerings():
            return f"{node.target.name()} (numbers that are no tensors)" if torch_control.has_numbers(node) else ""
        return f"{node.target.name()} (control flow or effects)"
    if not isinstance(node.target, torch._ops.OpOverload) or node.target in _own_lowerings():
        return ""
    value = node.meta.get("val")
    if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
        is_size = node.target is torch.ops.aten.sym_size.int and symbols_of(value) <= known_sizes
        return "" if is_size else f"{node.target} (a number that depends on data)"
    if not symbols_of(value) <= known_sizes:
        return f"{node.target} (the shape of its result depends on data)"
    known = import_torchax().operators
    found = known.get(node.target) or known.get(node.target.overloadpacket)
    if found is None or not found.is_jax_function:
        return f"{node.target} (no lowering)"
    return f"{node.target} (random numbers)" if found.needs_env else ""


@cache
def _own_lowerings() -> Mapping[Any, Callable[..., Any]]:
    """Functions of JAX's arrays for operators that torchax lacks or gets wrong, by operator."""
    return {**torch_quantized.lowerings(), **torch_operators.lowerings(), **torch_corrections.lowerings()}


def _is_check(node: Any) -> bool:
    import torch

    effect = node.target is torch.ops.higher_order.with_effects
    return effect and isinstance(node.args[1], torch._ops.OpOverload) and node.args[1].name() in CHECKS


def interpret(program: Any, weights: Sequence[str], inputs: Sequence[str]) -> bytes | OpenModule:
    """Serialized HloModuleProto of a decomposed ExportedProgram, or an open module if sizes of its inputs are unknown.

    Parameters
    ----------
    program : torch.export.ExportedProgram
    weights, inputs : sequence of str
        Names of the placeholders that become HLO parameters, in this order; the others are unused, or keep the value
        that the program was exported with.

    Returns
    -------
    bytes or OpenModule
        Its results are the tensors that the program returns, then the new values of what it assigns.

    Raises
    ------
    LoweringError
        If operators have no lowering, or one fails; the message names them and their source lines.
    """
    return interpret_graph(program, [*weights, *inputs], result_positions(program))


def interpret_graph(
    program: Any,
    given: Sequence[str],
    chosen: Sequence[int],
    given_orders: Sequence[Order] = (),
    chosen_orders: Sequence[Order] = (),
) -> bytes | OpenModule:
    """HLO of the graph of a program, from some of its placeholders to some of its outputs.

    Parameters
    ----------
    program : torch.export.ExportedProgram or torch_graphs.StaticGraph
        Of it the graph counts, and the ranges of unknown sizes.
    given : sequence of str
        Placeholders that become HLO parameters; the others have the value that the graph says.
    chosen : sequence of int
        Positions in the graph's output.
    given_orders, chosen_orders : sequence of tuple of int or None
        For each of them the order of its dimensions in HLO, where that is another.

    Raises
    ------
    LoweringError
        As for `interpret`.
    """
    import jax

    t2j_dtype = import_torchax().dtype_of
    sizes = names_of([node for node in program.graph.nodes if node.op == "placeholder"])
    _refuse_unsupported(program, set(sizes))
    placeholders = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    constants = {name: value for name, value in placeholders.items() if not tensors_of(value)}
    interpreter = _interpreter(program)
    given_orders, chosen_orders = given_orders or [None] * len(given), chosen_orders or [None] * len(chosen)

    def forward(*arrays: Any) -> list[Any]:
        arrays = tuple(_reordered(array, order and inverse(order)) for array, order in zip(arrays, given_orders))
        values = {**constants, **dict(zip(given, arrays))}
        results = interpreter.run(*(values.get(name) for name in placeholders), enable_io_processing=False)
        return [_reordered(results[position], order) for position, order in zip(chosen, chosen_orders)]

    # without x64 JAX makes 32-bit types of 64-bit ones; with it torchax computes some constants in f64
    with jax.enable_x64(_has_wide_types(program)):
        try:
            tensors = [placeholders[name] for name in given]
            dimensions = [
                tuple(d[axis] for axis in order) if order else d
                for d, order in zip(shapes_of(tensors, sizes, program), given_orders)
            ]
            shapes = [jax.ShapeDtypeStruct(d, t2j_dtype(tensor.dtype)) for d, tensor in zip(dimensions, tensors)]
            jitted = jax.jit(forward, keep_unused=True)
            if sizes:
                return lower_symbolic(jitted, tuple(shapes), {}, None)[0]
            lowered = jitted.lower(*shapes)
        # operators of torchax raise whatever JAX, numpy or torch do; fx adds the node and its source
        except Exception as error:
            raise LoweringError(f"torchax fails to lower this program: {error}") from error
        return with_places(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto(), program)  # type: ignore[union-attr]


def lowered_alone(program: Any, node: Any, values: Mapping[str, Any]) -> list[np.ndarray]:
    """Results of one operator as torchax lowers it, in one computation of its own.

    Parameters
    ----------
    program : torch.export.ExportedProgram
        Decomposed.
    node : torch.fx.Node
    values : mapping of str to pytree of torch.Tensor
        PyTorch's values of all nodes by name.
    """
    import jax
    from torch.utils import _pytree as pytree

    interpreter = _interpreter(program)
    names = [each.name for each in node.all_input_nodes]
    leaves, structure = pytree.tree_flatten([values[name] for name in names])
    places = [number for number, leaf in enumerate(leaves) if tensors_of(leaf)]

    def compute(arrays: list[Any]) -> Any:
        known = {**dict(enumerate(leaves)), **dict(zip(places, arrays))}
        operands = pytree.tree_unflatten([known[number] for number in range(len(leaves))], structure)
        interpreter.env = dict(zip(node.all_input_nodes, operands))
        return [leaf for leaf in pytree.tree_leaves(interpreter.run_node(node)) if isinstance(leaf, jax.Array)]

    with jax.enable_x64(_has_wide_types(program)):
        arrays = [jax.numpy.asarray(to_numpy(leaves[number], node.name)) for number in places]
        return [np.asarray(each) for each in jax.jit(compute)(arrays)]


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The order that undoes another."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _reordered(array: Any, order: Order) -> Any:
    return array if order is None else array.transpose(order)


def _interpreter(program: Any) -> Any:
    """torchax's interpreter that keeps to the element types and shapes which torch says."""
    import jax
    import torch

    torchax, lowerings, sym_size = import_torchax(), _own_lowerings(), torch.ops.aten.sym_size.int
    control = torch_control.lowerings()

    def typed(value: Any, wanted: Any, node: Any) -> Any:
        if isinstance(value, (list, tuple)) and isinstance(wanted, (list, tuple)):
            return [typed(*pair, node) for pair in zip(value, wanted)]
        if not isinstance(value, jax.Array) or not tensors_of(wanted):
            return value
        if not _fits(value.shape, wanted.shape):
            raise LoweringError(f"torchax makes {value.shape} of {place_of(node)}, torch {tuple(wanted.shape)}")
        return value.astype(torchax.dtype_of(wanted.dtype))

    class TypedInterpreter(torchax.interpreter):  # type: ignore[name-defined]
        def run_node(self, node: Any) -> Any:
            if node.op == "call_function" and _is_check(node):
                return [None]  # the next token of effects
            with jax.named_scope(node.name):
                if torch_sizes.is_pool_without_indices(node):
                    args, kwargs = self.fetch_args_kwargs_from_env(node)
                    value = [torchax.max_pool(*args, **kwargs), None]
                else:
                    value = super().run_node(node)
            return typed(value, node.meta.get("val"), node) if node.op == "call_function" else value

        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            if target is sym_size:
                return args[0].shape[args[1]]
            if target in control:
                return control[target](self.results_of, *args, **kwargs)
            own = lowerings.get(target) or torch_sizes.lowering(target, args)
            return super().call_function(target, args, kwargs) if own is None else own(*args, **kwargs)

        def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
            value = super().get_attr(target, args, kwargs)
            return jax.numpy.asarray(to_numpy(value, target)) if isinstance(value, torch.Tensor) else value

        def results_of(self, graph_module: Any, arrays: Any) -> list[Any]:
            results = TypedInterpreter(graph_module).run(*arrays, enable_io_processing=False)
            return list(results) if isinstance(results, (list, tuple)) else [results]

    return TypedInterpreter(program.graph_module)


def _fits(shape: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether a shape is what torch says, as far as that is numbers."""
    return len(shape) == len(wanted) and all(a == b for a, b in zip(shape, wanted) if isinstance(b, int))


def _has_wide_types(program: Any) -> bool:
    """Whether any value that is used has elements of 64 bits (128 for complex numbers)."""
    wide = {"torch.int64", "torch.uint64", "torch.float64", "torch.complex128"}
    return any(
        str(node.meta["val"].dtype) in wide
        for node in torch_control.nodes_of(program.graph_module)
        if node.users and hasattr(node.meta.get("val"), "dtype")
    )
