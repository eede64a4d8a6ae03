"""Which code runs here."""

from __future__ import annotations

from typing import Any

import tvm


def is_of_this_machine(target: Any) -> bool:
    """Whether code for a tvm.target.Target runs on this machine: a CPU's without a foreign triple."""
    here = tvm.target.Target("llvm").attrs["mtriple"]
    return bool(target.kind.name == "llvm" and dict(target.attrs).get("mtriple", here) == here)
