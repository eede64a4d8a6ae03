"""What equalities of sizes say of unknown ones."""

import itertools

import pytest

from tvm_hlo_frontend.analysis.solved_sizes import bounding, lower_bound, solution
from tvm_hlo_frontend.hlo.ir.open_module import SizeCheck
from tvm_hlo_frontend.hlo.ir.sizes import Size, parsed, size_of, substituted, variables


def size(text):
    return size_of(parsed(text))


# left, right, the size that is told, and what it is
SOLVED = [
    ("b", "3", "b", "3"),
    ("b", "n", "n", "b"),
    ("2*b", "2*n", "n", "b"),
    ("n + 1", "m*k", "n", "m*k - 1"),
    ("x", "4*(x//4)", "x", "4*x_per_4"),
    ("x", "2*((x - 1)//2) + 1", "x", "2*x_per_2 + 1"),
    ("x%3", "0", "x", "3*x_per_3"),
    ("x%3", "2", "x", "3*x_per_3 + 2"),
]


@pytest.mark.parametrize(("left", "right", "name", "value"), SOLVED)
def test_an_equality_tells_one_size(left, right, name, value):
    found = solution(SizeCheck(size(left), "==", size(right)), ())
    assert found == {name: size(value)}
    check = SizeCheck(substituted(size(left), found), "==", substituted(size(right), found))
    assert solution(check, ()) == {}, "nothing is left to be told"


@pytest.mark.parametrize("text", ["b", "max(b, n)", "b*n"])
def test_what_always_holds_or_tells_nothing(text):
    assert solution(SizeCheck(size(text), "==", size(text)), ()) == {}
    assert solution(SizeCheck(size(text), ">=", 3), ()) == {}


def test_sizes_of_shapes_stay_and_those_of_values_go():
    check = SizeCheck(Size("a"), "==", Size("b"))
    assert solution(check, ("a",)) == {"a": Size("b")}
    assert solution(check, ("b",)) == {"b": Size("a")}


def test_products_do_not_tell_a_factor():
    assert solution(SizeCheck(size("b*n"), "==", size("c*m")), ()) == {}


BOUNDS = [("b", ">=", 1, ("b", 1)), ("b", ">", 1, ("b", 2)), ("b - 1", ">=", 2, ("b", 3)), ("b*n", ">=", 1, None),
          ("2*b", ">=", 1, ("b", 1)), ("2*b - 2", ">=", 1, ("b", 2)), ("b", "==", 1, None),
          ("b*b", ">=", 1, None)]  # fmt: skip


@pytest.mark.parametrize(("left", "relation", "right", "bound"), BOUNDS)
def test_lower_bounds(left, relation, right, bound):
    check = SizeCheck(size(left), relation, right)
    assert lower_bound(check) == bound
    if bound is not None:
        name, least = bound
        held = [value for value in range(8) if eval(f"{left} {relation} {right}", {name: value})]
        assert held == list(range(least, 8))
        assert variables(check.left) == {name}


UPPER_BOUNDS = [("6 - b", ">=", 0, 6), ("6 - b", ">", 0, 5), ("7 - 2*b", ">=", 0, 3), ("-b", ">=", -4, 4)]


@pytest.mark.parametrize(("left", "relation", "right", "most"), UPPER_BOUNDS)
def test_upper_bounds(left, relation, right, most):
    """In the words of a user: what b may be at most."""
    check = SizeCheck(size(left), relation, right, "here")
    assert bounding(check) == SizeCheck(Size("b"), "<=", most, "here")
    assert lower_bound(check) is None
    assert [b for b in range(9) if eval(f"{left} {relation} {right}", {"b": b})] == list(range(most + 1))


def test_solutions_hold_for_all_numbers():
    for left, right, name, value in SOLVED:
        names = sorted(variables(size(value))) if isinstance(size(value), Size) else []
        for numbers in itertools.product(range(4), repeat=len(names)):
            given = dict(zip(names, numbers))
            told = {**given, name: substituted(size(value), given)}
            assert substituted(size(left), told) == substituted(size(right), told)
