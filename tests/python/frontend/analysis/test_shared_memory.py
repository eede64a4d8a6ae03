"""When a result may be computed in the memory of an argument."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.analysis.shared_memory import Step, shared_values

UPDATE = (0,)
# name -> (steps, results, what lies in the memory of argument 0 if result 9 does)
CASES = {
    "an update of the argument": ([Step((0, 1), (9,), UPDATE)], [9], {0, 9}),
    "the argument itself": ([], [0], None),
    "what is read before": ([Step((0,), (2,)), Step((0, 2), (9,), UPDATE)], [9, 2], {0, 9}),
    "what is read behind": ([Step((0, 1), (9,), UPDATE), Step((0,), (2,))], [9, 2], None),
    "what reads the new elements": ([Step((0, 1), (9,), UPDATE), Step((9,), (2,))], [9, 2], {0, 9}),
    "one update after the other": ([Step((0, 1), (2,), UPDATE), Step((2, 1), (9,), UPDATE)], [9], {0, 2, 9}),
    "the first of two updates is a result": ([Step((0, 1), (2,), UPDATE), Step((2, 1), (9,), UPDATE)], [2, 9], None),
    "the first of two updates is read late": (
        [Step((0, 1), (2,), UPDATE), Step((2, 1), (9,), UPDATE), Step((2,), (3,))],
        [9, 3],
        None,
    ),
    "an argument that is a result too": ([Step((0, 1), (9,), UPDATE)], [0, 9], None),
    "a result that comes twice": ([Step((0, 1), (9,), UPDATE)], [9, 9], None),
    "what is computed anew": ([Step((0,), (9,))], [9], None),
    "an update of something else": ([Step((1, 0), (9,), UPDATE)], [9], None),
    "an update with the argument itself": ([Step((0, 0), (9,), UPDATE)], [9], None),
    "views around an update": (
        [Step((0,), (2,), view=True), Step((2, 1), (3,), UPDATE), Step((3,), (9,), view=True)],
        [9],
        {0, 2, 3, 9},
    ),
    "a view that is read behind": (
        [Step((0,), (2,), view=True), Step((0, 1), (9,), UPDATE), Step((2,), (3,))],
        [9, 3],
        None,
    ),
    "an update with a view of the argument": (
        [Step((0,), (2,), view=True), Step((0, 2), (9,), UPDATE)],
        [9],
        None,
    ),
    "a view of the result is a result": ([Step((0, 1), (9,), UPDATE), Step((9,), (2,), view=True)], [9, 2], None),
    "another operand of a kernel": ([Step((1, 0), (2, 9), (0, 1))], [2, 9], {0, 9}),
}


@pytest.mark.parametrize("name", CASES)
def test_result_shares_the_argument_only_where_the_old_elements_have_been_read(name):
    steps, results, wanted = CASES[name]
    assert shared_values(steps, 0, 9, results) == wanted


def test_argument_that_is_returned_unchanged_is_its_own_memory():
    assert shared_values([Step((0,), (1,))], 0, 0, [0, 1]) == {0}
