"""Which of a program's graphs TVM runs, and why PyTorch runs the others."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class TorchGraph:
    """A graph for the sizes of one call.

    Attributes
    ----------
    kind : str
        ``"inference"``, ``"forward"`` or ``"backward"``.
    shapes : tuple of str
        Arguments, for instance ``float32[2, 3]``.
    operators : int
        Operators of the graph that TorchDynamo and AOTAutograd made.
    reason : str
        Why PyTorch runs it; empty where TVM does.
    """

    kind: str
    shapes: tuple[str, ...]
    operators: int
    reason: str = ""


class TorchReport:
    """Graphs that were compiled, in the order of their first calls. ``options={"report": TorchReport()}`` of
    `torch.compile` fills one; ``print(report)``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graphs: list[TorchGraph] = []

    @property
    def graphs(self) -> tuple[TorchGraph, ...]:
        """All of them."""
        with self._lock:
            return tuple(self._graphs)

    def add(self, graph: TorchGraph) -> None:
        """Tell of a graph."""
        with self._lock:
            self._graphs.append(graph)

    def __str__(self) -> str:
        graphs = self.graphs
        inside = sum(not graph.reason for graph in graphs)
        lines = [f"{inside} of {len(graphs)} graphs in TVM"]
        lines += [
            f"{graph.kind:9} {graph.operators:4} operators of {', '.join(graph.shapes) or 'nothing'}: "
            f"{graph.reason or 'TVM'}"
            for graph in graphs
        ]
        return "\n".join(lines)
