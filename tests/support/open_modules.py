"""Modules with unknown sizes, and what they compute in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    PadAttributes,
    SliceAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloComputation
from tvm_hlo_frontend.hlo.ir.open_module import OpenModule, SizeCheck
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.ir.sizes import variable

BATCH, N = variable("batch"), variable("n")
ROUNDS = 3


def addition() -> HloComputation:
    builder = ComputationBuilder("add")
    scalars = [builder.parameter(number, array_shape("f32")) for number in (0, 1)]
    return builder.build(builder.add("add", scalars))


def rounds(state: Shape, count: int) -> tuple[HloComputation, HloComputation]:
    """Body and condition of a loop that doubles the second part of its state `count` times."""
    builder = ComputationBuilder("body")
    whole = builder.parameter(0, state)
    number, value = (
        builder.add("get-tuple-element", [whole], part, TupleIndexAttributes(index))
        for index, part in enumerate(state.tuple_shapes)
    )
    after = builder.add("add", [number, builder.constant(1, "s32")], array_shape("s32"))
    twice = builder.add("add", [value, value], value.shape)
    body = builder.build(builder.add("tuple", [after, twice], state))
    builder = ComputationBuilder("condition")
    number = builder.add(
        "get-tuple-element", [builder.parameter(0, state)], array_shape("s32"), TupleIndexAttributes(0)
    )
    limit = builder.constant(count, "s32")
    below = builder.add("compare", [number, limit], array_shape("pred"), CompareAttributes("LT", "SIGNED"))
    return body, builder.build(below)


def mixed() -> OpenModule:
    """x f32[batch, 2*n], w f32[2*n, n + 3]: a product without its sums, cut, padded, times the batch, doubled in a
    loop."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (BATCH, 2 * N)), "x")
    w = builder.parameter(1, array_shape("f32", (2 * N, N + 3)), "w")
    wide = array_shape("f32", (BATCH, N + 3))
    numbers = DotDimensionNumbers(lhs_contracting=(1,), rhs_contracting=(0,))
    product = builder.add("dot", [x, w], wide, DotAttributes(numbers))
    zero = builder.constant(0, "f32")
    sums = builder.add(
        "reduce", [product, zero], array_shape("f32", (BATCH,)), DimensionsAttributes((1,)), [addition()]
    )
    spread = builder.add("broadcast", [sums], wide, DimensionsAttributes((0,)))
    rest = builder.add("subtract", [product, spread], wide)
    cut = builder.add(
        "slice", [rest], array_shape("f32", (BATCH, N + 1)), SliceAttributes((0, 1), (BATCH, N + 2), (1, 1))
    )
    room = array_shape("f32", (BATCH + N, N + 3))
    padded = builder.add("pad", [cut, zero], room, PadAttributes((0, 2), (N, 0), (0, 0)))
    size = builder.add("get-dimension-size", [x], array_shape("s32"), DimensionsAttributes((0,)))
    factor = builder.add("convert", [size], array_shape("f32"))
    factors = builder.add("broadcast", [factor], room, DimensionsAttributes(()))
    state = tuple_shape(array_shape("s32"), room)
    start = builder.add("tuple", [builder.constant(0, "s32"), builder.add("multiply", [padded, factors], room)], state)
    loop = builder.add("while", [start], state, None, rounds(state, ROUNDS))
    root = builder.add("get-tuple-element", [loop], room, TupleIndexAttributes(1))
    return OpenModule(module("mixed", builder.build(root)), (SizeCheck(BATCH, ">=", 1, "the export"),))


def mixed_in_numpy(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    product = x @ w
    rest = product - product.sum(1, keepdims=True)
    padded = np.pad(rest[:, 1:-1], [(0, x.shape[1] // 2), (2, 0)])
    return padded * np.float32(len(x)) * np.float32(2**ROUNDS)


def mixed_arrays(batch: int, n: int) -> list[np.ndarray]:
    """Small integers, so that sums are exact."""
    random = np.random.default_rng(batch * 100 + n)
    shapes = [(batch, 2 * n), (2 * n, n + 3)]
    return [random.integers(-4, 5, shape).astype("float32") for shape in shapes]


def doubled(*dimensions: Any, checks: Sequence[SizeCheck] = ()) -> OpenModule:
    """x + x for f32 of these dimensions."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", dimensions), "x")
    root = builder.add("add", [x, x], x.shape)
    return OpenModule(module("doubled", builder.build(root)), tuple(checks))


def repeated() -> OpenModule:
    """x f32[batch] and count s32, whose value is the size n: n rows that are x."""
    builder = ComputationBuilder("main")
    x = builder.parameter(0, array_shape("f32", (BATCH,)), "x")
    count = builder.parameter(1, array_shape("s32"), "count")
    shape = array_shape("f32", (N, BATCH))
    rows = builder.add("broadcast", [x], shape, DimensionsAttributes((1,)))
    number = builder.add("convert", [count], array_shape("f32"))
    root = builder.add("multiply", [rows, builder.add("broadcast", [number], shape, DimensionsAttributes(()))], shape)
    return OpenModule(module("repeated", builder.build(root)), values={"n": 1})
