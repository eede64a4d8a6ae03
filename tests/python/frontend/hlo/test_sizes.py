"""hlo/ir/sizes.py: arithmetic of sizes, their normal forms, and their text."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import Any

import pytest

from tvm_hlo_frontend.hlo.ir.shape import Symbol, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.ir.size_text import Arithmetic, evaluated
from tvm_hlo_frontend.hlo.ir.sizes import (
    Integer,
    Size,
    definite_sizes,
    element_count,
    expression,
    is_known,
    larger,
    may_be_at_most,
    parsed,
    size_of,
    smaller,
    substituted,
    variable,
    variables,
    variables_of,
)

N, M, K = variable("n"), variable("m_2"), variable("k")
PYTHON = Arithmetic(
    name={"n": 7, "m_2": 5, "k": 3}.__getitem__,
    number=int,
    floor_divide=operator.floordiv,
    modulo=operator.mod,
    calls={"max": max, "min": min},
)

# the text of a size, what it is computed as
FORMS: list[tuple[str, Integer]] = [
    ("n", N + 0),
    ("0", N - N),
    ("2*n + 1", 1 + N * 2),
    ("k + m_2 + n", K + (N + M)),
    ("m_2*n + n", N * (M + 1)),
    ("n**2 + 2*n + 1", (N + 1) * (N + 1)),
    ("3 - n", 3 - N),
    ("-n", -N),
    ("(n//2)", N // 2),
    ("n", 2 * N // 2),
    ("n", N * M // M),
    ("n + 1", (2 * N + 3) // 2),
    ("(n//6)", N // 2 // 3),
    ("((n + 1)//2)", (N - 1) // 2 + 1),
    ("((n + 1)//2)", -(-N // 2)),
    ("((n + 3)//4)", ((N - 1) // 2 + 1 - 1) // 2 + 1),
    ("n + ((n + 1)//2) + 2", (3 * N + 5) // 2),
    ("((2*n + 3)//5)", (4 * N + 7) // 10),
    ("(n//m_2)", N // M),
    ("(5//n)", 5 // N),
    ("(n%2)", N % 2),
    ("((n + 1)%2)", (3 * N - 1) % 2),
    ("(7%n)", 7 % N),
    ("0", 4 * N % 2),
    ("max(k, n)", larger(N, K)),
    ("max(k, m_2, n)", larger(larger(N, M), K)),
    ("max(0, n - 2)", larger(0, N - 2)),
    ("n + 2", larger(N + 2, 0)),
    ("1", smaller(N + 1, 1)),
    ("min(3, n)", smaller(N, 3)),
    ("((n + 3)//6)", ((N - 1) // 2 + 2) // 3),
    ("-((n + 1)//2)", -N // 2),
    ("2*(n%2) + 1", (2 * N + 1) % 4),
    ("0", 6 * N % 3),
    ("n + (k//m_2)", (N * M + K) // M),
    ("(k%m_2)", (N * M + K) % M),
    ("0", (N + M) * K % (N + M)),
    ("2*k", (2 * N + 2 * M) * K // (N + M)),
    ("(n//(2*m_2))", 3 * N * K // (6 * M * K)),
    ("(n//(k*m_2))", N // M // K),
    ("(n//3)", larger(2 * N, 4) // 6),
    ("max((k//2), (n//2))", larger(N, K) // 2),
    ("max(-1, 3 - ((n + 1)//2))", (6 - smaller(N, 7)) // 2),
    ("max(0, n - 4)", larger(larger(N - 2, 0) - 2, 0)),
    ("max(0, k - 2, n - 2)", larger(larger(N, K) - 2, 0)),
    ("max(1, n - 1)", larger(N - 2, 0) + 1),
    ("k + max(1, n - 1)", larger(N - 2, 0) + K + 1),
    ("(k//min(n - 2, n**2 - 2))", K // (smaller(N, N * N) - 2)),
    ("2*(max(2*n, 4)%3)", larger(2 * N, 4) * 2 % 6),
    ("((n**2 + n)//6)", N * (N + 1) // 6),
    ("((n**2 + n)//6)", size_of(parsed("n*(n + 1)//6"))),
]


@pytest.mark.parametrize(("text", "size"), FORMS)
def test_normal_form(text, size):
    assert str(size) == text
    assert size_of(parsed(text)) == size
    assert isinstance(size, int) == text.isdigit()


def test_sizes_are_values():
    assert N + 1 == 1 + N and hash(N + 1) == hash(1 + N)
    assert N + 1 != N + 2 and N != M and Symbol("n") != N and N != 7
    assert len({N, N * 1, M}) == 2
    assert f"{[N + 1, 3]} {N}" == "[n + 1, 3] n"


def test_what_is_unknown_of_a_size_is_no_guess():
    for use in (abs, lambda size: size < 3, lambda size: max(size, 3), range):
        with pytest.raises(TypeError):
            use(N)


# ---- random expressions, as Python's integers and as sizes

Node = tuple[Any, ...]
BINARY: dict[str, tuple[Callable[[int, int], int], Callable[[Integer, Integer], Integer]]] = {
    "+": (operator.add, operator.add),
    "-": (operator.sub, operator.sub),
    "*": (operator.mul, operator.mul),
    "//": (operator.floordiv, operator.floordiv),
    "%": (operator.mod, operator.mod),
    "max": (max, larger),
    "min": (min, smaller),
}
NAMES = {"n": N, "m_2": M, "k": K}


def random_node(choose: random.Random, depth: int) -> Node:
    if depth == 0 or choose.random() < 0.15:
        return (choose.choice(list(NAMES)),) if choose.random() < 0.6 else (choose.randint(-4, 6),)
    name = choose.choice(list(BINARY))
    left, right = random_node(choose, depth - 1), random_node(choose, depth - 1)
    if name in ("//", "%") and choose.random() < 0.8:
        right = (choose.choice([1, 2, 3, 4, 6, -2]),)
    return (name, left, right)


def value(node: Node, names: dict[str, Any], which: int) -> Any:
    if len(node) == 1:
        return names.get(node[0], node[0]) if isinstance(node[0], str) else node[0]
    name, left, right = node
    return BINARY[name][which](value(left, names, which), value(right, names, which))


@pytest.mark.parametrize("seed", range(150))
def test_random_expressions(seed):
    choose = random.Random(seed)
    node = random_node(choose, 4)
    try:
        size = value(node, NAMES, 1)
    except ZeroDivisionError:  # of a divisor that is 0 whatever the sizes are
        return
    assert size_of(expression(size)) == size
    assert size_of(parsed(str(size))) == size
    for _ in range(6):
        numbers = {name: choose.randint(0, 9) for name in NAMES}
        try:
            want = value(node, numbers, 0)
        except ZeroDivisionError:
            continue
        found = substituted(size, numbers)
        assert type(found) is int and found == want, (node, size, numbers)
        arithmetic = Arithmetic(numbers.__getitem__, int, operator.floordiv, operator.mod, {"max": max, "min": min})
        assert evaluated(str(size), arithmetic) == want, (node, size, numbers)
        half = substituted(size, {"n": numbers["n"], "k": numbers["k"]})
        assert substituted(half, {"m_2": numbers["m_2"]}) == want


@pytest.mark.parametrize("seed", range(40))
def test_what_is_proved_of_an_order_holds(seed):
    choose = random.Random(1000 + seed)
    a, b = (random_node(choose, 3) for _ in range(2))
    try:
        proved = not may_be_at_most(value(a, NAMES, 1), value(b, NAMES, 1))
    except ZeroDivisionError:
        return
    for _ in range(20):
        numbers = {name: choose.randint(0, 9) for name in NAMES}
        try:
            left, right = value(a, numbers, 0), value(b, numbers, 0)
        except ZeroDivisionError:
            continue
        assert not (proved and left <= right), (a, b, numbers)


@pytest.mark.parametrize(
    ("a", "b", "may"),
    [
        (2, 3, True), (3, 2, False), (N, N, True), (N + 1, N, False), (N, M, True), (0, N, True), (1, N, True),
        (N, -1, False), (N * M + 1, 0, False), (N // 2 + 1, 0, False), (N % 3, -1, False),
        (5, larger(N, 4), True),
    ],
)  # fmt: skip
def test_order(a, b, may):
    assert may_be_at_most(a, b) is may


# ---- text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("n - m_2 - k", -1), ("n - (m_2 - k)", 5), ("n//2//2", 1), ("n//(2//2)", 7), ("n*m_2//k", 11),
        ("n*(m_2//k)", 7), ("-n//2", -4), ("-(n//2)", -3), ("-n%3", 2), ("2*n**2", 98), ("(n//2)**2", 9),
        ("max(n, m_2 + k)%5", 3), ("min(n, m_2, k)", 3), ("n%m_2*k", 6),
    ],
)  # fmt: skip
def test_precedence_is_pythons(text, number):
    assert evaluated(text, PYTHON) == number == eval(text, {"n": 7, "m_2": 5, "k": 3})
    assert substituted(size_of(parsed(text)), {"n": 7, "m_2": 5, "k": 3}) == number


@pytest.mark.parametrize(
    "text",
    [
        "", "n +", "n.real", "n[0]", "abs(n)", "f(n, m)", "max()", "max(n)", "max(n, key=m)", "max(*n)", "n.max(m, k)",
        "n / 2", "n << 2", "n ** 16", "n ** -1", "n ** m", "n ** True", "(n + 1) ** 15", "(n ** 15) ** 15", "2.5",
        "True", "None", "'n'", "n < m", "n if m else k", "not n", "~n", "+n", "n; m", "lambda: n", "(n, m)", "n\0",
        "__import__('os')", "(" * 3000 + "n" + ")" * 3000, "n" + "+1" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is no size"):
        parsed(text)


@pytest.mark.parametrize("name", ["", "2n", "n-1", "n m", "if", "None", "True", " n", "n ", "n\n", "ﬁ"])
def test_what_cannot_name_a_size(name):
    with pytest.raises(ValueError, match="cannot name a size"):
        variable(name)


@pytest.mark.parametrize("name", ["max", "S", "I", "E", "pi", "N", "_", "β", "floor"])
def test_names_mean_nothing_else(name):
    size = (variable(name) + 3) // 2
    assert variables(size) == {name} and substituted(size, {name: 4}) == 3


def test_nothing_is_computed_with_a_symbol():
    with pytest.raises(ValueError, match="nothing is known of the size b"):
        larger(Symbol("b"), 3)
    with pytest.raises(ValueError, match="nothing is known of the size b"):
        N + Symbol("b")


# ---- values of sizes


def test_substitution_is_of_all_at_once():
    assert substituted(N - M, {"n": M, "m_2": N}) == M - N
    assert substituted(N + K, {"n": 4}) == K + 4
    assert substituted(N // M, {"n": 2 * M}) == 2
    assert substituted(5, {"n": 4}) == 5
    assert substituted(Symbol("n"), {"n": 4}) == Symbol("n")


@pytest.mark.parametrize("divide", [operator.floordiv, operator.mod])
def test_division_by_zero(divide):
    with pytest.raises(ZeroDivisionError):
        divide(N, 0)
    with pytest.raises(ZeroDivisionError, match=r"divides by zero where m_2 = 0, n = 3"):
        substituted(divide(N, M), {"n": 3, "m_2": 0})


def test_variables():
    assert variables(N // M + 2) == {"n", "m_2"}
    assert variables(3) == frozenset()
    shape = tuple_shape(array_shape("f32", (N, 3)), tuple_shape(array_shape("s8", (M + K, Symbol("u")))))
    assert variables_of(shape) == {"n", "m_2", "k"}


def test_sizes_of_a_shape():
    shape = array_shape("f32", (N, 3, M + 1))
    assert definite_sizes(shape) == (N, 3, M + 1)
    assert element_count(shape) == 3 * N * M + 3 * N
    assert element_count(array_shape("f32")) == 1
    assert str(shape) == "f32[n,3,m_2 + 1]"
    assert [is_known(size) for size in shape.dimensions] == [False, True, False]
    assert not shape.is_static
    with pytest.raises(TypeError, match="dimension 1 of"):
        definite_sizes(array_shape("f32", (N, Symbol("u"))))
    assert isinstance(N, Size)
