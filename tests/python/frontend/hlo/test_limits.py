"""hlo/limits.py: what happens at each limit, and that small files do not ask for machines that nobody has."""

from __future__ import annotations

import time

import pytest

import tvm_hlo_frontend
from tvm_hlo_frontend import HloLimitError, HloParseError, Limits
from tvm_hlo_frontend.hlo.ir.attributes import (
    CallAttributes,
    CompareAttributes,
    DimensionsAttributes,
    FftAttributes,
    ParameterAttributes,
    SliceAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.module import HloComputation, HloInstruction, HloModule
from tvm_hlo_frontend.hlo.ir.shape import Symbol, array_shape, tuple_shape
from tvm_hlo_frontend.hlo.limits import check_limits
from tvm_hlo_frontend.hlo.proto.reader import read
from tvm_hlo_frontend.hlo.proto.writer import to_proto
from tvm_hlo_frontend.hlo.verifier import verify

F32, S32 = array_shape("f32", (4,)), array_shape("s32")


def one(opcode, shape, attributes=None, operand=None):
    """A module of one instruction of one parameter, or of none."""
    builder = ComputationBuilder("main")
    operands = [] if operand is None else [builder.parameter(0, operand)]
    return module("one", builder.build(builder.add(opcode, operands, shape, attributes)))


def nested(depth, opcode="call", times=1):
    """Computations that each call the one before: `times` times one after the other, or as bodies of maps."""
    shape, attributes = (F32, CallAttributes()) if opcode == "call" else (array_shape("f32"), DimensionsAttributes(()))
    parameter = HloInstruction("p0", "parameter", shape, (), ParameterAttributes(0))
    computations = [
        HloComputation("c0", (parameter, made := HloInstruction("n0", "negate", shape, (parameter,))), made)
    ]
    for level in range(1, depth + 1):
        found = [HloInstruction(f"p{level}", "parameter", shape, (), ParameterAttributes(0))]
        for turn in range(times):
            name = f"k{level}_{turn}"
            found.append(HloInstruction(name, opcode, shape, (found[-1],), attributes, (computations[-1],)))
        computations.append(HloComputation(f"c{level}", tuple(found), found[-1]))
    return HloModule("nested", tuple(computations), computations[-1])


def chain(length):
    """So many additions, each of the one before."""
    builder = ComputationBuilder("main")
    first = value = builder.parameter(0, F32)
    for _ in range(length):
        value = builder.add("add", [value, first], F32)
    return module("chain", builder.build(value))


def parameters(count):
    builder = ComputationBuilder("main")
    values = [builder.parameter(number, F32) for number in range(count)]
    return module("parameters", builder.build(builder.add("concatenate", values, None, DimensionsAttributes((0,)))))


def results(count):
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    values = [builder.add("negate", [value]) for _ in range(count)]
    return module("results", builder.build(builder.add("tuple", values)))


def tuples(depth):
    builder = ComputationBuilder("main")
    value = builder.parameter(0, F32)
    for _ in range(depth):
        value = builder.add("tuple", [value])
    return module("tuples", builder.build(value))


def named(length):
    builder = ComputationBuilder("m" * length)
    value = builder.add("negate", [builder.parameter(0, F32, name="p" * length)], name="n" * length)
    return module("h" * length, builder.build(value))


def loop(trips):
    """A loop that an analysis may not run."""
    state = tuple_shape(S32, F32)
    condition, body, main = (ComputationBuilder(name) for name in ("condition", "body", "main"))

    def part(builder, value, number):
        return builder.add("get-tuple-element", [value], None, TupleIndexAttributes(number))

    counter = part(condition, condition.parameter(0, state), 0)
    going = condition.add(
        "compare", [counter, condition.constant(trips, "s32")], None, CompareAttributes("LT", "SIGNED")
    )
    given = body.parameter(0, state)
    more = body.add("add", [part(body, given, 0), body.constant(1, "s32")])
    step = body.add("tuple", [more, body.add("cosine", [part(body, given, 1)])])
    start = main.add("tuple", [main.constant(0, "s32"), main.parameter(0, F32)])
    whole = main.add("while", [start], None, None, [body.build(step), condition.build(going)])
    return module("loop", main.build(whole))


def window(**numbers):
    scalar = array_shape("f32")
    builder, adds = ComputationBuilder("main"), ComputationBuilder("adds")
    body = adds.build(adds.add("add", [adds.parameter(number, scalar) for number in range(2)]))
    attributes = WindowAttributes(Window((WindowDimension(1, **numbers),)))
    operands = [builder.parameter(0, array_shape("f32", (1,))), builder.constant(0.0, "f32")]
    return module("w", builder.build(builder.add("reduce-window", operands, None, attributes, [body])))


NEGATE = lambda *sizes: one("negate", array_shape("f32", sizes), None, array_shape("f32", sizes))  # noqa: E731
BEYOND = {
    "elements of a parameter": (lambda: NEGATE(2**40), "elements"),
    "elements of all dimensions": (lambda: NEGATE(2**16, 2**16), "elements"),
    "elements where there are none": (lambda: NEGATE(0, 2**62, 4), "elements"),
    "elements of a bound": (lambda: NEGATE(Symbol("n", 2**40)), "elements"),
    "elements of an iota": (lambda: one("iota", array_shape("s32", (2**40,)), DimensionsAttributes((0,))), "elements"),
    "elements of a broadcast": (
        lambda: one("broadcast", array_shape("f32", (2**62,)), DimensionsAttributes(()), array_shape("f32")),
        "elements",
    ),
    "elements of a tuple's part": (
        lambda: one("parameter", tuple_shape(F32, array_shape("s8", (2**33,))), ParameterAttributes(0)),
        "elements",
    ),
    "padding": (
        lambda: window(padding_low=2**62, padding_high=-(2**62)), "elements",
    ),
    "dilation": (lambda: window(window_dilation=2**40), "elements"),
    "stride": (
        lambda: one("slice", array_shape("f32", (1,)), SliceAttributes((0,), (4,), (2**40,)), F32), "elements",
    ),
    "rank": (lambda: NEGATE(*[1] * 33), "rank"),
    "fft": (
        lambda: one("fft", array_shape("c64", (2**30,)), FftAttributes("FFT", (2**30,)), array_shape("c64", (2**30,))),
        "fft_length",
    ),
    "nesting": (lambda: nested(33, "map"), "nesting"),
    "instructions by calls": (lambda: nested(40, times=2), "instructions"),
    "instructions by many more calls": (lambda: nested(300, times=9), "instructions"),
}  # fmt: skip


@pytest.mark.parametrize("case", BEYOND)
def test_beyond_a_limit_the_error_names_it(case):
    make, limit = BEYOND[case]
    data = to_proto(make())
    start = time.process_time()
    with pytest.raises(HloLimitError, match=rf"the limit is \d+ .*limits=Limits\({limit}=…\)"):
        tvm_hlo_frontend.from_hlo(data)
    assert time.process_time() - start < 5


WITHIN = {
    "calls": lambda: nested(500),
    "maps in maps": lambda: nested(32, "map"),
    "instructions": lambda: chain(3000),
    "parameters": lambda: parameters(300),
    "results": lambda: results(300),
    "tuples in tuples": lambda: tuples(60),
    "names": lambda: named(1_000_000),
    "trips": lambda: loop(2**31 - 1),
    "rank": lambda: NEGATE(*[1] * 32),
    "iota": lambda: one("iota", array_shape("s32", (2**31 - 1,)), DimensionsAttributes((0,))),
    "broadcast": lambda: one(
        "broadcast", array_shape("f32", (2**31 - 1,)), DimensionsAttributes(()), array_shape("f32")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WITHIN)
def test_within_the_limits_modules_are_converted(case):
    assert tvm_hlo_frontend.report_of(_module_of(tvm_hlo_frontend.from_hlo(to_proto(WITHIN[case]())))).converted


def _module_of(found):
    return found[0] if isinstance(found, tuple) else found


def test_tuples_deeper_than_protobuf_reads_are_refused():
    with pytest.raises(HloParseError, match="no HLO module"):
        read(to_proto(tuples(120)))


@pytest.mark.parametrize("depth", [20_000])
def test_calls_of_any_depth_are_read_and_verified_without_recursion(depth):
    deep = nested(depth)
    assert check_limits(verify(deep)) is deep
    with pytest.raises(HloLimitError, match="instructions"):
        check_limits(deep, Limits(instructions=depth))


@pytest.mark.parametrize("limits", [{"rank": 40}, {"elements": 2**41}])
def test_limits_can_be_raised(limits):
    sizes = [1] * 40 if "rank" in limits else [2**40]
    large = NEGATE(*sizes)
    with pytest.raises(HloLimitError):
        check_limits(large)
    assert check_limits(large, Limits(**limits)) is large


def test_what_rewrites_make_keeps_to_the_limits():
    """The padded length of a transform of a prime is larger than the transform."""
    prime = array_shape("c64", (3, 257))
    data = to_proto(one("fft", prime, FftAttributes("FFT", (257,)), prime))
    with pytest.raises(HloLimitError, match="elements"):
        tvm_hlo_frontend.from_hlo(data, limits=Limits(elements=1000))
