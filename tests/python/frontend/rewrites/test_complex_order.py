"""Order of complex numbers (rule 18) and select-and-scatter of them (rule 69), against XLA:CPU."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tools.support.compare import check

from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DimensionsAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape
from tvm_hlo_frontend.rewrites.emit import Emitter

PARTS = [np.nan, -np.inf, -1.0, -0.0, 0.0, 1.0, np.inf]
NUMBERS = np.array([complex(re, im) for re, im in itertools.product(PARTS, PARTS)], "complex64")
LEFT, RIGHT = (grid.ravel() for grid in np.meshgrid(NUMBERS, NUMBERS))
THIRD = np.random.default_rng(0).choice(NUMBERS, LEFT.size)
C64 = array_shape("c64")


def test_rule_18_comparisons_minimum_maximum_and_clamp():
    """LT and GT are lexicographic; LE, GE, minimum, maximum and clamp go by the real parts alone, as on XLA:CPU."""
    builder = ComputationBuilder("main")
    a, b, c = (builder.parameter(number, array_shape("c64", LEFT.shape)) for number in range(3))
    directions = ("EQ", "NE", "LT", "LE", "GT", "GE")
    made = [builder.add("compare", [a, b], attributes=CompareAttributes(d, "FLOAT")) for d in directions]
    made += [builder.add(opcode, [a, b]) for opcode in ("maximum", "minimum")]
    made.append(builder.add("clamp", [a, b, c]))
    check(module("order", builder.build(builder.add("tuple", made))), [LEFT, RIGHT, THIRD], ulps=0)


def test_rule_14_scalar_limits():
    builder = ComputationBuilder("main")
    low, x, high = (builder.parameter(n, array_shape("c64", s)) for n, s in enumerate(((), LEFT.shape, ())))
    hlo = module("limits", builder.build(builder.add("clamp", [low, x, high])))
    check(hlo, [np.complex64(-1 + 5j), LEFT, np.complex64(1 - 5j)], ulps=0)


def test_rules_18_and_64_maximum_as_a_body():
    body = ComputationBuilder("body")
    maximum = body.build(body.add("maximum", [body.parameter(0, C64), body.parameter(1, C64)]))
    builder = ComputationBuilder("main")
    emit = Emitter(builder)
    x = builder.parameter(0, array_shape("c64", (5, 4)))
    made = emit("reduce", x, builder.constant(0, "c64"), attributes=DimensionsAttributes((0,)), called=[maximum])
    values = np.random.default_rng(1).integers(-2, 3, (2, 5, 4))
    check(module("reduce", builder.build(made)), [(values[0] + 1j * values[1]).astype("complex64")], ulps=0)


def equal(emit, current, candidate):
    return emit.compare("EQ", current, candidate)


def real_part_first_wins(emit, current, candidate):
    return emit.compare("GE", emit("real", current), emit("real", candidate))


def real_part_last_wins(emit, current, candidate):
    return emit.compare("GT", emit("real", current), emit("real", candidate))


W = WindowDimension
# id -> (operand, window, select)
WINDOWS = {
    "disjoint": ((6, 4), (W(2, 2), W(2, 2)), real_part_first_wins),
    "overlapping": ((6, 5), (W(3, 1), W(2, 1)), real_part_last_wins),
    "padded": ((5, 4), (W(3, 2, 1, 1), W(2, 2, 0, 2)), real_part_first_wins),
    "cropped": ((6, 5), (W(2, 2, -1, -1), W(1)), real_part_first_wins),
    "equality": ((8,), (W(4, 2),), equal),
}


@pytest.mark.parametrize("combiner", ["add", "multiply", "subtract"])
@pytest.mark.parametrize("name", WINDOWS)
def test_rule_69_select_and_scatter(name, combiner):
    """The scatter computation takes the current value first; subtract tells."""
    sizes, rows, select = WINDOWS[name]
    chosen = ComputationBuilder("select")
    pair = [chosen.parameter(number, C64) for number in (0, 1)]
    keep = chosen.build(select(Emitter(chosen), *pair))
    body = ComputationBuilder("scatter")
    combine = body.build(body.add(combiner, [body.parameter(0, C64), body.parameter(1, C64)]))
    places = [(size + d.padding_low + d.padding_high - d.size) // d.stride + 1 for size, d in zip(sizes, rows)]
    builder = ComputationBuilder("main")
    operands = [builder.parameter(n, array_shape("c64", s)) for n, s in enumerate((sizes, places, ()))]
    attributes = WindowAttributes(Window(rows))
    made = builder.add("select-and-scatter", operands, operands[0].shape, attributes, [keep, combine])
    random = np.random.default_rng(2)
    x = (random.integers(-3, 4, sizes) + 1j * random.integers(-3, 4, sizes)).astype("complex64")
    source = (random.integers(-3, 4, places) + 1j * random.integers(-3, 4, places)).astype("complex64")
    check(module("scattered", builder.build(made)), [x, source, np.complex64(2 - 1j)], ulps=0)
