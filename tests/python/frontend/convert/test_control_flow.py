"""while and conditional (rules 77-79) against XLA, through `build` and plain Relay's virtual machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import check

from tests.support.emitted import calls_of
from tvm_hlo_frontend import build, from_jax
from tvm_hlo_frontend.backends import loops
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.convert.ops import control_flow
from tvm_hlo_frontend.rewrites import unroll_loops

X = np.linspace(-2, 2, 6, dtype="float32").reshape(2, 3)


def hlo_of(function, *args):
    lowered = jax.jit(function, keep_unused=True).lower(*args)
    return lowered.compiler_ir("hlo").as_serialized_hlo_module_proto()


def counted(x, n):
    return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 1.5 + x), (jnp.int32(0), x))


def nested(x):
    def outer(i, state):
        inner = lambda s: (s[0] + 1, s[1] + jnp.float32(0.5) * s[0].astype("float32"))  # noqa: E731
        return state + lax.while_loop(lambda s: s[0] <= i, inner, (jnp.int32(0), x))[1]

    return lax.fori_loop(0, 4, outer, x)


def scanned(x):
    def step(carry, row):
        carry = jnp.tanh(carry + row)
        return carry, (carry * 2, {"a": row})

    return lax.scan(step, jnp.zeros(3, "float32"), x)


def branch_in_loop(x):
    def body(i, state):
        return lax.cond(i % 2 == 0, lambda s: s + i, lambda s: s * jnp.float32(2), state)

    return lax.fori_loop(0, 5, body, x)


def tuples_of_tuples(x):
    body = lambda s: ((s[0][1], s[0][0] + 1), s[1] - 1)  # noqa: E731
    return lax.while_loop(lambda s: s[1] > 0, body, ((x, x * 2), jnp.int32(5)))


def matrix_loop(x):
    return lax.fori_loop(0, 3, lambda i, m: jnp.dot(m, m) * jnp.float32(0.1), x @ x.T)


def large_constant(x):
    table = jnp.asarray(np.random.default_rng(0).normal(size=(2, 64)).astype("float32"))
    return lax.fori_loop(0, 3, lambda i, s: s + table, jnp.zeros((2, 64), "float32")) + x[:, :1]


CASES = {
    "rule_78 while, trips": (counted, X, np.int32(7)),
    "rule_78 while, zero trips": (counted, X, np.int32(-1)),
    "rule_78 nested while": (nested, X),
    "rule_78 scan": (scanned, X),
    "rule_77 conditional in while": (branch_in_loop, X),
    "rule_79 tuples of tuples": (tuples_of_tuples, X),
    "rule_78 dot in the body": (matrix_loop, X),
    "rule_78 large constant in the body": (large_constant, X),
}


@pytest.mark.parametrize("name", CASES)
def test_loops(name):
    function, *args = CASES[name]
    check(hlo_of(function, *args), args)


def not_one_kernel(monkeypatch):
    monkeypatch.setattr(control_flow, "match_array_loop", lambda *_: None)
    monkeypatch.setattr(unroll_loops, "match_array_loop", lambda *_: None)


@pytest.fixture(params=["one kernel", "trip by trip"])
def loops_stay_loops(monkeypatch, request):
    monkeypatch.setattr(unroll_loops, "MAX_INSTRUCTIONS", -1)
    if request.param == "trip by trip":
        not_one_kernel(monkeypatch)


@pytest.mark.parametrize("name", CASES)
def test_loops_that_are_not_unrolled(name, loops_stay_loops):
    function, *args = CASES[name]
    check(hlo_of(function, *args), args)


@pytest.mark.parametrize("trips", [1, 2, 3, 7, 64, 1000])
def test_rule_78_counted_loops_run_as_often_as_they_say(trips, loops_stay_loops):
    def function(x):
        return jax.lax.fori_loop(0, trips, lambda _, state: jnp.cumsum(state) * np.float32(0.5), x)

    x = np.arange(4, dtype=np.float32)
    check(hlo_of(function, x), [x], rtol=1e-4)


@pytest.mark.parametrize("name", ["rule_78 while, trips", "rule_77 conditional in while"])
def test_loops_through_the_plain_virtual_machine(name, loops_stay_loops):
    function, *args = CASES[name]
    check(hlo_of(function, *args), args, plain="vm")


@pytest.mark.parametrize("index", [-5, -1, 0, 1, 2, 3, 7])
def test_rule_77_index_out_of_range_takes_the_last_branch(index):
    from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
    from tvm_hlo_frontend.hlo.ir.shape import array_shape

    shape = array_shape("f32", (2, 3))
    branches = []
    for opcode in ("negate", "abs", "sine"):
        branch = ComputationBuilder(opcode)
        branches.append(branch.build(branch.add(opcode, [branch.parameter(0, shape)])))
    main = ComputationBuilder("main")
    selector, x = main.parameter(0, array_shape("s32")), main.parameter(1, shape)
    root = main.add("conditional", [selector, x, x, x], shape, called_computations=branches)
    check(module("branches", main.build(root)), [np.int32(index), X])


def test_rule_77_an_index_chooses_among_many_branches():
    branches = [lambda v, number=number: jnp.sin(v * number) for number in range(7)]
    run = build(*mod_and_params(from_jax(lambda i, x: lax.switch(i, branches, x) + x, np.int32(0), X)))
    for index in range(-1, 8):
        wanted = np.sin(X * min(max(index, 0), 6)) + X  # JAX clamps
        np.testing.assert_allclose(run(np.int32(index), X), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("flag", [True, False])
def test_rule_77_pred_true_is_branch_0(flag):
    function = lambda p, x: lax.cond(p, lambda v: (v + 1, v), lambda v: (v, v * 2), x)  # noqa: E731
    check(hlo_of(function, np.bool_(flag), X), [np.bool_(flag), X])


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("plain", [False, "vm"])
def test_rule_77_values_that_branches_within_branches_use_live_on(index, plain):
    def function(i, x):
        y = jnp.exp(x)
        inner = lambda v: lax.cond(i > 1, lambda w: w * 2, lambda w: w - y, v) - x  # noqa: E731
        chosen = lax.cond(i > 0, inner, lambda v: v + 1, y)
        return chosen + y, lax.switch(i, [lambda v: v * 2, lambda v: v - y, lambda v: jnp.sin(v)], chosen) + x

    check(hlo_of(function, np.int32(index), X), [np.int32(index), X], plain=plain)


def test_rule_77_products_and_convolutions_on_one_side_of_a_branch():
    def product(x):
        for _ in range(2):
            x = lax.cond(x[0, 0] > 0.5, jnp.tanh, lambda v: v @ v, x)
        return x

    def convolution(x, kernel):
        same = lambda v: lax.conv_general_dilated(v, kernel, (1, 1), "SAME")  # noqa: E731
        return lax.cond(x[0, 0, 0, 0] > 5, lambda v: v + 1, same, same(x))

    # small integers: sums are exact in any order
    x = (np.arange(256) % 5 - 2).astype(np.float32).reshape(16, 16)
    check(hlo_of(product, x), [x])
    image, kernel = x.reshape(1, 4, 8, 8), (np.arange(144) % 7 - 3).astype(np.float32).reshape(4, 4, 3, 3)
    check(hlo_of(convolution, image, kernel), [image, kernel])


def test_100000_iterations_do_not_exhaust_a_stack(loops_stay_loops):
    def loop(x):
        return lax.while_loop(
            lambda s: s[0] < 100_000, lambda s: (s[0] + 1, jnp.flip(s[1]) + jnp.float32(1)), (jnp.int32(0), x)
        )[1]

    check(hlo_of(loop, X), [X])


def rolled(x, n):
    return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, jnp.roll(s[1], 1) + s[0]), (jnp.int32(0), x))[1]


def loop_in_a_loop(x, n):
    return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 2, rolled(s[1], s[0])), (jnp.int32(0), x))[1]


def conditional_in_a_loop(x, n):
    def body(state):
        inner = lambda v: lax.cond(state[0] % 2 == 0, jnp.flip, lambda w: w + 1, v)  # noqa: E731
        return state[0] + 1, lax.cond(state[0] % 3 == 0, inner, lambda v: jnp.roll(v, 1), state[1])

    return lax.while_loop(lambda s: s[0] < n, body, (jnp.int32(0), x))[1]


def loop_in_a_conditional(x, n):
    return lax.cond(n > 4, lambda v: rolled(v, n) + rolled(v, 3), lambda v: rolled(v, n + 1), x)


def many_tensors(x, n):
    def body(state):
        return state[0] + 1, [*state[1][1:], jnp.flip(state[1][0])], state[2]

    return lax.while_loop(lambda s: s[0] < n, body, (jnp.int32(0), [x + i for i in range(7)], x))


def counter_that_wraps(x, n):
    start = lax.convert_element_type(n, "int8")
    return lax.while_loop(lambda s: s[0] != -3, lambda s: (s[0] + 5, jnp.roll(s[1], 1) + 1), (jnp.int8(start), x))


LOOPS = [rolled, loop_in_a_loop, conditional_in_a_loop, loop_in_a_conditional, many_tensors, counter_that_wraps]
# with all levels, loops in loops take minutes to compile
FLAT_LOOPS = [rolled, many_tensors, counter_that_wraps]


@pytest.mark.parametrize("levels", [None, 1, loops.LEVELS])
def test_rule_78_loops_run_as_often_as_their_conditions_say(levels, monkeypatch):
    """With one level the function for what is beyond the highest level is reached after 21 trips; with None each loop
    is a kernel."""
    if levels is not None:
        not_one_kernel(monkeypatch)
        monkeypatch.setattr(loops, "LEVELS", levels)

    def function(x, n):
        return [loop(x, n) for loop in (FLAT_LOOPS if levels == loops.LEVELS else LOOPS)]

    x = np.arange(5, dtype=np.float32)
    run = build(*mod_and_params(from_jax(function, x, np.int32(0))))
    for trips in (-1, 0, 1, 2, 5, 6, 7, 22, 43, 100):
        want = jax.tree.leaves(jax.jit(function)(x, trips))
        for got, expected in zip(run(x, np.int32(trips)), want, strict=True):
            np.testing.assert_array_equal(got, expected, err_msg=f"{trips} trips")


@pytest.mark.parametrize("kind", ["build", "plain"])
def test_memory_of_loops_does_not_depend_on_their_trips(kind):
    command = [sys.executable, Path(__file__).parents[4] / "tools" / "loop_memory" / "__main__.py", "30000", kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def kernels_of(hlo):
    import tvm_hlo_frontend

    mod, _ = mod_and_params(tvm_hlo_frontend.from_hlo(hlo))
    return calls_of(mod)


@pytest.mark.parametrize("name", ["rule_78 while, trips", "rule_78 while, zero trips"])
def test_elementwise_loops_are_one_kernel(name):
    function, *args = CASES[name]
    assert "while_loop" in kernels_of(hlo_of(function, *args))


def test_a_loop_with_a_reverse_is_not_taken_for_an_elementwise_one(monkeypatch):
    def loop(x):
        return lax.fori_loop(0, 3, lambda i, s: jnp.flip(s, 1), x)

    monkeypatch.setattr(unroll_loops, "MAX_INSTRUCTIONS", -1)
    assert "loop" in kernels_of(hlo_of(loop, X))
    check(hlo_of(loop, X), [X])


def test_scalars_and_vectors_change_together():
    def loop(x, n):
        def body(state):
            i, a, b, flag = state
            return i + 1, jnp.where(flag, a + b, a - 1), a * jnp.float32(0.5) + i, jnp.logical_not(flag)

        return lax.while_loop(lambda s: s[0] < n, body, (jnp.int32(0), x, x + 1, jnp.bool_(True)))

    check(hlo_of(loop, X, np.int32(9)), [X, np.int32(9)])


def test_a_million_scalar_trips():
    def loop(n):
        return lax.while_loop(
            lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] * 3 + s[0].astype("uint32")), (jnp.int32(0), jnp.uint32(1))
        )

    check(hlo_of(loop, np.int32(1_000_000)), [np.int32(1_000_000)])
