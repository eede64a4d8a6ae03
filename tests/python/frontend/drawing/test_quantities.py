"""Numbers for people."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.drawing.quantities import quantity


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (12, "12"), (1500, "1.5 k"), (999_900, "1000 k"), (3_100_000_000, "3.1 G"), (0.5, "0.5")],
)
def test_quantities_have_few_digits(number, text):
    assert quantity(number) == text
