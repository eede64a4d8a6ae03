"""The table of results: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.support.outcome import FAILED, NO_REFERENCE, PASS, REFUSED, STATUSES, WRONG, Outcome

DIALECTS = ("relay", "relax")
X64_SUFFIX = "_x64"
PEER = "peer.json"
PEER_NOTE = (
    "TVM's own importer is `tvm.relax.frontend.stablehlo.from_stablehlo`, measured by `make peer` on a "
    "fixed sample of the same harnesses, with the same judge."
)
REASON_SEPARATOR = " | "


def by_group(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """Counts of each status, by group."""
    groups: dict[str, Counter[str]] = {}
    for outcome in sorted(outcomes, key=lambda o: o.group):
        groups.setdefault(outcome.group, Counter())[outcome.status] += 1
    return groups


def percentage(counts: Counter[str]) -> str:
    """Share of passes among what XLA itself ran, rounded down so that 100 % means all."""
    comparable = counts.total() - sum(counts[status] for status in NO_REFERENCE)
    return f"{1000 * counts[PASS] // comparable / 10:.1f} %" if comparable else "–"


def summary(outcomes: Sequence[Outcome], population: int) -> dict[str, Any]:
    """The machine-readable results: counts by group, and every harness that did not pass.

    Parameters
    ----------
    outcomes : sequence of Outcome
    population : int
        Number of harnesses that exist.
    """
    total = Counter(outcome.status for outcome in outcomes)
    others = sorted((o for o in outcomes if o.status != PASS), key=lambda o: (o.group, o.name))
    return {
        "versions": versions(),
        "population": population,
        "total": ordered(total),
        "groups": {group: ordered(counts) for group, counts in by_group(outcomes).items()},
        "not_passed": [{"name": o.name, "group": o.group, "status": o.status, "message": o.message} for o in others],
    }


def ordered(counts: Counter[str]) -> dict[str, int]:
    """Counts above 0 in the order of STATUSES."""
    return {status: counts[status] for status in STATUSES if counts[status]}


def versions() -> dict[str, str]:
    """Of the libraries that the results depend on."""
    import jax
    import tvm

    return {"jax": jax.__version__, "tvm": tvm.__version__}


def to_json(data: dict[str, Any]) -> str:
    """JSON of a summary, small and easy to compare line by line."""
    rows = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in data["not_passed"])
    head = json.dumps({key: value for key, value in data.items() if key != "not_passed"}, indent=2)
    return f'{head[:-2]},\n  "not_passed": [\n{rows}\n  ]\n}}\n' if rows else f'{head[:-2]},\n  "not_passed": []\n}}\n'


def run_name(dialect: str, x64: bool) -> str:
    """Name of a run in a dialect, with JAX's 64-bit types or without."""
    return dialect + X64_SUFFIX if x64 else dialect


def title(run: str) -> str:
    """A run as columns are called."""
    dialect = run.removesuffix(X64_SUFFIX)
    return dialect.capitalize() + (", 64-bit types on" if run != dialect else "")


def results_path(folder: Path, run: str) -> Path:
    """Where the results of a run are kept."""
    return folder / f"conformance_{run}.json"


def write_results(outcomes: Sequence[Outcome], population: int, path: Path) -> None:
    """Write the JSON of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(summary(outcomes, population)), encoding="utf-8")


def write_page(folder: Path) -> Path:
    """Write ``conformance.md`` of the results that a folder holds: of the runs in either dialect, and of the peer."""
    runs = [run_name(dialect, x64) for x64 in (False, True) for dialect in DIALECTS]
    paths = {title(run): results_path(folder, run) for run in runs}
    results = {name: read_results(path) for name, path in paths.items() if path.exists()}
    peers = read_results(folder / PEER)["setups"] if (folder / PEER).exists() else {}
    page = folder / "conformance.md"
    page.write_text(to_markdown(results, peers), encoding="utf-8")
    return page


def write_page_of(path: Path, run: str) -> Path:
    """Write a page of one run's JSON alone, next to it."""
    page = path.with_suffix(".md")
    page.write_text(to_markdown({title(run): read_results(path)}, {}), encoding="utf-8")
    return page


