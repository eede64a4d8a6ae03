"""Settings of the whole suite."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# set before TVM or XLA start their thread pools; xdist runs one process per core
os.environ.setdefault("TVM_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "tests" / "python" / "frontend", ROOT / "tools"):
    sys.path.insert(0, str(folder))


def pytest_addoption(parser: Any) -> None:
    """`--rule N`: only the tests that name rule N of HLO's semantics (docs/rules.md)."""
    parser.addoption("--rule", type=int, action="append", default=[], help="only tests that name this rule")


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    from rules.model import rules_named

    wanted = set(config.getoption("--rule"))
    if wanted:
        named = [bool(wanted & rules_named(item.nodeid)) for item in items]
        config.hook.pytest_deselected(items=[item for item, is_named in zip(items, named) if not is_named])
        items[:] = [item for item, is_named in zip(items, named) if is_named]
