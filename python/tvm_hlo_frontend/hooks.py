"""relay.frontend.from_hlo: the hook on TVM's own namespace."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

RELAY_FRONTEND = "tvm.relay.frontend"


def install() -> None:
    """Add `from_hlo` to `tvm.relay.frontend`: now if it is imported, else when it will be. TVM is not imported."""
    loaded = sys.modules.get(RELAY_FRONTEND)
    if loaded is not None:
        add_from_hlo(loaded)
    elif not any(isinstance(finder, _FrontendFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FrontendFinder())


def add_from_hlo(frontend: ModuleType) -> None:
    """`frontend.from_hlo`: the same function with the dialect fixed."""

    def from_hlo(proto: Any, **options: Any) -> Any:
        from .frontend import from_hlo as convert

        return convert(proto, dialect="relay", **options)

    from_hlo.__doc__ = "Convert an HLO module to Relay; see tvm_hlo_frontend.from_hlo for parameters and errors."
    frontend.from_hlo = from_hlo  # type: ignore[attr-defined]


class _FrontendFinder(importlib.abc.MetaPathFinder):
    """Adds the hook right after tvm.relay.frontend was executed."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != RELAY_FRONTEND:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            add_from_hlo(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
