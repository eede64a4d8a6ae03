"""Runs TensorFlow's operations through TVM and writes docs/tensorflow_ops.md and docs/tensorflow_ops.json.

Run: python -m tools.tensorflow_ops [--jobs N] [--only REGEX] [--timeout S] [--out FILE]
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from tools.conformance.driver import run_all
from tools.support.options import worker_options
from tools.support.outcome import PASS, Outcome
from tools.support.results import print_all_but, write_with_page
from tools.tensorflow_ops.report import headline, importer_knows, settled, summary, to_json, to_markdown
from tools.tensorflow_ops.table import kernels

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "tensorflow_ops"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = worker_options(__doc__, "operation", 120.0)
    parser.add_argument("--only", type=re.compile, help="only names in which this regular expression is found")
    parser.add_argument(
        "--out", type=Path, help="JSON to write, with a .md next to it; default docs/, of a part .cache/"
    )
    return parser.parse_args()


def run(names: list[str], options: argparse.Namespace) -> list[Outcome]:
    """Outcomes of operations, from workers."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    outcomes = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=len(names))
        for outcome in run_all(dict.fromkeys(names, ""), options.jobs, options.timeout, "tools.tensorflow_ops.worker"):
            outcomes.append(settled(outcome))
            progress.update(task, advance=1, description=outcome.name)
    return outcomes


def main() -> int:
    """Run, write, and print what is not equal."""
    options = parse_arguments()
    population = sorted(kernels())
    names = [name for name in population if not options.only or options.only.search(name)]
    if not names:
        print("no operation fits these options", file=sys.stderr)
        return 2
    outcomes = run(names, options)
    # a part of the operations must not replace the table of all of them
    folder = ROOT / "docs" if len(names) == len(population) else CACHE
    path = options.out or folder / "tensorflow_ops.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    data = summary(outcomes, len(population), importer_knows())
    write_with_page(path, to_json(data), to_markdown(data))
    print_all_but(outcomes, PASS)
    print(f"{headline(data)}\nWritten to {path} and {path.with_suffix('.md').name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
