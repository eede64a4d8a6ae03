"""Dots and slices of transposed arrays read what was transposed, with the numbers that they had."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import check, compare
from tools.support.oracle import run_xla

from tests.support.rewritten import CARRIED, inlined
from tvm_hlo_frontend.frameworks.jax import lower_jax
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes, SliceAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.module import HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.transposed_operands import read_transposed_operands

MATRIX = (((1,), (0,)), ((), ()))
BATCHED = (((3,), (2,)), ((0, 1), (0, 1)))


def dot(x, y, numbers=MATRIX):
    return lax.dot_general(x, y, numbers, precision="highest")


# id -> (function, shapes, transposes that are left)
CASES = {
    "right": (lambda x, y: dot(x, y.T), ((3, 5), (4, 5)), 0),
    "left": (lambda x, y: dot(x.T, y), ((5, 3), (5, 4)), 0),
    "both": (lambda x, y: dot(x.T, y.T), ((5, 3), (4, 5)), 0),
    "keys": (lambda x, y: dot(x, jnp.swapaxes(y, 2, 3), BATCHED), ((2, 3, 49, 8), (2, 3, 49, 8)), 0),
    "heads": (
        lambda x, y: dot(x.transpose(0, 2, 1, 3), y.transpose(0, 2, 3, 1), BATCHED), ((2, 7, 3, 5), (2, 9, 3, 5)), 0
    ),
    "free dimensions in another order": (
        lambda x, y: lax.dot_general(x, y.transpose(2, 1, 0), (((1,), (0,)), ((), ()))), ((3, 5), (4, 6, 5)), 1
    ),
    "used elsewhere": (lambda x, y: (dot(x, y.T), y.T + 1), ((3, 5), (4, 5)), 1),
    "none contracted": (lambda x, y: lax.dot_general(x, y.T, (((), ()), ((), ()))), ((3,), (4, 5)), 1),
    "of one element": (lambda x, y: dot(x.T, y.T), ((1, 1), (1, 1)), 0),
    "empty": (lambda x, y: dot(x, y.T), ((3, 0), (4, 0)), 0),
    "slice": (lambda x, y: (x.T[1:4:2] + y, x.T[:2]), ((5, 7), (2, 5)), 2),
    "slice of five": (
        lambda x, y: lax.slice(x.transpose(2, 0, 3, 1), (1, 0, 2, 0), (2, 3, 5, 4), (1, 2, 1, 3)) + y,
        ((3, 4, 3, 6), (1, 2, 3, 2)), 1,
    ),
    "product of a slice": (lambda x, y: dot(x, y.T[1:4]), ((2, 3), (4, 5)), 0),
}  # fmt: skip


def arrays(shapes, dtype="float32"):
    random = np.random.default_rng(0)
    return [np.asarray(random.normal(size=shape) * 3, dtype) for shape in shapes]


def rewritten(function, args, *replaced):
    module = inlined(function, *args)
    return module, read_transposed_operands(module, replace(CARRIED, replaced=frozenset(replaced)))


def transposes(module):
    """Those that anything needs."""
    (computation,) = [each for each in module.computations if each is module.entry]
    pending, found = [computation.root], set()
    while pending:
        instruction = pending.pop()
        if instruction not in found:
            found.add(instruction)
            pending += instruction.operands
    return sum(instruction.opcode == "transpose" for instruction in found)


@pytest.mark.parametrize("name", CASES)
def test_numbers_stay_and_transposes_go(name):
    function, shapes, left = CASES[name]
    args = arrays(shapes)
    before, after = rewritten(function, args)
    verify(after)
    assert transposes(after) == left
    compare(run_xla(after, args), run_xla(before, args), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int32"])
def test_element_types(dtype):
    with jax.enable_x64(True):
        args = [np.asarray(array, jnp.dtype(dtype)) for array in arrays(((2, 3, 9, 8), (2, 3, 9, 8)))]
        module = read(lower_jax(CASES["keys"][0], *args).hlo)
        check(module, args, rtol=2e-2 if "16" in dtype else 1e-5)


def test_rows_of_nan_and_infinity():
    args = arrays(((5, 20), (17, 20)))
    args[0][1], args[0][3, 4], args[1][16, 2] = np.nan, np.inf, -np.inf
    module = read(lower_jax(CASES["right"][0], *args).hlo)
    check(module, args, rtol=1e-5)


@pytest.mark.parametrize("opcode", ["dot", "slice", "transpose"])
def test_what_the_user_converts_stays(opcode):
    args = arrays(((3, 5), (4, 5)))
    module, after = rewritten(lambda x, y: (dot(x, y.T), y.T[1:3]), args, opcode)
    assert (after is module) == (opcode == "transpose")
    ours = [each for each in after.instructions if each.opcode == opcode]
    assert any(operand.opcode == "transpose" for each in ours for operand in each.operands) or opcode == "transpose"


def test_a_transpose_of_a_number_has_no_dimensions_to_cut():
    builder, number = ComputationBuilder("main"), Shape("f32", ())
    moved = builder.add("transpose", [builder.parameter(0, number, "x")], number, DimensionsAttributes(()))
    main = builder.build(builder.add("slice", [moved], number, SliceAttributes((), (), ())))
    module = HloModule("m", (main,), main)
    assert read_transposed_operands(module, CARRIED) is module
