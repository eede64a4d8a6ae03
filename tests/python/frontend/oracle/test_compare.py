"""compare from Python: its tables, its pictures, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_hlo_frontend import SignatureError, compare

HLO = """HloModule m ENTRY e { x = f32[4] parameter(0) y = f32[4] parameter(1)
  t = f32[4] tanh(x), metadata={op_name="the<layer>" op_type="Tanh"} s = f32[4] add(t, y)
  ROOT r = (f32[4], f32[4]) tuple(s, y) }"""
WRONG = {"tanh": lambda ctx, instruction, x: ctx.map("sine", x.element_type, [x])}
X, Y = np.array([0.5, -1.0, 2.0, 0.25], "float32"), np.ones(4, "float32")


def test_results_that_are_the_same():
    report = compare(HLO, X, Y)
    assert report.same and report.first is None and not report.differing
    np.testing.assert_allclose(report.comparison.tvm[0], np.tanh(X) + Y, rtol=1e-6)
    lines = str(report).splitlines()
    assert len(lines) == 3 and lines[1].split() == ["0", "float32[4]", "0", lines[1].split()[3], "same"]
    assert report._repr_html_().count("<tr>") == 3 and "<pre>" not in report._repr_html_()
    drawn = compare(HLO)
    assert drawn.same and np.unique(drawn.comparison.xla[0]).size == 4


def test_the_first_instruction_that_differs_is_named():
    told = []
    report = compare(HLO, X, Y, custom_converters=WRONG, tell=told.append)
    assert not report.same and report.first.instruction.opcode == "tanh" and told
    np.testing.assert_allclose(report.first.xla, np.tanh(X), rtol=1e-6)
    assert "first instruction that differs:" in str(report) and "tanh(" in str(report)
    assert "the<layer>" in str(report) and f"TVM {np.sin(X)[0]:.7f}"[:-2] in str(report)
    html = report._repr_html_()
    assert "the&lt;layer&gt;" in html and "the<layer>" not in html and "by itself" in html


def test_sizes_that_are_no_numbers_are_refused():
    with pytest.raises(SignatureError, match="whose sizes data tell"):
        compare("HloModule m ENTRY e { ROOT x = f32[<=4] parameter(0) }")
