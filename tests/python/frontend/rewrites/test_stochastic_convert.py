"""stochastic-convert (rule 34) against XLA:CPU, to the last integer."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check

import tvm_hlo_frontend
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

EDGES = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, 127, 128, -128, -129, 127.5, -128.5, 32767.5, -32768.5,
    2147483648.0, -2147483648.0, 2147483583.5, 9.3e18, -9.3e18,
]  # fmt: skip


def module_of(source, random, targets, count):
    builder = ComputationBuilder("main")
    operands = [builder.parameter(number, array_shape(kind, (count,))) for number, kind in enumerate((source, random))]
    made = [builder.add("stochastic-convert", operands, array_shape(kind, (count,))) for kind in targets]
    return module("stochastic", builder.build(builder.add("tuple", made)))


@pytest.mark.parametrize(("source", "random"), [("f16", "u16"), ("bf16", "u16"), ("f32", "u32"), ("f64", "u64")])
def test_rule_34_rounds_up_below_the_fraction(source, random):
    generator = np.random.default_rng(0)
    dtype, bits = BY_NAME[source].numpy_dtype, np.iinfo(BY_NAME[random].numpy_dtype)
    numbers = np.concatenate(
        [100 * generator.standard_normal(2000), 3e9 * generator.standard_normal(300), EDGES, EDGES]
    )
    with np.errstate(all="ignore"):
        x = numbers.astype(dtype)
    drawn = generator.integers(0, bits.max, len(x), bits.dtype, endpoint=True)
    drawn[-len(EDGES) :] = 0  # every fraction but 0 is above
    check(module_of(source, random, ("s8", "s16", "s32", "s64"), len(x)), [x, drawn])


def test_rule_34_expectation_is_the_number():
    """The share of numbers rounded up is their fraction."""
    x = np.full(40_000, 2.25, "float32")
    drawn = np.random.default_rng(1).integers(0, 2**32, len(x), "uint32")
    (got,) = check(module_of("f32", "u32", ("s32",), len(x)), [x, drawn])
    assert set(got) == {2, 3} and abs(got.mean() - 2.25) < 0.01


@pytest.mark.parametrize("target", ["u8", "f16"])
def test_rule_34_what_xla_leaves_undefined_is_refused(target):
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="signed integers alone"):
        tvm_hlo_frontend.from_hlo(module_of("f32", "u32", (target,), 4))
