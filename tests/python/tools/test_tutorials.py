"""Which tutorials run with which TVM."""

from __future__ import annotations

import pytest

pytest.importorskip("nbclient", reason="tutorials need pip install -e '.[tutorials]'")

from tools.tutorials.__main__ import RELAX_ALONE, TUTORIALS, chosen


def test_each_tutorial_runs_with_one_tvm_by_default():
    relay, relax = chosen([], "relay"), chosen([], "relax")
    assert sorted([*relay, *relax]) == sorted(TUTORIALS.glob("*.py"))
    assert [script.name for script in relax] == list(RELAX_ALONE)


def test_a_name_chooses_with_either():
    assert chosen(["01_"], "relax") == chosen(["01_"], "relay") == [TUTORIALS / "01_jax_in_ten_lines.py"]
