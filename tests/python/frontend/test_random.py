"""rng-bit-generator bit for bit (rules 86, 87); stateful generators behind a seed (rule 88)."""

from __future__ import annotations

import numpy as np
import pytest
from compare import check, run_tvm
from oracle import compile_xla, execute, run_xla

import tvm_hlo_frontend
from tvm_hlo_frontend.hlo.attributes import RngAttributes, RngBitGeneratorAttributes, RngStateAttributes
from tvm_hlo_frontend.hlo.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.shape import array_shape, tuple_shape
from tvm_hlo_frontend.rewrites.random_bits import expand_random_bits

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
def test_rules_86_and_87_bits_on_xla(algorithm, words, element_type):
    hlo = bits_module(algorithm, words, element_type)
    original, expanded = compile_xla(hlo), compile_xla(expand_random_bits(hlo, None))
    for state in STATES:
        args = [np.array(state[:words], np.uint64)]
        for got, wanted in zip(execute(expanded, args), execute(original, args)):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("algorithm", "words"), [("RNG_THREE_FRY", 2), ("RNG_PHILOX", 3)])
def test_rules_86_and_87_bits_on_tvm(algorithm, words):
    builder = ComputationBuilder("main")
    state = builder.parameter(0, array_shape("u64", (words,)))
    shape = tuple_shape(state.shape, array_shape("u32", (5, 2)))
    drawn = builder.add("rng-bit-generator", [state], shape, RngBitGeneratorAttributes(algorithm))
    check(module("bits", builder.build(drawn)), [np.array([1, 2**64 - 1, 3][:words], np.uint64)])


def test_rule_86_known_numbers():
    (state, bits) = run_xla(
        expand_random_bits(_single("RNG_THREE_FRY", "u32", (3,)), None), [np.array([1, 2], np.uint64)]
    )
    np.testing.assert_array_equal(bits, [43444564, 2150618427, 3979645651])
    np.testing.assert_array_equal(state, [1, 4])


def test_rule_87_known_numbers():
    (state, bits) = run_xla(expand_random_bits(_single("RNG_PHILOX", "u32", (3,)), None), [np.array([1, 2], np.uint64)])
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


def stateful(element_type, distribution, first, second, sizes=(4000,)):
    builder = ComputationBuilder("main")
    bounds = [builder.constant(value, element_type) for value in (first, second)]
    shape = array_shape(element_type, sizes)
    draws = [builder.add("rng", bounds, shape, RngAttributes(distribution)) for _ in range(2)]
    state = builder.add("rng-get-and-update-state", [], array_shape("u64", (2,)), RngStateAttributes(3))
    return module("stateful", builder.build(builder.add("tuple", [*draws, state])))


@pytest.mark.parametrize("element_type", ["f16", "f32", "s64", "s8"])
def test_rule_88_uniform_is_half_open_and_seeded(element_type):
    hlo = stateful(element_type, "RNG_UNIFORM", 2, 7)
    one, two, _ = run_tvm(hlo, [], rng_seed=1)
    again, _, _ = run_tvm(hlo, [], rng_seed=1)
    np.testing.assert_array_equal(one, again)
    assert (one != two).any() and one.min() >= 2 and one.max() < 7
    mean = 4.5 if one.dtype.kind == "f" else 4.0
    assert abs(one.astype("float64").mean() - mean) < 0.15


@pytest.mark.parametrize("element_type", ["f32"])
def test_rule_88_normal_has_mean_and_deviation(element_type):
    values = run_tvm(stateful(element_type, "RNG_NORMAL", 3, 2), [], rng_seed=7)[0]
    assert np.isfinite(values).all() and abs(values.mean() - 3) < 0.2 and abs(values.std() - 2) < 0.15


def test_rule_88_without_a_seed_it_is_refused():
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="rng_seed"):
        tvm_hlo_frontend.from_hlo(stateful("f32", "RNG_UNIFORM", 0, 1))
