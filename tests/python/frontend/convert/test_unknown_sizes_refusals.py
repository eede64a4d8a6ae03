"""What needs a size as a number is refused by name, all of it in one message."""

from __future__ import annotations

import itertools

import pytest

import tvm_hlo_frontend
from tests.support.dialect_marks import relax_only
from tvm_hlo_frontend.errors import UnsupportedHloError
from tvm_hlo_frontend.hlo.ir.attributes import (
    BatchNormAttributes,
    CholeskyAttributes,
    FftAttributes,
    RngBitGeneratorAttributes,
    TriangularSolveAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.open_module import OpenModule
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.hlo.ir.sizes import variable

pytestmark = relax_only("sizes stay open")
N = variable("n")
MATRIX, ROWS, SIGNAL, SCALE, STATE = (
    array_shape("f32", (N, N)), array_shape("f32", (N, 3)), array_shape("c64", (2, N)), array_shape("f32", (3,)),
    array_shape("u64", (2,)),
)  # fmt: skip
SOLVE = TriangularSolveAttributes(True, True, False, "NO_TRANSPOSE")
BITS = tuple_shape(STATE, array_shape("u32", (N,)))
# opcode: operands, shape (inferred where it is None), attributes
CASES = {
    "cholesky": ([MATRIX], None, CholeskyAttributes(True)),
    "triangular-solve": ([MATRIX, ROWS], None, SOLVE),
    "fft": ([SIGNAL], SIGNAL, FftAttributes("FFT", (N,))),
    "batch-norm-training": ([ROWS, SCALE, SCALE], None, BatchNormAttributes(1e-3, 1)),
    "rng-bit-generator": ([STATE, ROWS], BITS, RngBitGeneratorAttributes("RNG_PHILOX")),
}


def added(builder, numbers, opcode):
    """An instruction of the case, of new parameters; that of bits does not read the one which tells their number."""
    shapes, shape, attributes = CASES[opcode]
    operands = [builder.parameter(next(numbers), each) for each in shapes]
    return builder.add(opcode, operands[:1] if opcode == "rng-bit-generator" else operands, shape, attributes)


def opened(*opcodes):
    builder, numbers = ComputationBuilder("main"), itertools.count()
    results = [added(builder, numbers, opcode) for opcode in opcodes]
    return OpenModule(module("m", builder.build(builder.add("tuple", results))))


@pytest.mark.parametrize("opcode", CASES)
def test_an_expansion_that_needs_numbers(opcode):
    message = rf"(?s)1 instruction.*{opcode}, 1 time.*its sizes must be numbers; .*specialize=True.*%{opcode}"
    with pytest.raises(UnsupportedHloError, match=message):
        tvm_hlo_frontend.from_hlo(opened(opcode))


def test_all_of_them_in_one_message():
    with pytest.raises(UnsupportedHloError) as caught:
        tvm_hlo_frontend.from_hlo(opened(*CASES))
    assert sorted(refusal.opcode for refusal in caught.value.refusals) == sorted(CASES)
