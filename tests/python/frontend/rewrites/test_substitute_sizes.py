"""Modules of unknown sizes become modules of known ones: shapes, attributes, tuples, computations that are called."""

from __future__ import annotations

import numpy as np
import pytest
from tools.support.compare import check
from tools.support.oracle import run_xla

from tests.support.open_modules import BATCH, N, addition, mixed, mixed_arrays, mixed_in_numpy, repeated
from tvm_hlo_frontend.hlo.ir.attributes import (
    CustomCallAttributes,
    DynamicSliceAttributes,
    FftAttributes,
    GatherAttributes,
    PadAttributes,
    SliceAttributes,
    TopKAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.open_module import OpenModule, SizeCheck
from tvm_hlo_frontend.hlo.ir.shape import Shape, Symbol, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.ir.sizes import Size, larger
from tvm_hlo_frontend.hlo.verifier import verify
from tvm_hlo_frontend.rewrites.substitute_sizes import (
    sizes_of_shapes,
    unknown_sizes,
    with_sizes,
    with_some_sizes,
)

X = np.arange(12, dtype="float32").reshape(4, 3) - 5
WHOLE = array_shape("f32", (BATCH, N))


def dynamic_slice(builder, x):
    starts = [builder.constant(1, "s32"), builder.constant(0, "s32")]
    return builder.add(
        "dynamic-slice", [x, *starts], array_shape("f32", (BATCH - 1, N)), DynamicSliceAttributes((BATCH - 1, N))
    )


def gather(builder, x):
    """Two rows from a place on."""
    attributes = GatherAttributes((0, 1), (), (0,), 0, (2, N))
    return builder.add("gather", [x, builder.constant([1], "s32")], array_shape("f32", (2, N)), attributes)


def reduce_window(builder, x):
    window = Window((WindowDimension(1), WindowDimension(N, padding_low=N - 1)))
    zero = builder.constant(0, "f32")
    return builder.add("reduce-window", [x, zero], WHOLE, WindowAttributes(window), [addition()])


def topk(builder, x):
    parts = array_shape("f32", (BATCH, N - 1)), array_shape("s32", (BATCH, N - 1))
    return builder.add("topk", [x], tuple_shape(*parts), TopKAttributes(N - 1))


def fft(builder, x):
    return builder.add("fft", [x], array_shape("c64", (BATCH, N // 2 + 1)), FftAttributes("RFFT", (N,)))


def pad(builder, x):
    shape = array_shape("f32", (2 * BATCH - 1, larger(N, 2) - 1))
    return builder.add("pad", [x, builder.constant(7, "f32")], shape, PadAttributes((0, -1), (0, 0), (1, 0)))


def strided(builder, x):
    shape = array_shape("f32", ((BATCH + 1) // 2, 1))
    return builder.add("slice", [x], shape, SliceAttributes((0, 0), (BATCH, N), (2, N)))


@pytest.mark.parametrize("add", [dynamic_slice, gather, reduce_window, topk, fft, pad, strided])
def test_sizes_in_shapes_and_attributes_become_numbers(add):
    builder = ComputationBuilder("main")
    root = add(builder, builder.parameter(0, WHOLE))
    hlo = verify(with_sizes(OpenModule(module("open", builder.build(root))), {"batch": 4, "n": 3}))
    assert all(instruction.shape.is_static for instruction in hlo.instructions)
    check(hlo, [X], rtol=1e-5)


@pytest.mark.parametrize(("batch", "n"), [(2, 3), (1, 1), (3, 0), (5, 2)])
def test_a_program_with_a_loop_means_the_same_for_all_sizes(batch, n):
    hlo, arrays = with_sizes(mixed(), {"batch": batch, "n": n}), mixed_arrays(batch, n)
    wanted = mixed_in_numpy(*arrays)
    np.testing.assert_array_equal(run_xla(verify(hlo), arrays)[0], wanted)
    np.testing.assert_array_equal(check(hlo, arrays)[0], wanted)


def test_computations_that_are_called_have_numbers_too():
    hlo = with_sizes(mixed(), {"batch": 2, "n": 3})
    loop = next(instruction for instruction in hlo.instructions if instruction.opcode == "while")
    assert [str(callee.parameters[0].shape) for callee in loop.called_computations] == ["(s32[], f32[5,6])"] * 2


def test_a_parameter_whose_value_is_a_size_stays():
    hlo = verify(with_sizes(repeated(), {"batch": 3, "n": 2}))
    assert [str(parameter.shape) for parameter in hlo.entry.parameters] == ["f32[3]", "s32[]"]
    check(hlo, [np.ones(3, "float32"), np.int32(2)])


def test_what_has_no_size_is_the_very_same():
    builder = ComputationBuilder("main")
    x = builder.parameter(0, WHOLE)
    layouts = (Shape("f32", (N, 2), (0, 1)), array_shape("f32", (Symbol("rows", 8),)))
    call = builder.add("custom-call", [x], WHOLE, CustomCallAttributes("mine", operand_shapes_with_layout=layouts))
    old = module("open", builder.build(call))
    new = with_sizes(OpenModule(old), {"batch": 4, "n": 3}).entry.root
    assert new.attributes.operand_shapes_with_layout == (Shape("f32", (3, 2), (0, 1)), layouts[1])
    assert new.attributes.operand_shapes_with_layout[1] is layouts[1]
    builder = ComputationBuilder("closed")
    constant = builder.constant(np.ones((2, 2), "float32"))
    kept = with_sizes(OpenModule(module("closed", builder.build(constant))), {}).entry.root
    assert kept.attributes is constant.attributes and kept.shape is constant.shape


def test_a_size_without_a_number_is_an_error():
    with pytest.raises(KeyError, match="n"):
        with_sizes(mixed(), {"batch": 2})


def test_some_sizes_become_known_and_the_others_stay():
    old = mixed()
    checks = (SizeCheck(N * BATCH, ">=", BATCH, "x"),)
    known = with_some_sizes(OpenModule(old.module, checks, {"batch": 0}), {"batch": 2})
    assert unknown_sizes(known) == ["n"] and known.values == {}
    assert [str(check) for check in known.checks] == ["2*n >= 2"]
    assert [str(parameter.shape) for parameter in known.module.entry.parameters] == ["f32[2,2*n]", "f32[2*n,n + 3]"]
    arrays = mixed_arrays(2, 3)
    np.testing.assert_array_equal(run_xla(with_sizes(known, {"n": 3}), arrays)[0], mixed_in_numpy(*arrays))


def test_unknown_sizes_are_found_wherever_they_are():
    assert unknown_sizes(mixed()) == ["batch", "n"]
    assert unknown_sizes(OpenModule(mixed().module, (SizeCheck(Size("m"), "<", 3),), {"k": 1})) == [
        "batch", "k", "m", "n",
    ]  # fmt: skip
    found = sizes_of_shapes(mixed().module)
    assert found[Size("2*n")].name == "x" and N + 1 in found and N + 2 not in found
