"""Opcodes that move elements (rules 35 to 39, 41 to 43 and 47), against XLA:CPU and against numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tools.support.compare import check, compare, run_tvm

from tests.support.emitted import calls_of
from tests.support.indexing_modules import values
from tvm_hlo_frontend import from_hlo
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hlo.ir.attributes import Attributes, DimensionsAttributes, PadAttributes, SliceAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import Shape, array_shape, element_type_of


@dataclass(frozen=True, eq=False)
class Case:
    """One instruction on parameters, and its result by numpy."""

    opcode: str
    operands: tuple[np.ndarray, ...]
    attributes: Attributes | None
    expected: Any


def broadcast(x: np.ndarray, sizes: tuple[int, ...], dimensions: tuple[int, ...]) -> Case:
    """Operand dimension i becomes dimension dimensions[i]."""
    order = np.argsort(dimensions)
    carried = [1] * len(sizes)
    for axis in order:
        carried[dimensions[axis]] = x.shape[axis]
    expected = np.broadcast_to(x.transpose(order).reshape(carried), sizes)
    return Case("broadcast", (x,), DimensionsAttributes(dimensions), expected)


def reshape(x: np.ndarray, *sizes: int) -> Case:
    return Case("reshape", (x,), None, x.reshape(sizes))


def transpose(x: np.ndarray, *permutation: int) -> Case:
    return Case("transpose", (x,), DimensionsAttributes(permutation), x.transpose(permutation))


def pad(x: np.ndarray, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...], value: Any = 9) -> Case:
    """Holes first, then the edges; negative ones crop what the holes have made."""
    value = np.asarray(value, x.dtype)
    sizes = [(size - 1) * (gap + 1) + 1 if size else 0 for size, gap in zip(x.shape, interior)]
    spread = np.full(sizes, value)
    spread[tuple(slice(None, None, gap + 1) for gap in interior)] = x
    padded = np.pad(spread, [(max(a, 0), max(b, 0)) for a, b in zip(low, high)], constant_values=value)
    inside = tuple(slice(max(-a, 0), size - max(-b, 0)) for a, b, size in zip(low, high, padded.shape))
    return Case("pad", (x, value), PadAttributes(low, high, interior), padded[inside])


def strided(x: np.ndarray, *ranges: tuple[int, int, int]) -> Case:
    starts, limits, strides = zip(*ranges)
    expected = x[tuple(slice(*part) for part in ranges)]
    return Case("slice", (x,), SliceAttributes(starts, limits, strides), expected)


def reverse(x: np.ndarray, *dimensions: int) -> Case:
    return Case("reverse", (x,), DimensionsAttributes(dimensions), np.flip(x, dimensions))


def iota(dtype: Any, sizes: tuple[int, ...], dimension: int) -> Case:
    line = np.arange(sizes[dimension]).astype(dtype)
    places = [-1 if axis == dimension else 1 for axis in range(len(sizes))]
    return Case("iota", (), DimensionsAttributes((dimension,)), np.broadcast_to(line.reshape(places), sizes))


def concatenate(dimension: int, *sizes: tuple[int, ...]) -> Case:
    parts = tuple(values(part, seed=number) for number, part in enumerate(sizes))
    return Case("concatenate", parts, DimensionsAttributes((dimension,)), np.concatenate(parts, dimension))


X, CUBE, FLAGS = values((2, 3, 4)), values((3, 3, 3), np.int32), values((4, 5)) % 3 == 0
FOUR = np.arange(4, dtype=np.int32)

CASES: dict[str, list[Case]] = {
    "rule_35 broadcast": [
        broadcast(values((3,)), (2, 3), (1,)), broadcast(values((3,)), (3, 2), (0,)),
        broadcast(X, (2, 3, 5, 4), (0, 1, 3)), broadcast(values((3, 3)), (3, 4, 3), (2, 0)),
        broadcast(np.float32(7), (2, 2), ()), broadcast(values((1,)), (1, 4), (0,)),
        broadcast(FLAGS, (2, 4, 5), (1, 2)),
    ],
    "rule_36 reshape": [
        reshape(X, 4, 6), reshape(X, 24), reshape(np.float64(3), 1, 1), reshape(values((1, 1))), reshape(CUBE, 1, 27),
        reshape(FLAGS, 2, 2, 5),
    ],
    "rule_37 transpose of a cube": [transpose(CUBE, 1, 2, 0), transpose(CUBE, 0, 2, 1)],
    "rule_37 transpose": [
        transpose(X, 2, 0, 1), transpose(FLAGS, 1, 0),
        transpose(values((2, 3, 4, 5)), 3, 1, 0, 2),
    ],
    "rule_38 pad": [
        pad(FOUR, (-2,), (1,), (1,)), pad(FOUR, (1,), (-2,), (2,)), pad(FOUR, (-1,), (-1,), (0,)),
        pad(values((3, 4)), (1, 0), (0, 2), (0, 1)), pad(values((3, 4)), (-1, 2), (1, -3), (2, 0), np.nan),
        pad(FLAGS, (1, 1), (0, 0), (1, 0), True),
    ],
    "rule_39 slice": [
        strided(values((10,)), (0, 10, 2)), strided(values((10,)), (1, 9, 3)),
        strided(X, (0, 2, 1), (1, 3, 2), (0, 4, 3)), strided(FLAGS, (3, 4, 5), (0, 5, 4)),
    ],
    "rule_41 reverse": [reverse(X, 0, 2), reverse(X, 1), reverse(CUBE, 2, 1, 0), reverse(FLAGS, 1)],
    "rule_42 iota of a square": [iota(np.int32, (3, 3), 0), iota(np.int32, (3, 3), 1), iota(np.float64, (2, 2), 0)],
    "rule_42 iota": [
        iota(np.float32, (2, 5, 3), 1), iota(np.uint8, (200,), 0),
        iota(np.float16, (3, 40), 1), iota(np.uint64, (4,), 0),
    ],
    "rule_43 concatenate": [
        concatenate(1, (2, 0), (2, 3), (2, 0), (2, 1)), concatenate(0, (0, 3), (2, 3)), 
        concatenate(0, (2,), (3,), (1,)), concatenate(2, (1, 2, 3), (1, 2, 0), (1, 2, 2)),
    ],
    "rule_47 without elements": [
        broadcast(values((0,)), (2, 0), (1,)), reshape(values((0, 3)), 3, 0, 2), transpose(values((0, 3)), 1, 0),
        pad(values((0, 2)), (1, 0), (2, 0), (3, 0)), pad(values((2,)), (-1,), (-1,), (0,)), strided(FOUR, (2, 2, 1)),
        reverse(values((0, 3)), 0, 1), iota(np.float32, (0, 3), 1), concatenate(0, (0, 2), (0, 2)),
    ],
}  # fmt: skip


def shape_of(array: Any) -> Shape:
    array = np.asarray(array)
    return array_shape(element_type_of(array.dtype), array.shape)


def module_of(cases: list[Case]) -> tuple[Any, list[np.ndarray]]:
    """One module with one result per case, and its arguments."""
    builder, arguments, results = ComputationBuilder("main"), [], []
    for case in cases:
        operands = []
        for array in case.operands:
            operands.append(builder.parameter(len(arguments), shape_of(array)))
            arguments.append(np.asarray(array))
        results.append(builder.add(case.opcode, operands, shape_of(case.expected), case.attributes))
    return module("movement", builder.build(builder.add("tuple", results))), arguments


@pytest.mark.parametrize("name", CASES)
def test_movement(name: str) -> None:
    got = check(*module_of(CASES[name]))
    compare(got, [np.asarray(case.expected) for case in CASES[name]])


def test_rule_36_layouts_play_no_part() -> None:
    """Layouts say how a tensor lies in XLA's memory; reshape, transpose and broadcast speak of its elements."""
    columns = Shape("f32", (2, 3), (0, 1))
    builder = ComputationBuilder("main")
    x = builder.parameter(0, columns)
    results = [
        builder.add("reshape", [x], Shape("f32", (3, 2), (0, 1))),
        builder.add("reshape", [builder.add("negate", [x], columns)], array_shape("f32", (6,))),
        builder.add("transpose", [x], Shape("f32", (3, 2), (0, 1)), DimensionsAttributes((1, 0))),
    ]
    hlo = module("layouts", builder.build(builder.add("tuple", results)))
    data = values((2, 3))
    compare(run_tvm(hlo, [data]), [data.reshape(3, 2), -data.reshape(6), data.T])


