"""Dependency order of a graph, without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Node = TypeVar("Node")


class CycleError(Exception):
    """A node depends on itself; ``node`` is one on the cycle."""

    def __init__(self, node: object) -> None:
        super().__init__(node)
        self.node = node


def dependency_order(nodes: Iterable[Node], dependencies: Callable[[Node], Sequence[Node]]) -> list[Node]:
    """`nodes` and all they depend on, dependencies first, otherwise in the order given.

    Parameters
    ----------
    nodes : iterable of hashable
    dependencies : callable
        Nodes that must come before its argument.

    Raises
    ------
    CycleError
        If there is no such order.
    """
    order: list[Node] = []
    state: dict[Node, bool] = {}  # False: being visited, True: placed
    for start in nodes:
        if start in state:
            continue
        state[start] = False
        stack = [(start, iter(dependencies(start)))]
        while stack:
            node, remaining = stack[-1]
            for dependency in remaining:
                placed = state.get(dependency)
                if placed is None:
                    state[dependency] = False
                    stack.append((dependency, iter(dependencies(dependency))))
                    break
                if not placed:
                    raise CycleError(dependency)
            else:
                stack.pop()
                state[node] = True
                order.append(node)
    return order
