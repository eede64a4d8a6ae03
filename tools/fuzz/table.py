"""``python -m tools.fuzz.table``: the tables in docs/random_programs.md, from the runs in JSON beside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tools.support.pages import table_of, with_part
from tools.support.runs import runs_of, seeds_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUNS, BROKEN, PAGE = DOCS / "random_programs.json", DOCS / "random_broken.json", DOCS / "random_programs.md"
_MARKS = {
    "runs": ("<!-- runs -->\n", "<!-- end of runs -->\n"),
    "contents": ("<!-- contents -->\n", "<!-- end of contents -->\n"),
    "broken": ("<!-- broken rules -->\n", "<!-- end of broken rules -->\n"),
}


def of_runs(runs: list[dict[str, Any]]) -> str:
    """A row for each run, and the sums."""
    titles = ("TVM", "generator", "seeds", "programs", "agree", "refused", "no reference", "faults found", "left")
    names = ("programs", "agrees", "refused", "no reference", "faults", "left")
    rows = [
        [
            run["dialect"].capitalize(),
            f"`{run['generator']}`",
            seeds_of(run["first"], run["programs"]),
            *(f"{run[name]:,}" for name in names),
        ]
        for run in runs
    ]
    sums = [
        f"{sum(run['programs'] for run in runs if run['dialect'] == dialect):,} programs on {dialect.capitalize()}"
        for dialect in ("relay", "relax")
    ]
    return "\n".join([*table_of(titles, rows), "", f"{' and '.join(sums)}.", ""])


def of_contents(runs: list[dict[str, Any]]) -> str:
    """How often what was met."""
    opcodes, types, roads, outputs = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for run in runs:
        for counter, name in ((opcodes, "opcodes"), (types, "types"), (roads, "roads"), (outputs, "outputs")):
            counter.update(run[name])
    several = max(1, outputs["outputs"])
    return "\n".join(
        [
            f"Opcodes: {_counts(opcodes)}.",
            "",
            f"Element types: {_counts(types)}.",
            "",
            f"Ways through TVM: {_counts(roads)}.",
            "",
            f"Of {several:,} results of several elements {100 * outputs['nan'] / several:.1f} % were all NaN and "
            f"{100 * outputs['equal'] / several:.1f} % all equal.",
            "",
        ]
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())


def of_broken(rows: list[dict[str, Any]]) -> str:
    """A row for each broken rule."""
    titles = ("rule", "TVM", "generator", "found by program", "of which ran", "what it saw")
    cells = [
        [
            f"[{row['rule']}](rules.md), {row['title']}",
            row["dialect"].capitalize(),
            f"`{row['generator']}`",
            "not found" if row["programs"] is None else f"{row['programs']:,} (seed {row['seed']})",
            f"{row['ran']:,}",
            row["what"],
        ]
        for row in rows
    ]
    return "\n".join([*table_of(titles, cells), ""])


def with_tables(page: str, runs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """The page with its tables."""
    for name, text in (("runs", of_runs(runs)), ("contents", of_contents(runs)), ("broken", of_broken(rows))):
        page = with_part(page, *_MARKS[name], text)
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(), runs_of(RUNS), runs_of(BROKEN)))
