"""Steps with opcodes of their own kind: transforms, factorizations, random bits, normalization."""

from __future__ import annotations

import numpy as np

from tools.fuzz.kinds import is_complex
from tools.fuzz.program import LOOSE, WHOLE, Program, Tolerance, Value
from tvm_hlo_frontend.hlo.ir.attributes import (
    BatchNormAttributes,
    CholeskyAttributes,
    DimensionsAttributes,
    FftAttributes,
    RngBitGeneratorAttributes,
    TriangularSolveAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape

# a result within a tolerance relative to its array, which no step uses
LAST = LOOSE + 1
RTOL = {"f32": 1e-4, "f64": 1e-11, "c64": 1e-4, "c128": 1e-11}


def _last(program: Program, opcode: str, operands: list[Value], attributes: object, kind: str) -> Value:
    return program.add(opcode, operands, 0, attributes, stage=LAST, tolerance=Tolerance(rtol=RTOL[kind]))


def fft(program: Program) -> Value | None:
    """A transform of any type over one or two dimensions."""
    how = str(program.pick(("FFT", "IFFT", "RFFT", "IRFFT")))
    kinds = ("f32", "f64") if how == "RFFT" else ("c64", "c128")
    x = program.value(
        lambda value: value.kind in kinds and 0 < len(value.sizes) <= 4 and 0 not in value.sizes, with_complex=True
    )
    if x is None:
        x = program.leaf(str(program.pick(kinds)), program.sizes(program.whole(1, 3)))
    if 0 in x.sizes:
        return None
    lengths = list(x.sizes[-program.whole(1, min(2, len(x.sizes))) :])
    if how == "IRFFT":
        lengths[-1] = max(1, 2 * (lengths[-1] - 1) + program.whole(0, 1))
        if lengths[-1] // 2 + 1 != x.sizes[-1]:
            return None
    return _last(program, "fft", [x], FftAttributes(how, tuple(lengths)), x.kind)


def _matrices(program: Program, kind: str, definite: bool) -> np.ndarray:
    """Matrices that are far from singular."""
    size, batch = program.whole(1, 8), program.sizes(program.whole(0, 1))
    values = program.rng.integers(-3, 4, (*batch, size, size)).astype(np.float64)
    matrices = values @ np.swapaxes(values, -1, -2) if definite else values
    eye = np.eye(size) * (1 if definite else 4 + 3 * size)
    return np.asarray(matrices + eye).astype(array_shape(kind).numpy_dtype)


def cholesky(program: Program) -> Value:
    """A factor of a positive matrix."""
    kind, lower = str(program.pick(("f32", "f64"))), program.chance(0.5)
    x = program.argument(_matrices(program, kind, True), 0, LAST)
    return _last(program, "cholesky", [x], CholeskyAttributes(lower), kind)


def triangular_solve(program: Program) -> Value:
    """A system with a matrix that is not singular."""
    kind, left = str(program.pick(("f32", "f64"))), program.chance(0.5)
    matrix = _matrices(program, kind, False)
    other, size = program.whole(1, 5), matrix.shape[-1]
    sizes = (*matrix.shape[:-2], *((size, other) if left else (other, size)))
    unit = program.chance(0.3)
    if unit:
        matrix = (matrix / (4 + 3 * size)).astype(matrix.dtype)
    a, b = program.argument(matrix, 0, LAST), program.leaf(kind, sizes, 9)
    transpose = str(program.pick(("NO_TRANSPOSE", "TRANSPOSE")))
    attributes = TriangularSolveAttributes(left, program.chance(0.5), unit, transpose)
    return _last(program, "triangular-solve", [a, b], attributes, kind)


def random_bits(program: Program) -> Value:
    """Bits of a state."""
    algorithm = str(program.pick(("RNG_THREE_FRY", "RNG_PHILOX")))
    kind, sizes = str(program.pick(("u32", "u64", "u32"))), program.sizes(program.whole(1, 3))
    state = program.rng.integers(0, 1 << 63, 2 if algorithm == "RNG_THREE_FRY" else 3, dtype=np.uint64)
    given = program.argument(state, 0)
    builder = program.builder
    shape = tuple_shape(given.shape, array_shape(kind, sizes))
    made = builder.add("rng-bit-generator", [given.instruction], shape, RngBitGeneratorAttributes(algorithm))
    number = int(program.chance(0.8))
    return program.keep(Value(builder.add("get-tuple-element", [made], None, TupleIndexAttributes(number)), 0, WHOLE))


def batch_norm(program: Program) -> Value | None:
    """Normalization by given means and variances."""
    x = program.value(lambda value: value.kind == "f32" and 0 < len(value.sizes) <= 4 and 0 not in value.sizes)
    if x is None:
        return None
    feature = program.whole(0, len(x.sizes) - 1)
    line = (x.sizes[feature],)
    scale, offset, mean = (program.leaf("f32", line, 9) for _ in range(3))
    variance = program.argument(program.rng.integers(1, 9, line).astype(np.float32), 9)
    attributes = BatchNormAttributes(0.001, feature)
    return _last(program, "batch-norm-inference", [x, scale, offset, mean, variance], attributes, "f32")


def size_of(program: Program) -> Value | None:
    """The size of a dimension."""
    x = program.moved(lambda value: bool(value.sizes) and not is_complex(value.kind))
    if x is None:
        return None
    axis = program.whole(0, len(x.sizes) - 1)
    return program.add("get-dimension-size", [x], x.sizes[axis], DimensionsAttributes((axis,)), stage=WHOLE)


STEPS = (
    (0.7, fft), (0.4, cholesky), (0.4, triangular_solve), (0.4, random_bits), (0.4, batch_norm), (0.2, size_of),
)  # fmt: skip
