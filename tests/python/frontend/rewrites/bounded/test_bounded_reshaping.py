"""reshape and dynamic-reshape along dimensions of bounded size (rule 90)."""

import numpy as np
import pytest

from tests.support.bounded import BoundedCase, check_case

CASES = [
    BoundedCase("rows_to_one", "ROOT r = f32[<=18] reshape(x)", lambda x, w, v: x.reshape(-1)),
    BoundedCase(
        "and_back",
        "y = f32[<=18] reshape(x) ROOT r = f32[<=6,1,3] reshape(y)",
        lambda x, w, v: x.reshape(-1, 1, 3),
    ),
    BoundedCase("ones", "ROOT r = f32[1,<=6,1,3] reshape(x)", lambda x, w, v: x[None, :, None]),
    BoundedCase("split_behind", "ROOT r = f32[<=6,3,1] reshape(x)", lambda x, w, v: x[..., None]),
    BoundedCase(
        "halves",
        "ROOT r = f32[<=3,2] reshape(v)",
        lambda x, w, v: v.reshape(-1, 2),
        [(1, 2), (1, 0), (1, 6), (1, 4)],
    ),
    BoundedCase("columns", "ROOT r = f32[<=18] reshape(w)", lambda x, w, v: w.reshape(-1)),
    BoundedCase(
        "columns_and_back",
        "y = f32[<=18] reshape(w) ROOT r = f32[3,<=6] reshape(y)",
        lambda x, w, v: w,
        [(1, 2), (1, 6), (1, 5), (1, 0)],
    ),
    BoundedCase(
        "two",
        "p = f32[<=6,<=6] dot(x, w), lhs_contracting_dims={1}, rhs_contracting_dims={0} ROOT r = f32[<=36] reshape(p)",
        lambda x, w, v: (x @ w).reshape(-1),
    ),
    BoundedCase(
        "given",
        "c = s32[] constant(2) d = s32[] divide(n, c) ROOT r = f32[<=3,2] dynamic-reshape(v, d, c)",
        lambda x, w, v: v.reshape(-1, 2),
        [(1, 2), (1, 0), (1, 6), (1, 4)],
    ),
    BoundedCase(
        "given_columns",
        "c = s32[] constant(3) d = s32[] multiply(n, c) ROOT r = f32[<=18] dynamic-reshape(w, d)",
        lambda x, w, v: w.reshape(-1),
    ),
    BoundedCase(
        "given_other_columns",
        "c = s32[] constant(3) d = s32[] multiply(n, c) y = f32[<=18] dynamic-reshape(w, d)"
        " two = s32[] constant(2) e = s32[] divide(n, two) ROOT r = f32[<=3,6] dynamic-reshape(y, e, c)",
        lambda x, w, v: w.reshape(-1, 6),
        [(1, 2), (1, 6), (1, 4)],
    ),
    BoundedCase(
        "given_both",
        "three = s32[] constant(3) ROOT r = f32[<=6,3] dynamic-reshape(w, n, three)",
        lambda x, w, v: w.reshape(-1, 3),
    ),
    BoundedCase(
        "promised",
        "c = s32[] constant(2) d = s32[] constant(9) ROOT r = f32[2,9] dynamic-reshape(w, c, d)",
        lambda x, w, v: w.reshape(2, 9),
        [(1, 6)],
    ),
    BoundedCase(
        "inner",
        "t = f32[2,3,<=6] broadcast(w), dimensions={1,2} ROOT r = f32[6,<=6] reshape(t)",
        lambda x, w, v: np.concatenate([w, w]),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule_90_elements_before_the_sizes_stay_in_order(case):
    check_case(case)
