"""pytest plugin: a line of JSON per event, from which one sees how each test ended, or in which the process died."""

from __future__ import annotations

import json
import os
from typing import Any

JOURNAL = "RULES_JOURNAL"


def _write(**event: Any) -> None:
    with open(os.environ[JOURNAL], "a", encoding="utf-8") as journal:
        journal.write(json.dumps(event) + "\n")


def pytest_runtest_logstart(nodeid: str) -> None:
    _write(event="start", test=nodeid)


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call":
        _write(event="end", test=report.nodeid, outcome=report.outcome)


def pytest_exception_interact(call: Any, report: Any) -> None:
    """An error, with the names of its classes: a mistake in the changed code itself proves nothing."""
    error = call.excinfo
    _write(
        event="error",
        test=report.nodeid,
        when=getattr(report, "when", "collect"),
        classes=[kind.__name__ for kind in error.type.__mro__],
        file=str(error.traceback[-1].path),
        message=str(error.value)[:2000],
    )
