"""A worker process: names of saved modules come in, outcomes go out, as `conformance.worker` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.conformance.worker import import_all, serve
from tools.support.outcome import Outcome
from tools.support.stages import Announce


def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
    """Import everything, and load the modules."""
    from .run import run_saved
    from .saved import load_saved

    import_all()
    modules = load_saved()
    return lambda order, announce: run_saved(modules[order["name"]], announce)


if __name__ == "__main__":
    serve(prepare)
