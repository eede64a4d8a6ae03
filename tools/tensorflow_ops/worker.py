"""A worker process: names of operations come in, outcomes go out, as `conformance.worker` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.conformance.worker import serve
from tools.support.outcome import Outcome
from tools.support.stages import Announce


def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
    """Import everything, and load the cases."""
    import tvm.relay  # noqa: F401

    from .run import run_case
    from .table import load_cases

    cases = load_cases()
    return lambda order, announce: run_case(cases[order["name"]], announce)


if __name__ == "__main__":
    serve(prepare)
