"""Which bridge serves."""

from __future__ import annotations

from ...backends.select import installed_dialect
from .interface import Bridge
from .native import NativeBridge
from .operation import OperationError, load_operation
from .python import PythonBridge


def bridge_of(dialect: str | None, in_python: bool) -> Bridge:
    """The operation `TvmCluster` where it can be had, else calls through Python, whose note says why."""
    if in_python:
        return PythonBridge()
    if (dialect or installed_dialect()) != "relax":
        return PythonBridge("TvmCluster runs what Relax compiles")
    try:
        load_operation()
    except OperationError as error:
        return PythonBridge(str(error).splitlines()[0])
    return NativeBridge()
