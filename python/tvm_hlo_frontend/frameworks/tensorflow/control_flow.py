"""Version 1 control flow (Switch, Merge, Enter, …) as functions of version 2 (If, While), which XLA can compile.

TensorFlow's own pass does it, which runs only on graphs that launch XLA computations, and hands its result to nobody.
So a process of its own runs it with its dumps switched on (`functionalize.py`); nothing is computed there.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import LoweringError
from .nodes import VERSION_1_CONTROL_FLOW, all_nodes, called_functions

TIMEOUT = 600.0
IMPOSSIBLE = "TensorFlow cannot turn this graph's version 1 control flow into functions"
_counter = itertools.count()


@contextmanager
def compilable(function: Any) -> Iterator[str]:
    """Name of a function that does what a ConcreteFunction does, within the context: itself, or one that was made
    without version 1 control flow and without placeholders that nobody reads.

    Raises
    ------
    LoweringError
        If TensorFlow cannot rewrite the function.
    """
    from tensorflow.python.eager import context

    name, definitions = _rewritten(function)
    added: list[str] = []
    eager = context.context()
    try:
        for definition in definitions:
            eager.add_function_def(definition)
            added.append(definition.signature.name)
        yield name
    finally:
        for each in added:
            eager.remove_function(each)


def _rewritten(function: Any) -> tuple[str, list[Any]]:
    """Name of the function to compile, and the definitions that it needs, all under names of their own."""
    from tensorflow.core.framework import function_pb2

    nodes = list(all_nodes(function))
    loops = any(each.node.op in VERSION_1_CONTROL_FLOW for each in nodes)
    if not loops and all(each.node.op != "Placeholder" for each in nodes):
        return function.name, []
    graph = function.graph.as_graph_def()
    library = function_pb2.FunctionDefLibrary()
    library.function.add().CopyFrom(function.function_def)
    library.function.extend(graph.library.function)
    dropped = sum(_drop_dead_placeholders(definition) for definition in library.function)
    if not loops and not dropped:
        return function.name, []
    if loops:
        library = run_pass(library, function.name, graph.versions.producer)
        if library.function[0].signature.name == function.name:
            raise LoweringError(IMPOSSIBLE)
    names = {each.signature.name: f"{each.signature.name}_{next(_counter)}" for each in library.function}
    for definition in library.function:
        _rename(definition, names)
    return library.function[0].signature.name, list(library.function)


def run_pass(library: Any, name: str, producer: int) -> Any:
    """FunctionDefLibrary of the rewritten function (first) and what it calls; runs the pass in a process of its own."""
    from tensorflow.core.framework import function_pb2

    package = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "library.pb").write_bytes(library.SerializeToString())
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")])),
            "TF_CPP_VMODULE": "functionalize_control_flow=4",
            "TF_DUMP_GRAPH_PREFIX": folder,
        }
        command = [sys.executable, "-m", f"{__package__}.functionalize", folder, name, str(producer)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=TIMEOUT, check=False, errors="replace"
            )
        except subprocess.TimeoutExpired as error:
            raise LoweringError(f"{IMPOSSIBLE} within {TIMEOUT:g} s") from error
        result = Path(folder) / "rewritten.pb"
        if not result.exists():
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise LoweringError(f"{IMPOSSIBLE}: {' '.join(said[-2:])}")
        return function_pb2.FunctionDefLibrary.FromString(result.read_bytes())


def _drop_dead_placeholders(definition: Any) -> int:
    """Take out placeholders that nobody reads, and say how many: import_graph_def with an input_map leaves them, and
    so does lifting a loop out of a graph; XLA has no kernel for them."""
    read = {name.removeprefix("^").partition(":")[0] for node in definition.node_def for name in node.input}
    dead = [i for i, node in enumerate(definition.node_def) if node.op == "Placeholder" and node.name not in read]
    for index in reversed(dead):
        del definition.node_def[index]
    return len(dead)


def _rename(definition: Any, names: dict[str, str]) -> None:
    """Give a function, and what it calls, their new names."""
    definition.signature.name = names[definition.signature.name]
    for node in definition.node_def:
        if not any(name in names for name in called_functions(node)):
            continue
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            for callee in [value.func] if value.HasField("func") else value.list.func:
                callee.name = names.get(callee.name, callee.name)
