"""Runs worker processes and hears what they tell."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from . import ROOT
from .artifacts import first_line
from .prepared import THREADS

# one size of pool for everybody; read by the libraries when they start
ENVIRONMENT = {
    "TVM_NUM_THREADS": str(THREADS),
    "OMP_NUM_THREADS": str(THREADS),
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONPATH": f"{ROOT / 'python'}{os.pathsep}{ROOT}",
}

Command = Callable[[Sequence[str]], list[str]]


def outcomes(command: Command, names: Sequence[str], timeout: float, log: IO[str]) -> Iterator[tuple[str, Any]]:
    """What became of each row, as it is known: a dictionary with "measured", or with "missing", which says why.

    Parameters
    ----------
    command : callable
        From names of rows to the worker that takes them.
    names : sequence of str
    timeout : float
        Seconds that a row may be silent in a phase.
    log : file
        Takes what workers print besides.
    """
    rest = list(names)
    while rest:
        last: str | None = None
        for event in events(command(rest), timeout, log):
            if event["phase"] in ("done", "ended"):
                name = event["row"] or last
                if name is None:
                    # it ended before its first row, and would again
                    yield from ((name, event) for name in rest)
                    return
                if name in rest:
                    rest.remove(name)
                    yield name, event
            last = event["row"] if event["phase"] != "done" else last


def events(command: Sequence[str], timeout: float, log: IO[str]) -> Iterator[dict[str, Any]]:
    """What a worker tells; at last, where it dies or is silent, that it "ended"."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **ENVIRONMENT}, cwd=ROOT
    )
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=forward, args=(process.stdout, lines), daemon=True).start()
    waits = False
    while True:
        try:
            line = lines.get(timeout=None if waits else timeout)
        except queue.Empty:
            process.kill()
            process.wait()
            yield {"row": None, "phase": "ended", "missing": f"silent for {timeout:.0f} seconds"}
            return
        if not line:
            break
        event = json.loads(line)
        waits = event["phase"] == "wait"
        yield event
    if process.wait():
        yield {"row": None, "phase": "ended", "missing": ended(process.returncode)}


def forward(stream: IO[str], lines: queue.Queue[str]) -> None:
    """Lines into a queue, an empty one at the end."""
    for line in stream:
        lines.put(line)
    lines.put("")


def ended(status: int) -> str:
    return f"the process ended with {f'signal {-status}' if status < 0 else f'status {status}'}"


def worker(python: str, key: str, seconds: float, rounds: int, lock: str) -> Command:
    """The program `worker.py` in an environment."""
    head = [python, "-m", "benchmarks.rivals.worker", key, str(seconds), str(rounds), lock]
    return lambda names: [*head, *names]


def make_files(python: str, name: str, log: IO[str]) -> str:
    """Write a row's files; empty, or why there are none."""
    program = "import sys; from benchmarks.rivals import artifacts, rows; artifacts.make(rows.named(sys.argv[1]))"
    environment = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(
        [python, "-c", program, name], stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT, check=False
    )
    log.write(done.stderr)
    if not done.returncode:
        return ""
    lines = done.stderr.strip().splitlines()
    return first_line(lines[-1]) if lines else ended(done.returncode)
