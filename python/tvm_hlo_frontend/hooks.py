"""relay.frontend.from_hlo and its like, and the `hlo.*` operators: the hooks on TVM's own namespace."""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

RELAY_FRONTEND = "tvm.relay.frontend"

# name in tvm.relay.frontend -> module and function of this package; where TVM has an importer of that name it stays,
# and `via="hlo"` chooses ours
FUNCTIONS = {
    "from_hlo": ("frontend", "from_hlo"),
    "from_jax": ("frameworks.jax", "from_jax"),
    "from_pytorch": ("frameworks.pytorch", "from_pytorch"),
    "from_stablehlo": ("frameworks.stablehlo", "from_stablehlo"),
    "from_tensorflow": ("frameworks.tensorflow", "from_tensorflow_graph"),
}
_DOCUMENTATION = """

    via : str, optional
        "hlo" converts through XLA's HLO, see tvm_hlo_frontend.{name} for what may be converted then, for more options
        and for errors; by default ("tvm") TVM's own importer converts.
"""


def install() -> None:
    """Extend Relay: now if it is imported, else when it will be. TVM is not imported."""
    loaded = sys.modules.get(RELAY_FRONTEND)
    if loaded is not None:
        extend(loaded)
    elif not any(isinstance(finder, _FrontendFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _FrontendFinder())


def extend(frontend: ModuleType) -> None:
    """All of FUNCTIONS, with the dialect fixed, and the operators; a second time changes nothing."""
    from .dialects.relay_ops import register_operators

    register_operators()  # saved modules call them, which are loaded without any conversion
    for name, (module, function) in FUNCTIONS.items():
        importer = getattr(frontend, name, None)
        if hasattr(importer, "tvm_importer"):
            continue
        hook: Any = _ours(name, module, function)
        if importer is not None:
            hook = _beside(name, importer, hook)
        hook.tvm_importer = importer
        setattr(frontend, name, hook)


def _ours(name: str, module: str, function: str) -> Callable[..., Any]:
    def convert(*args: Any, **options: Any) -> Any:
        found = getattr(importlib.import_module(f".{module}", __package__), function)
        return found(*args, dialect="relay", **options)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Convert to Relay through HLO; see tvm_hlo_frontend.{name} for parameters and errors."
    return convert


def _beside(name: str, importer: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """TVM's own importer, which gets its arguments unchanged without `via`, and ours with `via="hlo"`."""

    @functools.wraps(importer)
    def convert(*args: Any, via: str | None = None, **options: Any) -> Any:
        if via in (None, "tvm"):
            return importer(*args, **options)
        if via != "hlo":
            raise ValueError(f'via={via!r}: {name} converts via "tvm" (its own importer) or via "hlo"')
        return ours(*args, **options)

    convert.__doc__ = (importer.__doc__ or "") + _DOCUMENTATION.format(name=name)
    return convert


class _FrontendFinder(importlib.abc.MetaPathFinder):
    """Adds the hooks right after tvm.relay.frontend was executed."""

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
            extend(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
