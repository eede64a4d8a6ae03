"""TVM's graph languages behind one interface; the only modules that import tvm.relay or tvm.relax."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from ..signature import Signature
from .interface import Compiled, Dialect, RunFlat

DIALECTS = ("relay", "relax")
NO_TVM = (
    "no TVM is installed; `pip install apache-tvm` brings today's, with Relax; `python tools/relay_wheel.py` builds a "
    "CPU wheel of TVM 0.17, with Relay"
)
NO_RELAY = (
    "this TVM has no Relay: dialect 'relay' needs TVM <= 0.19. `python tools/relay_wheel.py` builds a CPU wheel of "
    "TVM 0.17 with Relay; install it into an environment of its own."
)
NO_RELAX = "this TVM is too old for dialect 'relax', which needs TVM >= 0.25: `pip install apache-tvm`."


def installed_dialect() -> str:
    """Name of the dialect that the installed TVM has.

    Raises
    ------
    ImportError
        If no TVM is installed.
    """
    if importlib.util.find_spec("tvm") is None:
        raise ImportError(NO_TVM)
    # the tensor IR moved there in 0.25; Relay went in 0.20
    return "relax" if importlib.util.find_spec("tvm.tirx") is not None else "relay"


def load_dialect(name: str | None = None) -> Dialect:
    """A new object of the dialect called `name`, by default what the installed TVM has.

    Raises
    ------
    ImportError
        If no TVM is installed, or the installed one does not have that language.
    ValueError
        For a name that is no dialect.
    """
    if name is not None and name not in DIALECTS:
        raise ValueError(f"dialect must be 'relay' or 'relax', not {name!r}")
    installed = installed_dialect()
    name = installed if name is None else name
    import tvm

    if name == "relax":
        if installed != "relax":
            raise ImportError(f"{NO_RELAX} (found TVM {tvm.__version__})")
        from .relax import RelaxDialect

        return RelaxDialect()
    # TVM 0.20 dropped Relay; its `tvm.relay` cannot be imported
    try:
        from tvm import relay  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{NO_RELAY} (found TVM {tvm.__version__})") from error
    from .relay import RelayDialect

    return RelayDialect()


def mod_and_params(converted: Any) -> tuple[Any, dict[str, Any]]:
    """What `from_hlo` returned, in either dialect, as a module and the values of its parameters by name."""
    if isinstance(converted, tuple):
        return converted
    attributes = converted["main"].attrs
    arrays = list(attributes["params"]) if attributes and "params" in attributes else []
    names = parameter_names(converted)
    return converted, dict(zip(names[len(names) - len(arrays) :], arrays))


def parameter_names(mod: Any) -> list[str]:
    """Names of the parameters of main, in either dialect."""
    return [variable.name_hint if hasattr(variable, "name_hint") else variable.name for variable in mod["main"].params]


def compile_module(mod: Any, params: dict[str, Any], target: Any, signature: Signature) -> Compiled:
    """Compile a module of the installed TVM's dialect."""
    return _runtime().compile_module(mod, params, target, signature)


def run_library(library: Any, executor: str, signature: Signature) -> RunFlat:
    """How to run a library that was exported and loaded again."""
    return _runtime().run_library(library, executor, signature)


def _runtime() -> Any:
    return importlib.import_module(f".{installed_dialect()}_runtime", __package__)
