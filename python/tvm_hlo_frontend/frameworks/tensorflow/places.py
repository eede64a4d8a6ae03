"""Lines of the user's Python that made the nodes of a traced function."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# packages whose frames are not the user's
_LIBRARIES = ("tensorflow", "keras", "tf_keras")
# with a frame of these a node was loaded, not written
_LOADERS = ("/saved_model/", "/framework/importer.py", "/function_def_to_graph.py")
_PACKAGE = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class Places:
    """Where the nodes of a function and of what it calls were made; made by `places_of`.

    Attributes
    ----------
    operations : dict of (str, str) to tf.Operation
        By the function that holds the node, empty for the outermost, and its name.
    by_name : dict of str to list of tf.Operation
        By name alone.
    """

    operations: dict[tuple[str, str], Any]
    by_name: dict[str, list[Any]]

    def of_node(self, function: str, name: str) -> tuple[str, int] | None:
        """File and line of a node; None where no line of the user's made it."""
        operation = self.operations.get((function, name))
        return None if operation is None else user_line(operation.traceback)

    def of_name(self, name: str) -> tuple[str, int] | None:
        """File and line by the name that HLO has: with the nodes that call its function before it."""
        while name not in self.by_name and "/" in name:
            name = name.partition("/")[2]
        lines = {user_line(operation.traceback) for operation in self.by_name.get(name, ())}
        return lines.pop() if len(lines) == 1 else None


def places_of(function: Any) -> Places:
    """Places of a ConcreteFunction's nodes."""
    operations: dict[tuple[str, str], Any] = {}
    by_name: dict[str, list[Any]] = {}
    for name, graph in _graphs(function.graph):
        for operation in graph.get_operations():
            operations[name, operation.name] = operation
            by_name.setdefault(operation.name, []).append(operation)
    return Places(operations, by_name)


def _graphs(graph: Any) -> Iterator[tuple[str, Any]]:
    """The graph, and those of the functions that it calls, with their names."""
    waiting, seen = [("", graph)], set()
    for name, each in waiting:  # grows while it is walked
        yield name, each
        for callee, function in getattr(each, "_functions", {}).items():
            if callee not in seen and getattr(function, "graph", None) is not None:
                seen.add(callee)
                waiting.append((callee, function.graph))


@cache
def _folders() -> tuple[str, ...]:
    """Where the packages and Python's own modules lie."""
    specs = [importlib.util.find_spec(name) for name in _LIBRARIES]
    found = [folder for spec in specs if spec is not None for folder in spec.submodule_search_locations or ()]
    return (*found, sysconfig.get_path("stdlib") + os.sep + "contextlib", "<")


def user_line(traceback: Any) -> tuple[str, int] | None:
    """File and line of the innermost frame that is not TensorFlow's or Keras'; None of a node that was loaded."""
    for frame in reversed(list(traceback or ())):
        if frame.filename.startswith(_PACKAGE) or any(loader in frame.filename for loader in _LOADERS):
            return None
        if not frame.filename.startswith(_folders()):
            return frame.filename, frame.lineno
    return None


def with_places(hlo: bytes, places: Places) -> bytes:
    """`hlo` whose instructions name the user's lines instead of TensorFlow's own."""
    from ...hlo.proto.reader import parse_module_proto

    proto = parse_module_proto(hlo)
    known: dict[str, tuple[str, int]] = {}
    for computation in proto.computations:
        for instruction in computation.instructions:
            metadata = instruction.metadata
            if not metadata.op_name:
                continue
            if metadata.op_name not in known:
                known[metadata.op_name] = places.of_name(metadata.op_name) or ("", 0)
            metadata.source_file, metadata.source_line = known[metadata.op_name]
            metadata.stack_frame_id = 0
    return proto.SerializeToString()
