"""Runs tests on a copy of the repository in which one thing is broken."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import PACKAGE, Break, broken, node_id
from .recorder import JOURNAL

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("python", "tests", "tools")
# seconds for the tests of one break, and for all tests on the unbroken code
TIMEOUT, LONG_TIMEOUT = 600.0, 7200.0

KILLED, SURVIVED, NO_PROOF = "killed", "survived", "no proof"
WRONG_RESULT = "wrong result"
# a failure that speaks of the result: a wrong number, or an error that the package raises on purpose
_ASSERTIONS = ("AssertionError", "Failed")
_OWN_ERRORS = "HloFrontendError"


@dataclass(frozen=True)
class Verdict:
    """What became of one break.

    Attributes
    ----------
    status : str
        `KILLED`, `SURVIVED`, or `NO_PROOF` if the tests failed for another reason than a wrong result.
    how : str
        For instance ``wrong result`` or ``ConversionError``.
    message : str
        The beginning of the failure, or of what went wrong.
    """

    status: str
    how: str = ""
    message: str = ""


class Copy:
    """A copy of the repository of its own; tests in it import the copied package."""

    def __init__(self, folder: Path, source: Path = ROOT) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.egg-info")
        for name in FOLDERS:
            shutil.copytree(source / name, folder / name, ignore=ignored)
        shutil.copy2(source / "pyproject.toml", folder)

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(str(folder) for folder in (self.folder / "python", self.folder))
        # no bytecode: a changed file may have the size and the second of the one before
        return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", JOURNAL: str(self.folder / "journal")}

    def check(self) -> None:
        """RuntimeError unless the copied package is the one that is imported."""
        program = "import tvm_hlo_frontend; print(tvm_hlo_frontend.__file__)"
        done = self.run([sys.executable, "-c", program])
        if not done.stdout.strip().startswith(str(self.folder)):
            raise RuntimeError(f"the tests would import {done.stdout.strip() or done.stderr}")

    def run(self, command: Sequence[str], timeout: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pytest(
        self, tests: Sequence[str], *options: str, timeout: float = TIMEOUT
    ) -> tuple[int, list[dict[str, Any]], str]:
        """(exit code, events of the recorder, output) of some tests."""
        journal = self.folder / "journal"
        journal.write_text("")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "tools.rules.recorder",
            *options,
        ]
        done = self.run([*command, *(node_id(self.folder, test) for test in tests)], timeout)
        events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        return done.returncode, events, done.stdout + done.stderr

    def verdict(self, change: Break) -> Verdict:
        """Make the change, run its tests, and take the change back."""
        try:
            path, new = broken(self.folder / PACKAGE, change)
        except ValueError as error:
            return Verdict(NO_PROOF, "no such text", str(error))
        text = path.read_text(encoding="utf-8")
        try:
            path.write_text(new, encoding="utf-8")
            return judge(*self.pytest(change.tests, "-x"))
        except subprocess.TimeoutExpired:
            return Verdict(NO_PROOF, "time is up")
        finally:
            path.write_text(text, encoding="utf-8")


def judge(code: int, events: Sequence[Mapping[str, Any]], output: str) -> Verdict:
    """What a run of pytest with one thing broken says."""
    error = next((event for event in events if event["event"] == "error"), None)
    if error is not None:
        classes, message = error["classes"], error["message"].strip()
        if error["when"] != "call":
            return Verdict(NO_PROOF, f"{classes[0]} in {error['when']}", message)
        if any(name in classes for name in _ASSERTIONS) and PACKAGE not in error["file"]:
            return Verdict(KILLED, WRONG_RESULT, message)
        if _OWN_ERRORS in classes:
            return Verdict(KILLED, classes[0], message)
        return Verdict(NO_PROOF, classes[0], message)
    started = [event["test"] for event in events if event["event"] == "start"]
    ended = [event["test"] for event in events if event["event"] == "end"]
    if code < 0 and len(started) > len(ended):
        return Verdict(KILLED, f"the process died of {signal.Signals(-code).name}", started[-1])
    if code == 0 and ended:
        return Verdict(SURVIVED)
    return Verdict(NO_PROOF, f"pytest ended with {code}", output[-2000:])


def passing(copy: Copy, tests: Sequence[str]) -> set[str]:
    """Those of `tests` that pass as things are; one that stands for several cases passes if all of them do.

    Raises
    ------
    RuntimeError
        If pytest runs none of them, as when one does not exist.
    """
    _, events, output = copy.pytest(sorted(set(tests)), timeout=LONG_TIMEOUT)
    outcomes = {event["test"]: event["outcome"] for event in events if event["event"] == "end"}
    if not outcomes:
        raise RuntimeError(output[-4000:])

    def passes(test: str) -> bool:
        own = [outcome for name, outcome in outcomes.items() if belongs(name, node_id(copy.folder, test))]
        return bool(own) and all(outcome == "passed" for outcome in own)

    return {test for test in tests if passes(test)}


def belongs(node_id: str, selected: str) -> bool:
    """Whether pytest runs `node_id` for the argument `selected`."""
    return node_id == selected or node_id.startswith((f"{selected}[", f"{selected}::"))


def run_all(original: Copy, changes: Sequence[Break], jobs: int) -> Iterator[tuple[Break, Verdict]]:
    """Verdicts as they come, from `jobs` copies of the copy `original` at a time."""
    todo: queue.Queue[Break] = queue.Queue()
    for change in changes:
        todo.put(change)
    done: queue.Queue[tuple[Break, Verdict] | BaseException] = queue.Queue()
    threads = [threading.Thread(target=_serve, args=(original, todo, done), daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for _ in changes:
        found = done.get()
        if isinstance(found, BaseException):
            raise found
        yield found
    for thread in threads:  # they remove their copies
        thread.join()


def _serve(original: Copy, todo: queue.Queue[Break], done: queue.Queue[tuple[Break, Verdict] | BaseException]) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="rules-") as folder:
            copy = Copy(Path(folder), original.folder)
            copy.check()
            while True:
                change = todo.get_nowait()
                done.put((change, copy.verdict(change)))
    except queue.Empty:
        return
    except BaseException as error:
        done.put(error)
