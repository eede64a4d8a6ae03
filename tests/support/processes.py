"""Programs that run in a process of their own."""

from __future__ import annotations

import subprocess
import sys


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """What became of a Python program, which may fail; this process's Python runs it."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def run_without(package: str, script: str) -> subprocess.CompletedProcess[str]:
    """What became of a Python program that cannot import `package`."""
    return run_script(f"import sys; sys.modules[{package!r}] = None\n{script}")
