"""A worker process: harness names come in on stdin as JSON objects, one JSON object per line goes out.

In: `{"name": …, "export": folder or null}`. Out: `{"ready": true}` once everything is imported, `{"stage": …}` before
each stage, `{"done": …}` with the outcome.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.support.outcome import Outcome
from tools.support.stages import Announce


def main() -> None:
    """Serve harnesses until stdin ends."""

    def prepare() -> Callable[[dict[str, Any], Announce], Outcome]:
        from .harnesses import load_harnesses
        from .stages import run_harness

        import_all()
        harnesses = load_harnesses()

        def run(order: dict[str, Any], announce: Announce) -> Outcome:
            export = Path(order["export"]) if order["export"] else None
            return run_harness(harnesses[order["name"]], announce, export=export)

        return run

    serve(prepare)


def serve(prepare: Callable[[], Callable[[dict[str, Any], Announce], Outcome]]) -> None:
    """Answer orders until stdin ends.

    Parameters
    ----------
    prepare : callable
        Imports everything, and returns a function of an order and of what it tells the name of every stage.
    """
    # libraries print to stdout, so the protocol keeps its own copy of the pipe
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    run = prepare()
    send({"ready": True})
    for line in sys.stdin:
        outcome = run(json.loads(line), lambda stage: send({"stage": stage}))
        send({"done": asdict(outcome)})


def import_all() -> None:
    """What the first harness would otherwise be charged for."""
    import tvm  # noqa: F401

    from tools.support import compare  # noqa: F401
    from tvm_hlo_frontend.backends.select import load_dialect

    load_dialect()


if __name__ == "__main__":
    main()
