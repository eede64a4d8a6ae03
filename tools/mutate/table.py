"""``python -m tools.mutate.table``: the table in docs/limits.md, from the runs in docs/mutated.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.support.pages import table_of, with_part
from tools.support.runs import runs_of, seeds_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUNS, PAGE = DOCS / "mutated.json", DOCS / "limits.md"
BEGIN, END = "<!-- mutated inputs -->\n", "<!-- end -->\n"
TITLES = ("inputs", "TVM", "seeds", "number", "converted", "refused", "faults found", "left", "slowest", "most memory")


def table(runs: list[dict[str, Any]]) -> str:
    """One row for each run, and the sum."""
    rows = [
        [
            run["kind"],
            run["dialect"].capitalize(),
            seeds_of(run["first"], run["inputs"]),
            *(f"{run[name]:,}" for name in ("inputs", "converted", "refused", "faults", "left")),
            f"{run['slowest']} s",
            f"{run['megabytes']} MB",
        ]
        for run in runs
    ]
    total = sum(run["inputs"] for run in runs)
    return "\n".join([*table_of(TITLES, rows), "", f"{total:,} inputs in all.", ""])


def with_table(page: str, runs: list[dict[str, Any]]) -> str:
    """The page with the table of the runs."""
    return with_part(page, BEGIN, END, table(runs))


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), runs_of(RUNS)))
