"""``python -m tools.fuzz.broken``: ten rules broken, one after the other, and the random program that tells.

Each rule is broken in a copy of the repository as ``tools/rules`` breaks it. Programs without any of the opcodes that
the rule is about are counted and not run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.fuzz.__main__ import STEPS
from tools.fuzz.generator import digest
from tools.fuzz.pool import lost
from tools.rules.model import PACKAGE, broken
from tools.rules.runner import Copy
from tools.rules.table import RULES
from tools.support.runs import runs_of, write_runs
from tvm_hlo_frontend.backends.select import installed_dialect

LIMIT = 2000
FIRST = 20_000_000
SECONDS = 3600.0


@dataclass(frozen=True)
class Broken:
    """A break of a rule, by its number in the rule, and the opcodes that it is about."""

    rule: int
    number: int
    opcodes: tuple[str, ...]


TEN = (
    Broken(3, 0, ("divide",)),
    Broken(6, 0, ("shift-left", "shift-right-logical", "shift-right-arithmetic")),
    Broken(13, 0, ("maximum", "minimum")),
    Broken(26, 0, ("convert",)),
    Broken(37, 0, ("transpose",)),
    Broken(38, 0, ("pad",)),
    Broken(54, 0, ("gather", "dynamic-slice", "dynamic-update-slice")),
    Broken(61, 0, ("scatter",)),
    Broken(68, 0, ("reduce-window",)),
    Broken(77, 0, ("conditional",)),
)


def found(original: Copy, wanted: Broken, limit: int = LIMIT) -> dict[str, Any]:
    """What tells that a rule is broken: how many programs came before, how many of them ran, and what differs."""
    rule = next(each for each in RULES if each.number == wanted.rule)
    path, new = broken(original.folder / PACKAGE, rule.breaks[wanted.number])
    text = path.read_text(encoding="utf-8")
    command = [sys.executable, "-m", "tools.fuzz", "--worker", "--seed", str(FIRST), "--count", str(limit)]
    command += ["--steps", str(STEPS), "--only", *wanted.opcodes]
    row = {
        "dialect": installed_dialect(),
        "rule": wanted.rule,
        "break": wanted.number,
        "title": rule.title,
        "generator": digest(),
    }
    try:
        path.write_text(new, encoding="utf-8")
        done = subprocess.run(
            command, cwd=original.folder, env=original.environment(), capture_output=True, text=True, timeout=SECONDS
        )
    finally:
        path.write_text(text, encoding="utf-8")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = [line for line in lines if "status" in line]
    fault = next((line for line in told if line["fault"]), None)
    if fault is None and done.returncode and lines[-1]["side"] != "XLA":
        fault = lost(lines[-1]["at"], lines[-1]["side"], f"ended with status {done.returncode}")
    seed, what = (fault["seed"], fault["fault"][1]) if fault else (None, "")
    return {**row, "ran": len(told), "programs": None if seed is None else seed - FIRST + 1, "seed": seed, "what": what}


def main(arguments: Sequence[str]) -> int:
    """Break each and add what was found to a file; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz.broken", description=__doc__)
    parser.add_argument("--results", type=Path, help="a JSON file that the outcomes are put into")
    parser.add_argument("--rules", type=int, nargs="+", help="only these")
    options = parser.parse_args(arguments)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="broken-") as folder:
        original = Copy(Path(folder) / "copy")
        original.check()
        for wanted in TEN:
            if options.rules and wanted.rule not in options.rules:
                continue
            row = found(original, wanted)
            missed += row["programs"] is None
            print(row, flush=True)
            if options.results:
                rest = [each for each in runs_of(options.results) if key(each) != key(row)]
                write_runs(options.results, sorted([*rest, row], key=key))
    return int(bool(missed))


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row is about."""
    return row["dialect"], row["rule"], row["break"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
