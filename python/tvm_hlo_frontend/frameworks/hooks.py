"""relay.frontend.from_hlo, relax.frontend.from_hlo and their like, and the operators of saved modules: the hooks on
TVM's own namespace."""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

RELAY = "tvm.relay.frontend"
RELAX = "tvm.relax.frontend"
RELAX_STABLEHLO = "tvm.relax.frontend.stablehlo"

# module of TVM -> name in it -> module and function of this package; where TVM has an importer of that name it stays,
# and `via="hlo"` chooses ours
FUNCTIONS = {
    RELAY: {
        "from_hlo": ("frontend", "from_hlo"),
        "from_jax": ("frameworks.jax", "from_jax"),
        "from_pytorch": ("frameworks.pytorch", "from_pytorch"),
        "from_stablehlo": ("frameworks.stablehlo", "from_stablehlo"),
        "from_tensorflow": ("frameworks.tensorflow", "from_tensorflow_graph"),
    },
    RELAX: {
        "from_hlo": ("frontend", "from_hlo"),
        "from_jax": ("frameworks.jax", "from_jax"),
        "from_pytorch": ("frameworks.pytorch", "from_pytorch"),
        "from_stablehlo": ("frameworks.stablehlo", "from_stablehlo"),
        "from_tensorflow": ("frameworks.tensorflow", "from_tensorflow"),
    },
    RELAX_STABLEHLO: {"from_stablehlo": ("frameworks.stablehlo", "from_stablehlo_module")},
}
# of those the functions that `via="hybrid"` chooses: one module by both roads
HYBRID = {
    RELAY: {"from_tensorflow": ("hybrid.module.frontend", "from_tensorflow_graph")},
    RELAX: {"from_tensorflow": ("hybrid.module.frontend", "from_tensorflow")},
}
_DOCUMENTATION = """

    via : str, optional
        "hlo" converts through XLA's HLO, see tvm_hlo_frontend.{name} for what may be converted then, for more options
        and for errors; by default ("tvm") TVM's own importer converts.
"""
_VIA_DOCUMENTATION = """
    via : str, optional
        "hlo" is the default.
"""
_HYBRID_DOCUMENTATION = """
        "hybrid" makes one module of operators and of functions that HLO gave, see tvm_hlo_frontend.hybrid.{name}.
"""
_RELAX_DOCUMENTATION = """Convert to Relax through HLO; see tvm_hlo_frontend.{name} for parameters and errors.

    keep_params_in_input : bool
        Whether weights and large constants are parameters of main, with their values in its attribute `params`
        (`relax.frontend.detach_params` takes them off); by default they are constants.
"""


def install() -> None:
    """Extend Relay and Relax: now if they are imported, else when they will be. TVM is not imported."""
    for name in FUNCTIONS:
        loaded = sys.modules.get(name)
        if loaded is not None:
            extend(loaded)
        elif not any(isinstance(finder, _FrontendFinder) and finder.module == name for finder in sys.meta_path):
            sys.meta_path.insert(0, _FrontendFinder(name))


def extend(frontend: ModuleType) -> None:
    """All of FUNCTIONS in a module of TVM, with the dialect fixed, and the operators that saved modules call, which are
    loaded without any conversion; a second time changes nothing."""
    if frontend.__name__ == RELAY:
        from ..backends.relay.ops import register_operators

        register_operators()
    elif frontend.__name__ == RELAX:
        importlib.import_module("..tensor_ir.primitives", __package__)
    ours = _for_relay if frontend.__name__ == RELAY else _for_relax
    for name, (module, function) in FUNCTIONS[frontend.__name__].items():
        importer = getattr(frontend, name, None)
        if hasattr(importer, "tvm_importer"):
            continue
        roads: dict[str, Any] = {} if importer is None else {"tvm": importer}
        roads["hlo"] = ours(name, module, function)
        if name in HYBRID.get(frontend.__name__, {}):
            roads["hybrid"] = ours(name, *HYBRID[frontend.__name__][name])
        hook: Any = roads["hlo"] if len(roads) == 1 else _by_road(name, roads)
        hook.tvm_importer = importer
        setattr(frontend, name, hook)


def _for_relay(name: str, module: str, function: str) -> Callable[..., Any]:
    def convert(*args: Any, **options: Any) -> Any:
        return _function(module, function)(*args, dialect="relay", **options)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"Convert to Relay through HLO; see tvm_hlo_frontend.{name} for parameters and errors."
    return convert


def _for_relax(name: str, module: str, function: str) -> Callable[..., Any]:
    def convert(*args: Any, keep_params_in_input: bool = False, **options: Any) -> Any:
        found = _function(module, function)
        return found(*args, dialect="relax", freeze_params=not keep_params_in_input, **options)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = _RELAX_DOCUMENTATION.format(name=name)
    return convert


def _function(module: str, function: str) -> Any:
    return getattr(importlib.import_module(f"..{module}", __package__), function)


def _by_road(name: str, roads: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """One function for several, of which `via` chooses; without it the first one, TVM's own importer where it has one,
    gets its arguments unchanged."""
    (default, first), *_ = roads.items()

    @functools.wraps(first)
    def convert(*args: Any, via: str | None = None, **options: Any) -> Any:
        road = default if via is None else via
        if road not in roads:
            names = {"tvm": '"tvm" (its own importer)'}
            known = " or ".join(f"via {names.get(each, chr(34) + each + chr(34))}" for each in roads)
            raise ValueError(f"via={via!r}: {name} converts {known}")
        return roads[road](*args, **options)

    text = _DOCUMENTATION.format(name=name) if default == "tvm" else _VIA_DOCUMENTATION
    text += _HYBRID_DOCUMENTATION.format(name=name) if "hybrid" in roads else ""
    convert.__doc__ = (first.__doc__ or "") + text
    return convert


class _FrontendFinder(importlib.abc.MetaPathFinder):
    """Adds the hooks right after a module of TVM was executed."""

    def __init__(self, module: str) -> None:
        self.module = module

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.module:
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
