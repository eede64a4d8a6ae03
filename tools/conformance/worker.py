"""A worker process: harness names come in on stdin as JSON objects, one JSON object per line goes out.

In: `{"name": …, "export": folder or null}`. Out: `{"ready": true}` once everything is imported, `{"stage": …}` before
each stage, `{"done": …}` with the outcome.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until stdin ends."""
    # libraries print to stdout, so the protocol keeps its own copy of the pipe
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    from .harnesses import load_harnesses
    from .stages import run_harness

    import_all()
    harnesses = load_harnesses()
    send({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        export = Path(order["export"]) if order["export"] else None
        outcome = run_harness(harnesses[order["name"]], lambda stage: send({"stage": stage}), export=export)
        send({"done": asdict(outcome)})


def import_all() -> None:
    """What the first harness would otherwise be charged for."""
    import compare  # noqa: F401
    import tvm.relay  # noqa: F401

    import tvm_hlo_frontend  # noqa: F401


if __name__ == "__main__":
    main()
