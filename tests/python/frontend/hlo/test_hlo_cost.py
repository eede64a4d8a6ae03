"""FLOPs by hand and by XLA's own cost analysis; trips of counted loops."""

from __future__ import annotations

import pytest

from tvm_hlo_frontend.analysis.trips import known_trips
from tvm_hlo_frontend.hlo.cost import Cost, module_cost
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    ConvolutionAttributes,
    ConvolutionDimensionNumbers,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    FftAttributes,
    SortAttributes,
    TriangularSolveAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape
from tvm_hlo_frontend.hlo.proto.reader import read

F = array_shape("f32")


def cost_of(build, *shapes):
    """Cost of the module whose root `build` makes of parameters."""
    builder = ComputationBuilder("main")
    parameters = [builder.parameter(number, array_shape("f32", shape)) for number, shape in enumerate(shapes)]
    return module_cost(module("cost", builder.build(build(builder, *parameters))), known_trips)


def binary(opcode):
    builder = ComputationBuilder(opcode)
    return builder.build(builder.add(opcode, [builder.parameter(0, F), builder.parameter(1, F)]))


def comparator():
    builder = ComputationBuilder("less")
    operands = [builder.parameter(0, F), builder.parameter(1, F)]
    return builder.build(builder.add("compare", operands, attributes=CompareAttributes("LT", "FLOAT")))


def test_dot_is_two_per_product():
    numbers = DotDimensionNumbers((2,), (1,), (0,), (0,))
    cost = cost_of(lambda b, x, y: b.add("dot", [x, y], attributes=DotAttributes(numbers)), (2, 3, 4), (2, 4, 5))
    assert cost.by_opcode == {"dot": Cost(2 * (2 * 3 * 5) * 4)}


def convolution(window, result, groups=1):
    numbers = ConvolutionDimensionNumbers(0, 3, (1, 2), 2, 3, (0, 1), 0, 3, (1, 2))
    attributes = ConvolutionAttributes(Window(tuple(window)), numbers, groups)
    return lambda b, x, k: b.add("convolution", [x, k], array_shape("f32", result), attributes)


def test_convolution_without_padding_meets_every_window_element():
    window = [WindowDimension(3), WindowDimension(2)]
    cost = cost_of(convolution(window, (2, 6, 7, 5)), (2, 8, 8, 3), (3, 2, 3, 5))
    assert cost.total == Cost(2 * (2 * 6 * 7 * 5) * (3 * 2 * 3))


def test_convolution_counts_neither_padding_nor_holes_and_features_per_group():
    # 5 outputs of 3 elements each, 2 of which are padding; and 4 outputs that meet one element each, as the window's
    # other element lies on the hole between two
    window = [WindowDimension(3, padding_low=1, padding_high=1), WindowDimension(2, base_dilation=2)]
    cost = cost_of(convolution(window, (1, 5, 4, 6), groups=2), (1, 5, 3, 4), (3, 2, 2, 6))
    assert cost.total == Cost(2 * 6 * 2 * (5 * 3 - 2) * 4)


def test_elementwise_counts_elements_and_transcendentals_apart():
    def build(b, x):
        return b.add("multiply", [b.add("exponential", [x]), b.add("negate", [x])])

    cost = cost_of(build, (3, 5))
    assert cost.by_opcode == {"exponential": Cost(0, 15), "negate": Cost(15), "multiply": Cost(15)}
    assert cost.total == Cost(30, 15)


def test_moving_data_is_free():
    assert cost_of(lambda b, x: b.add("reverse", [x], attributes=DimensionsAttributes((0,))), (9,)).by_opcode == {}


def test_reduce_evaluates_its_body_once_less_than_it_reads():
    def build(b, x):
        zero = b.constant(0.0, "f32")
        return b.add("reduce", [x, zero], array_shape("f32", (3,)), DimensionsAttributes((1,)), [binary("add")])

    assert cost_of(build, (3, 7)).by_opcode == {"reduce": Cost(3 * 6)}


def test_reduce_window_and_select_and_scatter():
    window = WindowAttributes(Window((WindowDimension(3, stride=2),)))

    def pool(b, x):
        return b.add("reduce-window", [x, b.constant(0.0, "f32")], array_shape("f32", (4,)), window, [binary("add")])

    def gradient(b, x, source):
        bodies = [comparator(), binary("add")]
        return b.add("select-and-scatter", [x, source, b.constant(0.0, "f32")], x.shape, window, bodies)

    assert cost_of(pool, (9,)).total == Cost(4 * 2)
    assert cost_of(gradient, (9,), (4,)).total == Cost(4 * 2 + 4)


