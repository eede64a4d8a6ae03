"""Settings of the whole suite."""

from __future__ import annotations

import gc
import os
import zlib
from typing import Any

import numpy as np
import pytest

# set before TVM or XLA start their thread pools; xdist runs one process per core
os.environ.setdefault("TVM_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.pop("TVM_HLO_FRONTEND_BUILD_CACHE", None)  # tests compile what they test


@pytest.fixture
def random(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator of the test's own, seeded by its name: what it draws is the same whichever tests ran before."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


def pytest_collection_finish() -> None:
    """Nothing that is imported or collected is ever garbage, so no later collection has to look at it."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: Any) -> None:
    """`--rule N`: only the tests that name rule N of HLO's semantics (docs/rules.md)."""
    parser.addoption("--rule", type=int, action="append", default=[], help="only tests that name this rule")


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    from tools.rules.model import rules_named

    wanted = set(config.getoption("--rule"))
    if wanted:
        named = [bool(wanted & rules_named(item.nodeid)) for item in items]
        config.hook.pytest_deselected(items=[item for item, is_named in zip(items, named) if not is_named])
        items[:] = [item for item, is_named in zip(items, named) if is_named]
    # else one process is left with them when the others have ended
    items.sort(key=lambda item: item.get_closest_marker("minutes") is None)
