"""A file that is held alone while something is timed, and with others while something is prepared."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator


class Lock:
    """The file at a path; no path, no lock.

    Who waits to be alone holds a second file, which all ask for first, so that no others come before it.
    """

    def __init__(self, path: str) -> None:
        self.files = [open(name, "a") for name in (f"{path}.turn", path)] if path else []  # noqa: SIM115

    def shared(self) -> contextlib.AbstractContextManager[None]:
        return self._held(fcntl.LOCK_SH)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        return self._held(fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _held(self, kind: int) -> Iterator[None]:
        if self.files:
            turn, lock = self.files
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(lock, kind)
            fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            for file in self.files:
                fcntl.flock(file, fcntl.LOCK_UN)
