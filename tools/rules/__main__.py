"""Breaks every rule of HLO's semantics in a copy of the repository, sees its tests fail, and writes docs/rules.md.

Run: python -m tools.rules [--rules 1 5 60-64] [--jobs N]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.rules.model import Break, Rule
from tools.rules.report import outcome_of, outcomes_in, to_markdown
from tools.rules.runner import KILLED, Copy, Verdict, passing, run_all
from tools.rules.table import RULES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "rules.md"


def numbers(text: str) -> range:
    """``7`` or ``60-64``."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", nargs="+", type=numbers, help="only these; others keep their outcome")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time (default: one per CPU)")
    parser.add_argument("--verbose", action="store_true", help="print how each was killed, too")
    parser.add_argument("--unchecked", action="store_true", help="do not run the tests on the unbroken code first")
    return parser.parse_args()


def failing_now(original: Copy, rules: Sequence[Rule]) -> list[str]:
    """Tests of `rules` that fail as things are, whose failure would prove nothing."""
    tests = {test for rule in rules for change in rule.breaks for test in change.tests}
    return sorted(tests - passing(original, sorted(tests)))


def verdicts_of(original: Copy, rules: Sequence[Rule], jobs: int) -> dict[Break, Verdict]:
    """Verdict of every break."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    changes = [change for rule in rules for change in rule.breaks]
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    found: dict[Break, Verdict] = {}
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=len(changes))
        for change, verdict in run_all(original, changes, jobs):
            found[change] = verdict
            left = sum(verdict.status != KILLED for verdict in found.values())
            progress.update(task, advance=1, description=f"{len(found) - left} killed, {left} not")
    return found


def describe(rule: Rule, change: Break, verdict: Verdict) -> str:
    """Several lines on what happened."""
    lines = [f"rule {rule.number}, {change.where}: {verdict.status} {verdict.how}".rstrip()]
    lines += [f"    - {line}" for line in change.before.splitlines()]
    lines += [f"    + {line}" for line in change.after.splitlines()]
    lines += [f"    {line}" for line in verdict.message.splitlines()[:12]]
    return "\n".join(lines)


def write_page(outcomes: dict[int, str]) -> None:
    """docs/rules.md with these outcomes; of rules that were not run with those that it has."""
    known = outcomes_in(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    PAGE.write_text(to_markdown(RULES, known | outcomes), encoding="utf-8")


def main() -> int:
    """Run, report, and write the page."""
    options = parse_arguments()
    wanted = {number for part in options.rules for number in part} if options.rules else None
    rules = [rule for rule in RULES if wanted is None or rule.number in wanted]
    with tempfile.TemporaryDirectory(prefix="rules-") as folder:
        # everything starts from one copy, whatever is edited meanwhile
        original = Copy(Path(folder))
        original.check()
        failing = [] if options.unchecked else failing_now(original, rules)
        if failing:
            print("these tests fail as things are:", *failing, sep="\n    ", file=sys.stderr)
            return 2
        found = verdicts_of(original, rules, options.jobs)
    rest = [change for change in found if found[change].status != KILLED]
    for rule in rules:
        for change in rule.breaks:
            if change in rest or options.verbose:
                print(describe(rule, change, found[change]))
    write_page({rule.number: outcome_of(rule, [found[change] for change in rule.breaks]) for rule in rules})
    print(f"{len(found) - len(rest)} of {len(found)} breaks of {len(rules)} rules were killed")
    return 1 if rest else 0


if __name__ == "__main__":
    sys.exit(main())
