"""Marks of tests that are about one dialect alone."""

from __future__ import annotations

from typing import Any

import pytest

from tvm_hlo_frontend.backends.select import installed_dialect

DIALECT = installed_dialect()


def relay_only(reason: str) -> Any:
    """Mark of a test, or `pytestmark` of a file, that says nothing about Relax."""
    return _only("relay", reason)


def relax_only(reason: str) -> Any:
    """Mark of a test, or `pytestmark` of a file, that says nothing about Relay."""
    return _only("relax", reason)


def skip_file(dialect: str, reason: str) -> None:
    """Skip the rest of a file that imports what only the TVM with `dialect` has."""
    pytest.skip(_explained(dialect, reason), allow_module_level=True)


def _only(dialect: str, reason: str) -> Any:
    return pytest.mark.skipif(dialect != DIALECT, reason=_explained(dialect, reason))


def _explained(dialect: str, reason: str) -> str:
    return f"{dialect} only: {reason}"
