"""Runs TVM's own importer of StableHLO over a sample of JAX's primitive harnesses; writes docs/peer.json and
docs/conformance.md. Needs today's TVM.

`tvm.relax.frontend.stablehlo.from_stablehlo` is run as shipped, and with the one method supplied that jaxlib has
removed since it was written: without that it fails on whatever it is given.

Run: python -m tools.peer_stablehlo [--jobs N] [--sample N] [--timeout S] [--out JSON]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.conformance.driver import in_fair_order, run_all
from tools.conformance.harnesses import groups_of, load_harnesses, stratified
from tools.conformance.peer import SEPARATOR, SETUPS
from tools.conformance.report import PEER, summary, write_page
from tools.support.options import worker_options
from tools.support.outcome import PASS, Outcome
from tvm_hlo_frontend.backends.select import installed_dialect

ROOT = Path(__file__).resolve().parents[2]
WORKER = "tools.conformance.peer"
SAMPLE = 620


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = worker_options(__doc__, "harness", 60.0)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="size of the sample, stratified by group")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / PEER, help="JSON to write")
    return parser.parse_args()


def run(groups: dict[str, str], options: argparse.Namespace) -> dict[str, list[Outcome]]:
    """Outcomes of all harnesses, by setup."""
    names = {setup + SEPARATOR + name: group for setup in SETUPS for name, group in groups.items()}
    ordered = {name: names[name] for name in in_fair_order(list(names))}
    outcomes: dict[str, list[Outcome]] = {setup: [] for setup in SETUPS}
    for outcome in run_all(ordered, options.jobs, options.timeout, WORKER):
        setup, _, name = outcome.name.partition(SEPARATOR)
        outcomes[setup].append(replace(outcome, name=name))
    return outcomes


def results(outcomes: dict[str, list[Outcome]], population: int) -> dict[str, Any]:
    """What the JSON file holds."""
    return {
        "importer": "tvm.relax.frontend.stablehlo.from_stablehlo",
        "setups": {setup: peer_summary(members, population) for setup, members in outcomes.items()},
    }


def peer_summary(outcomes: Sequence[Outcome], population: int) -> dict[str, Any]:
    """As of `conformance.report.summary`, but what did not pass is counted by message: it is most of it."""
    data = summary(outcomes, population)
    rows = data.pop("not_passed")
    messages = Counter(f"{row['status']}: {re.sub(' at 0x[0-9a-f]+', '', row['message'])}" for row in rows)
    passed = sorted(outcome.name for outcome in outcomes if outcome.status == PASS)
    return {**data, "passed": passed, "messages": dict(sorted(messages.items(), key=lambda m: (-m[1], m[0])))}


def main() -> int:
    """Run, write, and print the counts."""
    options = parse_arguments()
    if installed_dialect() != "relax":
        print("TVM's importer of StableHLO is in Relax: use an environment with today's TVM", file=sys.stderr)
        return 2
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    groups = groups_of(load_harnesses())
    sample = {name: groups[name] for name in stratified(groups, options.sample)}
    data = results(run(sample, options), len(groups))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for setup, part in data["setups"].items():
        print(f"{setup}: {part['total']} of {len(sample)}")
    print(f"written to {options.out} and {write_page(options.out.parent).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
