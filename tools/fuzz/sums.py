"""Steps with sums: reductions, windows, products, convolutions."""

from __future__ import annotations

import math

from tools.fuzz.kinds import INTEGERS, MAX_ELEMENTS, MULTIPLIED, greatest, is_complex, is_unsigned
from tools.fuzz.program import MADE, WHOLE, Program, Value, lowest_and_highest
from tvm_hlo_frontend.hlo.ir.attributes import (
    ConvolutionAttributes,
    ConvolutionDimensionNumbers,
    DimensionsAttributes,
    DotAttributes,
    DotDimensionNumbers,
    Window,
    WindowAttributes,
    WindowDimension,
)
from tvm_hlo_frontend.hlo.ir.shape import array_shape

# types with infinities, and those that XLA:CPU convolves
INFINITE = ("f16", "bf16", "f32", "f64")
CONVOLVED = ("f32", "f64", "f16", "bf16", "s8", "s32")


def reducer(program: Program, kind: str, count: int, x: Value) -> tuple[str, int] | None:
    """An opcode that reduces `count` elements of `x`, and the bound of what comes of it."""
    if kind == "pred":
        return str(program.pick(("and", "or"))), 1
    if x.stage > WHOLE:
        return str(program.pick(("maximum", "minimum"))), 0
    opcodes = ["add", "add", "maximum", "minimum"]
    if kind in INTEGERS:
        opcodes += ["multiply", "xor", "and", "or"]
    opcode = "add" if is_complex(kind) else str(program.pick(opcodes))
    bound = x.bound * max(1, count) if opcode == "add" else x.bound
    return (opcode, bound) if program.fits(kind, bound) else None


def identity(program: Program, opcode: str, kind: str) -> Value:
    """What changes nothing: XLA takes other initial values any number of times."""
    if opcode in ("add", "or", "xor"):
        value = 0
    elif kind == "pred" or opcode == "multiply":
        value = 1
    elif opcode == "and":
        value = greatest(kind) if is_unsigned(kind) else -1
    else:
        lowest, highest = lowest_and_highest(kind)
        value = lowest if opcode == "maximum" else highest
        if kind in INFINITE:  # infinities are numbers, too
            value = -math.inf if opcode == "maximum" else math.inf
    return Value(program.builder.constant(value, kind), 0)


def reduce(program: Program) -> Value | None:
    """Some dimensions."""
    x = program.value(lambda value: bool(value.sizes), MADE, with_complex=True)
    if x is None:
        return None
    axes = tuple(axis for axis in range(len(x.sizes)) if program.chance(0.6)) or (0,)
    if 0 in (x.sizes[axis] for axis in axes):
        return None
    found = reducer(program, x.kind, math.prod(x.sizes[axis] for axis in axes), x)
    if found is None:
        return None
    opcode, bound = found
    initial = identity(program, opcode, x.kind)
    called = [program.binary(opcode, x.kind)]
    return program.add("reduce", [x, initial], bound, DimensionsAttributes(axes), None, called)


def reduce_window(program: Program) -> Value | None:
    """Windows with strides, padding and dilations."""
    x = program.value(lambda value: 0 < len(value.sizes) <= 5 and 0 not in value.sizes, MADE)
    if x is None:
        return None
    dimensions = tuple(
        WindowDimension(
            size=int(program.pick((1, 1, 2, 3, size))),
            stride=int(program.pick((1, 1, 2, 3))),
            padding_low=program.whole(0, 2),
            padding_high=program.whole(0, 2),
            window_dilation=int(program.pick((1, 1, 1, 2))),
            base_dilation=int(program.pick((1, 1, 1, 2))),
        )
        for size in x.sizes
    )
    found = reducer(program, x.kind, math.prod(each.size for each in dimensions), x)
    if found is None:
        return None
    opcode, bound = found
    initial = identity(program, opcode, x.kind)
    called = [program.binary(opcode, x.kind)]
    return program.add("reduce-window", [x, initial], bound, WindowAttributes(Window(dimensions)), None, called)


