"""``python -m tools.fuzz --minutes 5``: random programs, each through TVM and XLA:CPU.

What is exact must be equal to the last bit; functions such as tanh have a tolerance. What differs is printed as the
least part of the program that does, as a test with its seed; ``--seed N --count 1`` makes it again. With ``--results
FILE`` a run is added to a file, and ``--resume`` goes on behind the seeds that are there.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.fuzz.pool import results
from tools.fuzz.tally import Tally, following
from tools.fuzz.worker import work

STEPS = 7


def main(arguments: Sequence[str]) -> int:
    """Run programs until their count or the time is reached; the exit status."""
    options = parsed(arguments)
    if options.worker:
        work(options.seed, options.count, options.steps, options.only)
        return 0
    end, stopped = time.monotonic() + options.minutes * 60, []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: stopped.append(number))
    first = following(options.results) if options.resume else options.seed
    tally, begun = Tally(first, options.steps), time.monotonic()

    def stop() -> bool:
        return bool(stopped) or time.monotonic() > end

    for found in results(first, first + options.count, options.steps, options.workers, stop):
        for seed, what, text in tally.add(found):
            print(f"--- seed {seed}: {what}\n{text}\n", flush=True)
        speed = tally.programs / (time.monotonic() - begun)
        print(f"{tally.line()}, {speed:.2f} a second", file=sys.stderr, flush=True)
        if options.results and tally.programs:
            tally.write(options.results)
    print(tally.text())
    if options.faults:
        options.faults.write_text(json.dumps(tally.faults, indent=1))
    return int(bool(tally.faults))


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first program; the others follow")
    parser.add_argument("--count", type=int, default=1_000_000, help="programs at most")
    parser.add_argument("--minutes", type=float, default=5, help="time at most")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of a program")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--faults", type=Path, help="a file to write what differs to, as JSON")
    parser.add_argument("--results", type=Path, help="a JSON file that the run is added to")
    parser.add_argument("--resume", action="store_true", help="go on behind the seeds of the runs in --results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.resume and not options.results:
        parser.error("--resume needs --results")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