def test_sort_compares_each_element_log_n_times():
    cost = cost_of(lambda b, x: b.add("sort", [x], x.shape, SortAttributes(1), [comparator()]), (3, 6))
    assert cost.by_opcode == {"sort": Cost(18 * 3)}


def test_factorisations_and_transforms():
    options = TriangularSolveAttributes(True, True, False, "NO_TRANSPOSE")
    solve = cost_of(lambda b, a, c: b.add("triangular-solve", [a, c], attributes=options), (2, 6, 6), (2, 6, 3))
    assert solve.total == Cost(2 * 36 * 3)
    transform = FftAttributes("RFFT", (8,))
    assert cost_of(lambda b, x: b.add("fft", [x], attributes=transform), (3, 8)).total == Cost(3 * 5 * 8 * 3 // 2)


def loop_module(first, limit, step, direction="LT", exchanged=False):
    """sine, run by a counted loop."""
    state = tuple_shape(array_shape("s32"), array_shape("f32", (4,)))
    condition = ComputationBuilder("condition")
    counter = condition.add("get-tuple-element", [condition.parameter(0, state)], attributes=TupleIndexAttributes(0))
    operands = [counter, condition.constant(limit, "s32")]
    attributes = CompareAttributes(direction, "SIGNED")
    test = condition.add("compare", operands[::-1] if exchanged else operands, attributes=attributes)
    body = ComputationBuilder("body")
    parameter = body.parameter(0, state)
    index, value = (
        body.add("get-tuple-element", [parameter], attributes=TupleIndexAttributes(number)) for number in (0, 1)
    )
    after = body.add("add", [index, body.constant(step, "s32")])
    new = body.add("tuple", [after, body.add("sine", [value])])
    builder = ComputationBuilder("main")
    initial = builder.add("tuple", [builder.constant(first, "s32"), builder.parameter(0, array_shape("f32", (4,)))])
    root = builder.add("while", [initial], state, called_computations=[body.build(new), condition.build(test)])
    return module("loop", builder.build(root))


@pytest.mark.parametrize(
    ("arguments", "trips"),
    [
        ((0, 5, 1), 5),
        ((0, 5, 2), 3),
        ((5, 5, 1), 0),
        ((9, 5, 1), 0),
        ((0, 5, 1, "LE"), 6),
        ((5, 0, -1, "GT"), 5),
        ((5, 0, -2, "GE"), 3),
        ((0, 6, 2, "NE"), 3),
        ((6, 0, -2, "NE"), 3),
        ((0, 5, 2, "NE"), None),
        ((0, 5, -1, "NE"), None),
        ((0, 5, -1), None),
        ((0, 5, 0), None),
        ((0, 5, 1, "GT", True), 5),
        # the counter wraps before the condition is false
        ((0, 2**31 - 1, 1, "LE"), None),
        ((0, 2**31 - 1, 2**30), None),
    ],
)
def test_trips_of_counted_loops(arguments, trips):
    loop = loop_module(*arguments).entry.root
    assert known_trips(loop) == trips


def test_loops_run_their_body_as_often_as_is_known():
    counted = module_cost(loop_module(0, 5, 1), known_trips)
    assert counted.by_opcode == {"add": Cost(5), "sine": Cost(0, 20), "compare": Cost(5)}
    assert counted.loops_counted_once == 0
    unknown = module_cost(loop_module(0, 5, 2, "NE"), known_trips)
    assert unknown.by_opcode["sine"] == Cost(0, 4) and unknown.loops_counted_once == 1


def test_what_has_no_formula_is_named():
    cost = cost_of(lambda b, x: b.add("rng", [x, x], array_shape("f32", (7,)), attributes=rng()), ())
    assert cost.uncounted == {"rng": 1} and cost.total == Cost()


def rng():
    from tvm_hlo_frontend.hlo.ir.attributes import RngAttributes

    return RngAttributes("RNG_UNIFORM")


# what XLA counts otherwise: comparators, bitcasts, calls of LAPACK, transforms, generators, trips
COUNTED_OTHERWISE = {"sort", "bitcast", "fft", "linalg", "random", "threefry"}


def test_totals_are_those_of_xla():
    jax = pytest.importorskip("jax")
    from jaxlib import _hlo, _jax

    from tests.support.hlo_samples import lowered_samples

    client = jax.devices("cpu")[0].client
    compared = 0
    for name, (data, _) in lowered_samples().items():
        if name in COUNTED_OTHERWISE:
            continue
        theirs = _jax.hlo_module_cost_analysis(client, _hlo.HloModule.from_serialized_hlo_module_proto(data))
        ours = module_cost(read(data)).total
        wanted = Cost(int(theirs.get("flops", 0)), int(theirs.get("transcendentals", 0)))
        assert ours == wanted, name
        compared += 1
    assert compared > 25
