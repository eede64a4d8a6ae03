"""``python -m tools.fuzz --minutes 5``: random programs, each through TVM and XLA:CPU.

Every result is exact, so both sides must agree to the last bit, apart from functions such as tanh. What differs is
printed as the least part of the program that does, with its seed; ``--seed N --count 1`` makes it again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tools.fuzz.judge import Fault, fault_in, program_of

# programs of one process: compiled code is never given back
BATCH = 40
SECONDS_OF_A_PROGRAM = 60


def main(arguments: list[str]) -> int:
    """Run programs until their count or the time is reached; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first program; the others follow")
    parser.add_argument("--count", type=int, default=1_000_000, help="programs at most")
    parser.add_argument("--minutes", type=float, default=5, help="time at most")
    parser.add_argument("--steps", type=int, default=14, help="instructions of a program, about")
    parser.add_argument("--faults", type=Path, help="a file to write what differs to, as JSON")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.worker:
        for seed in range(given.seed, given.seed + given.count):
            print(json.dumps(result_of(seed, given.steps)), flush=True)
        return 0
    end, seed, opcodes, faults = time.monotonic() + given.minutes * 60, given.seed, Counter[str](), list[Fault]()
    last = given.seed + given.count
    while seed < last and time.monotonic() < end:
        for result in batch(seed, min(BATCH, last - seed), given.steps, end):
            seed += 1
            opcodes.update(result["opcodes"])
            if result["fault"]:
                faults.append(Fault(*result["fault"]))
                print(f"--- seed {faults[-1].seed}: {faults[-1].what}\n{faults[-1].text}\n", flush=True)
            if seed % BATCH == 0:
                print(f"{seed - given.seed} programs, {len(faults)} faults", file=sys.stderr, flush=True)
    print(f"seeds {given.seed} to {seed - 1}: {seed - given.seed} programs, {len(faults)} faults")
    print(", ".join(f"{opcode} {count}" for opcode, count in opcodes.most_common()))
    if given.faults:
        given.faults.write_text(json.dumps([vars(fault) for fault in faults], indent=1))
    return int(bool(faults))


def result_of(seed: int, steps: int) -> dict:
    """What a worker tells of one program."""
    program = program_of(seed, steps)
    fault = fault_in(program, seed)
    opcodes = [value.instruction.opcode for value in program.values] + [each.opcode for each in program.rounded]
    return {"seed": seed, "opcodes": opcodes, "fault": fault and [fault.seed, fault.what, fault.text]}


def batch(seed: int, count: int, steps: int, end: float) -> Iterator[dict]:
    """Results of programs in a process of their own; of one that ends the process, that it does."""
    command = [sys.executable, "-m", "tools.fuzz", "--worker", "--seed", str(seed), "--count", str(count)]
    worker = subprocess.Popen([*command, "--steps", str(steps)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    done = 0
    try:
        for line in worker.stdout:
            done += 1
            yield json.loads(line)
            if time.monotonic() > end:
                return
        if worker.wait() != 0:
            yield {
                "seed": seed + done,
                "opcodes": [],
                "fault": [seed + done, "process ended", f"status {worker.returncode}"],
            }
    finally:
        worker.kill()
        worker.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
