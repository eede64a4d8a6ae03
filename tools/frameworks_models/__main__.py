"""Runs models of many frameworks through TVM and writes docs/models.md and docs/models.json.

Run: python -m tools.frameworks_models [--only REGEX] [--resume] [--dialect D] [--timeout S]

A run of a part of the models leaves the rows of the others as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.conformance.driver import run_all
from tools.frameworks_models.report import merged, to_json, to_markdown
from tools.frameworks_models.worker import DIALECT
from tools.support.journal import Journal
from tools.support.outcome import PASS
from tools.support.results import write_with_page

if TYPE_CHECKING:
    from tools.support.outcome import Outcome

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "models"
# TVM takes half of the processors by default, XLA all of them; read when they start
THREADS = len(os.sched_getaffinity(0))
ENVIRONMENT = {"TVM_NUM_THREADS": str(THREADS), "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=re.compile, help='only models in whose "framework: name" this is found')
    parser.add_argument("--list", action="store_true", help="print the models and end")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--dialect", help="relay or relax; by default what the installed TVM has")
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds per model")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "models.json", help="JSON, with a .md next to it")
    return parser.parse_args()


def run(names: list[str], dialect: str, options: argparse.Namespace) -> list[Outcome]:
    """Outcomes of models, each from a process of its own, one after another; from the journal with --resume."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    journal = Journal(CACHE / f"{dialect}.jsonl", names, options.resume)
    todo = journal.left
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    progress = Progress(*columns, disable=not sys.stderr.isatty(), transient=True, redirect_stdout=False)
    with progress:
        task = progress.add_task(todo[0] if todo else "", total=len(names), completed=len(journal.done))
        groups = dict.fromkeys(todo, "")
        outcomes = run_all(groups, 1, options.timeout, "tools.frameworks_models.worker", per_worker=1)
        for outcome in journal.written(outcomes):
            print(line(outcome), flush=True)
            left = [name for name in todo if name not in journal.done]
            progress.update(task, advance=1, description=left[0] if left else "")
    return [journal.done[name] for name in names]


def line(outcome: Outcome) -> str:
    """What is printed of one model."""
    data = outcome.data or {}
    numbers = f"error {data['error']:.1e}, TVM/XLA {data['tvm_ms'] / data['xla_ms']:.2f}" if "tvm_ms" in data else ""
    return ", ".join(part for part in (outcome.name, outcome.status, outcome.message, numbers) if part)


def main() -> int:
    """Run, write, and print what does not pass; 1 if there is any."""
    options = parse_arguments()
    os.environ.update(ENVIRONMENT)
    from tools.frameworks_models.catalogue import models_by_key
    from tvm_hlo_frontend.backends.select import load_dialect

    known = list(models_by_key())
    names = [name for name in known if not options.only or options.only.search(name)]
    if options.list:
        print("\n".join(names))
        return 0
    if not names:
        print("no model fits these options", file=sys.stderr)
        return 2
    dialect = load_dialect(options.dialect).name
    os.environ[DIALECT] = dialect
    outcomes = run(names, dialect, options)
    before = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    data = merged(before, known, outcomes, dialect, THREADS)
    write_with_page(options.out, to_json(data), to_markdown(data))
    failed = [outcome for outcome in outcomes if outcome.status != PASS]
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} pass; written to {options.out} and {options.out.stem}.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
