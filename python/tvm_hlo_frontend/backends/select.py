"""The backend that the installed TVM has."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from .base import Backend, Compiled, Dialect, RunBorrowed, RunFlat
from .signature import Signature
from .timings import PassClock

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


def load_dialect(name: str | Dialect | None = None) -> Dialect:
    """A new object of the dialect called `name`, by default what the installed TVM has; an object of one as it is.

    Raises
    ------
    ImportError
        If no TVM is installed, or the installed one does not have that language.
    ValueError
        For a name that is no dialect.
    """
    if name is not None and not isinstance(name, str):
        return name
    if name is not None and name not in DIALECTS:
        raise ValueError(f"dialect must be 'relay' or 'relax', not {name!r}")
    installed = installed_dialect()
    name = installed if name is None else name
    import tvm

    if name == "relax":
        if installed != "relax":
            raise ImportError(f"{NO_RELAX} (found TVM {tvm.__version__})")
        return backend("relax").dialect()
    # TVM 0.20 dropped Relay; its `tvm.relay` cannot be imported
    try:
        from tvm import relay  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{NO_RELAY} (found TVM {tvm.__version__})") from error
    return backend("relay").dialect()


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
    arrays = backend().weights(converted)
    names = parameter_names(converted)
    return converted, dict(zip(names[len(names) - len(arrays) :], arrays))


def parameter_names(mod: Any) -> list[str]:
    """Names of the parameters of main."""
    return backend().parameter_names(mod)


def module_text(mod: Any) -> str:
    """A module for people to read; of large constants only the types."""
    return backend().text(mod)


def without_params(mod: Any) -> Any:
    """`mod` without the values of parameters that Relax keeps in an attribute of main."""
    return backend().without_weights(mod)


def canonical(mod: Any, target: Any) -> tuple[str, list[Any]] | None:
    """A text that two modules and targets have in common only if they are compiled to the same, and constants that it
    does not hold; None if that follows from more, or is not for this machine. Values that main itself has for its
    parameters are in neither."""
    return backend().canonical(mod, target)


def compile_module(
    mod: Any, params: dict[str, Any], target: Any, signature: Signature, clock: PassClock | None = None
) -> Compiled:
    """Compile a module of the installed TVM's dialect; `clock` times its passes."""
    return backend().compile_module(mod, params, target, signature, clock)


def run_library(compiled: Compiled, signature: Signature, parallel: bool) -> RunFlat:
    """How to run a library; it overwrites the arguments that are in place."""
    return backend().run_library(compiled, signature, parallel)


def run_borrowed(compiled: Compiled, signature: Signature, parallel: bool) -> RunBorrowed:
    """How to run a library on what `borrow` gave, without copies where the executor can do that."""
    return backend().run_borrowed(compiled, signature, parallel)


def placed_run(library: Any, executor: str, signature: Signature, arrays: list[Any]) -> Callable[[], Any]:
    """A call that runs a library on arrays, as main takes them, that are in place already."""
    return backend().placed_run(library, executor, signature, arrays)


def backend(name: str | None = None) -> Backend:
    """The backend called `name`, by default the installed TVM's."""
    return importlib.import_module(f".{name or installed_dialect()}.backend", __package__).BACKEND
