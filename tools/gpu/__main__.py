"""Models of the demo and a sample of JAX's primitive harnesses, compiled for devices without one: for OpenCL, run by
PoCL on the CPU and compared with the framework and with XLA:CPU, or for CUDA, compiled by nvcc.

Ends with 1 if a number is wrong or anything fails. A complete run writes its part of docs/gpu.json, which the opcode
table has.

Run: python -m tools.gpu [--cuda] [--jobs N] [--sample N] [--timeout S] [--resume] [--minutes M] [model ...]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.conformance.driver import in_fair_order, run_all
from tools.support.journal import Journal
from tools.support.options import worker_options
from tools.support.outcome import NO_REFERENCE, PASS, REFUSED, STATUSES, Outcome

from . import nvcc
from .programs import groups
from .worker import KIND

WORKER = "tools.gpu.worker"
ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "gpu"
# how often instructions of each opcode are in programs that pass, by kind of target
FACTS = ROOT / "docs" / "gpu.json"
SAMPLE = 600


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = worker_options(__doc__, "program", 300.0)
    parser.add_argument("models", nargs="*", help="models of the demo, by default all")
    parser.add_argument("--cuda", action="store_true", help="kernels of CUDA through nvcc; none is run")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="harnesses, a fixed sample stratified by group")
    parser.add_argument("--resume", action="store_true", help="go on where the last run stopped")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop then, to go on with --resume")
    return parser.parse_args()


def main() -> int:
    """Run and print; the exit status."""
    from tools.models.library import MODELS

    options = parse_arguments()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ[KIND] = kind = "cuda" if options.cuda else "opencl"
    until = time.monotonic() + 60 * options.minutes
    wanted = groups(options.sample, options.models or [model.name for model in MODELS])
    done, complete = outcomes_of(wanted, options, CACHE / f"{kind}.jsonl", until)
    if options.cuda:
        done, left = compiled(done, until)
        complete &= not left
    for outcome in done:
        if outcome.status != PASS:
            print(f"{outcome.status}: {outcome.name}: {outcome.message}")
    counts = Counter(outcome.status for outcome in done)
    print(f"{len(done)} of {len(wanted)} programs: {', '.join(f'{counts[s]} {s}' for s in STATUSES if counts[s])}")
    if complete and not options.models and options.sample == SAMPLE:
        write_facts(kind, done)
    return int(any(counts[status] for status in STATUSES if status not in (PASS, REFUSED, *NO_REFERENCE)))


def outcomes_of(
    wanted: dict[str, str], options: argparse.Namespace, path: Path, until: float
) -> tuple[list[Outcome], bool]:
    """Outcomes of the programs that were done in time, with those of the journal, and whether these are all."""
    journal = Journal(path, wanted, options.resume)
    todo = {name: wanted[name] for name in in_fair_order(journal.left)}
    for _ in journal.written(run_all(todo, options.jobs, options.timeout, WORKER), until):
        pass
    done = journal.done
    return [done[name] for name in wanted if name in done], len(done) == len(wanted)


def compiled(outcomes: Sequence[Outcome], until: float) -> tuple[list[Outcome], int]:
    """Outcomes of programs of which nvcc compiles every kernel, and how many kernels it had no time for."""
    by_program = {each.name: (each.data or {}).get("kernels", []) for each in outcomes}
    digests = {digest for kernels in by_program.values() for digest in kernels}
    failed, left = nvcc.failures(digests, until)
    archs = " and ".join(f"sm_{each}" for each in nvcc.ARCHITECTURES)
    print(f"{len(digests)} different kernels for {archs}: {len(failed)} do not compile, {left} were not tried")

    def judged(outcome: Outcome) -> Outcome:
        bad = [digest for digest in by_program[outcome.name] if digest in failed]
        return replace(outcome, status="build failed", message=f"{bad[0]}: {failed[bad[0]]}") if bad else outcome

    return [judged(outcome) for outcome in outcomes], left


def write_facts(kind: str, outcomes: Sequence[Outcome]) -> None:
    """In how many of the programs that pass there is an instruction of each opcode."""
    counts = Counter(opcode for each in outcomes if each.status == PASS for opcode in (each.data or {})["opcodes"])
    facts = json.loads(FACTS.read_text()) if FACTS.exists() else {}
    facts[kind] = dict(sorted(counts.items()))
    FACTS.write_text(json.dumps(dict(sorted(facts.items())), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
