"""Modules of strangers that no framework makes: each is refused with an error of this package, or converted rightly."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check, run_tvm

import tvm_hlo_frontend
from tvm_hlo_frontend import HloParseError, HloVerificationError, UnsupportedHloError
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import (
    ConstantAttributes,
    CustomCallAttributes,
    DimensionsAttributes,
    RngBitGeneratorAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import Shape, Symbol, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.hlo.text.printer import to_text


def convert(whole):
    return tvm_hlo_frontend.from_hlo(to_proto(whole))


def f32(*sizes):
    return array_shape("f32", sizes)


def s32(*sizes):
    return array_shape("s32", sizes)


def call(target, operands, results, config=b"", typed=True, parts=True):
    """A module of one custom-call."""
    builder = ComputationBuilder("main")
    given = [builder.parameter(number, shape) for number, shape in enumerate(operands)]
    version = "API_VERSION_TYPED_FFI" if typed else "API_VERSION_ORIGINAL"
    shape = tuple_shape(*results) if parts else results[0]
    made = builder.add("custom-call", given, shape, CustomCallAttributes(target, version, config))
    return module("call", builder.build(made))


LU = b'{"batch_rank": 0, "parameters": {"one_based": false}}'
HESSENBERG = b"{high = %d : i32, low = %d : i32}"
CALLS = {
    # kernels trust what they are called with
    "a private kernel": call("tvm_hlo.lu", [f32(1, 3, 3)], [f32(1, 9, 9), s32(1, 9), s32(1), s32(1, 9)], LU),
    "eigh of no square": call("lapack_ssyevd_ffi", [f32(2, 5)], [f32(2, 5), f32(5), s32()], b"{uplo = 76 : ui8}"),
    "Eigh of no square": call("Eigh", [f32(2, 5)], [f32(2, 5), f32(5)], b"1,1,100,1e-6"),
    "cholesky of no square": call("lapack_spotrf_ffi", [f32(2, 5)], [f32(2, 5), s32()], b"{uplo = 76 : ui8}"),
    "short bands": call(
        "lapack_sgtsv_ffi", [f32(3), f32(4), f32(4), f32(4, 2)], [f32(3), f32(4), f32(4), f32(4, 2), s32()]
    ),
    "short bands of a GPU": call("cusparse_gtsv2_ffi", [f32(4), f32(4), f32(2), f32(4, 2)], [f32(4, 2)], parts=False),
    "too many reflectors": call("lapack_sorgqr_ffi", [f32(4, 3), f32(9)], [f32(4, 3)], parts=False),
    "reflectors of other matrices": call(
        "lapack_sormqr_ffi",
        [f32(4, 3), f32(3), f32(2, 5)],
        [f32(2, 5)],
        b"{left = true, transpose = false}",
        parts=False,
    ),
    "columns beyond the matrix": call(
        "lapack_sgehrd_ffi", [f32(3, 3)], [f32(3, 3), f32(2), s32()], HESSENBERG % (9, 1)
    ),
    "columns before the matrix": call(
        "lapack_sgehrd_ffi", [f32(3, 3)], [f32(3, 3), f32(2), s32()], HESSENBERG % (3, -4)
    ),
    "a vector": call("lapack_sgetrf_ffi", [f32(3)], [f32(3), s32(3), s32()]),
    "a matrix of integers": call("Qr", [s32(3, 3)], [s32(3, 3), s32(3)]),
    "no matrix": call("lapack_sgetrf_ffi", [], [f32(3, 3), s32(3), s32()]),
    "no options": call("lapack_sgesdd_ffi", [f32(3, 3)], [f32(3, 3)]),
    "no scalars": call("lapack_sgehrd", [f32(3, 3)], [f32(3, 3), f32(2), s32()], typed=False),
    "triangles that do not fit": call(
        "lapack_strsm", [s32()] * 5 + [f32(), f32(3, 3), f32(4, 2)], [f32(4, 2)], typed=False
    ),
    "a product that does not fit": call(
        "cusolver_syrk_ffi", [f32(4, 2), f32(5, 5), f32(), f32()], [f32(5, 5)], b"{transpose = false}", parts=False
    ),
    "too many operands": call("TopK", [f32(3, 4), f32(3, 4)], [f32(3, 2), s32(3, 2)]),
    "a tuple to sort": call("TopK", [tuple_shape(f32(3, 4))], [f32(3, 2), s32(3, 2)]),
    "a tuple to allocate": call("AllocateBuffer", [], [f32(3), s32(2)]),
}


@pytest.mark.parametrize("case", CALLS)
def test_custom_calls_that_no_target_takes_are_refused(case):
    with pytest.raises(UnsupportedHloError, match=r"custom-call\("):
        convert(CALLS[case])


def test_rewrites_may_call_private_kernels():
    """In a module that was never a file."""
    config = b'{"batch_rank": 1, "parameters": {"one_based": false}}'
    results = [f32(1, 3, 3), s32(1, 3), s32(1), s32(1, 3)]
    mod, _ = mod_and_params(tvm_hlo_frontend.from_hlo(call("tvm_hlo.lu", [f32(1, 3, 3)], results, config)))
    assert tvm_hlo_frontend.report_of(mod).converted


def test_cholesky_of_nothing_succeeds():
    whole = call("lapack_spotrf_ffi", [f32(0, 0)], [f32(0, 0), s32()], b"{uplo = 76 : ui8}")
    run = tvm_hlo_frontend.build(*mod_and_params(convert(whole)))
    factor, info = run(np.zeros((0, 0), np.float32))
    assert factor.shape == (0, 0) and info == 0


def test_tokens_and_opaque_values_are_results():
    for shape in (Shape("token"), Shape("opaque")):
        builder = ComputationBuilder("main")
        builder.parameter(0, f32(3))
        mod, _ = mod_and_params(convert(module("m", builder.build(builder.parameter(1, shape)))))
        assert len(tvm_hlo_frontend.signature_of(mod).parameters) == 1


def test_a_reducer_of_accumulators_alone_takes_pending_broadcasts():
    """init, squared as often as there are elements, which are a scalar in many places."""
    squares, builder = ComputationBuilder("squares"), ComputationBuilder("main")
    total, _ = (squares.parameter(number, f32()) for number in range(2))
    body = squares.build(squares.add("multiply", [total, total]))
    many = builder.add("broadcast", [builder.constant(5.0, "f32")], f32(3), DimensionsAttributes(()))
    start = builder.parameter(0, f32())
    made = builder.add("reduce", [many, start], None, DimensionsAttributes((0,)), [body])
    check(module("m", builder.build(made)), [np.float32(1.5)])


@pytest.mark.parametrize("element_type", ["bf16", "f8e4m3fn"])
def test_sums_of_narrow_elements_in_a_wider_type(element_type):
    adds, builder = ComputationBuilder("adds"), ComputationBuilder("main")
    body = adds.build(adds.add("add", [adds.parameter(number, f32()) for number in range(2)]))
    data = builder.parameter(0, array_shape(element_type, (2, 6)))
    zero = builder.constant(0.0, "f32")
    along = WindowAttributes(Window((WindowDimension(1), WindowDimension(3))))
    windows = builder.add("reduce-window", [data, zero], None, along, [body])
    sums = builder.add("reduce", [data, zero], None, DimensionsAttributes((1,)), [body])
    values = (np.arange(12).reshape(2, 6) / 4 - 1).astype(data.shape.numpy_dtype)
    found = run_tvm(module("m", builder.build(builder.add("tuple", [windows, sums]))), [values])
    rows = values.astype(np.float32)  # of types like these XLA takes none, or rounds them first
    np.testing.assert_array_equal(found[0], sum(rows[:, start : start + 4] for start in range(3)))
    np.testing.assert_array_equal(found[1], rows.sum(1))


@pytest.mark.parametrize("state", [array_shape("u32"), array_shape("u64", (1,)), array_shape("u32", (0,))])
def test_random_bits_need_a_state(state):
    builder = ComputationBuilder("main")
    shape = tuple_shape(state, array_shape("u32", (3,)))
    attributes = RngBitGeneratorAttributes("RNG_PHILOX")
    made = builder.add("rng-bit-generator", [builder.parameter(0, state)], shape, attributes)
    with pytest.raises(HloVerificationError, match="state of"):
        convert(module("m", builder.build(made)))


@pytest.mark.parametrize("element_type", ["c64", "c128"])
def test_random_bits_are_those_of_no_pairs(element_type):
    builder = ComputationBuilder("main")
    state = array_shape("u64", (2,))
    shape, attributes = tuple_shape(state, array_shape(element_type, (3,))), RngBitGeneratorAttributes("RNG_PHILOX")
    made = builder.add("rng-bit-generator", [builder.parameter(0, state)], shape, attributes)
    with pytest.raises(HloVerificationError, match="array of bits"):
        convert(module("m", builder.build(made)))


def test_what_varies_may_not_stand_where_it_is_said_not_to():
    """XLA takes a tuple of f32[<=7] for one of f32[7]; a loop carries its size beside it, and has no place for it."""
    state, varying = tuple_shape(f32(7), f32()), f32(Symbol("n", 7))
    condition, body, main = (ComputationBuilder(name) for name in ("condition", "body", "main"))
    condition.parameter(0, state)
    going = condition.build(condition.constant(False))
    same = body.build(body.parameter(0, state))
    start = main.add("tuple", [main.parameter(0, varying), main.parameter(1, f32())], state)
    made = main.add("while", [start], state, None, [same, going])
    root = main.add("get-tuple-element", [made], f32(7), TupleIndexAttributes(0))
    with pytest.raises((HloVerificationError, UnsupportedHloError)):
        convert(module("m", main.build(root)))


def test_sizes_of_what_is_unknown_are_refused():
    builder = ComputationBuilder("main")
    anything = array_shape("f32", (Symbol("p[0]"),))
    value, size = builder.parameter(0, anything), builder.parameter(1, s32())
    made = builder.add("set-dimension-size", [value, size], f32(Symbol("n", 4)), DimensionsAttributes((5,)))
    with pytest.raises(UnsupportedHloError):
        convert(module("m", builder.build(made)))


def test_arrays_without_elements_print_in_no_time():
    builder = ComputationBuilder("main")
    literal = np.zeros((2**31 - 1, 0), np.float32)
    made = builder.add("constant", (), array_shape("f32", literal.shape), ConstantAttributes(literal))
    assert "constant({...})" in to_text(module("m", builder.build(made)), large_constants=True)


@pytest.mark.parametrize("text", ["module " * 200, "x" * 5000, "a\x00b"])
def test_texts_that_are_no_names_of_files(text):
    with pytest.raises(HloParseError, match=r"cannot (read|parse)"):
        tvm_hlo_frontend.from_hlo(text)