def read_results(path: Path) -> dict[str, Any]:
    """What a JSON file of results holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def to_markdown(results: Mapping[str, dict[str, Any]], peers: Mapping[str, dict[str, Any]]) -> str:
    """docs/conformance.md.

    Parameters
    ----------
    results : mapping of str to summary
        By dialect, as columns are called.
    peers : mapping of str to summary
        Of TVM's own importer, by how it was run; the last one is the column of the groups' table.
    """
    lines = [
        "# Conformance",
        "",
        "Generated by `make conformance` and `make conformance TVM=relax`, with `X64=1` too: JAX's own primitive "
        "harnesses (`jax._src.internal_test_util.test_harnesses`), lowered to HLO, converted, built and run with "
        "TVM, and compared with XLA:CPU. Integers must be equal; floats agree to 1e-12 (f64, c128), 1e-4 (f32, c64), "
        "2e-3 (f16) or 1e-2 (bf16) of an element plus the root mean square of its array; factorisations that are not "
        "unique are held to what defines them. JAX has 64-bit types off unless told otherwise; with them on there "
        "are more harnesses, and what they do not name is of 64 bits where it can be.",
        "",
    ]
    if peers:
        lines += [PEER_NOTE, ""]
    lines += [*totals_table(results, peers), *groups_table(results, peers)]
    for name, data in results.items():
        lines += [*reasons_table(name, data["not_passed"]), *listings(name, data["not_passed"])]
    return "\n".join(lines).rstrip("\n") + "\n"


def totals_table(results: Mapping[str, dict[str, Any]], peers: Mapping[str, dict[str, Any]]) -> list[str]:
    """One row per run, with what became of the harnesses."""
    rows = ["| | harnesses | pass | refused | wrong | failed | no reference | |", "|---|" + "---:|" * 7]
    for name, data in {**results, **{f"TVM's own importer, {setup}": data for setup, data in peers.items()}}.items():
        counts = Counter(data["total"])
        failed = sum(counts[status] for status in FAILED)
        unknown = sum(counts[status] for status in NO_REFERENCE)
        numbers = " | ".join(str(n or "") for n in (counts[PASS], counts[REFUSED], counts[WRONG], failed, unknown))
        versions = f"TVM {data['versions']['tvm']}, JAX {data['versions']['jax']}"
        all_of = f"{counts.total()} of {data['population']}"
        rows.append(f"| {name} ({versions}) | {all_of} | {numbers} | **{percentage(counts)}** |")
    return [*rows, ""]


def groups_table(results: Mapping[str, dict[str, Any]], peers: Mapping[str, dict[str, Any]]) -> list[str]:
    """One row per group, with passes of all and their share for each dialect and for the peer."""
    columns = dict(results)
    if peers:
        setup, data = list(peers.items())[-1]
        columns[f"TVM's own importer, {setup}"] = data
    heading = "".join(f" {name}: pass / all | |" for name in columns)
    rows = [f"| group |{heading}", "|---|" + "---:|" * 2 * len(columns)]
    for group in sorted({group for data in columns.values() for group in data["groups"]}):
        rows.append(group_row(group, [Counter(data["groups"].get(group, {})) for data in columns.values()]))
    rows.append(group_row("**all**", [Counter(data["total"]) for data in columns.values()]))
    return [*rows, ""]


def group_row(name: str, columns: Iterable[Counter[str]]) -> str:
    """A row of the groups' table; a pair of cells is empty where nothing was run."""
    pairs = [f"{c[PASS]} / {c.total()} | {percentage(c)}" if c.total() else " | " for c in columns]
    return f"| {name} | {' | '.join(pairs)} |"


def reasons_table(name: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Every reason of a refusal with the number of harnesses that meet it."""
    refused = [row["message"] for row in rows if row["status"] == REFUSED]
    if not refused:
        return []
    counts = Counter(reason for message in refused for reason in message.split(REASON_SEPARATOR))
    lines = [f"| {count} | {cell(reason)} |" for reason, count in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]
    return [f"## {name}: refused", "", "| harnesses | reason |", "|---:|---|", *lines, ""]


def listings(name: str, rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Every harness that neither passed nor was refused, with its message."""
    lines = []
    for status in STATUSES:
        members = [row for row in rows if row["status"] == status]
        if members and status not in (PASS, REFUSED):
            lines += [f"## {name}: {status}", "", "| harness | |", "|---|---|"]
            lines += [f"| `{row['name']}` | {cell(row['message'])} |" for row in members]
            lines.append("")
    return lines


def cell(text: str) -> str:
    """`text` inside a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;")
