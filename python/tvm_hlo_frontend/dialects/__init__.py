"""TVM's graph languages behind one interface; the only modules that import tvm.relay or tvm.relax."""

from __future__ import annotations

from .interface import Dialect

NO_RELAY = (
    "this TVM has no Relay: dialect 'relay' needs TVM <= 0.19. `python tools/relay_wheel.py` builds a CPU wheel of "
    "TVM 0.17 with Relay; install it into an environment of its own."
)


def load_dialect(name: str | None = None) -> Dialect:
    """A new object of the dialect called `name`, by default what the installed TVM has.

    Raises
    ------
    ImportError
        If no TVM is installed, or the installed one does not have that language.
    ValueError
        For a name that is no dialect.
    """
    if name not in (None, "relay"):
        raise ValueError(f"dialect must be 'relay', not {name!r}")
    try:
        import tvm
    except ModuleNotFoundError as error:
        raise ImportError(
            "no TVM is installed; `python tools/relay_wheel.py` builds a CPU wheel of TVM 0.17 with Relay"
        ) from error
    # TVM 0.20 dropped Relay; its `tvm.relay` cannot be imported
    try:
        from tvm import relay  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{NO_RELAY} (found TVM {tvm.__version__})") from error
    from .relay import RelayDialect

    return RelayDialect()
