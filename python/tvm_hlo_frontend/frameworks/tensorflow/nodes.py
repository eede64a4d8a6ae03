"""All nodes of a function and of the functions that it calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

VERSION_1_CONTROL_FLOW = frozenset({"Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"})


@dataclass(frozen=True)
class FoundNode:
    """A node and the function that holds it, empty for the outermost one."""

    node: Any
    function: str = ""

    def __str__(self) -> str:
        place = f" in {self.function}" if self.function else ""
        return f"{self.node.name}{place}"


def all_nodes(function: Any) -> Iterator[FoundNode]:
    """Nodes of a ConcreteFunction, then those of every function that these call, once each."""
    definition = function.graph.as_graph_def()
    library = {each.signature.name: each.node_def for each in definition.library.function}
    seen: set[str] = set()
    waiting: list[tuple[str, Any]] = [("", definition.node)]
    while waiting:
        place, nodes = waiting.pop()
        for node in nodes:
            yield FoundNode(node, place)
            for callee in called_functions(node):
                if callee in library and callee not in seen:
                    seen.add(callee)
                    waiting.append((callee, library[callee]))


def called_functions(node: Any) -> list[str]:
    """Names of the functions that a node calls, by its op or by its attributes."""
    names = [node.op]
    for value in node.attr.values():
        names += [value.func.name] if value.HasField("func") else [each.name for each in value.list.func]
    return names
