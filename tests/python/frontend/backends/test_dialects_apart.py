"""Either dialect works where the other's code is gone; `make dialects-apart` runs more harnesses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.dialect_marks import DIALECT

pytest.importorskip("jax")

from tools.dialects_apart.run import copy_without, run_apart
from tools.support.outcome import PASS

OTHER = {"relay": "relax", "relax": "relay"}[DIALECT]
SAMPLE = 20


@pytest.fixture
def copy(tmp_path):
    """A folder with the package, without the other dialect's code."""
    deleted = copy_without(OTHER, tmp_path)
    assert f"backends/{OTHER}" in deleted and f"backends/{DIALECT}" not in deleted
    return tmp_path


def test_a_sample_passes_without_the_other_dialects_code(copy):
    outcomes = list(run_apart(copy, SAMPLE, jobs=1, timeout=120))
    assert len(outcomes) == SAMPLE
    assert [f"{o.name}: {o.status}: {o.message}" for o in outcomes if o.status != PASS] == []


def test_without_its_own_code_a_dialect_is_seen_to_fail(tmp_path):
    copy_without(DIALECT, tmp_path)
    code = "from tvm_hlo_frontend.backends.select import load_dialect; load_dialect()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and f"No module named 'tvm_hlo_frontend.backends.{DIALECT}" in done.stderr
