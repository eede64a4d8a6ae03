"""Control flow of torch.export's graphs: loops, scans and choices of graphs, as JAX's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .exported_program import tensors_of

# runs a graph within a graph: arrays to the list of its results
Run = Callable[[Any, Sequence[Any]], list[Any]]


def lowerings() -> Mapping[Any, Callable[..., Any]]:
    """Functions of `Run` and the operator's arguments, by operator."""
    import torch

    operators = torch.ops.higher_order
    return {operators.while_loop: _while_loop, operators.scan: _scan, operators.cond: _cond}


def nodes_of(graph_module: Any) -> Iterator[Any]:
    """Nodes of a graph and of the graphs within it."""
    import torch

    yield from graph_module.graph.nodes
    for child in graph_module.children():
        if isinstance(child, torch.fx.GraphModule):
            yield from nodes_of(child)


def has_numbers(node: Any) -> bool:
    """Whether a node of control flow takes or gives numbers that are no tensors."""
    import torch
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_leaves((node.args, node.kwargs))
    operands = [leaf for leaf in leaves if not (isinstance(leaf, torch.fx.Node) and leaf.op == "get_attr")]
    values = [leaf.meta.get("val") if isinstance(leaf, torch.fx.Node) else leaf for leaf in operands]
    results = pytree.tree_leaves(node.meta.get("val"))
    return len(tensors_of([*values, *results])) < len(values) + len(results)


def _like(values: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
    return [value.astype(one.dtype) for value, one in zip(values, wanted)]


def _while_loop(run: Run, condition: Any, body: Any, carried: Sequence[Any], others: Sequence[Any] = ()) -> Any:
    import jax

    def goes_on(state: Sequence[Any]) -> Any:
        (answer,) = run(condition, [*state, *others])
        return answer.reshape(()).astype(bool)

    return jax.lax.while_loop(goes_on, lambda state: _like(run(body, [*state, *others]), state), list(carried))


def _scan(run: Run, combine: Any, start: Sequence[Any], rows: Sequence[Any], others: Sequence[Any] = ()) -> Any:
    import jax

    def step(carried: Sequence[Any], row: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        results = run(combine, [*carried, *row, *others])
        return _like(results[: len(start)], carried), results[len(start) :]

    carried, stacked = jax.lax.scan(step, list(start), list(rows))
    return [*carried, *stacked]


def _cond(run: Run, chosen: Any, first: Any, second: Any, operands: Sequence[Any] = ()) -> Any:
    import jax

    predicate = chosen.reshape(()).astype(bool)
    return jax.lax.cond(predicate, lambda: run(first, operands), lambda: run(second, operands))
