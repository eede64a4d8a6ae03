"""TVM's graph languages behind one interface; the only modules that import tvm.relay or tvm.relax."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from .base import Compiled, Dialect, RunFlat
from .signature import Signature

DIALECTS = ("relay", "relax")
NO_TVM = (
    "no TVM is installed; `pip install apache-tvm` brings today's, with Relax; `python -m tools.relay_wheel` builds a "
    "CPU wheel of TVM 0.17, with Relay"
)
NO_RELAY = (
    "this TVM has no Relay: dialect 'relay' needs TVM <= 0.19. `python -m tools.relay_wheel` builds a CPU wheel of "
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
        from .relax.dialect import RelaxDialect

        return RelaxDialect()
    # TVM 0.20 dropped Relay; its `tvm.relay` cannot be imported
    try:
        from tvm import relay  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{NO_RELAY} (found TVM {tvm.__version__})") from error
    from .relay.dialect import RelayDialect

    return RelayDialect()


def mod_and_params(converted: Any) -> tuple[Any, dict[str, Any]]:
    """What `from_hlo` and its like returned, as a module and the values of its parameters by name: a program that uses
    this runs with either TVM.

    Parameters
    ----------
    converted : (tvm.IRModule, dict of str to tvm.nd.NDArray) or tvm.IRModule

    Returns
    -------
    (tvm.IRModule, dict of str to array)

    Examples
    --------
    >>> mod, params = mod_and_params(from_hlo(proto))
    """
    if isinstance(converted, tuple):
        return converted
    attributes = converted["main"].attrs
    arrays = list(attributes["params"]) if attributes and "params" in attributes else []
    names = parameter_names(converted)
    return converted, dict(zip(names[len(names) - len(arrays) :], arrays))


def parameter_names(mod: Any) -> list[str]:
    """Names of the parameters of main, in either dialect."""
    return [variable.name_hint if hasattr(variable, "name_hint") else variable.name for variable in mod["main"].params]


def module_text(mod: Any) -> str:
    """A module for people to read, in either dialect; of large constants only the types."""
    return mod.astext(show_meta_data=False) if hasattr(mod, "astext") else mod.script()


def without_params(mod: Any) -> Any:
    """`mod` without the values of parameters that Relax keeps in an attribute of main."""
    attributes = mod["main"].attrs
    if not attributes or "params" not in attributes:
        return mod
    from tvm import relax

    return relax.frontend.detach_params(mod)[0]


def compile_module(mod: Any, params: dict[str, Any], target: Any, signature: Signature) -> Compiled:
    """Compile a module of the installed TVM's dialect."""
    return _runtime().compile_module(mod, params, target, signature)


def run_library(library: Any, executor: str, signature: Signature) -> RunFlat:
    """How to run a library that was exported and loaded again."""
    return _runtime().run_library(library, executor, signature)


def placed_run(library: Any, executor: str, signature: Signature, arrays: list[Any]) -> Callable[[], Any]:
    """A call that runs a library on arrays, as main takes them, that are in place already."""
    return _runtime().placed_run(library, executor, signature, arrays)


def _runtime() -> Any:
    return importlib.import_module(f".{installed_dialect()}.runtime", __package__)
