"""Runs programs with unknown dimensions through the installed TVM's dialect, each at three sizes from one conversion,
and prints what does not give XLA's numbers; writes .cache/dynamic_programs/<dialect>[_specialized][_by_value].jsonl,
and of one build on Relax docs/open_opcodes.json for the opcode table.

Run: python -m tools.dynamic_programs [--count N] [--specialize] [--by-value] [--only REGEX] [--jobs N] [--timeout S]
    [--check]
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tools.conformance.driver import run_all
from tools.support.journal import Journal
from tools.support.options import worker_options
from tools.support.outcome import NO_REFERENCE, PASS, REFUSED, STATUSES, Outcome
from tvm_hlo_frontend.backends.select import installed_dialect

from .programs import sample
from .worker import BY_VALUE, SPECIALIZE

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "dynamic_programs"
# of one build on Relax, for the opcode table
FACTS = ROOT / "docs" / "open_opcodes.json"
# half of them with one unknown dimension, half with two
COUNT = 240


def main() -> int:
    """Run and print."""
    parser = worker_options(__doc__, "program", 120.0)
    parser.add_argument("--count", type=int, default=COUNT, help="size of the sample")
    parser.add_argument("--only", type=re.compile, help="only names in which this regular expression is found")
    parser.add_argument("--specialize", action="store_true", help="a build for every size")
    parser.add_argument("--by-value", action="store_true", help="sizes are arguments, as in exports of earlier years")
    parser.add_argument("--check", action="store_true", help="end with 1 if anything does not pass")
    options = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if options.specialize:
        os.environ[SPECIALIZE] = "1"
    if options.by_value:
        os.environ[BY_VALUE] = "1"
    groups = sample(options.count)
    if options.only:
        groups = {name: group for name, group in groups.items() if options.only.search(name)}
    ways = "".join(["_specialized"] * options.specialize + ["_by_value"] * options.by_value)
    path = CACHE / f"{installed_dialect()}{ways}.jsonl"
    counts: Counter[str] = Counter()
    outcomes: list[Outcome] = []
    running = run_all(groups, options.jobs, options.timeout, "tools.dynamic_programs.worker")
    for outcome in Journal(path, groups).written(running):
        counts[outcome.status] += 1
        outcomes.append(outcome)
        if outcome.status != PASS:
            print(f"{outcome.status}: {outcome.name}: {outcome.message}", flush=True)
    if installed_dialect() == "relax" and not ways and options.only is None and options.count == COUNT:
        FACTS.write_text(json.dumps(by_opcode(outcomes), indent=1) + "\n")
    comparable = sum(counts.values()) - sum(counts[status] for status in NO_REFERENCE)
    print(f"{counts[PASS]} of {comparable} pass: {', '.join(f'{counts[s]} {s}' for s in STATUSES if counts[s])}")
    return int(options.check and counts[PASS] < comparable)


def by_opcode(outcomes: Sequence[Outcome]) -> dict[str, list[int]]:
    """By opcode, how many programs pass in which it has unknown sizes, and how many it is refused in."""
    passed, refused = Counter[str](), Counter[str]()
    for outcome in outcomes:
        if outcome.status == PASS:
            passed.update((outcome.data or {})["opcodes"])
        elif outcome.status == REFUSED:
            refused.update({reason.partition(":")[0] for reason in outcome.message.split(" | ")})
    return {opcode: [passed[opcode], refused[opcode]] for opcode in sorted({*passed, *refused})}


if __name__ == "__main__":
    sys.exit(main())
