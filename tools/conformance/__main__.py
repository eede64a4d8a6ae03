"""Runs JAX's primitive harnesses through the installed TVM's dialect; writes docs/conformance_<dialect>.json (with
64-bit types docs/conformance_<dialect>_x64.json) and docs/conformance.md, which has what there is of either dialect.

Run: python -m tools.conformance [--x64] [--jobs N] [--sample N] [--group G] [--only REGEX] [--resume] [--timeout S]
    [--check]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tools.conformance.driver import in_fair_order, run_all
from tools.conformance.harnesses import X64, groups_of, load_harnesses, stratified
from tools.conformance.report import results_path, run_name, write_page, write_page_of, write_results
from tools.support.journal import Journal
from tools.support.options import worker_options
from tools.support.outcome import FAILED, PASS, STATUSES, WRONG, Outcome
from tvm_hlo_frontend.backends.select import installed_dialect

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "conformance"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = worker_options(__doc__, "harness", 60.0)
    parser.add_argument("--x64", action="store_true", help="with JAX's 64-bit types on")
    parser.add_argument("--sample", type=int, help="a fixed sample of this size, stratified by group")
    parser.add_argument("--group", action="append", help="only this group; may be repeated")
    parser.add_argument("--only", type=re.compile, help="only names in which this regular expression is found")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--journal", type=Path, help="what --resume reads; default one per dialect in .cache/")
    parser.add_argument(
        "--out", type=Path, help="JSON to write, with a .md next to it; default docs/, of a part .cache/"
    )
    parser.add_argument("--check", action="store_true", help="end with 1 if any number is wrong or anything fails")
    options = parser.parse_args()
    options.run = run_name(installed_dialect(), options.x64)
    options.journal = options.journal or CACHE / f"journal_{options.run}.jsonl"
    return options


def selected(groups: dict[str, str], options: argparse.Namespace) -> dict[str, str]:
    """Group by name of the harnesses that the options ask for."""
    if options.group:
        groups = {name: group for name, group in groups.items() if group in options.group}
    if options.only:
        groups = {name: group for name, group in groups.items() if options.only.search(name)}
    if options.sample:
        groups = {name: groups[name] for name in stratified(groups, options.sample)}
    return groups


def run(groups: dict[str, str], options: argparse.Namespace) -> list[Outcome]:
    """Outcomes of all harnesses in `groups`: from the journal with --resume, else from workers."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    journal = Journal(options.journal, groups, options.resume)
    todo = {name: groups[name] for name in in_fair_order(journal.left)}
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    progress = Progress(*columns, disable=not sys.stderr.isatty(), transient=True, redirect_stdout=False)
    with progress:
        task = progress.add_task("", total=len(groups), completed=len(journal.done))
        for _ in journal.written(run_all(todo, options.jobs, options.timeout)):
            progress.update(task, advance=1, description=counts_line(journal.done.values()))
    return list(journal.done.values())


def counts_line(outcomes: Sequence[Outcome]) -> str:
    """Statuses with their counts."""
    counts = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])


def main() -> int:
    """Run, write, and print what did not pass."""
    options = parse_arguments()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if options.x64:
        os.environ[X64] = "1"  # of this process, which lists the harnesses, and of its workers
    harnesses = load_harnesses()
    groups = selected(groups_of(harnesses), options)
    if not groups:
        print("no harness fits these options", file=sys.stderr)
        return 2
    outcomes = run(groups, options)
    # a part of the harnesses must not replace the table of all of them
    complete = len(outcomes) == len(harnesses)
    path = options.out or results_path(ROOT / "docs" if complete else CACHE, options.run)
    write_results(outcomes, len(harnesses), path)
    page = write_page(path.parent) if options.out is None else write_page_of(path, options.run)
    for outcome in sorted(outcomes, key=lambda o: (STATUSES.index(o.status), o.name)):
        if outcome.status != PASS and not complete:
            print(f"{outcome.status}: {outcome.name}: {outcome.message}")
    print(f"{counts_line(outcomes)}; written to {path} and {page.name}")
    return int(options.check and any(outcome.status in (WRONG, *FAILED) for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
