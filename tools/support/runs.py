"""Runs of seeds as files of JSON have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def runs_of(path: Path) -> list[dict[str, Any]]:
    """The runs of a file; none where there is none."""
    return json.loads(path.read_text()) if path.exists() else []


def write_runs(path: Path, runs: list[dict[str, Any]]) -> None:
    """The file of these runs, one a line."""
    part = path.with_suffix(".part")
    part.write_text("[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n")
    part.replace(path)


def seeds_of(first: int, count: int) -> str:
    """The seeds of a run, as tables say them."""
    return f"{first} to {first + count - 1}"
