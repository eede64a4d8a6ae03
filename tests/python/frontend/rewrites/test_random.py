"""rng-bit-generator bit for bit (rules 86, 87); stateful generators behind a seed (rule 88)."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, run_tvm
from tools.support.oracle import compile_xla, execute, run_xla

import tvm_hlo_frontend
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import (
    CallAttributes,
    DimensionsAttributes,
    RngAttributes,
    RngBitGeneratorAttributes,
    RngStateAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites import Capabilities
from tvm_hlo_frontend.rewrites.emit import Emitter
from tvm_hlo_frontend.rewrites.expansion import expand
from tvm_hlo_frontend.rewrites.random.random_bits import EXPANSIONS
from tvm_hlo_frontend.rewrites.random.stateful_random import seed_stateful_random

NOTHING = Capabilities(frozenset())
SIZES = [(), (1,), (4,), (3, 5), (3, 4, 5)]
CASES = [
    (algorithm, words, element_type)
    for algorithm, words in (
        ("RNG_THREE_FRY", 2),
        ("RNG_PHILOX", 2),
        ("RNG_PHILOX", 3),
        ("RNG_DEFAULT", 2),
    )
    for element_type in ("u8", "u32", "u64")
    if algorithm != "RNG_DEFAULT" or element_type == "u32"
]
STATES = [[1, 2, 3], [2**63 + 5, 2**64 - 1, 2**64 - 1]]


def bits_module(algorithm, words, element_type):
    """One generator per shape of SIZES, all from the same state."""
    builder = ComputationBuilder("main")
    state = builder.parameter(0, array_shape("u64", (words,)))
    drawn = [
        builder.add(
            "rng-bit-generator",
            [state],
            tuple_shape(state.shape, array_shape(element_type, sizes)),
            RngBitGeneratorAttributes(algorithm),
        )
        for sizes in SIZES
    ]
    return module("bits", builder.build(builder.add("tuple", drawn)))


@pytest.mark.parametrize(("algorithm", "words", "element_type"), CASES)
def test_rule_86_rule_87_bits_on_xla(algorithm, words, element_type):
    hlo = bits_module(algorithm, words, element_type)
    original, expanded = compile_xla(hlo), compile_xla(expand(hlo, NOTHING, EXPANSIONS))
    for state in STATES:
        args = [np.array(state[:words], np.uint64)]
        for got, wanted in zip(execute(expanded, args), execute(original, args)):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("algorithm", "words"), [("RNG_THREE_FRY", 2), ("RNG_PHILOX", 3)])
def test_rule_86_rule_87_bits_on_tvm(algorithm, words):
    builder = ComputationBuilder("main")
    state = builder.parameter(0, array_shape("u64", (words,)))
    shape = tuple_shape(state.shape, array_shape("u32", (5, 2)))
    drawn = builder.add("rng-bit-generator", [state], shape, RngBitGeneratorAttributes(algorithm))
    check(module("bits", builder.build(drawn)), [np.array([1, 2**64 - 1, 3][:words], np.uint64)])


def test_rule_86_known_numbers():
    hlo = expand(_single("RNG_THREE_FRY", "u32", (3,)), NOTHING, EXPANSIONS)
    (state, bits) = run_xla(hlo, [np.array([1, 2], np.uint64)])
    np.testing.assert_array_equal(bits, [43444564, 2150618427, 3979645651])
    np.testing.assert_array_equal(state, [1, 4])


def test_rule_87_known_numbers():
    hlo = expand(_single("RNG_PHILOX", "u32", (3,)), NOTHING, EXPANSIONS)
    (state, bits) = run_xla(hlo, [np.array([1, 2], np.uint64)])
    np.testing.assert_array_equal(bits, [2100602697, 2847456232, 2074354647])
    np.testing.assert_array_equal(state, [1, 3])


def _single(algorithm, element_type, sizes):
    builder = ComputationBuilder("main")
    state = builder.parameter(0, array_shape("u64", (2,)))
    shape = tuple_shape(state.shape, array_shape(element_type, sizes))
    return module(
        "bits",
        builder.build(builder.add("rng-bit-generator", [state], shape, RngBitGeneratorAttributes(algorithm))),
    )


def stateful(element_type, distribution, first, second, sizes=(4000,), count=2):
    builder = ComputationBuilder("main")
    bounds = [builder.constant(value, element_type) for value in (first, second)]
    shape = array_shape(element_type, sizes)
    draws = [builder.add("rng", bounds, shape, RngAttributes(distribution)) for _ in range(count)]
    state = builder.add("rng-get-and-update-state", [], array_shape("u64", (2,)), RngStateAttributes(3))
    return module("stateful", builder.build(builder.add("tuple", [*draws, state])))


@pytest.mark.parametrize("element_type", ["f16", "f32", "s64", "s8"])
def test_rule_88_uniform_is_half_open_and_seeded(element_type):
    hlo = stateful(element_type, "RNG_UNIFORM", 2, 7)
    one, two, _ = run_tvm(hlo, [], rng_seed=1)
    if element_type == "s8":  # the seed is that of all types
        again, _, _ = run_tvm(hlo, [], rng_seed=1)
        np.testing.assert_array_equal(one, again)
    assert (one != two).any() and one.min() >= 2 and one.max() < 7
    mean = 4.5 if one.dtype.kind == "f" else 4.0
    assert abs(one.astype("float64").mean() - mean) < 0.15


@pytest.mark.parametrize("element_type", ["f32"])
def test_rule_88_normal_has_mean_and_deviation(element_type):
    values = run_tvm(stateful(element_type, "RNG_NORMAL", 3, 2, count=1), [], rng_seed=7)[0]
    assert np.isfinite(values).all() and abs(values.mean() - 3) < 0.2 and abs(values.std() - 2) < 0.15


def draw(builder, distribution="RNG_UNIFORM", element_type="f32", sizes=(100,)):
    bounds = [builder.constant(value, element_type) for value in (0, 1 if element_type == "f32" else 1000)]
    return builder.add("rng", bounds, array_shape(element_type, sizes), RngAttributes(distribution))


ROWS = array_shape("f32", (6, 100))
STEP = array_shape("s32")
# step, rows, number of trips: known at run time alone, so that loops stay loops
STATE = tuple_shape(STEP, ROWS, STEP)


def loop(name, row, is_first=True):
    """Computations of a while that puts ``row(builder, step)`` into one row of an array after the other; `is_first` if
    they stand in front of the parameter."""
    condition = ComputationBuilder(f"{name}_condition")
    emit = Emitter(condition)
    state = condition.parameter(0, STATE)
    test = condition.build(emit.compare("LT", emit.element(state, 0), emit.element(state, 2)))
    body = ComputationBuilder(f"{name}_body")
    emit = Emitter(body)
    drawn = row(body, None) if is_first else None
    state = body.parameter(0, STATE)
    step, rows, trips = (emit.element(state, index) for index in range(3))
    drawn = row(body, step) if drawn is None else drawn
    place = [step, body.constant(0, "s32")]
    rows = emit("dynamic-update-slice", rows, emit.reshape(drawn, (1, 100)), *place)
    return [body.build(emit.tuple([emit("add", step, 1), rows, trips])), test]


def run_loop(builder, trips, computations):
    """The rows that a loop of so many trips has made."""
    emit = Emitter(builder)
    state = emit.tuple([builder.constant(0, "s32"), emit.full(0, ROWS), trips])
    return emit.element(emit("while", state, called=computations), 1)


def rows_of(row, is_first):
    builder = ComputationBuilder("main")
    return module("loop", builder.build(run_loop(builder, builder.parameter(0, STEP), loop("outer", row, is_first))))


def branch(opcode):
    builder = ComputationBuilder(f"{opcode}_branch")
    x = builder.parameter(0, array_shape("f32", (100,)))
    return builder.build(builder.add(opcode, [draw(builder), x]))


def chosen(builder, step):
    emit = Emitter(builder)
    zero = emit.full(0, array_shape("f32", (100,)))
    return emit("conditional", emit.compare("LT", step, 3), zero, zero, shape=zero.shape,
                called=[branch("add"), branch("subtract")])  # fmt: skip


def last_of_inner_loop(builder, step):
    emit = Emitter(builder)
    trips = emit("minimum", emit("add", step, 2), 2)
    rows = run_loop(builder, trips, loop("inner", lambda b, _: draw(b)))
    return emit.reshape(emit.slice(rows, 0, 1, 2), (100,))


def called_function(builder, step):
    function = ComputationBuilder("function")
    body = function.build(draw(function))
    return builder.add("call", [], array_shape("f32", (100,)), CallAttributes(), [body])


LOOPS = {
    "before the parameter": (lambda b, _: draw(b), True),
    "in the body": (lambda b, _: draw(b), False),
    "in a branch": (chosen, False),
    "in a loop": (last_of_inner_loop, False),
    "in a function": (called_function, False),
}


@pytest.mark.parametrize("name", LOOPS)
def test_rule_88_every_trip_draws_other_numbers(name):
    mod, params = mod_and_params(tvm_hlo_frontend.from_hlo(rows_of(*LOOPS[name]), rng_seed=3))
    executable = tvm_hlo_frontend.build(mod, params)
    rows = executable(np.int32(6))
    assert len({row.tobytes() for row in rows}) == 6 and abs(np.abs(rows).mean() - 0.5) < 0.1
    assert np.abs(np.corrcoef(np.abs(rows)) - np.eye(6)).max() < 0.5
    np.testing.assert_array_equal(executable(np.int32(6)), rows)
    np.testing.assert_array_equal(executable(np.int32(4))[:4], rows[:4])


def test_rule_88_seeded_loops_are_modules_that_verify():
    for case in LOOPS.values():
        seeded = seed_stateful_random(rows_of(*case), Capabilities(frozenset(), 5))
        verify(seeded)
        assert not any(instruction.opcode == "rng" for instruction in seeded.instructions)


def test_rule_88_two_loops_and_the_entry_draw_other_numbers():
    builder = ComputationBuilder("main")
    trips, shared = builder.parameter(0, STEP), loop("shared", lambda b, _: draw(b))
    loops = [run_loop(builder, trips, shared) for _ in range(2)]
    hlo = module("two", builder.build(builder.add("tuple", [*loops, draw(builder)])))
    one, two, three = run_tvm(hlo, [np.int32(3)], rng_seed=3)
    assert len({row.tobytes() for row in (*one[:3], *two[:3], three)}) == 7


@pytest.mark.parametrize("place", ["map", "narrow"])
def test_rule_88_where_nothing_can_be_drawn_it_is_refused(place):
    builder = ComputationBuilder("main")
    if place == "map":
        body = ComputationBuilder("body")
        mapped = body.build(body.add("add", [body.parameter(0, array_shape("f32")), draw(body, sizes=())]))
        x = builder.parameter(0, array_shape("f32", (4,)))
        root = builder.add("map", [x], x.shape, DimensionsAttributes((0,)), [mapped])
    else:
        bounds = [builder.constant(value, "f8e5m2") for value in (0, 1)]
        root = builder.add("rng", bounds, array_shape("f8e5m2", (4,)), RngAttributes("RNG_UNIFORM"))
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError):
        tvm_hlo_frontend.from_hlo(module("refused", builder.build(root)), rng_seed=1)


def test_rule_88_without_a_seed_it_is_refused():
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="rng_seed"):
        tvm_hlo_frontend.from_hlo(stateful("f32", "RNG_UNIFORM", 0, 1))


@pytest.mark.parametrize(("algorithm", "bits", "sizes"), [("RNG_THREE_FRY", 32, (8,)), ("RNG_PHILOX", 64, (3, 2))])
def test_signed_bits_are_the_same_bits(algorithm, bits, sizes):
    """XLA's way through StableHLO calls them unsigned."""
    state = [np.array([1, 2**64 - 1], np.uint64)]
    signed, unsigned = (_single(algorithm, f"{kind}{bits}", sizes) for kind in "su")
    _, got = run_tvm(signed, state)
    _, wanted = run_xla(unsigned, state)
    assert got.dtype == np.dtype(f"int{bits}")
    np.testing.assert_array_equal(got.view(wanted.dtype), wanted)
