"""Processes that tools start and end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any


def end_session(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a session of its own, with all that it has started there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
