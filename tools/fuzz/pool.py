"""Workers from outside: what they tell, and what becomes of those that end or hang."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from tools.support.processes import end_session

# of one process: compiled code is never given back
BATCH = 100
# of one side of one program, and of a process that starts
PATIENCE, START = 300.0, 600.0
Result = dict[str, Any]


def results(first: int, last: int, steps: int, workers: int, stop: Callable[[], bool]) -> Iterator[list[Result]]:
    """Results of batches of seeds in order of the seeds, until `stop` says so; begun ones are ended."""
    waiting: dict[int, list[Result]] = {}
    pending: dict[Future[list[Result]], int] = {}
    following, expected = first, first
    with ThreadPoolExecutor(workers) as threads:
        while True:
            while len(pending) < workers and following < last and not stop():
                count = min(BATCH, last - following)
                pending[threads.submit(batch, following, count, steps, stop)] = following
                following += count
            if not pending:
                return
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for each in done:
                waiting[pending.pop(each)] = each.result()
            while expected in waiting:
                found = waiting.pop(expected)
                yield found
                if not found or found[-1]["seed"] + 1 < min(expected + BATCH, last):
                    return  # stopped within the batch: what follows has no place in a run of seeds in order
                expected = found[-1]["seed"] + 1


def batch(first: int, count: int, steps: int, stop: Callable[[], bool]) -> list[Result]:
    """A result for each seed; of one that ends its process, or takes too long, that it does."""
    found: list[Result] = []
    seed, last = first, first + count
    while seed < last and not stop():
        found += _one_worker(seed, last - seed, steps, stop)
        seed = found[-1]["seed"] + 1 if found else seed
    return found


def _one_worker(first: int, count: int, steps: int, stop: Callable[[], bool]) -> list[Result]:
    command = [sys.executable, "-m", "tools.fuzz", "--worker", "--seed", str(first), "--count", str(count)]
    process = subprocess.Popen(
        [*command, "--steps", str(steps)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    found: list[Result] = []
    at, side, ended = first, "start", "ended"
    try:
        for line in _lines(process, stop):
            if line is None:
                ended = "hang"
                break
            if "at" in line:
                at, side = line["at"], line["side"]
            else:
                found.append(line)
                at, side = line["seed"] + 1, "generator"
    finally:
        end_session(process)
    if len(found) < count and not stop():
        found.append(lost(at, side, ended))
    return found


def lost(seed: int, side: str, how: str) -> Result:
    """The result of a program that ended its worker: no fault where XLA alone was at work."""
    status = "no reference" if side == "XLA" else "fault"
    fault = None if status == "no reference" else [seed, how, f"the process {how} at {side}"]
    empty = {"opcodes": {}, "types": {}, "outputs": 0, "nan": 0, "equal": 0, "seconds": 0.0}
    return {"seed": seed, "road": side, "status": status, "why": f"{how} at {side}", "fault": fault, **empty}


def _lines(process: subprocess.Popen[bytes], stop: Callable[[], bool]) -> Iterator[Result | None]:
    """What a worker tells; None where it has been silent for too long."""
    assert process.stdout is not None
    buffer, since, patience = b"", time.monotonic(), START
    while not stop():
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        if not ready:
            if time.monotonic() - since > patience:
                yield None
                return
            continue
        chunk = os.read(process.stdout.fileno(), 1 << 16)
        if not chunk:
            return
        since, patience = time.monotonic(), PATIENCE
        *whole, buffer = (buffer + chunk).split(b"\n")
        yield from (json.loads(line) for line in whole)
