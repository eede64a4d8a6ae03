"""Workers from outside: what they print, and what becomes of those that end or hang."""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mutate.judge import SECONDS
from tools.mutate.worker import STATE, state_path
from tools.support.processes import end_session

# until a worker whose alarm does not ring is ended
PATIENCE = 3 * SECONDS
START = 120.0


@dataclass(frozen=True)
class Job:
    """Inputs for one worker after the other: seeds, files, and when to stop."""

    kind: str
    first: int
    count: int
    seeds: Path
    faults: Path
    scratch: Path
    end: float


def outcomes_of(job: Job) -> list[dict[str, Any]]:
    """The lines of JSON of workers for all seeds of a job; a line for each input that ended its worker."""
    lines: list[dict[str, Any]] = []
    first, last = job.first, job.first + job.count
    while first < last and time.monotonic() < job.end:
        found, first = _one_worker(job, first, last - first)
        lines += found
    return lines


def _one_worker(job: Job, first: int, count: int) -> tuple[list[dict[str, Any]], int]:
    """Lines of one worker, and the seed to go on with."""
    command = [sys.executable, "-m", "tools.mutate", "--worker", str(job.seeds), "--kind", job.kind]
    command += ["--seed", str(first), "--count", str(count), "--faults", str(job.faults)]
    errors = (job.scratch / f"errors_{first}").open("w+b")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
    lines, stopped = _read(process, state_path(job.seeds, first), job.end)
    end_session(process)
    reached = lines[-1]["next"] if lines else first
    if stopped == "time" or (process.returncode == 0 and reached == first + count):
        return lines, first + count if stopped == "time" else reached
    seed = _seed_at_work(state_path(job.seeds, first), reached)
    errors.seek(0)
    told = errors.read()[-3000:].decode("utf-8", "replace")
    what = "hang" if stopped == "hang" else f"ended with status {process.returncode}"
    lost = {"next": seed + 1, "counts": {"fault": 1}, "bytes": 0, "slowest": (0, 0, seed), "largest": (0, 0, seed)}
    return [*lines, {**lost, "faults": [[seed, what, "outside", told]]}], seed + 1


def _read(process: subprocess.Popen, state: Path, end: float) -> tuple[list[dict[str, Any]], str]:
    """Lines until the worker ends, hangs, or the time is over."""
    assert process.stdout is not None
    lines, buffer, seen, since = [], b"", -1, time.monotonic()
    while True:
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        now = time.monotonic()
        if ready:
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                return lines, "ended"
            buffer += chunk
            *whole, buffer = buffer.split(b"\n")
            lines += [json.loads(line) for line in whole]
        seed = _seed_at_work(state, -1)
        if seed != seen:
            seen, since = seed, now
        elif now - since > (START if seen < 0 else PATIENCE * 4):
            return lines, "hang"
        if now > end:
            return lines, "time"


def _seed_at_work(state: Path, otherwise: int) -> int:
    try:
        return int(STATE.unpack(state.read_bytes())[0])
    except (OSError, ValueError, struct.error):
        return otherwise
