"""scaled-dot (rule 91) against JAX's decomposition of scaled_dot on XLA:CPU, which does not read the opcode."""

from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from tools.support.compare import compare, run_tvm

import tvm_hlo_frontend
from tvm_hlo_frontend.hlo.ir.attributes import DotAttributes, DotDimensionNumbers
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, element_type_of
from tvm_hlo_frontend.rewrites.expansions.scaled_dot import common_type

MATRIX = DotDimensionNumbers((1,), (0,))
BATCHED = DotDimensionNumbers((2,), (1,), (0,), (0,))


def dtype_of(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def normal(random, dtype, *shape):
    return random.standard_normal(shape).astype(dtype_of(dtype))


def scales(random, dtype, *shape):
    return np.exp2(random.integers(-3, 4, shape)).astype(dtype_of(dtype))


def module_of(arguments, numbers, result, shape):
    builder = ComputationBuilder("main")
    operands = [
        argument if not isinstance(argument, np.ndarray)
        else builder.parameter(number, array_shape(element_type_of(argument.dtype), argument.shape))
        for number, argument in enumerate(arguments)
    ]  # fmt: skip
    made = builder.add("scaled-dot", operands, array_shape(result, shape), DotAttributes(numbers))
    return module("scaled", builder.build(made))


def by_jax(arguments, numbers, result):
    dots = (
        (numbers.lhs_contracting, numbers.rhs_contracting),
        (numbers.lhs_batch, numbers.rhs_batch),
    )

    def function(lhs, rhs, lhs_scale, rhs_scale):
        return lax.scaled_dot(
            lhs, rhs, lhs_scale=lhs_scale, rhs_scale=rhs_scale, dimension_numbers=dots, preferred_element_type=result
        )

    return np.asarray(jax.jit(function)(*arguments))


# element types of operands, scales and result
TYPES = [
    ("float8_e4m3fn", "float8_e8m0fnu", "bfloat16"),
    ("float8_e5m2", "float8_e8m0fnu", "float32"),
    ("float4_e2m1fn", "float8_e4m3fn", "bfloat16"),
    ("bfloat16", "bfloat16", "bfloat16"),
    ("bfloat16", "float8_e8m0fnu", "float32"),
]
SHAPES = {
    "matrix": ((6, 64), (64, 5), (6, 2), (4, 5), MATRIX),
    "batch": ((2, 3, 32), (2, 32, 5), (2, 3, 4), (2, 2, 5), BATCHED),
    "transposed": ((64, 6), (5, 64), (2, 6), (5, 4), DotDimensionNumbers((0,), (1,))),
}


@pytest.mark.parametrize(("operand", "scale", "result"), TYPES, ids=lambda name: name)
def test_rule_91_element_types(operand, scale, result, random):
    arguments = [
        normal(random, operand, 6, 64),
        normal(random, operand, 64, 5),
        scales(random, scale, 6, 2),
        scales(random, scale, 4, 5),
    ]
    wanted = by_jax(arguments, MATRIX, dtype_of(result))
    got = run_tvm(module_of(arguments, MATRIX, element_type_of(wanted.dtype), wanted.shape), arguments)
    compare(got, [wanted], rtol=2.0**-8 if result == "bfloat16" else 1e-6)


@pytest.mark.parametrize("name", SHAPES)
def test_rule_91_dimensions(name, random):
    lhs, rhs, lhs_scale, rhs_scale, numbers = SHAPES[name]
    arguments = [
        normal(random, "float8_e4m3fn", *lhs), normal(random, "float8_e4m3fn", *rhs),
        scales(random, "float8_e8m0fnu", *lhs_scale), scales(random, "float8_e8m0fnu", *rhs_scale),
    ]  # fmt: skip
    wanted = by_jax(arguments, numbers, np.dtype("float32"))
    compare(run_tvm(module_of(arguments, numbers, "f32", wanted.shape), arguments), [wanted], rtol=1e-6)


def test_rule_91_blocks_of_rows_and_columns(random):
    """XLA's rewriter takes blocks in any dimension; JAX's function only in those that are summed."""
    lhs, rhs = normal(random, "float32", 6, 8), normal(random, "float32", 8, 4)
    left, right = scales(random, "float32", 3, 2), scales(random, "float32", 8, 2)
    got = run_tvm(module_of([lhs, rhs, left, right], MATRIX, "f32", (6, 4)), [lhs, rhs, left, right])
    spread = np.repeat(np.repeat(left, 2, 0), 4, 1), np.repeat(right, 2, 1)
    compare(got, [(lhs * spread[0]) @ (rhs * spread[1])], rtol=1e-6)


@pytest.mark.parametrize("value", [1, 2])
def test_rule_91_scalar_scales(value, random):
    """A scalar stands for no scale in XLA, which leaves it out of account: right only if it is 1."""
    builder = ComputationBuilder("main")
    lhs, rhs = (builder.parameter(number, array_shape("f32", (4, 4))) for number in (0, 1))
    one = builder.constant(value, "f32")
    hlo = module("m", builder.build(builder.add("scaled-dot", [lhs, rhs, one, one], None, DotAttributes(MATRIX))))
    x, y = normal(random, "float32", 4, 4), normal(random, "float32", 4, 4)
    if value == 1:
        compare(run_tvm(hlo, [x, y]), [x @ y], rtol=1e-6)
        return
    with pytest.raises(tvm_hlo_frontend.UnsupportedHloError, match="scalar scale that is not the constant 1"):
        tvm_hlo_frontend.from_hlo(hlo)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("f8e4m3fn", "f8e8m0fnu", "bf16"), ("f4e2m1fn", "f8e4m3fn", "bf16"), ("bf16", "f8e8m0fnu", "bf16"),
        ("bf16", "f16", "f32"), ("f16", "f16", "f16"), ("f32", "bf16", "f32"), ("f8e5m2", "f64", "f64"),
    ],
)  # fmt: skip
def test_the_type_that_two_are_multiplied_in(first, second, wanted):
    assert common_type(first, second) == common_type(second, first) == wanted
