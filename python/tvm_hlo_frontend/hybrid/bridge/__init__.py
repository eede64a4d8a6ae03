"""Between TensorFlow's graphs and compiled clusters."""

from __future__ import annotations

from typing import Any

from ...backends.select import installed_dialect
from ..python_bridge import PythonBridge
from .native import NativeBridge
from .operation import OperationError, load


def bridge_of(dialect: str | None, in_python: bool) -> Any:
    """The operation `TvmCluster` where it can be had, else calls through Python; either says in its note why."""
    if in_python:
        return PythonBridge()
    if (dialect or installed_dialect()) != "relax":
        return PythonBridge("TvmCluster runs what Relax compiles")
    try:
        load()
    except OperationError as error:
        return PythonBridge(str(error).splitlines()[0])
    return NativeBridge()
