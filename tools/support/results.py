"""Results of a run: as JSON that is compared line by line, as a page beside it, and as what is printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools.support.outcome import Outcome


def json_by_rows(data: Mapping[str, Any], key: str) -> str:
    """JSON of results with a line for each row, or each item, of ``data[key]``, which comes last."""
    head = json.dumps({name: value for name, value in data.items() if name != key}, indent=2)
    rows = data[key]
    if isinstance(rows, Mapping):
        begin, end = "{", "}"
        lines = [f"    {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in rows.items()]
    else:
        begin, end = "[", "]"
        lines = [f"    {json.dumps(row, ensure_ascii=False)}" for row in rows]
    body = "\n" + ",\n".join(lines) + "\n  " if lines else ""
    return f"{head[:-2]},\n  {json.dumps(key)}: {begin}{body}{end}\n}}\n"


def write_with_page(path: Path, facts: str, page: str) -> None:
    """Write results as JSON, and as Markdown beside it."""
    path.write_text(facts, encoding="utf-8")
    path.with_suffix(".md").write_text(page, encoding="utf-8")


def print_all_but(outcomes: Iterable[Outcome], right: str) -> None:
    """Print a line for each outcome of another status, in the order of statuses and names."""
    for outcome in sorted(outcomes, key=lambda each: (each.status, each.name)):
        if outcome.status != right:
            print(f"{outcome.status}: {outcome.name}: {outcome.message}")