def dot(program: Program) -> Value | None:
    """Batches, contracting and free dimensions in any order."""
    x = program.value(lambda value: value.kind in MULTIPLIED and 0 < len(value.sizes) <= 4, with_complex=True)
    if x is None:
        return None
    order = [int(axis) for axis in program.rng.permutation(len(x.sizes))]
    batch = program.whole(0, min(1, len(order) - 1))
    contracted = program.whole(batch, len(order))
    shared = [*order[:batch], *order[batch:contracted]]
    free = [program.size() for _ in range(program.whole(0, 2))]
    places = [int(place) for place in program.rng.permutation(len(shared) + len(free))]
    sizes = [0] * len(places)
    for place, size in zip(places, [*(x.sizes[axis] for axis in shared), *free]):
        sizes[place] = size
    depth = math.prod(x.sizes[axis] for axis in order[batch:contracted])
    kept = math.prod(size for axis, size in enumerate(x.sizes) if axis not in order[batch:contracted])
    if math.prod(sizes) > MAX_ELEMENTS or kept * math.prod(free) > MAX_ELEMENTS:
        return None
    y = program.like(x.kind, tuple(sizes))
    bound = x.bound * y.bound * max(1, depth) * (2 if is_complex(x.kind) else 1)
    if not program.fits(x.kind, bound):
        return None
    numbers = DotDimensionNumbers(
        tuple(order[batch:contracted]), tuple(places[batch : len(shared)]), tuple(order[:batch]), tuple(places[:batch])
    )
    shape = None
    if x.kind in ("s8", "u8") and program.chance(0.7):
        kept_sizes = [x.sizes[axis] for axis in order[:batch]]
        kept_sizes += [size for axis, size in enumerate(x.sizes) if axis not in shared]
        kept_sizes += [size for place, size in enumerate(sizes) if place not in places[: len(shared)]]
        shape = array_shape("s32", kept_sizes)
    return program.add("dot", [x, y], bound, DotAttributes(numbers), shape)


def convolution(program: Program) -> Value | None:
    """Any layouts, groups, strides, padding, dilations, reversals."""
    x = program.value(lambda value: value.kind in CONVOLVED and 3 <= len(value.sizes) <= 5 and 0 not in value.sizes)
    if x is None:
        return None
    rank = len(x.sizes)
    inputs, kernels, outputs = ([int(axis) for axis in program.rng.permutation(rank)] for _ in range(3))
    if program.chance(0.5):  # as JAX and TensorFlow have it
        inputs, kernels = [0, rank - 1, *range(1, rank - 1)], [rank - 2, rank - 1, *range(rank - 2)]
        outputs = inputs
    features = x.sizes[inputs[1]]
    groups = int(program.pick([count for count in range(1, features + 1) if features % count == 0]))
    batch = x.sizes[inputs[0]]
    batch_groups = batch if groups == 1 and batch > 1 and program.chance(0.15) else 1
    windows = tuple(
        WindowDimension(
            size=int(program.pick((1, 2, 3))),
            stride=int(program.pick((1, 1, 2))),
            padding_low=program.whole(0, 2),
            padding_high=program.whole(0, 2),
            window_dilation=int(program.pick((1, 1, 1, 2))),
            base_dilation=int(program.pick((1, 1, 1, 2))),
            window_reversal=program.chance(0.1),
        )
        for _ in range(rank - 2)
    )
    of_group = int(program.pick((1, 1, 2, 4, 5, 8))) * batch_groups
    sizes = [0] * rank
    for axis, size in zip(kernels, [features // groups, of_group * groups, *(each.size for each in windows)]):
        sizes[axis] = size
    if math.prod(sizes) > MAX_ELEMENTS:
        return None
    y = program.like(x.kind, tuple(sizes))
    bound = x.bound * y.bound * (features // groups) * math.prod(each.size for each in windows)
    if not program.fits(x.kind, bound):
        return None
    numbers = ConvolutionDimensionNumbers(
        inputs[0], inputs[1], tuple(inputs[2:]), kernels[0], kernels[1], tuple(kernels[2:]),
        outputs[0], outputs[1], tuple(outputs[2:]),
    )  # fmt: skip
    return program.add(
        "convolution", [x, y], bound, ConvolutionAttributes(Window(windows), numbers, groups, batch_groups)
    )


STEPS = ((3, reduce), (2, reduce_window), (4, dot), (3, convolution))
