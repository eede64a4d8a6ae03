"""Runs PyTorch's operators through torchax and XLA:CPU; writes docs/torchax_ops.json and docs/torchax_ops.md.

Run: python -m tools.torchax_ops [--jobs N] [--only REGEX] [--resume] [--minutes M] [--timeout S]
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

from tools.conformance.driver import run_all
from tools.support.journal import Journal
from tools.support.options import worker_options
from tools.support.outcome import Outcome
from tools.support.results import print_all_but, write_with_page
from tools.torchax_ops.report import headline, summary, to_json, to_markdown
from tools.torchax_ops.run import RIGHT
from tools.torchax_ops.samples import modules

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "torchax_ops"
# compiled programs of all element types of an operator stay in its worker
OPERATORS_PER_WORKER = 60


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = worker_options(__doc__, "operator", 180.0)
    parser.add_argument("--only", type=re.compile, help="only names in which this regular expression is found")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after that, to be resumed")
    parser.add_argument("--part", action="store_true", help="write docs/ of what there is, though some is missing")
    parser.add_argument("--again", action="append", default=[], help="with --resume: a status to run once more")
    return parser.parse_args()


def run(names: list[str], options: argparse.Namespace) -> list[Outcome]:
    """Outcomes of operators: from the journal with --resume, else from workers."""
    journal = Journal(
        CACHE / "journal.jsonl", names, options.resume, lambda outcome: outcome.status not in options.again
    )
    todo = dict.fromkeys(journal.left, "")
    until = time.monotonic() + 60 * options.minutes
    outcomes = run_all(todo, options.jobs, options.timeout, "tools.torchax_ops.worker", OPERATORS_PER_WORKER)
    for _ in journal.written(outcomes, until):
        pass
    return list(journal.done.values())


def main() -> int:
    """Run, write, and print what is not right."""
    options = parse_arguments()
    population = modules()
    names = [name for name in population if not options.only or options.only.search(name)]
    outcomes = run(names, options)
    print(dict(Counter(outcome.status for outcome in outcomes)), f"of {len(names)}")
    # a part of the operators must not replace the table of all of them
    complete = options.part or len(outcomes) == len(population)
    path = (ROOT / "docs" if complete else CACHE) / "torchax_ops.json"
    data = summary(outcomes, population)
    write_with_page(path, to_json(data), to_markdown(data))
    print_all_but(outcomes, RIGHT)
    print(f"{headline(data)}\nWritten to {path} and {path.with_suffix('.md').name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
