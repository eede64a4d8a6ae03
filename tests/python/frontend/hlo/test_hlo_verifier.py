"""hlo/shape_inference and hlo/verifier.py: what XLA accepts and what it does not, per opcode."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support.hlo_samples import jax_samples, lowered_samples
from tests.support.shape_texts import function, shape
from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir import attributes as attr
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.module import Alias, HloComputation, HloInstruction, HloModule, Metadata
from tvm_hlo_frontend.hlo.ir.shape import Shape, Symbol, array_shape
from tvm_hlo_frontend.hlo.opcodes import ELEMENTWISE, OPCODES
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.shape_inference import RULES, check_shape, infer_shape
from tvm_hlo_frontend.hlo.shape_inference.signatures import ATTRIBUTE_TYPES, CALLED_COUNTS, OPERAND_COUNTS
from tvm_hlo_frontend.hlo.verifier import verify


def swapped_pair() -> HloComputation:
    """(f32[], s32[], f32[], s32[]) -> (f32[], s32[]), the second pair."""
    builder = ComputationBuilder("pair")
    values = [builder.parameter(i, shape(text)) for i, text in enumerate(("f32[]", "s32[]", "f32[]", "s32[]"))]
    return builder.build(builder.add("tuple", values[2:]))


ADD = function("f32[] f32[]", "add")
ADD_S32 = function("s32[] s32[]", "add")
LESS = function("f32[] f32[]", "compare")
LESS_2 = function("f32[2] f32[2]", "compare")
LESS_4 = function("f32[] f32[] s32[] s32[]", "compare")
PAIR = swapped_pair()
IDENTITY = function("f32[3]", "first")
NEGATE = function("f32[3]", "negate")
TRUE = function("f32[3]", "constant", "pred")
FALSE = function("f32[4]", "first")

D = attr.DimensionsAttributes
NO = attr.NoAttributes()
FLOAT = attr.CompareAttributes("LT", "FLOAT")


def window(*rows: attr.WindowDimension) -> attr.WindowAttributes:
    return attr.WindowAttributes(attr.Window(rows))


W = attr.WindowDimension
NHWC = attr.ConvolutionDimensionNumbers(0, 3, (1, 2), 2, 3, (0, 1), 0, 3, (1, 2))


def convolution(*rows: attr.WindowDimension, features: int = 1, batches: int = 1) -> attr.ConvolutionAttributes:
    return attr.ConvolutionAttributes(attr.Window(rows), NHWC, features, batches)


def dot(lc: tuple = (), rc: tuple = (), lb: tuple = (), rb: tuple = ()) -> attr.DotAttributes:
    return attr.DotAttributes(attr.DotDimensionNumbers(lc, rc, lb, rb))


GATHER = attr.GatherAttributes((1,), (0,), (0,), 1, (1, 4))
BATCHED_GATHER = attr.GatherAttributes((), (1,), (1,), 2, (1, 1), (0,), (0,))
SCATTER = attr.ScatterAttributes((1,), (0,), (0,), 1)
SOLVE = attr.TriangularSolveAttributes(True, True, False, "NO_TRANSPOSE")
UNIFORM, NORMAL = attr.RngAttributes("RNG_UNIFORM"), attr.RngAttributes("RNG_NORMAL")
FIRST = function("f32[] f32[]", "tuple")
STEP = function("f32[2] f32[2]", "tuple")


def ragged(
    lc: tuple = (1,), rc: tuple = (1,), lb: tuple = (), rb: tuple = (), ragged: tuple = (0,), groups: tuple = (0,)
) -> attr.RaggedDotAttributes:
    return attr.RaggedDotAttributes(attr.DotDimensionNumbers(lc, rc, lb, rb), ragged, groups)


SUMMED = ragged((0,), (0,), groups=())
LAYOUT = attr.CustomCallAttributes("f", operand_shapes_with_layout=(Shape("f32", (2, 3), (0, 1)),))

# opcode, operands, attributes, called computations, the shape that follows
GOOD = [
    ("add", "f32[2,3] f32[2,3]", NO, (), "f32[2,3]"),
    ("add", "pred[2] pred[2]", NO, (), "pred[2]"),
    ("and", "u8[2] u8[2]", NO, (), "u8[2]"),
    ("complex", "f64[2] f64[2]", NO, (), "c128[2]"),
    ("abs", "c64[2]", NO, (), "f32[2]"),
    ("real", "f32[2]", NO, (), "f32[2]"),
    ("imag", "c128[]", NO, (), "f64[]"),
    ("is-finite", "bf16[2]", NO, (), "pred[2]"),
    ("not", "pred[]", NO, (), "pred[]"),
    ("compare", "f32[2] f32[2]", FLOAT, (), "pred[2]"),
    ("compare", "c64[2] c64[2]", attr.CompareAttributes("EQ", "FLOAT"), (), "pred[2]"),
    ("select", "pred[2] f32[2] f32[2]", NO, (), "f32[2]"),
    ("select", "pred[] f32[2] f32[2]", NO, (), "f32[2]"),
    ("clamp", "f32[] f32[2] f32[2]", NO, (), "f32[2]"),
    ("reduce-precision", "f32[2]", attr.ReducePrecisionAttributes(5, 0), (), "f32[2]"),
    ("transpose", "f32[2,3,4]", D((2, 0, 1)), (), "f32[4,2,3]"),
    ("reverse", "f32[2,3]", D((1, 0)), (), "f32[2,3]"),
    ("slice", "f32[7,3]", attr.SliceAttributes((1, 0), (7, 0), (2, 1)), (), "f32[3,0]"),
    ("pad", "f32[4] f32[]", attr.PadAttributes((-2,), (1,), (1,)), (), "f32[6]"),
    ("pad", "f32[0] f32[]", attr.PadAttributes((2,), (1,), (3,)), (), "f32[3]"),
    ("concatenate", "f32[2,3] f32[0,3] f32[1,3]", D((0,)), (), "f32[3,3]"),
    ("tuple", "f32[2] token", NO, (), "(f32[2], token)"),
    ("tuple", "", NO, (), "()"),
    ("get-tuple-element", "(f32[2],(s32[],pred[]))", attr.TupleIndexAttributes(1), (), "(s32[], pred[])"),
    ("after-all", "token token", NO, (), "token"),
    ("add-dependency", "f32[2] token", NO, (), "f32[2]"),
    ("shuffle", "f32[2]", NO, (), "f32[2]"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[3]", ragged(), (), "f32[9,7]"),
    ("ragged-dot", "f32[2,9,5] f32[3,2,5,7] s32[2,3]", ragged((2,), (2,), (0,), (1,), (1,)), (), "f32[2,9,7]"),
    ("ragged-dot", "f32[4,9,5] f32[3,5,7] s32[4,3]", ragged((2,), (1,), ragged=(1,)), (), "f32[4,9,7]"),
    ("ragged-dot", "f32[9,5] f32[9,7] u8[3]", SUMMED, (), "f32[3,5,7]"),
    ("ragged-dot", "f32[4,9,5] f32[4,5,7] s32[3]", ragged((2,), (1,), (0,), (0,), groups=()), (), "f32[4,9,7]"),
    ("scaled-dot", "f32[4,8] f32[8,3] bf16[4,2] bf16[4,3]", dot((1,), (0,)), (), "f32[4,3]"),
    ("scaled-dot", "f32[4,8] f32[8,3] bf16[] f32[8,1]", dot((1,), (0,)), (), "f32[4,3]"),
    ("scan", "f32[5,2] f32[2]", attr.ScanAttributes(0, 1), (STEP,), "(f32[5,2], f32[2])"),
    ("scan", "f32[2,5] f32[2]", attr.ScanAttributes(1, 1), (STEP,), "(f32[2,5], f32[2])"),
    ("scan", "f32[5] f32[5]", attr.ScanAttributes(0, 0), (FIRST,), "(f32[5], f32[5])"),
    ("scan", "f32[5] f32[]", attr.ScanAttributes(0, 1), (ADD,), "f32[]"),
    ("copy", "(f32[2],s32[])", NO, (), "(f32[2], s32[])"),
    ("opt-barrier", "(f32[2],s32[])", NO, (), "(f32[2], s32[])"),
    ("replica-id", "", NO, (), "u32[]"),
    ("get-dimension-size", "f32[2,3]", D((1,)), (), "s32[]"),
    ("dot", "f32[2,3] f32[3,4]", dot((1,), (0,)), (), "f32[2,4]"),
    ("dot", "f32[5,2,3] f32[4,3,5]", dot((2,), (1,), (0,), (2,)), (), "f32[5,2,4]"),
    ("dot", "f32[2] f32[3]", dot(), (), "f32[2,3]"),
    ("convolution", "f32[1,5,6,2] f32[3,3,2,4]", convolution(W(3, 2, 1, 1), W(3)), (), "f32[1,3,4,4]"),
    ("convolution", "f32[1,5,6,4] f32[3,3,2,4]", convolution(W(3), W(3), features=2), (), "f32[1,3,4,4]"),
    ("convolution", "f32[4,5,6,2] f32[3,3,2,4]", convolution(W(3), W(3), batches=2), (), "f32[2,3,4,4]"),
    ("convolution", "f32[1,2,2,1] f32[3,3,1,1]", convolution(W(3), W(3)), (), "f32[1,0,0,1]"),
    ("convolution", "f32[1,3,3,1] f32[2,2,1,1]", convolution(W(2, 1, 0, 0, 2, 2), W(2, 1, -1, 0)), (), "f32[1,3,1,1]"),
    ("reduce", "f32[2,3,4] f32[]", D((2, 0)), (ADD,), "f32[3]"),
    ("reduce", "f32[2,3] s32[2,3] f32[] s32[]", D((1,)), (PAIR,), "(f32[2], s32[2])"),
    ("reduce", "bf16[2,3] bf16[]", D((1,)), (ADD,), "f32[2]"),
    ("reduce-window", "f32[4,9] f32[]", window(W(2, 2), W(3, 1, 1, 1)), (ADD,), "f32[2,9]"),
    ("reduce-window", "f32[4] f32[]", window(W(2, 1, -1, 0, 2, 2)), (ADD,), "f32[4]"),
    ("select-and-scatter", "f32[4] f32[2] f32[]", window(W(2, 2)), (LESS, ADD), "f32[4]"),
    ("map", "f32[2,3] f32[2,3]", D((0, 1)), (ADD,), "f32[2,3]"),
    ("sort", "f32[3,4]", attr.SortAttributes(1), (LESS,), "f32[3,4]"),
    ("sort", "f32[3] s32[3]", attr.SortAttributes(0), (LESS_4,), "(f32[3], s32[3])"),
    ("topk", "f32[2,9]", attr.TopKAttributes(3), (), "(f32[2,3], s32[2,3])"),
    ("gather", "f32[9,4] s32[5,1]", GATHER, (), "f32[5,4]"),
    ("gather", "f32[5,4] s32[5,3,1]", BATCHED_GATHER, (), "f32[5,3]"),
    ("gather", "f32[9,4] s32[]", attr.GatherAttributes((0,), (0,), (0,), 0, (1, 4)), (), "f32[4]"),
    ("scatter", "f32[9,4] s32[5,1] f32[5,4]", SCATTER, (ADD,), "f32[9,4]"),
    ("scatter", "f32[9,4] s32[5,1] f32[5,2]", SCATTER, (ADD,), "f32[9,4]"),
    ("dynamic-slice", "f32[9,4] s32[] s32[]", attr.DynamicSliceAttributes((2, 4)), (), "f32[2,4]"),
    ("dynamic-slice", "f32[9,4] u8[2]", attr.DynamicSliceAttributes((2, 4)), (), "f32[2,4]"),
    ("dynamic-update-slice", "f32[9,4] f32[2,4] s64[] s64[]", NO, (), "f32[9,4]"),
    ("call", "f32[3]", attr.CallAttributes(), (NEGATE,), "f32[3]"),
    ("fusion", "f32[3]", attr.FusionAttributes("kLoop"), (NEGATE,), "f32[3]"),
    ("while", "f32[3]", NO, (NEGATE, TRUE), "f32[3]"),
    ("conditional", "pred[] f32[3] f32[3]", NO, (NEGATE, IDENTITY), "f32[3]"),
    ("conditional", "s32[] f32[3] f32[3] f32[3]", NO, (NEGATE, IDENTITY, NEGATE), "f32[3]"),
    ("fft", "f32[2,8]", attr.FftAttributes("RFFT", (8,)), (), "c64[2,5]"),
    ("fft", "c64[2,5]", attr.FftAttributes("IRFFT", (9,)), (), "f32[2,9]"),
    ("fft", "c64[2,4]", attr.FftAttributes("FFT", (2, 4)), (), "c64[2,4]"),
    ("cholesky", "f32[2,3,3]", attr.CholeskyAttributes(True), (), "f32[2,3,3]"),
    ("triangular-solve", "f32[3,3] f32[3,5]", SOLVE, (), "f32[3,5]"),
    ("batch-norm-inference", "f32[2,5] f32[5] f32[5] f32[5] f32[5]", attr.BatchNormAttributes(0.1, 1), (), "f32[2,5]"),
    ("batch-norm-training", "f32[5,2] f32[5] f32[5]", attr.BatchNormAttributes(0.1, 0), (), "(f32[5,2],f32[5],f32[5])"),
    ("batch-norm-grad", "f32[2,5] f32[5] f32[5] f32[5] f32[2,5]", attr.BatchNormAttributes(0.1, 1), (),
     "(f32[2,5],f32[5],f32[5])"),
    ("all-reduce", "f32[2]", attr.CollectiveAttributes(), (ADD,), "f32[2]"),
]  # fmt: skip

# opcode, operands, attributes, called computations, part of the message
BAD = [
    ("add", "f32[2,3] f32[3,2]", NO, (), "operands of equal shapes"),
    ("add", "f32[2] f16[2]", NO, (), "operands of equal shapes"),
    ("add", "f32[2] (f32[2])", NO, (), "operands of equal shapes"),
    ("add", "token token", NO, (), "found token"),
    ("subtract", "pred[2] pred[2]", NO, (), r"found pred\[2\]"),
    ("shift-left", "f32[2] f32[2]", NO, (), "of type signed or unsigned"),
    ("and", "f32[2] f32[2]", NO, (), "of type pred or signed"),
    ("complex", "bf16[2] bf16[2]", NO, (), "f32 or f64"),
    ("cosine", "s32[2]", NO, (), "of type float or complex"),
    ("floor", "c64[2]", NO, (), "of type float"),
    ("abs", "u8[2]", NO, (), "of type signed or float"),
    ("popcnt", "pred[2]", NO, (), "of type signed or unsigned"),
    ("compare", "s32[2] s32[2]", FLOAT, (), "expected comparison type SIGNED"),
    ("compare", "c64[2] c64[2]", attr.CompareAttributes("LT", "TOTALORDER"), (), "comparison type FLOAT"),
    ("compare", "f32[2] f32[2]", NO, (), "expected CompareAttributes, found NoAttributes"),
    ("select", "s8[2] f32[2] f32[2]", NO, (), "of type pred"),
    ("select", "pred[3] f32[2] f32[2]", NO, (), "as large as"),
    ("select", "pred[2] f32[2] s32[2]", NO, (), "equal shapes to select from"),
    ("clamp", "f32[3] f32[2] f32[]", NO, (), "as large as"),
    ("convert", "(f32[2])", NO, (), "expected an array"),
    ("transpose", "f32[2,3]", D((0, 0)), (), "permutation"),
    ("reverse", "f32[2,3]", D((2,)), (), "below rank 2"),
    ("slice", "f32[7]", attr.SliceAttributes((1,), (8,), (1,)), (), "<= 7"),
    ("slice", "f32[7]", attr.SliceAttributes((1,), (3,), (0,)), (), "positive stride"),
    ("slice", "f32[7]", attr.SliceAttributes((1, 2), (3,), (1,)), (), "expected 1 starts"),
    ("pad", "f32[4] s32[]", attr.PadAttributes((0,), (0,), (0,)), (), "scalar of type f32"),
    ("pad", "f32[4] f32[]", attr.PadAttributes((-5,), (0,), (0,)), (), "negative size"),
    ("pad", "f32[4] f32[]", attr.PadAttributes((0,), (0,), (-1,)), (), "negative interior"),
    ("concatenate", "f32[2,3] f32[2,4]", D((0,)), (), "but for dimension 0"),
    ("concatenate", "f32[2,3] f32[2,3]", D((2,)), (), "below rank 2"),
    ("get-tuple-element", "(f32[2])", attr.TupleIndexAttributes(1), (), "index below 1"),
    ("get-tuple-element", "f32[2]", attr.TupleIndexAttributes(0), (), "expected a tuple"),
    ("after-all", "f32[2]", NO, (), "expected tokens"),
    ("get-dimension-size", "f32[2]", D((1,)), (), "below rank 1"),
    ("dot", "f32[2,3] f32[4,5]", dot((1,), (0,)), (), "of equal size"),
    ("dot", "f32[2,3] f32[3,5]", dot((1,), ()), (), "as many contracting"),
    ("dot", "f32[2,3] f32[3,5]", dot((1,), (0,), (1,), (0,)), (), "different dimensions"),
    ("dot", "f32[2,3] f32[3,5]", dot((7,), (0,)), (), "below rank 2"),
    ("convolution", "f32[1,5,6,2] f32[3,3,3,4]", convolution(W(3), W(3)), (), "3 input features"),
    ("convolution", "f32[1,5,6,2] f32[3,3,2,4]", convolution(W(3), W(2)), (), "as large as the window"),
    ("convolution", "f32[1,5,6,2] f32[3,3,2,4]", convolution(W(3)), (), "expected a rank of 3"),
    ("convolution", "f32[1,5,6,4] f32[3,3,2,3]", convolution(W(3), W(3), features=2), (), "2 groups divide"),
    ("convolution", "f32[3,5,6,2] f32[3,3,2,4]", convolution(W(3), W(3), batches=2), (), "2 groups divide"),
    ("convolution", "f32[2,5,6,4] f32[3,3,2,4]", convolution(W(3), W(3), features=2, batches=2), (), "one group count"),
    ("reduce", "f32[2,3] f32[]", D((2,)), (ADD,), "below rank 2"),
    ("reduce", "f32[2,3] f32[]", D((1,)), (ADD_S32,), "reducer .* to take"),
    ("reduce", "f32[2,3] s32[]", D((1,)), (ADD,), "initial values like"),
    ("reduce", "f32[2,3] f32[1]", D((1,)), (ADD,), "initial values like"),
    ("reduce", "f32[2,3] f32[2,4] f32[] f32[]", D((1,)), (PAIR,), "equal dimensions"),
    ("reduce", "f32[2,3] f32[2,3] f32[]", D((1,)), (ADD,), "as many initial values"),
    ("reduce", "f32[2] f32[2] f32[] f32[]", D((0,)), (ADD,), "to return 2 scalars"),
    ("reduce-window", "f32[4] f32[]", window(W(2), W(2)), (ADD,), "window of 1 dimensions"),
    ("reduce-window", "f32[4] f32[]", window(W(0)), (ADD,), "window of at least 1"),
    ("reduce-window", "f32[4] f32[]", window(W(2, -1)), (ADD,), "positive window stride"),
    ("reduce-window", "f32[4] f32[]", window(W(2, 1, 0, 0, -1)), (ADD,), "positive dilations"),
    ("select-and-scatter", "f32[4] f32[3] f32[]", window(W(2, 2)), (LESS, ADD), r"source of shape f32\[2\]"),
    ("select-and-scatter", "f32[4] f32[2] f32[]", window(W(2, 2)), (ADD, ADD), r"to return pred\[\]"),
    ("map", "f32[2,3] f32[2,3]", D((0,)), (ADD,), "all dimensions in order"),
    ("map", "s32[2] s32[2]", D((0,)), (ADD,), "to take"),
    ("sort", "f32[3,4]", attr.SortAttributes(2), (LESS,), "below rank 2"),
    ("sort", "f32[3]", attr.SortAttributes(0), (ADD,), r"to return pred\[\]"),
    ("sort", "f32[3] s32[4]", attr.SortAttributes(0), (LESS_4,), "equal dimensions"),
    ("topk", "f32[2,9]", attr.TopKAttributes(10), (), "k up to"),
    ("gather", "f32[9,4] f32[5,1]", GATHER, (), "indices of type"),
    ("gather", "f32[9,4] s32[5,2]", GATHER, (), "index vectors of 1"),
    ("gather", "f32[9,4] s32[5,1]", dataclasses.replace(GATHER, slice_sizes=(1, 5)), (), "slice sizes within"),
    ("gather", "f32[9,4] s32[5,1]", dataclasses.replace(GATHER, slice_sizes=(2, 4)), (), "which is dropped"),
    ("gather", "f32[9,4] s32[5,1]", dataclasses.replace(GATHER, offset_dims=(2,)), (), "offset_dims below rank"),
    ("gather", "f32[9,4] s32[5,1]", dataclasses.replace(GATHER, index_vector_dim=3), (), "index_vector_dim up to 2"),
    ("gather", "f32[6,4] s32[5,3,1]", BATCHED_GATHER, (), "batching dimensions of equal size"),
    ("scatter", "f32[9,4] s32[5,1] f32[5,5]", SCATTER, (ADD,), "updates that fit"),
    ("scatter", "f32[9,4] s32[5,1] f32[6,4]", SCATTER, (ADD,), "updates that fit"),
    ("scatter", "f32[9,4] s32[5,1] f32[5]", SCATTER, (ADD,), "updates of 2 dimensions"),
    ("scatter", "f32[9,4] s32[5,1] s32[5,4]", SCATTER, (ADD,), "combiner"),
    ("scatter", "f32[9,4] f32[9,4] s32[5,1] f32[5,4]", SCATTER, (ADD,), "as many updates"),
    ("dynamic-slice", "f32[9,4] s32[]", attr.DynamicSliceAttributes((2, 4)), (), "2 start indices"),
    ("dynamic-slice", "f32[9,4] f32[] f32[]", attr.DynamicSliceAttributes((2, 4)), (), "start indices of type"),
    ("dynamic-slice", "f32[9] s32[]", attr.DynamicSliceAttributes((10,)), (), "sizes within"),
    ("dynamic-update-slice", "f32[9] f32[10] s32[]", NO, (), "update within"),
    ("dynamic-update-slice", "f32[9] s32[1] s32[]", NO, (), "update within"),
    ("call", "f32[4]", attr.CallAttributes(), (NEGATE,), "to take"),
    ("call", "f32[3] f32[3]", attr.CallAttributes(), (NEGATE,), "to take"),
    ("fusion", "f32[4]", attr.FusionAttributes("kLoop"), (NEGATE,), "to take"),
    ("while", "f32[3]", NO, (TRUE, TRUE), r"body constant_function to return f32\[3\]"),
    ("while", "f32[3]", NO, (NEGATE, NEGATE), "condition .* to return pred"),
    ("while", "f32[4]", NO, (NEGATE, TRUE), "body .* to take"),
    ("while", "f32[3]", NO, (NEGATE,), "2 called computations"),
    ("conditional", "pred[] f32[3]", NO, (NEGATE,), "2 branches"),
    ("conditional", "s32[] f32[3] f32[4]", NO, (NEGATE, FALSE), "to return"),
    ("conditional", "f32[] f32[3] f32[3]", NO, (NEGATE, NEGATE), r"pred\[\] or s32\[\]"),
    ("conditional", "s32[] f32[3]", NO, (NEGATE, NEGATE), "2 operands for the branches"),
    ("fft", "f32[2,8]", attr.FftAttributes("FFT", (8,)), (), "of type complex"),
    ("fft", "f32[2,8]", attr.FftAttributes("RFFT", (7,)), (), "last dimensions are"),
    ("cholesky", "f32[2,3]", attr.CholeskyAttributes(True), (), "square"),
    ("triangular-solve", "f32[3,3] f32[4,5]", SOLVE, (), "right-hand side"),
    ("batch-norm-training", "f32[5,2] f32[4] f32[5]", attr.BatchNormAttributes(0.1, 0), (), r"shape f32\[5\]"),
    ("batch-norm-training", "f32[5,2] f32[5] f32[5]", attr.BatchNormAttributes(0.1, 2), (), "below rank 2"),
    ("frobnicate", "f32[2]", NO, (), "unknown opcode"),
    ("add-dependency", "f32[2] f32[2]", NO, (), "a token as second operand"),
    ("batch-norm-grad", "f32[5,2] f32[5] f32[5] f32[5] f32[2,5]", attr.BatchNormAttributes(0.1, 0), (), "a gradient"),
    ("batch-norm-inference", "f32[5,2] f32[2] f32[5] f32[5] f32[5]", attr.BatchNormAttributes(0.1, 0), (),
     r"shape f32\[5\]"),
    ("rng", "f32[2] f32[2]", UNIFORM, (), "two scalars"),
    ("rng", "s32[] s32[]", NORMAL, (), "scalars of type float"),
    ("rng", "c64[] c64[]", UNIFORM, (), "scalars of type float or signed"),
    ("rng-bit-generator", "s32[2]", attr.RngBitGeneratorAttributes("RNG_DEFAULT"), (), "an unsigned state"),
    ("set-dimension-size", "f32[4] s64[]", D((0,)), (), r"a size of shape s32\[\]"),
    ("set-dimension-size", "f32[4] s32[]", D((1,)), (), "below rank 1"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[3]", ragged(ragged=(0, 1)), (), "1 ragged dimension"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[3]", ragged(ragged=(2,)), (), "ragged dimension below rank 2"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] f32[3]", ragged(), (), "group sizes of type"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[]", ragged(), (), "at least 1 dimension"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[2,3]", ragged(), (), r"dimensions \[3\] or \[3\]"),
    ("ragged-dot", "f32[4,9,5] f32[3,5,7] s32[5,3]", ragged((2,), (1,), ragged=(1,)), (), r"\[3\] or \[4, 3\]"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[4]", ragged(), (), "expected 4 groups in dimension 0"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[3]", ragged(groups=()), (), "1 group dimension"),
    ("ragged-dot", "f32[9,5] f32[3,5,7] s32[3]", ragged(groups=(1,)), (), "different dimensions in rhs"),
    ("ragged-dot", "f32[9,5] f32[9,7] s32[3]", ragged((0,), (0,), groups=(1,)), (), "no group dimension"),
    ("ragged-dot", "f32[9,5] f32[3,6,7] s32[3]", ragged(), (), "of equal size"),
    ("scaled-dot", "f32[4,8] f32[8,3] bf16[4,3] bf16[4,3]", dot((1,), (0,)), (), "blocks of f32"),
    ("scaled-dot", "f32[4,8] f32[8,3] bf16[4] bf16[4,3]", dot((1,), (0,)), (), "blocks of f32"),
    ("scaled-dot", "f32[4,8] f32[8,3] bf16[4,0] bf16[4,3]", dot((1,), (0,)), (), "blocks of f32"),
    ("scaled-dot", "s8[4,8] s8[8,3] bf16[4,2] bf16[4,3]", dot((1,), (0,)), (), "an operand of type float"),
    ("scaled-dot", "f32[4,8] f32[8,3] s8[4,2] bf16[4,3]", dot((1,), (0,)), (), "a scale of type float"),
    ("scaled-dot", "f32[4,8] f32[7,3] bf16[4,2] bf16[7,3]", dot((1,), (0,)), (), "of equal size"),
    ("scan", "f32[5,2] f32[2]", attr.ScanAttributes(0, 3), (STEP,), "carries up to the 2 operands"),
    ("scan", "f32[5,2] f32[2]", attr.ScanAttributes(-1, 1), (STEP,), "no negative dimension"),
    ("scan", "f32[5,2] f32[2]", attr.ScanAttributes(2, 1), (STEP,), "with a dimension 2"),
    ("scan", "f32[5,3] f32[2]", attr.ScanAttributes(0, 1), (STEP,), "body tuple_function to take"),
    ("scan", "f32[5,2] f32[4,2]", attr.ScanAttributes(0, 0), (STEP,), "of equal size in all inputs"),
    ("scan", "f32[5] f32[] f32[]", attr.ScanAttributes(0, 2), (ADD,), "return at least 2 values"),
    ("scan", "f32[] f32[]", attr.ScanAttributes(0, 2), (FIRST,), "how many steps"),
    ("scan", "f32[5,2] f32[2]", attr.ScanAttributes(0, 1), (LESS_2,), "body .* to return"),
]  # fmt: skip

# opcode, operands, attributes, declared shape, part of the message or None if it may have that shape
DECLARED = [
    ("convert", "f32[2]", NO, "s8[2]", None),
    ("convert", "f32[2]", NO, "s8[3]", r"expected shape s8\[2\]"),
    ("broadcast", "f32[3]", D((1,)), "f32[2,3]", None),
    ("broadcast", "f32[3]", D((0,)), "f32[2,3]", "expected shape"),
    ("broadcast", "f32[1]", D((0,)), "f32[2]", "expected shape"),
    ("broadcast", "f32[3]", D((2,)), "f32[2,3]", "below rank 2"),
    ("broadcast", "f32[3]", D(()), "f32[2,3]", "expected 1 dimensions"),
    ("reshape", "f32[2,3]", NO, "f32[6]", None),
    ("reshape", "f32[2,0]", NO, "f32[0,5]", None),
    ("reshape", "f32[2,3]", NO, "f32[7]", "6 elements"),
    ("reshape", "f32[2,3]", NO, "s32[6]", "of type f32"),
    ("bitcast", "f32[2,3]", NO, "s16[12]", None),
    ("bitcast", "f32[2,3]", NO, "s16[11]", "192 bits"),
    ("bitcast-convert", "f32[2]", NO, "s32[2]", None),
    ("bitcast-convert", "f32[2]", NO, "u8[2,4]", None),
    ("bitcast-convert", "u8[2,4]", NO, "f32[2]", None),
    ("bitcast-convert", "u8[2,4]", NO, "f64[2]", "last dimension of 8"),
    ("bitcast-convert", "f32[2]", NO, "u8[8]", r"expected shape u8\[2,4\]"),
    ("iota", "", D((1,)), "bf16[2,3]", None),
    ("iota", "", D((2,)), "f32[2,3]", "below rank 2"),
    ("iota", "", D((0,)), "pred[2]", "array of numbers"),
    ("constant", "", attr.ConstantAttributes(np.zeros((2, 3), np.float32)), "f32[2,3]", None),
    ("constant", "", attr.ConstantAttributes(np.zeros((2, 3), np.float32)), "f32[3,2]", "literal of shape"),
    ("constant", "", attr.ConstantAttributes(np.zeros((2, 3), np.float64)), "f32[2,3]", "literal of shape"),
    ("constant", "", attr.ConstantAttributes((np.zeros(2, np.float32),)), "(f32[2])", None),
    ("constant", "", attr.ConstantAttributes((np.zeros(2, np.float32),)), "f32[2]", "literal of shape"),
    ("dot", "s8[2,3] s8[3,4]", dot((1,), (0,)), "s32[2,4]", None),
    ("dot", "s8[2,3] s8[3,4]", dot((1,), (0,)), "s32[4,2]", r"expected shape s32\[2,4\]"),
    ("rng", "f32[] f32[]", attr.RngAttributes("RNG_UNIFORM"), "f32[2]", None),
    ("rng", "f32[] f32[]", attr.RngAttributes("RNG_UNIFORM"), "s32[2]", "element type f32"),
    ("rng-get-and-update-state", "", attr.RngStateAttributes(1), "u64[2]", None),
    ("rng-get-and-update-state", "", attr.RngStateAttributes(1), "u64[3]", r"expected shape u64\[2\]"),
    ("replica-id", "", NO, "s32[]", r"expected shape u32\[\]"),
    ("partition-id", "", NO, "u32[1]", r"expected shape u32\[\]"),
    ("parameter", "", attr.ParameterAttributes(-1), "f32[2]", "no negative parameter number"),
    ("tuple", "f32[2] s32[3]", NO, "(f32[2],s32[4])", "expected shape"),
    ("copy", "f32[2]", NO, "f32[3]", r"expected shape f32\[2\]"),
    ("opt-barrier", "f32[2]", NO, "f32[3]", r"expected shape f32\[2\]"),
    ("domain", "f32[2]", NO, "f32[3]", r"expected shape f32\[2\]"),
    ("shuffle", "f32[2]", NO, "f32[3]", r"expected shape f32\[2\]"),
    ("dynamic-reshape", "f32[2,3] s32[]", NO, "f32[6]", None),
    ("dynamic-reshape", "f32[2,3] s32[]", NO, "f32[7]", "6 elements"),
    ("dynamic-reshape", "f32[2,3] s32[]", NO, "f32[3,2]", r"a size s32\[\] for every dimension"),
    ("dynamic-reshape", "f32[2,3] s64[]", NO, "f32[6]", r"a size s32\[\] for every dimension"),
    ("scaled-dot", "bf16[4,8] bf16[8,3] bf16[] bf16[]", dot((1,), (0,)), "f32[4,3]", None),
    ("scaled-dot", "bf16[4,8] bf16[8,3] bf16[] bf16[]", dot((1,), (0,)), "f32[3,4]", "expected shape"),
    ("ragged-dot", "s8[9,5] s8[3,5,7] s32[3]", ragged(), "s32[9,7]", None),
    ("ragged-dot", "s8[9,5] s8[9,7] s32[3]", SUMMED, "s32[5,7]", r"expected shape s32\[3,5,7\]"),
    ("custom-call", "f32[2,3]", LAYOUT, "f32[2]", None),
    ("custom-call", "f32[3,2]", LAYOUT, "f32[2]", "layouts for the operands as they are"),
    ("rng-bit-generator", "u64[2]", attr.RngBitGeneratorAttributes("RNG_DEFAULT"), "(u64[2], u32[5])", None),
    ("rng-bit-generator", "u64[2]", attr.RngBitGeneratorAttributes("RNG_DEFAULT"), "u32[5]", "tuple of state and bits"),
    ("rng-bit-generator", "u64[3]", attr.RngBitGeneratorAttributes("RNG_THREE_FRY"), "(u64[3], u32[5])", "elements"),
    ("stochastic-convert", "f32[2] u32[2]", NO, "s8[2]", None),
    ("stochastic-convert", "f32[2] u16[2]", NO, "s8[2]", "equal dimensions and bits"),
    ("custom-call", "f32[2] token", attr.CustomCallAttributes("anything"), "(f32[3], u8[])", None),
    ("add", "f32[2] f32[2]", NO, "f32[3]", r"expected shape f32\[2\], found f32\[3\]"),
    ("add", "f32[2] f32[2]", NO, "(f32[2])", "expected shape"),
]  # fmt: skip


@pytest.mark.parametrize(("opcode", "operands", "attributes", "called", "want"), GOOD)
def test_inferred_shape(opcode, operands, attributes, called, want):
    operands = [shape(text) for text in operands.split()]
    assert infer_shape(opcode, operands, attributes, called) == shape(want.replace(" ", ""))
    check_shape(opcode, operands, attributes, called, shape(want.replace(" ", "")))


@pytest.mark.parametrize(("opcode", "operands", "attributes", "called", "message"), BAD)
def test_refused(opcode, operands, attributes, called, message):
    with pytest.raises(HloVerificationError, match=message):
        infer_shape(opcode, [shape(text) for text in operands.split()], attributes, called)


@pytest.mark.parametrize(("opcode", "operands", "attributes", "declared", "message"), DECLARED)
def test_declared_shape(opcode, operands, attributes, declared, message):
    arguments = opcode, [shape(text) for text in operands.split()], attributes, (), shape(declared.replace(" ", ""))
    if message is None:
        check_shape(*arguments)
    else:
        with pytest.raises(HloVerificationError, match=message):
            check_shape(*arguments)


def test_every_opcode_has_a_rule_and_a_refused_case():
    from tests.python.frontend.hlo.test_hlo_verifier_collectives import BAD as BAD_COLLECTIVES

    assert set(RULES) == set(OPCODES)
    refused = {row[0] for row in (*BAD, *BAD_COLLECTIVES)} | {row[0] for row in DECLARED if row[4] is not None}
    assert set(OPCODES) - ELEMENTWISE - refused == set()


def test_rule_91_a_scan_without_inputs_takes_its_steps_from_the_results():
    double = function("f32[2]", "tuple")
    step = attr.ScanAttributes(0, 0)
    with pytest.raises(HloVerificationError, match="how many steps"):
        infer_shape("scan", [], step, [double])
    grow = ComputationBuilder("grow")
    carry = grow.parameter(0, shape("f32[2]"))
    body = grow.build(grow.add("tuple", [carry, carry]))
    one = attr.ScanAttributes(0, 1)
    check_shape("scan", [shape("f32[2]")], one, [body], shape("(f32[7,2],f32[2])"))
    with pytest.raises(HloVerificationError, match="expected shape"):
        check_shape("scan", [shape("f32[2]")], one, [body], shape("(f32[7,3],f32[2])"))


@pytest.mark.parametrize("opcode", OPCODES)
def test_operand_and_computation_counts(opcode):
    """Of every opcode: one too few and one too many are refused."""
    default = ATTRIBUTE_TYPES.get(opcode, attr.NoAttributes)
    least, greatest = OPERAND_COUNTS.get(opcode, (0, 100))
    for count in (least - 1, greatest + 1):
        if 0 <= count < 100:
            with pytest.raises(HloVerificationError, match="operands, found"):
                infer_shape(opcode, [shape("f32[2]")] * count, NO)
    calls = CALLED_COUNTS.get(opcode, (0, 0))
    for count in (calls[0] - 1, calls[1] + 1):
        if 0 <= count < 100:
            with pytest.raises(HloVerificationError, match="called computations, found"):
                infer_shape(opcode, [shape("f32[2]")] * least, NO, [NEGATE] * count)
    if default is not attr.NoAttributes:
        with pytest.raises(HloVerificationError, match=f"expected {default.__name__}"):
            infer_shape(opcode, [shape("f32[2]")] * least, NO, [NEGATE] * calls[0])


@pytest.mark.parametrize("name", sorted(jax_samples()))
def test_modules_made_by_jax(name):
    verify(read(lowered_samples()[name][0]))


# ---- dynamic dimensions


def test_dynamic_dimensions_that_may_be_equal():
    bounded = array_shape("f32", (Symbol("a", 5), 2))
    unbounded = array_shape("f32", (Symbol("b"), 2))
    assert infer_shape("add", [bounded, bounded]) == bounded
    assert infer_shape("add", [array_shape("f32", (5, 2)), bounded]) == bounded
    assert infer_shape("add", [unbounded, array_shape("f32", (7, 2))]) == unbounded
    assert infer_shape("compare", [unbounded, unbounded], FLOAT).element_type == "pred"
    with pytest.raises(HloVerificationError, match="equal shapes"):
        infer_shape("add", [bounded, array_shape("f32", (6, 2))])


def test_bounds_are_checked_as_sizes():
    bounded = array_shape("f32", (Symbol("a", 5), 2))
    transposed = array_shape("f32", (2, Symbol("other", 5)))
    check_shape("transpose", [bounded], D((1, 0)), (), transposed)
    with pytest.raises(HloVerificationError, match="expected shape"):
        check_shape("transpose", [bounded], D((1, 0)), (), array_shape("f32", (2, 6)))
    assert infer_shape("transpose", [bounded], D((1, 0))) is None
    marked = array_shape("f32", (Symbol("n", 4), 2))
    check_shape("set-dimension-size", [shape("f32[4,2]"), shape("s32[]")], D((0,)), (), marked)


# ---- whole modules


def _module(*instructions, root=None, callees=()):
    main = HloComputation("main", instructions, root or instructions[-1])
    return HloModule("m", (*callees, main), main)


def _aliased(*aliases):
    return dataclasses.replace(_module(X, Y), aliases=aliases)


X = HloInstruction("x", "parameter", shape("f32[3]"), (), attr.ParameterAttributes(0))
Y = HloInstruction("y", "sine", shape("f32[3]"), (X,), metadata=Metadata("", "net/sin", "model.py", 7))
GAP = HloInstruction("gap", "parameter", shape("f32[3]"), (), attr.ParameterAttributes(2))
CALL = HloInstruction("z", "call", shape("f32[3]"), (X,), attr.CallAttributes(), (NEGATE,))

BROKEN = [
    (_module(Y), "y: operand x does not come before it"),
    (_module(Y, X), "y: operand x does not come before it"),
    (_module(X, X), "x: its name is not unique"),
    (_module(X, root=Y), "its root y is not among its instructions"),
    (_module(X, GAP), "gap: expected parameter numbers"),
    (_module(X, CALL), "z: computation negate_function does not come before it in the module"),
    (HloModule("m", (), NEGATE), "its entry negate_function is not among"),
    (_aliased(Alias((0,), 0)), "is of no result or of no parameter"),
    (_aliased(Alias((), 1)), "is of no result or of no parameter"),
    (_aliased(Alias((), 0, (0,))), "is of no result or of no parameter"),
    (_aliased(Alias((), 0), Alias((), 0)), "that has another"),
]


@pytest.mark.parametrize(("hlo", "message"), BROKEN)
def test_broken_structure(hlo, message):
    with pytest.raises(HloVerificationError, match=message):
        verify(hlo)


def test_the_message_shows_instruction_and_origin():
    wrong = dataclasses.replace(Y, shape=shape("f32[4]"))
    with pytest.raises(HloVerificationError) as caught:
        verify(_module(X, wrong))
    assert str(caught.value).splitlines() == [
        "y: expected shape f32[3], found f32[4]",
        "  y = f32[4] sine(x)",
        "  in main",
        "  from net/sin model.py:7",
    ]


def test_verify_returns_the_module():
    hlo = _module(X, Y)
    assert verify(hlo) is hlo


def test_what_differs_in_its_shape_alone_is_checked_for_itself():
    builder, small = ComputationBuilder("main"), array_shape("f32", (2,))
    x = builder.parameter(0, small)
    right = builder.add("tanh", [x], small)
    wrong = builder.add("tanh", [x], array_shape("f32", (3,)))
    computation = builder.build(builder.add("tuple", [right, wrong]))
    with pytest.raises(HloVerificationError, match=wrong.name):
        verify(HloModule("wrong", (computation,), computation))
