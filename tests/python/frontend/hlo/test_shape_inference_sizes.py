"""hlo/shape_inference with sizes that are computed from unknown ones: what follows with them follows with numbers."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.python.frontend.hlo.test_hlo_verifier import (
    ADD,
    FLOAT,
    GATHER,
    LESS,
    LESS_4,
    NO,
    PAIR,
    SCATTER,
    SOLVE,
    SUMMED,
    D,
    W,
    convolution,
    dot,
    ragged,
    window,
)
from tests.support.shape_texts import function
from tvm_hlo_frontend.errors import HloVerificationError
from tvm_hlo_frontend.hlo.ir import attributes as attr
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import Shape, Symbol, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.ir.sizes import Integer, definite_sizes, larger, substituted, variable
from tvm_hlo_frontend.hlo.shape_inference import check_shape, infer_shape
from tvm_hlo_frontend.hlo.shape_inference.reductions import windowed_size
from tvm_hlo_frontend.hlo.text.printer import instruction_to_text
from tvm_hlo_frontend.hlo.verifier import verify

N, M, K = (variable(name) for name in "nmk")


@dataclass(frozen=True)
class Made:
    """An instruction, with sizes or with numbers."""

    opcode: str
    operands: Sequence[Shape]
    attributes: attr.Attributes = NO
    called: Sequence[HloComputation] = ()
    declared: Shape | None = None

    def inferred(self) -> Shape | None:
        return infer_shape(self.opcode, self.operands, self.attributes, self.called)

    def check(self, declared: Shape) -> None:
        check_shape(self.opcode, self.operands, self.attributes, self.called, declared)


def f32(*sizes: Integer) -> Shape:
    return array_shape("f32", sizes)


def s32(*sizes: Integer) -> Shape:
    return array_shape("s32", sizes)


def body(opcode: str, *parameters: Shape, result: str | None = None) -> HloComputation:
    return function(" ".join(str(shape).replace(" ", "") for shape in parameters), opcode, result)


TRUE = attr.CholeskyAttributes(True)
PRED = array_shape("pred")
FEATURES = attr.BatchNormAttributes(0.1, 1)
STARTS = [s32(), s32()]
SLICE, PAD, SIZES = attr.SliceAttributes, attr.PadAttributes, attr.DynamicSliceAttributes
BATCHED = attr.GatherAttributes((2,), (1,), (1,), 2, (1, 1, 4), (0,), (0,))
SCAN = attr.ScanAttributes(0, 1)

# name -> (the instruction with sizes or numbers n, m and k, the shape that follows)
Case = tuple[Callable[[Integer, Integer, Integer], Made], str]
CASES: dict[str, Case] = {
    "add": (lambda n, m, k: Made("add", [f32(n, 3), f32(n, 3)]), "f32[n,3]"),
    "compare": (lambda n, m, k: Made("compare", [f32(n + m), f32(m + n)], FLOAT), "pred[m + n]"),
    "select": (lambda n, m, k: Made("select", [PRED, f32(n, m), f32(n, m)]), "f32[n,m]"),
    "clamp": (lambda n, m, k: Made("clamp", [f32(), f32(2 * n), f32(n + n)]), "f32[2*n]"),
    "copy": (lambda n, m, k: Made("copy", [tuple_shape(f32(n), s32())]), "(f32[n], s32[])"),
    "transpose": (lambda n, m, k: Made("transpose", [f32(n, 2, m)], D((2, 0, 1))), "f32[m,n,2]"),
    "reverse": (lambda n, m, k: Made("reverse", [f32(n, m)], D((1,))), "f32[n,m]"),
    "slice": (lambda n, m, k: Made("slice", [f32(n, 9)], SLICE((1, 0), (n, 9), (1, 2))), "f32[n - 1,5]"),
    "strided slice": (lambda n, m, k: Made("slice", [f32(n)], SLICE((0,), (n,), (2,))), "f32[((n + 1)//2)]"),
    "slice of sizes": (
        lambda n, m, k: Made("slice", [f32(n + m + k)], SLICE((m,), (n + m,), (3,))), "f32[((n + 2)//3)]"),
    "pad": (lambda n, m, k: Made("pad", [f32(n), f32()], PAD((1,), (2,), (0,))), "f32[n + 3]"),
    "interior pad": (
        lambda n, m, k: Made("pad", [f32(n), f32()], PAD((1,), (0,), (2,))), "f32[n + 2*max(0, n - 1) + 1]"),
    "pad of sizes": (lambda n, m, k: Made("pad", [f32(n), f32()], PAD((m,), (-k,), (0,))), "f32[-k + m + n]"),
    "interior of sizes": (
        lambda n, m, k: Made("pad", [f32(3), f32()], PAD((0,), (0,), (m,))), "f32[2*m + 3]"),
    "concatenate": (
        lambda n, m, k: Made("concatenate", [f32(k, n), f32(k, m), f32(k, n)], D((1,))), "f32[k,m + 2*n]"),
    "tuple": (lambda n, m, k: Made("tuple", [f32(n), s32()]), "(f32[n], s32[])"),
    "get-tuple-element": (
        lambda n, m, k: Made("get-tuple-element", [tuple_shape(f32(n), s32(m))], attr.TupleIndexAttributes(1)),
        "s32[m]"),
    "dot": (lambda n, m, k: Made("dot", [f32(n, 2 * m), f32(2 * m, k)], dot((1,), (0,))), "f32[n,k]"),
    "batched dot": (
        lambda n, m, k: Made("dot", [f32(n, m, 3), f32(n, k, 3)], dot((2,), (2,), (0,), (0,))), "f32[n,m,k]"),
    "scaled-dot": (
        lambda n, m, k: Made("scaled-dot", [f32(n, 2 * m), f32(2 * m, k), f32(n, m), f32(2, k)], dot((1,), (0,))),
        "f32[n,k]"),
    "ragged-dot": (lambda n, m, k: Made("ragged-dot", [f32(n, m), f32(3, m, k), s32(3)], ragged()), "f32[n,k]"),
    "summed ragged-dot": (
        lambda n, m, k: Made("ragged-dot", [f32(n, 5), f32(n, m), s32(k)], SUMMED), "f32[k,5,m]"),
    "convolution": (
        lambda n, m, k: Made("convolution", [f32(n, m, k, 2), f32(3, 3, 2, 4)], convolution(W(3, 2, 1, 1), W(3))),
        "f32[n,((m + 1)//2),max(0, k - 2),4]"),
    "dilated convolution": (
        lambda n, m, k: Made(
            "convolution", [f32(1, n, m, 2), f32(2, 2, 2, 4)], convolution(W(2, 1, 1, 1, 1, 2), W(2, 3, 0, 0, 2))),
        "f32[1,max(1, 2*n),(m//3),4]"),
    "convolution with groups": (

               lambda n, m, k: Made(
            "convolution", [f32(2 * n, 5, 5, m), f32(1, 1, m, 4 * k)], convolution(W(1), W(1), batches=2)),
        "f32[n,5,5,4*k]"),
    "convolution with features": (

               lambda n, m, k: Made(
            "convolution", [f32(n, 5, 5, 2 * m), f32(1, 1, m, 4 * k)], convolution(W(1), W(1), features=2)),
        "f32[n,5,5,4*k]"),
    "convolution with a large window": (
        lambda n, m, k: Made(
            "convolution", [f32(2, n, m, 2), f32(n, k, 2, 4)], convolution(W(n, 1, 1, 1), W(k, 1, 2, 1))),
        "f32[2,3,max(-k + m + 4, 0),4]"),
    "reduce": (lambda n, m, k: Made("reduce", [f32(n, m, k), f32()], D((2, 0)), [ADD]), "f32[m]"),
    "variadic reduce": (
        lambda n, m, k: Made("reduce", [f32(n, m), s32(n, m), f32(), s32()], D((1,)), [PAIR]), "(f32[n], s32[n])"),
    "reduce-window": (
        lambda n, m, k: Made("reduce-window", [f32(n, m), f32()], window(W(2, 2), W(3, 1, 1, 1)), [ADD]),
        "f32[(n//2),m]"),
    "cumulative reduce-window": (
        lambda n, m, k: Made("reduce-window", [f32(n + 1), f32()], window(W(n + 1, 1, n)), [ADD]), "f32[n + 1]"),
    "select-and-scatter": (
        lambda n, m, k: Made("select-and-scatter", [f32(n), f32(n // 2), f32()], window(W(2, 2)), [LESS, ADD]),
        "f32[n]"),
    "map": (lambda n, m, k: Made("map", [f32(n, m), f32(n, m)], D((0, 1)), [ADD]), "f32[n,m]"),
    "sort": (lambda n, m, k: Made("sort", [f32(n), s32(n)], attr.SortAttributes(0), [LESS_4]), "(f32[n], s32[n])"),
    "topk": (lambda n, m, k: Made("topk", [f32(n, m)], attr.TopKAttributes(3)), "(f32[n,3], s32[n,3])"),
    "topk of sizes": (
        lambda n, m, k: Made("topk", [f32(n, m + k)], attr.TopKAttributes(k)), "(f32[n,k], s32[n,k])"),
    "gather": (lambda n, m, k: Made("gather", [f32(n, 4), s32(m, 1)], GATHER), "f32[m,4]"),
    "gather of sizes": (
        lambda n, m, k: Made(
            "gather", [f32(n, k), s32(m, 1)], attr.GatherAttributes((1,), (0,), (0,), 1, (1, k))), "f32[m,k]"),
    "batched gather": (lambda n, m, k: Made("gather", [f32(n, k, 4), s32(n, m, 1)], BATCHED), "f32[n,m,4]"),
    "scatter": (lambda n, m, k: Made("scatter", [f32(n, k), s32(m, 1), f32(m, k)], SCATTER, [ADD]), "f32[n,k]"),
    "dynamic-slice": (lambda n, m, k: Made("dynamic-slice", [f32(n, m), *STARTS], SIZES((1, m))), "f32[1,m]"),
    "dynamic-update-slice": (lambda n, m, k: Made("dynamic-update-slice", [f32(n, m), f32(1, k), *STARTS]), "f32[n,m]"),
    "batch-norm-inference": (
        lambda n, m, k: Made("batch-norm-inference", [f32(n, m), *[f32(m)] * 4], FEATURES), "f32[n,m]"),
    "batch-norm-training": (
        lambda n, m, k: Made("batch-norm-training", [f32(n, m), *[f32(m)] * 2], FEATURES),
        "(f32[n,m], f32[m], f32[m])"),
    "batch-norm-grad": (
        lambda n, m, k: Made("batch-norm-grad", [f32(n, m), *[f32(m)] * 3, f32(n, m)], FEATURES),
        "(f32[n,m], f32[m], f32[m])"),
    "fft": (lambda n, m, k: Made("fft", [f32(n, 8)], attr.FftAttributes("RFFT", (8,))), "c64[n,5]"),
    "fft of sizes": (
        lambda n, m, k: Made("fft", [f32(m, n)], attr.FftAttributes("RFFT", (n,))),
        "c64[m,(n//2)*min(1, n) + min(1, n)]"),
    "cholesky": (lambda n, m, k: Made("cholesky", [f32(n, m, m)], TRUE), "f32[n,m,m]"),
    "triangular-solve": (lambda n, m, k: Made("triangular-solve", [f32(k, m, m), f32(k, m, n)], SOLVE), "f32[k,m,n]"),
    "call": (lambda n, m, k: Made("call", [f32(n)], attr.CallAttributes(), [body("negate", f32(n))]), "f32[n]"),
    "while": (
        lambda n, m, k: Made(
            "while", [f32(n)], NO, [body("negate", f32(n)), body("constant", f32(n), result="pred")]), "f32[n]"),
    "conditional": (
        lambda n, m, k: Made(
            "conditional", [PRED, f32(n), f32(n)], NO, [body("negate", f32(n)), body("first", f32(n))]), "f32[n]"),
    "scan": (
        lambda n, m, k: Made("scan", [f32(n, m), f32(m)], SCAN, [body("tuple", f32(m), f32(m))]), "(f32[n,m], f32[m])"),
    "all-gather": (
        lambda n, m, k: Made("all-gather", [f32(n, m)], attr.CollectiveAttributes(((0, 1),), dimensions=(0,))),
        "f32[2*n,m]"),
    "reduce-scatter": (
        lambda n, m, k: Made(
            "reduce-scatter", [f32(2 * n, m)], attr.CollectiveAttributes(((0, 1),), dimensions=(0,)), [ADD]),
        "f32[n,m]"),
    "get-dimension-size": (lambda n, m, k: Made("get-dimension-size", [f32(n)], D((0,))), "s32[]"),
}  # fmt: skip
# where the shape does not follow, but what is declared is checked
DECLARED: dict[str, Case] = {
    "reshape": (lambda n, m, k: Made("reshape", [f32(n, m, 6)], declared=f32(2 * m, 3 * n)), ""),
    "dynamic-reshape": (lambda n, m, k: Made("dynamic-reshape", [f32(n, m), s32()], declared=f32(n * m)), ""),
    "bitcast": (lambda n, m, k: Made("bitcast", [f32(n, 2)], declared=array_shape("u8", (8 * n,))), ""),
    "bitcast-convert": (lambda n, m, k: Made("bitcast-convert", [f32(n)], declared=array_shape("u8", (n, 4))), ""),
    "broadcast": (lambda n, m, k: Made("broadcast", [f32(n)], D((1,)), declared=f32(m, n)), ""),
    "convert": (lambda n, m, k: Made("convert", [f32(n)], declared=s32(n)), ""),
    "iota": (lambda n, m, k: Made("iota", [], D((0,)), declared=f32(n)), ""),
    "parameter": (lambda n, m, k: Made("parameter", [], attr.ParameterAttributes(0), declared=f32(n)), ""),
}  # fmt: skip
# small ones, and some that no divisor of the cases divides
VALUES = [*itertools.product(range(4), repeat=3), (7, 12, 5), (31, 6, 11), (64, 128, 3)]


def with_numbers(shape: Shape, values: tuple[int, ...]) -> Shape:
    names = dict(zip("nmk", values))
    return shape.map_arrays(
        lambda array: array_shape(array.element_type, [substituted(size, names) for size in array.dimensions])
    )


@pytest.mark.parametrize("name", CASES)
def test_inferred_shape(name):
    build, want = CASES[name]
    made = build(N, M, K)
    found = made.inferred()
    assert str(found) == want
    made.check(found)
    with pytest.raises(HloVerificationError, match="expected"):
        made.check(found.map_arrays(lambda array: array_shape(array.element_type, (*array.dimensions, N + 1))))


@pytest.mark.parametrize("name", CASES)
def test_numbers_for_the_sizes_give_the_same_shape(name):
    build, _ = CASES[name]
    found, compared = build(N, M, K).inferred(), 0
    for values in VALUES:
        try:
            made = build(*values)
            want = made.inferred()
        except HloVerificationError:  # these sizes fit not
            continue
        compared += 1
        assert with_numbers(found, values) == want, values
        made.check(want)
    assert compared >= 5


@pytest.mark.parametrize("name", DECLARED)
def test_declared_shape(name):
    build, _ = DECLARED[name]
    made = build(N, M, K)
    assert made.inferred() is None
    made.check(made.declared)
    for values in VALUES:
        numbers = build(*values)
        numbers.check(numbers.declared)


def random_window(choose: random.Random, size: Integer) -> attr.WindowDimension:
    low, high = choose.randint(-3, 4), choose.randint(-3, 4)
    return W(size, choose.randint(1, 3), low, high, choose.randint(1, 3), choose.randint(1, 3))


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("allow_empty", [False, True], ids=["reduce-window", "convolution"])
def test_windows_of_numbers_and_of_sizes(seed, allow_empty):
    choose = random.Random(seed)
    row = random_window(choose, choose.randint(0 if allow_empty else 1, 4))
    found = windowed_size(N, row, allow_empty)
    for n in range(12):
        assert substituted(found, {"n": n}) == windowed_size(n, row, allow_empty), (n, row, found)
    unknown = attr.WindowDimension(
        K, row.stride, row.padding_low, row.padding_high, row.window_dilation, row.base_dilation
    )
    found = windowed_size(N, unknown, allow_empty)
    for n, k in itertools.product(range(6), range(0 if allow_empty else 1, 4)):
        known = attr.WindowDimension(
            k, row.stride, row.padding_low, row.padding_high, row.window_dilation, row.base_dilation
        )
        assert substituted(found, {"n": n, "k": k}) == windowed_size(n, known, allow_empty), (n, known, found)


def test_windows_all_of_whose_numbers_are_sizes():
    names = ("size", "stride", "low", "high", "dilation", "base")
    sizes = [variable(name) for name in names]
    found = windowed_size(N, W(sizes[0], sizes[1] + 1, sizes[2], -sizes[3], sizes[4] + 1, sizes[5] + 1), True)
    choose = random.Random(0)
    for _ in range(60):
        n, *values = (choose.randint(0, 4) for _ in range(7))
        a, b, c, d, e, f = values
        want = windowed_size(n, W(a, b + 1, c, -d, e + 1, f + 1), True)
        assert substituted(found, {"n": n, **dict(zip(names, values))}) == want


# what contradicts itself whatever the sizes are, or is not seen to be equal
REFUSED: dict[str, tuple[Made, str]] = {
    "other size": (Made("add", [f32(N), f32(M)]), r"operands of equal shapes, found \(f32\[n\], f32\[m\]\)"),
    "a number": (Made("add", [f32(N), f32(3)]), "operands of equal shapes"),
    "contracting": (Made("dot", [f32(2, N), f32(N + 1, 3)], dot((1,), (0,))), "contracting dimensions"),
    "slice limit": (Made("slice", [f32(N)], SLICE((0,), (N + 1,), (1,))), "limit <= n, found 0 and n \\+ 1"),
    "slice start": (Made("slice", [f32(N)], SLICE((-1,), (N,), (1,))), "0 <= start"),
    "slice stride": (Made("slice", [f32(N)], SLICE((0,), (N,), (-M,))), "positive stride"),
    "padded": (Made("pad", [f32(N), f32()], PAD((-1,), (-N,), (0,))), "no negative size after padding, found -1"),
    "padding": (Made("pad", [f32(N), f32()], PAD((0,), (0,), (-N - 1,))), "no negative interior"),
    "concatenate": (Made("concatenate", [f32(N, 2), f32(M, 2)], D((1,))), "but for dimension 1"),
    "dynamic-slice": (Made("dynamic-slice", [f32(N, 2), *STARTS], SIZES((N + 1, 2))), r"found \[n \+ 1, 2\]"),
    "update": (Made("dynamic-update-slice", [f32(N, 2), f32(N + 1, 2), *STARTS]), "an update within"),
    "topk": (Made("topk", [f32(N)], attr.TopKAttributes(N + 1)), r"a k up to the last dimension of f32\[n\]"),
    "gather": (
        Made("gather", [f32(N, M), s32(3, 1)], attr.GatherAttributes((1,), (0,), (0,), 1, (1, M + 1))), "within"),
    "gather depth": (Made("gather", [f32(N, 4), s32(3, M)], GATHER), "index vectors of 1 elements, found m"),
    "scatter": (Made("scatter", [f32(N, 4), s32(M, 1), f32(K, 4)], SCATTER, [ADD]), "updates that fit"),
    "channels": (
        Made("convolution", [f32(1, 5, 5, N), f32(1, 1, M, 4)], convolution(W(1), W(1))), "expected m input features"),
    "groups": (
        Made("convolution", [f32(2 * N + 1, 5, 5, 1), f32(1, 1, 1, 4)], convolution(W(1), W(1), batches=2)),
        "a batch that 2 groups divide"),
    "kernel": (
        Made("convolution", [f32(1, N, N, 1), f32(M, 1, 1, 4)], convolution(W(1), W(1))), "as large as the window"),
    "window": (Made("reduce-window", [f32(N), f32()], window(W(-N)), [ADD]), "a window of at least 1"),
    "reduce": (Made("reduce", [f32(N), f32(M), f32(), f32()], D((0,)), [PAIR]), "arrays of equal dimensions"),
    "sort": (Made("sort", [f32(N), s32(M)], attr.SortAttributes(0), [LESS_4]), "equal dimensions"),
    "source": (
        Made("select-and-scatter", [f32(N), f32(N), f32()], window(W(2, 2)), [LESS, ADD]), r"of shape f32\[\(n//2\)\]"),
    "matrix": (Made("cholesky", [f32(N, N + 1)], TRUE), "square matrices"),
    "right-hand side": (Made("triangular-solve", [f32(N, N), f32(M, 2)], SOLVE), "right-hand side"),
    "features": (Made("batch-norm-inference", [f32(N, M), *[f32(N)] * 4], FEATURES), r"operand of shape f32\[m\]"),
    "fft": (Made("fft", [f32(N)], attr.FftAttributes("RFFT", (8,))), r"last dimensions are \[8\]"),
    "call": (Made("call", [f32(N)], attr.CallAttributes(), [body("negate", f32(M))]), r"to take \(f32\[n\]\)"),
    "branches": (
        Made("conditional", [PRED, f32(N), f32(M)], NO, [body("negate", f32(N)), body("negate", f32(M))]),
        r"to return f32\[n\]"),
    "scan": (
        Made("scan", [f32(N), f32(M)], attr.ScanAttributes(0, 0), [body("tuple", f32(), f32())]),
        r"equal size in all inputs, found \[m, n\]"),
    "scale": (
        Made("scaled-dot", [f32(2, 2 * N + 1), f32(2 * N + 1, 2), f32(2, 2), f32(1, 2)], dot((1,), (0,))),
        "expected a scale for blocks"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    made, message = REFUSED[name]
    with pytest.raises(HloVerificationError, match=message):
        made.inferred()


# what is not refused, as it holds of some sizes
OPEN: dict[str, Made] = {
    "slice": Made("slice", [f32(N)], SLICE((2,), (7,), (1,))),
    "dynamic-slice": Made("dynamic-slice", [f32(N, M), *STARTS], SIZES((M, 2))),
    "topk": Made("topk", [f32(N)], attr.TopKAttributes(5)),
    "pad": Made("pad", [f32(N), f32()], PAD((-2,), (-M,), (0,))),
    "groups": Made("convolution", [f32(N, 5, 5, 1), f32(1, 1, 1, 4)], convolution(W(1), W(1), batches=2)),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_may_hold_is_no_error(name):
    made = OPEN[name]
    made.check(made.inferred())


@pytest.mark.parametrize(
    ("made", "declared"),
    [
        (Made("reshape", [f32(N, M)]), f32(N + M)),
        (Made("reshape", [f32(N, 4)]), f32(2, N)),
        (Made("bitcast", [f32(N)]), f32(2, N)),
        (Made("broadcast", [f32(N)], D((0,))), f32(M, 2)),
        (Made("transpose", [f32(N, M)], D((1, 0))), f32(N, M)),
        (Made("convert", [f32(N)]), s32(M)),
        (Made("bitcast-convert", [array_shape("u8", (4, N))]), f32(4)),
    ],
)  # fmt: skip
def test_refused_declarations(made, declared):
    with pytest.raises(HloVerificationError, match="expected"):
        made.check(declared)


def test_dimensions_of_which_nothing_is_known_stay_open():
    """As before there were sizes: such a dimension may equal any size, and nothing but elementwise shapes follow."""
    unknown, bounded = f32(Symbol("u")), f32(Symbol("b", 5))
    assert infer_shape("add", [unknown, f32(N)]) == unknown
    assert infer_shape("add", [f32(N), unknown]) == f32(N)
    assert infer_shape("add", [bounded, f32(5)]) == bounded
    with pytest.raises(HloVerificationError, match="equal shapes"):
        infer_shape("add", [bounded, f32(N)])
    assert infer_shape("concatenate", [unknown, f32(N)], D((0,))) is None
    assert infer_shape("concatenate", [bounded, f32(N)], D((0,))) is None
    check_shape("reshape", [f32(N, 2)], NO, (), unknown)
    check_shape("reverse", [unknown], D((0,)), (), f32(N))
    check_shape("reverse", [f32(N)], D((0,)), (), unknown)


def test_a_module_with_sizes_is_verified():
    builder = ComputationBuilder("main")
    x, y = builder.parameter(0, f32(N, 4)), builder.parameter(1, f32(M, 4))
    both = builder.add("concatenate", [x, y], attributes=D((0,)))
    flat = builder.add("reshape", [both], f32(4 * (N + M)))
    halves = builder.add("slice", [flat], attributes=SLICE((0,), (larger(N, M),), (1,)))
    main = builder.build(halves)
    assert definite_sizes(verify(HloModule("m", (main,), main)).entry.root.shape) == (larger(N, M),)
    wrong = builder.add("reshape", [both], f32(4 * N + M), name="wrong")
    main = builder.build(wrong)
    with pytest.raises(HloVerificationError, match=r"wrong: expected a shape of 4\*m \+ 4\*n elements"):
        verify(HloModule("m", (main,), main))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("slice of sizes", "x = f32[((n + 2)//3)] slice(p0), slice={[m:m + n:3]}"),
        ("pad of sizes", "x = f32[-k + m + n] pad(p0, p1), padding=m_-k"),
        ("interior of sizes", "x = f32[2*m + 3] pad(p0, p1), padding=0_0_m"),
        ("gather of sizes", "slice_sizes={1,k}"),
        ("cumulative reduce-window", "window={size=n + 1 pad=n_0}"),
    ],
)
def test_text_shows_sizes(name, text):
    made = CASES[name][0](N, M, K)
    operands = [
        HloInstruction(f"p{number}", "parameter", shape, (), attr.ParameterAttributes(number))
        for number, shape in enumerate(made.operands)
    ]
    found = made.inferred()
    printed = HloInstruction("x", made.opcode, found, tuple(operands), made.attributes, tuple(made.called))
    assert text in instruction_to_text(printed)


STATIC = """
import sys
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.hlo.verifier import verify
builder = ComputationBuilder("main")
x = builder.parameter(0, array_shape("f32", (4,)))
verify(module("twice", builder.build(builder.add("reshape", [builder.add("add", [x, x])], array_shape("f32", (2, 2))))))
sys.exit("sympy" in sys.modules)
"""


def test_static_modules_need_no_sympy():
    assert subprocess.run([sys.executable, "-c", STATIC], check=False).returncode == 0
