"""From shapes of arrays to unknown sizes, and what is said of shapes that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_hlo_frontend import SignatureError
from tvm_hlo_frontend.backends.signature import Parameter
from tvm_hlo_frontend.deploy.open_sizes import OpenSizes, open_sizes, size_of_text
from tvm_hlo_frontend.hlo.ir.open_module import SizeCheck
from tvm_hlo_frontend.hlo.ir.sizes import parsed, variable, variables

B, N = variable("b"), variable("n")


def taking(*dimensions, values=None, checks=(), names="xyz"):
    """Sizes of inputs x, y, z of f32 with these dimensions; an input that a value names is a scalar of s32."""
    values = values or {}
    inputs = [
        Parameter(name, "s32" if number in values.values() else "f32", each, "f32")
        for number, (name, each) in enumerate(zip(names, dimensions))
    ]
    texts = [size for each in dimensions for size in each if isinstance(size, str)]
    needed = {symbol.name for text in texts for symbol in parsed(text).free_symbols} | set(values)
    needed |= {name for check in checks for size in (check.left, check.right) for name in _names(size)}
    return open_sizes(inputs, values, checks, needed)


def _names(size):
    return () if isinstance(size, int) else variables(size)


def arrays(*shapes):
    """Arrays of these shapes; for a number a scalar with its value."""
    return [np.int32(each) if isinstance(each, int) else np.zeros(each, "float32") for each in shapes]


SOLVED = [
    ([("b", 3)], [(5, 3)], {"b": 5}),
    ([("2*b + 1",)], [(7,)], {"b": 3}),
    ([("2*b + 1",), ("b",)], [(7,), (3,)], {"b": 3}),
    ([("b",), ("b + n",)], [(2,), (2,)], {"b": 2, "n": 0}),
    ([("b + n",), ("2*n",)], [(9,), (4,)], {"n": 2, "b": 7}),
    ([("b*n",), ("b",)], [(12,), (3,)], {"b": 3, "n": 4}),
    ([("6 - b",)], [(4,)], {"b": 2}),
    ([("b", "max(b, 4)", "(b//2)", "(b%3)")], [(5, 5, 2, 2)], {"b": 5}),
    ([("b", "(n//2) + 3*n", "n")], [(1, 17, 5)], {"b": 1, "n": 5}),
    ([("b**2", "b")], [(9, 3)], {"b": 3}),
    ([()], [()], {}),
    ([("b",)], [(0,)], {"b": 0}),
]


@pytest.mark.parametrize(("dimensions", "shapes", "wanted"), SOLVED)
def test_sizes_follow_from_shapes(dimensions, shapes, wanted):
    assert taking(*dimensions).of_call([np.zeros(shape, "float32") for shape in shapes]) == wanted


def test_values_are_sizes_and_help_with_dimensions():
    sizes = taking(("n + b",), (), values={"n": 1})
    assert sizes.of_call(arrays((7,), 3)) == {"n": 3, "b": 4}
    both = taking(("n",), (), values={"n": 1})
    assert both.of_call(arrays((7,), 7)) == {"n": 7}
    with pytest.raises(
        SignatureError, match="value of `y` is 3; the program needs n, which is 7 by dimension 0 of `x`"
    ):
        both.of_call(arrays((7,), 3))


REFUSED = [
    (taking(("b",)), [(2,), (3,)], "the program takes 1 arrays (x), not 2"),
    (taking(("b", 3)), [(2,)], "`x` is float32[2]; the program needs float32[b, 3]"),
    (taking(("b", 3)), [(2, 4)], "dimension 1 of `x` is 4; the program needs 3"),
    (taking(("b",), ("b",)), [(4,), (3,)],
     "dimension 0 of `y` is 3; the program needs b, which is 4 by dimension 0 of `x`"),
    (taking(("2*n",)), [(7,)], "dimension 0 of `x` is 7; the program needs 2*n, a multiple of 2"),
    (taking(("2*n + 1",)), [(6,)], "dimension 0 of `x` is 6; the program needs 2*n + 1, which it is for no n >= 0"),
    (taking(("n + 3",)), [(1,)], "dimension 0 of `x` is 1; the program needs n + 3, which it is for no n >= 0"),
    (taking(("6 - n",)), [(8,)], "dimension 0 of `x` is 8; the program needs 6 - n, which it is for no n >= 0"),
    (taking(("b",), ("b + 2*n",)), [(4,), (3,)],
     "dimension 0 of `y` is 3; the program needs b + 2*n, which it is for no n >= 0 as b is 4 by dimension 0 of `x`"),
    (taking(("b",), ("b*n",)), [(0,), (0,)],
     "dimension 0 of `y` is 0; the program needs b*n, which does not tell n as b is 0 by dimension 0 of `x`"),
    (taking(("b", "n"), ("b + n",)), [(1, 2), (4,)],
     "dimension 0 of `y` is 4; the program needs b + n, which is 3 as b is 1 by dimension 0 of `x` and n is 2 by "
     "dimension 1 of `x`"),
    (taking(("b",), ("(6//b)",)), [(0,), (3,)], "the size 6//b divides by 0 as b is 0 by dimension 0 of `x`"),
    (taking((), values={"n": 0}), [-2], "the value of `x` is -2; the program needs a size, n >= 0"),
    (taking(("b",), checks=[SizeCheck(B, ">=", 1)]), [(0,)], "the program needs b >= 1; b is 0 by dimension 0 of `x`"),
    (taking(("b",), ("n",), checks=[SizeCheck(B % 2, "==", N % 2, "the reshape")]), [(1,), (2,)],
     "the program needs b%2 == n%2 (the reshape); b is 1 by dimension 0 of `x`, n is 2 by dimension 0 of `y`"),
    (taking(("b",), checks=[SizeCheck(8 // B, "<", 9)]), [(0,)],
     "the program needs 8//b < 9; b is 0 by dimension 0 of `x`"),
]  # fmt: skip


@pytest.mark.parametrize(("sizes", "shapes", "wanted"), REFUSED)
def test_one_sentence_says_what_does_not_fit(sizes, shapes, wanted):
    with pytest.raises(SignatureError) as caught:
        sizes.of_call(arrays(*shapes))
    assert _plain(str(caught.value)) == _plain(wanted)


def _plain(text):
    """Without parentheses, which the normal form of sizes may have, and sums in any order."""
    return text.replace("(", "").replace(")", "").replace("6 - n", "-n + 6")


def test_a_wrong_dtype_is_named():
    with pytest.raises(SignatureError, match=r"`x` is float64\[2\]; the program needs float32\[b\]"):
        taking(("b",)).of_call([np.zeros(2)])


UNKNOWN = [
    (lambda: taking(("b + n",)), "no dimension and no value of an input tells the unknown size b"),
    (lambda: taking(("max(b, 4)",)), "tells the unknown size b"),
    (lambda: taking((3,), checks=[SizeCheck(N, ">", 1)]), "tells the unknown size n"),
    (lambda: taking((3,), values={"n": 0}), "the value of `x` cannot be the size n: it is no integer"),
    (lambda: taking_text("?"), "a dimension is '?', of which nothing is known"),
]


def taking_text(text):
    return open_sizes([Parameter("x", "f32", (text,), "f32")], {}, (), ())


@pytest.mark.parametrize(("make", "message"), UNKNOWN)
def test_what_cannot_be_told_is_an_error_at_once(make, message):
    with pytest.raises(SignatureError) as caught:
        make()
    assert message in str(caught.value)


NUMBERS = [
    ({"b": 1}, "the unknown sizes are b, n, not b"),
    ({"b": 1, "n": 2, "m": 3}, "the unknown sizes are b, n, not b, n, m"),
    ({"b": 1, "n": -2}, "sizes are at least 0; n is -2"),
    ({"b": 0, "n": 2}, "the program needs b >= 1; b is 0"),
]


@pytest.mark.parametrize(("numbers", "message"), NUMBERS)
def test_sizes_that_are_given_are_checked(numbers, message):
    sizes = taking(("b", "n"), checks=[SizeCheck(B, ">=", 1)])
    assert list(sizes.of_numbers({"n": 2, "b": 1}).items()) == [("b", 1), ("n", 2)]
    with pytest.raises(SignatureError) as caught:
        sizes.of_numbers(numbers)
    assert str(caught.value) == message


def test_a_thousand_wrong_shapes_are_signature_errors_and_nothing_else():
    random = np.random.default_rng(0)
    sizes = taking(("b", "2*n + 1"), ("n", "b*n", 3), ("(b//2)", "max(b, n) - 2"), checks=[SizeCheck(B * N, "<=", 40)])
    refused = 0
    for _ in range(1000):
        ranks = random.integers(0, 4, 3) if random.random() < 0.2 else (2, 3, 2)
        shapes = [tuple(random.integers(0, 6, rank)) for rank in ranks]
        given = arrays(*shapes)[: random.choice([3, 3, 3, 2])]
        try:
            numbers = sizes.of_call(given)
        except SignatureError:
            refused += 1
        else:
            assert fits(numbers, shapes)
    assert refused > 900
    assert isinstance(sizes, OpenSizes) and sizes.of_call(arrays((3, 5), (2, 6, 3), (1, 1))) == {"b": 3, "n": 2}


def fits(numbers, shapes):
    b, n = numbers["b"], numbers["n"]
    return shapes == [(b, 2 * n + 1), (n, b * n, 3), (b // 2, max(b, n) - 2)] and b * n <= 40


def test_texts_become_sizes():
    assert size_of_text("2*b + n - n") == 2 * B and size_of_text(4) == 4 and size_of_text("3 + 1") == 4


@pytest.mark.parametrize("number", [2.5, "x", None])
def test_numbers_that_are_none(number):
    sizes = open_sizes([Parameter("x", "f32", ("n",), "f32")], {}, (), ("n",))
    with pytest.raises(SignatureError, match=f"sizes are whole numbers; n is {number!r}"):
        sizes.of_numbers({"n": number})
