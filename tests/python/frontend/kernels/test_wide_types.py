"""64-bit integers and constants at the ends of their ranges, where TVM's own arithmetic on constants overflows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tools.support.compare import check

from tvm_hlo_frontend.hlo.ir.attributes import CompareAttributes, DimensionsAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

COUNT = 27
INTEGERS = ("u8", "s64", "u64")
BINARY = """
add subtract multiply divide remainder maximum minimum and or xor shift-left shift-right-logical shift-right-arithmetic
""".split()
UNARY = ["negate", "not", "popcnt", "count-leading-zeros", "abs", "sign"]


def broadcast(builder: ComputationBuilder, value: int, kind: str) -> Any:
    scalar = builder.constant(BY_NAME[kind].numpy_dtype.type(value), kind)
    return builder.add("broadcast", [scalar], array_shape(kind, (COUNT,)), DimensionsAttributes(()))


def ends(kind: str) -> tuple[int, int]:
    info = np.iinfo(BY_NAME[kind].numpy_dtype)
    return int(info.min), int(info.max)


@pytest.mark.parametrize("kind", INTEGERS)
def test_constants_at_the_ends_of_a_type_go_into_every_operation(kind):
    builder = ComputationBuilder("main")
    which = builder.parameter(0, array_shape("pred", (COUNT,)))
    lowest, highest = ends(kind)
    pairs = [(highest, lowest), (1, highest - 1)]
    x, y = (builder.add("select", [which, *(broadcast(builder, value, kind) for value in pair)]) for pair in pairs)
    zero = broadcast(builder, 0, kind)
    results = [builder.add(opcode, [x, y]) for opcode in BINARY]
    results += [builder.add(opcode, [x]) for opcode in UNARY if kind[0] == "s" or opcode not in ("abs", "sign")]
    kinds = [other for other in (*INTEGERS, "f32", "f64") if other != kind]
    results += [builder.add("convert", [x], array_shape(other, (COUNT,))) for other in kinds]
    results += [builder.add("convert", [zero], array_shape(other, (COUNT,))) for other in kinds]
    order = "SIGNED" if kind[0] == "s" else "UNSIGNED"
    results += [builder.add("compare", [x, y], None, CompareAttributes(way, order)) for way in ("LT", "LE", "GT")]
    check(module("ends", builder.build(builder.add("tuple", results))), [np.arange(COUNT) % 3 == 0], ulps=0)


LIMITS = (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def test_constants_around_the_largest_signed_integer_are_compared_and_limited():
    # TVM's analysis ends the process on uint64's 2^63 - 1 < x, once both sides are constants that it has folded
    builder = ComputationBuilder("main")
    scalars = {limit: builder.constant(np.uint64(limit), "u64") for limit in LIMITS}
    x = builder.parameter(0, array_shape("u64", (COUNT,)))
    results = []
    for limit in LIMITS:
        wide = broadcast(builder, limit, "u64")
        results += [builder.add(opcode, [x, wide]) for opcode in ("minimum", "maximum", "divide", "remainder")]
        results += [builder.add("compare", [wide, x], None, CompareAttributes(way, "UNSIGNED")) for way in ("LT", "GE")]
        for other in LIMITS:
            largest = builder.add("maximum", [scalars[other], scalars[0]])
            results.append(builder.add("minimum", [scalars[limit], largest]))
    values = np.array([*LIMITS, 2, 3, 1 << 62, (1 << 63) + 1, 12345678901234567890], np.uint64)
    check(module("limits", builder.build(builder.add("tuple", results))), [np.resize(values, COUNT)], ulps=0)
