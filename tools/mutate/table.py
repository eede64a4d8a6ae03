"""``python -m tools.mutate.table``: the table in docs/limits.md, from the runs in docs/mutated.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUNS, PAGE = DOCS / "mutated.json", DOCS / "limits.md"
BEGIN, END = "<!-- mutated inputs -->\n", "<!-- end -->\n"


def table(runs: list[dict[str, Any]]) -> str:
    """One row for each run, and the sum."""
    lines = [
        "| inputs | TVM | seeds | number | converted | refused | faults found | left | slowest | most memory |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        seeds = f"{run['first']} to {run['first'] + run['inputs'] - 1}"
        counts = " | ".join(f"{run[name]:,}" for name in ("inputs", "converted", "refused", "faults", "left"))
        measured = f"{run['slowest']} s | {run['megabytes']} MB"
        lines.append(f"| {run['kind']} | {run['dialect'].capitalize()} | {seeds} | {counts} | {measured} |")
    total = sum(run["inputs"] for run in runs)
    return "\n".join([*lines, "", f"{total:,} inputs in all.", ""])


def with_table(page: str, runs: list[dict[str, Any]]) -> str:
    """The page with the table of the runs."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table(runs) + rest[rest.index(END) :]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), json.loads(RUNS.read_text())))
