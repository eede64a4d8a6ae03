"""Runs harnesses in worker processes: a crash or a hang costs one harness, not the run."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from tools.support.outcome import Outcome, shorten

WORKER = "tools.conformance.worker"
ROOT = Path(__file__).resolve().parents[2]
# importing JAX and TVM on a busy machine
START_TIMEOUT = 300.0
# a worker keeps every library that it has loaded; a new one now and then bounds the memory
HARNESSES_PER_WORKER = 400


@dataclass(frozen=True)
class Worker:
    """A running worker, its lines (None at the end), and what it writes to stderr."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str | None]
    log: IO[bytes]


def run_all(
    groups: Mapping[str, str], jobs: int, timeout: float, module: str = WORKER, per_worker: int = HARNESSES_PER_WORKER
) -> Generator[Outcome, None, None]:
    """Outcomes as they come.

    Parameters
    ----------
    groups : mapping of str to str
        Group of every harness to run, by name.
    jobs : int
        Worker processes.
    timeout : float
        Seconds per harness.
    module : str
        Module of the worker, which speaks the protocol of `worker.py`.
    per_worker : int
        Harnesses after which a worker is replaced by a new one.
    """
    names: queue.Queue[str] = queue.Queue()
    for name in groups:
        names.put(name)
    outcomes: queue.Queue[Outcome | BaseException] = queue.Queue()
    stop = threading.Event()
    threads = [
        threading.Thread(target=serve, args=(names, groups, timeout, outcomes, stop, module, per_worker), daemon=True)
        for _ in range(jobs)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in groups:
            outcome = outcomes.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def serve(
    names: queue.Queue[str],
    groups: Mapping[str, str],
    timeout: float,
    outcomes: queue.Queue[Outcome | BaseException],
    stop: threading.Event,
    module: str = WORKER,
    per_worker: int = HARNESSES_PER_WORKER,
) -> None:
    """Feed one worker after another until no name is left or `stop` is set."""
    worker, served = None, 0
    try:
        while not stop.is_set():
            try:
                name = names.get_nowait()
            except queue.Empty:
                break
            if worker is None or served >= per_worker:
                end(worker)
                worker, served = start_worker(module), 0
            outcome = ask(worker, name, groups[name], timeout, stop)
            served += 1
            if outcome is None or outcome.status in ("crash", "timeout"):
                end(worker)
                worker = None
            if outcome is not None:
                outcomes.put(outcome)
    except BaseException as error:
        outcomes.put(error)
    finally:
        end(worker)


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment for another one, in which `settings` hold."""
    # one thread each: the workers share the cores
    return {
        "TVM_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cpu",
        **os.environ,
        **settings,
    }


def groups_with(settings: Mapping[str, str]) -> dict[str, str]:
    """Group by name of the harnesses that another process with these variables set has."""
    command = [sys.executable, "-m", "tools.conformance.harnesses"]
    listed = subprocess.run(command, env=environment_of(settings), cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(listed.stdout.splitlines()[-1])


def start_worker(module: str = WORKER, settings: Mapping[str, str] = MappingProxyType({})) -> Worker:
    """A worker that has imported everything, with variables set in its environment."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open as long as the worker lives
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment_of(settings),
        cwd=ROOT,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=read_lines, args=(process, lines), daemon=True).start()
    worker = Worker(process, lines, log)
    message = receive(worker, START_TIMEOUT)
    if message is None or "ready" not in message:
        end(worker)
        raise RuntimeError(f"a worker did not start: {last_words(worker)}")
    return worker


def read_lines(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Move the lines of a worker to a queue, which can be waited for with a time limit."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def receive(worker: Worker, timeout: float) -> dict[str, Any] | None:
    """The next message; None if the worker died, queue.Empty is raised when time is up."""
    line = worker.lines.get(timeout=timeout)
    return None if line is None else json.loads(line)


def ask(
    worker: Worker, name: str, group: str, timeout: float, stop: threading.Event, export: Path | None = None
) -> Outcome | None:
    """Outcome of one harness, exported to a folder on request; None if the run was stopped."""
    deadline = time.monotonic() + timeout
    stage = "start"
    try:
        assert worker.process.stdin is not None
        worker.process.stdin.write(json.dumps({"name": name, "export": export and str(export)}) + "\n")
        worker.process.stdin.flush()
    except OSError:
        return Outcome(name, group, "crash", f"between harnesses: {last_words(worker)}")
    while not stop.is_set():
        if time.monotonic() > deadline:
            return Outcome(name, group, "timeout", f"in stage {stage}, after {timeout:g} s", timeout)
        try:
            message = receive(worker, 0.5)
        except queue.Empty:
            continue
        if message is None:
            return Outcome(name, group, "crash", shorten(f"in stage {stage}: {last_words(worker)}"))
        if "done" in message:
            return Outcome(**message["done"])
        stage = message["stage"]
    return None


def last_words(worker: Worker) -> str:
    """Exit code of a worker that died, and the last line it wrote."""
    code = worker.process.wait()
    worker.log.seek(0)
    lines = worker.log.read().decode(errors="replace").strip().splitlines()
    return f"exit code {code}{', ' + lines[-1] if lines else ''}"


def end(worker: Worker | None) -> None:
    """End a worker, whatever it is doing."""
    if worker is not None:
        worker.process.kill()
        worker.process.wait()


def in_fair_order(names: Sequence[str]) -> list[str]:
    """Slow groups spread over the run, so that the progress bar's estimate holds."""
    from .harnesses import digest

    return sorted(names, key=digest)
