"""Runs the exports that JAX keeps of its earlier years through the installed TVM's dialect; writes
docs/backcompat_<dialect>.json and docs/backcompat.md, which has what there is of either dialect.

Run: python -m tools.backcompat [--jobs N] [--only REGEX] [--resume] [--timeout S] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from tools.backcompat.report import headline, results_path, summary, to_json, write_page
from tools.backcompat.saved import load_saved
from tools.conformance.driver import run_all
from tools.support.journal import Journal
from tools.support.options import worker_options
from tools.support.outcome import PASS, REFUSED, Outcome
from tvm_hlo_frontend.backends.select import installed_dialect

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "backcompat"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = worker_options(__doc__, "module", 120.0)
    parser.add_argument("--only", type=re.compile, help="only names in which this regular expression is found")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--out", type=Path, help="folder to write to; default docs/, of a part .cache/")
    return parser.parse_args()


def run(chosen: dict[str, str], options: argparse.Namespace) -> list[Outcome]:
    """Outcomes of modules: with --resume from the journal where they passed or were refused, else from workers."""
    path = CACHE / f"journal_{installed_dialect()}.jsonl"
    journal = Journal(path, chosen, options.resume, lambda outcome: outcome.status in (PASS, REFUSED))
    todo = {name: chosen[name] for name in journal.left}
    for _ in journal.written(run_all(todo, options.jobs, options.timeout, "tools.backcompat.worker")):
        pass
    return list(journal.done.values())


def main() -> int:
    """Run, write and print; 1 if a module neither passes nor is refused as it should be."""
    options = parse_arguments()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    modules = load_saved()
    chosen = {name: each.family for name, each in modules.items() if not options.only or options.only.search(name)}
    if not chosen:
        print("no module fits these options", file=sys.stderr)
        return 2
    outcomes = run(chosen, options)
    for outcome in sorted(outcomes, key=lambda each: each.name):
        saved = modules[outcome.name]
        print(f"{outcome.name:72} {saved.platform:5} {saved.date:16} {outcome.status} {outcome.message}".rstrip())
    # a part of the modules must not replace the table of all of them
    folder = options.out or (ROOT / "docs" if len(chosen) == len(modules) else CACHE)
    folder.mkdir(parents=True, exist_ok=True)
    data = summary(outcomes, modules)
    results_path(folder, installed_dialect()).write_text(to_json(data), encoding="utf-8")
    page = write_page(folder)
    print(f"{headline(data)}; written to {page}")
    return 0 if all(outcome.status in (PASS, REFUSED) for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