# element type -> the values of an iota in it: those of an integer, rounded
ROUNDED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bf16": lambda line: line.astype(shape_dtype("bf16")),
    "c64": lambda line: line.astype(np.complex64),
    "f8e5m2": lambda line: line.astype(np.float32).astype(shape_dtype("f8e5m2")),
}


def shape_dtype(element_type: str) -> Any:
    return array_shape(element_type).numpy_dtype


@pytest.mark.parametrize("element_type", ROUNDED)
def test_rule_42_iota_of_types_that_tvm_lacks(element_type: str) -> None:
    builder = ComputationBuilder("main")
    root = builder.add("iota", [], array_shape(element_type, (300, 2)), DimensionsAttributes((0,)))
    (got,) = check(module("iota", builder.build(root)), [])
    np.testing.assert_array_equal(got[:, 1], ROUNDED[element_type](np.arange(300)))


@pytest.mark.parametrize(("rows", "reshapes"), [(4, 0), (1025, 1)])
def test_small_constants_are_made_as_they_are_used(rows: int, reshapes: int) -> None:
    builder = ComputationBuilder("main")
    shape = array_shape("s32", (rows, 2))
    count = builder.add("iota", [], shape, DimensionsAttributes((0,)))
    hlo = module("column", builder.build(builder.add("add", [builder.parameter(0, shape), count], shape)))
    check(hlo, [np.ones((rows, 2), np.int32)])
    assert calls_of(mod_and_params(from_hlo(hlo))[0]).count("reshape") == reshapes
