"""A process that judges inputs one after the other, within limits, and tells what it is at."""

from __future__ import annotations

import json
import mmap
import resource
import struct
import sys
import warnings
from collections import Counter
from pathlib import Path

from tools.mutate import corpus
from tools.mutate.judge import FAULT, Outcome, judged
from tools.mutate.roads import input_of, road_of
from tools.mutate.shrink import shrunk

GIGABYTES = 8  # of addresses: libraries reserve many that they do not use
STATE = struct.Struct("<qd")
REPORT = 200


def work(kind: str, first: int, count: int, seeds_file: Path, faults: Path) -> None:
    """Judge inputs and print their outcomes as lines of JSON; a file beside the seeds has the seed at work."""
    warnings.simplefilter("ignore")
    seeds = corpus.loaded(seeds_file)
    judged(road_of(kind, 0), seeds[0], 120)  # libraries load at first use
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30, GIGABYTES << 30))
    state = state_of(seeds_file, first)
    report = Report(first)
    for seed in range(first, first + count):
        STATE.pack_into(state, 0, seed, 0.0)
        data = input_of(kind, seed, seeds)
        outcome = judged(road_of(kind, seed), data)
        report.add(seed, data, outcome)
        if outcome.status == FAULT:
            run = road_of(kind, seed)
            small = shrunk(data, run, outcome)
            (faults / f"{kind}_{seed}.bin").write_bytes(small)
        if (seed + 1 - first) % REPORT == 0:
            report.print()
    report.print()


def state_of(seeds_file: Path, first: int) -> mmap.mmap:
    """Memory that the parent sees, even of a process that has ended."""
    path = state_path(seeds_file, first)
    path.write_bytes(bytes(STATE.size))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), STATE.size)


def state_path(seeds_file: Path, first: int) -> Path:
    """The file of that memory."""
    return seeds_file.with_name(f"state_{first}")


class Report:
    """What became of the inputs since the last line."""

    def __init__(self, first: int) -> None:
        self._next = first
        self._clear()

    def _clear(self) -> None:
        self._counts: Counter[str] = Counter()
        self._faults: list[list[object]] = []
        self._slowest = (0.0, 0, 0)
        self._largest = (0.0, 0, 0)
        self._bytes = 0

    def add(self, seed: int, data: bytes, outcome: Outcome) -> None:
        """One more."""
        self._next = seed + 1
        self._counts[outcome.status if outcome.status == FAULT else f"{outcome.status} {outcome.what}".strip()] += 1
        self._bytes += len(data)
        self._slowest = max(self._slowest, (outcome.seconds, len(data), seed))
        self._largest = max(self._largest, (outcome.megabytes, len(data), seed))
        if outcome.status == FAULT:
            self._faults.append([seed, outcome.what, outcome.where, outcome.text])

    def print(self) -> None:
        """Say it."""
        line = {
            "next": self._next,
            "counts": self._counts,
            "bytes": self._bytes,
            "slowest": self._slowest,
            "largest": self._largest,
            "faults": self._faults,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        self._clear()
