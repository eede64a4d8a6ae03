"""``python -m tools.mutate --minutes 5``: mutated inputs through the frontend, in processes with limits.

Allowed is an error of this package or a conversion. Anything else is a fault: another exception, a crash, more than 10
seconds or a gigabyte. Each is printed once with its seed; ``--kind K --seed N --count 1`` makes it again, and a later
``--seed`` goes on where a run ended. ``--faults FOLDER`` keeps the inputs, made small. Where a fault is in a library
around this package the input may be an attack on it: keep that folder to yourself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tools.mutate import corpus
from tools.mutate.pool import Job, outcomes_of
from tools.mutate.roads import ROADS
from tools.mutate.tally import Tally
from tools.mutate.worker import work

BATCH = {"proto": 4000, "bytes": 8000, "npz": 4000, "text": 40, "mlir": 40, "bytecode": 40, "export": 400}


def main(arguments: Sequence[str]) -> int:
    """Judge inputs until their count or the time is reached; the exit status."""
    options = parsed(arguments)
    if options.worker:
        work(options.kind, options.seed, options.count, options.worker, options.faults)
        return 0
    tally = Tally(options.kind, options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        road, folder = ROADS[options.kind], Path(scratch)
        seeds = corpus.modules(options.corpus) if road.seeds is None else road.seeds()
        run(options, tally, corpus.saved(seeds, folder / "corpus"), folder)
    print(tally.text())
    if options.results:
        tally.write(options.results)
    return int(bool(tally.faults))


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", choices=ROADS, default="proto", help="what is mutated")
    parser.add_argument("--seed", type=int, default=0, help="of the first input; the others follow")
    parser.add_argument("--count", type=int, default=1_000_000_000, help="inputs at most")
    parser.add_argument("--minutes", type=float, default=5, help="time at most")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--corpus", type=Path, action="append", default=[], help="a folder of more .pb files to mutate")
    parser.add_argument("--faults", type=Path, help="a folder for the inputs that are faults")
    parser.add_argument("--results", type=Path, help="a JSON file that the numbers are added to")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, tally: Tally, seeds: Path, scratch: Path) -> None:
    """Give batches of seeds to workers; a batch in which something is wrong ends with it, and goes on behind it."""
    end, next_seed, last = time.monotonic() + options.minutes * 60, options.seed, options.seed + options.count
    faults = options.faults or scratch
    faults.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.workers) as threads:
        pending: set[Future] = set()
        while True:
            while len(pending) < options.workers and next_seed < last and time.monotonic() < end:
                count = min(BATCH[options.kind], last - next_seed)
                job = Job(options.kind, next_seed, count, seeds, faults, scratch, end)
                pending.add(threads.submit(outcomes_of, job))
                next_seed += count
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for each in done:
                for fault in tally.add(each.result()):
                    print(f"--- {fault}\n", flush=True)
            print(tally.line(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
