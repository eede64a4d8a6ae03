"""Whether results agree up to rounding, and where they do not."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tvm_hlo_frontend.oracle.agreement import disagreement, rounded_otherwise

ONES = np.ones((2, 3), "float32")
INFINITE = np.array([1, np.inf, np.nan], "float32")

# got, wanted, tolerance, first wrong element and how many; None where they agree
CASES = {
    "equal": (ONES, ONES, None, None),
    "rounding": (ONES * 1.0005, ONES, None, None),
    "beyond rounding": (ONES * 1.01, ONES, None, ((0, 0), 6)),
    "a tolerance of one's own": (ONES * 1.01, ONES, 0.1, None),
    "small elements beside large ones": (np.float32([1e-4, 1]), np.float32([0, 1]), None, None),
    "not finite alike": (INFINITE, INFINITE, None, None),
    "not finite otherwise": (np.float32([1, -np.inf, np.nan]), INFINITE, None, ((1,), 1)),
    "a number beside NaN": (np.float32([1, np.inf, 0]), INFINITE, None, ((2,), 1)),
    "integers": (np.array([1, 2]), np.array([1, 3]), 1.0, ((1,), 1)),
    "truth values": (np.array([True]), np.array([True]), None, None),
    "bfloat16": (np.array([1.03], ml_dtypes.bfloat16), np.array([1], ml_dtypes.bfloat16), None, None),
    "complex": (np.array([1 + 2j], "complex64"), np.array([1 + 1j], "complex64"), None, ((0,), 1)),
    "nothing": (np.zeros((0, 2), "float32"), np.zeros((0, 2), "float32"), None, None),
}


@pytest.mark.parametrize("name", CASES)
def test_results_agree_or_the_first_wrong_element_is_found(name):
    got, wanted, tolerance, expected = CASES[name]
    found = disagreement([wanted, got], [wanted, wanted], tolerance)
    if expected is None:
        assert found is None
    else:
        assert (found.result, found.where, found.wrong, found.size) == (1, *expected, got.size)
        assert found.got == got[found.where] and found.got != found.wanted


def test_other_shapes_and_types_are_told():
    found = disagreement([ONES], [ONES.astype("float64")])
    assert found.kind == "float32[2, 3] instead of float64[2, 3]"


def test_what_rounding_makes_of_the_arguments_is_allowed():
    x = np.float32([1 / 3, 1.0, 1e4])

    def cancels(arrays):
        return [((arrays[0] + np.float32(1e4)) - np.float32(1e4) - arrays[0]).astype("float32")]

    wanted = cancels([x])
    got = [wanted[0] + np.float32(2e-3)]
    assert disagreement(got, wanted) is not None
    assert disagreement(got, wanted, None, [x], cancels) is None
    assert disagreement([wanted[0] + 20], wanted, None, [x], cancels) is not None


def test_rounding_otherwise_moves_floats_by_a_unit():
    moved = rounded_otherwise(ONES)
    assert moved.dtype == ONES.dtype and (moved != ONES).all() and np.abs(moved - 1).max() < 2e-7
    np.testing.assert_array_equal(rounded_otherwise(np.arange(3)), np.arange(3))
