"""Steps that read or write where integers say, sort, loop or branch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tools.fuzz.program import MAX_ELEMENTS, Program, Value
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DynamicSliceAttributes,
    GatherAttributes,
    ScatterAttributes,
    SortAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.shape import array_shape, tuple_shape


def _is_leaf(x: Value) -> bool:
    return x.instruction.opcode in ("parameter", "constant")


def _rows(program: Program, x: Value, count: int, axis: int) -> Value:
    """Numbers of rows, beyond the ends where `_starts` are."""
    most = x.sizes[axis]
    if _is_leaf(x):
        return program.leaf("s32", (count, 1), most + 1)
    return program.argument(program.rng.integers(0, most, (count, 1)).astype(np.int32), most)


def _starts(program: Program, x: Value, sizes: Sequence[int]) -> list[Value]:
    """Where a part of these sizes begins; beyond the ends where `x` is no part itself: XLA adds the starts of parts of
    parts before it moves them within."""
    if _is_leaf(x):
        return [program.leaf("s32", (), max(x.sizes) + 1) for _ in sizes]
    found = []
    for size, part in zip(x.sizes, sizes):
        array = np.array(program.whole(0, size - part), np.int32)
        found.append(program.argument(array, size))
    return found


def dynamic_slice(program: Program) -> Value | None:
    """A part that begins where numbers say."""
    x = program.value(lambda value: 0 < len(value.sizes) <= 4)
    if x is None:
        return None
    sizes = tuple(program.whole(min(1, size), size) for size in x.sizes)
    starts = _starts(program, x, sizes)
    return program.add("dynamic-slice", [x, *starts], x.bound, DynamicSliceAttributes(sizes))


def dynamic_update_slice(program: Program) -> Value | None:
    """A part that is overwritten."""
    x = program.value(lambda value: 0 < len(value.sizes) <= 4)
    if x is None:
        return None
    update = program.like(x.kind, tuple(program.whole(min(1, size), size) for size in x.sizes))
    starts = _starts(program, x, update.sizes)
    return program.add("dynamic-update-slice", [x, update, *starts], max(x.bound, update.bound))


def gather(program: Program) -> Value | None:
    """Rows along one dimension."""
    x = program.value(lambda value: 0 < len(value.sizes) <= 3 and 0 not in value.sizes)
    if x is None:
        return None
    axis, count = program.whole(0, len(x.sizes) - 1), program.whole(1, 6)
    if math.prod(x.sizes) // x.sizes[axis] * count > MAX_ELEMENTS:
        return None
    indices = _rows(program, x, count, axis)
    sizes = tuple(1 if each == axis else size for each, size in enumerate(x.sizes))
    offsets = tuple(range(1, len(x.sizes)))
    return program.add("gather", [x, indices], x.bound, GatherAttributes(offsets, (axis,), (axis,), 1, sizes))


def scatter(program: Program) -> Value | None:
    """Rows along one dimension, added or put in place; the same row twice only where the order plays no part."""
    x = program.value(lambda value: 0 < len(value.sizes) <= 3 and 0 not in value.sizes and value.kind != "pred")
    if x is None:
        return None
    axis, count = program.whole(0, len(x.sizes) - 1), program.whole(1, 6)
    rest = tuple(size for each, size in enumerate(x.sizes) if each != axis)
    if math.prod(rest) * count > MAX_ELEMENTS:
        return None
    indices, updates = _rows(program, x, count, axis), program.like(x.kind, (count, *rest))
    opcode = str(program.pick(("add", "maximum", "minimum")))
    bound = x.bound + count * updates.bound if opcode == "add" else max(x.bound, updates.bound)
    if not program.fits(x.kind, bound):
        return None
    attributes = ScatterAttributes(tuple(range(1, len(x.sizes))), (axis,), (axis,), 1)
    return program.add("scatter", [x, indices, updates], bound, attributes, None, [program.binary(opcode, x.kind)])


def sort(program: Program) -> Value | None:
    """One array, up or down; equal elements are alike, so stability plays no part."""
    x = program.value(lambda value: bool(value.sizes) and value.kind != "pred")
    if x is None:
        return None
    builder = program.fresh("order")
    how = "FLOAT" if x.kind.startswith("f") else "UNSIGNED" if x.kind.startswith("u") else "SIGNED"
    parameters = [builder.parameter(number, array_shape(x.kind)) for number in range(2)]
    called = builder.build(builder.add("compare", parameters, None, CompareAttributes(program.pick(("LT", "GT")), how)))
    dimension = program.whole(0, len(x.sizes) - 1)
    return program.add("sort", [x], x.bound, SortAttributes(dimension, program.chance(0.5)), None, [called])


def conditional(program: Program) -> Value | None:
    """A branch on a truth value."""
    x = program.value(lambda value: value.kind != "pred")
    if x is None:
        return None
    branches = []
    for opcode in ("negate", str(program.pick(("add", "maximum")))):
        builder = program.fresh("branch")
        parameter = builder.parameter(0, x.shape)
        operands = [parameter] if opcode == "negate" else [parameter, parameter]
        branches.append(builder.build(builder.add(opcode, operands)))
    if not program.fits(x.kind, 2 * x.bound):
        return None
    return program.add("conditional", [program.like("pred", ()), x, x], 2 * x.bound, None, None, branches)


def loop(program: Program) -> Value | None:
    """A few trips of an addition."""
    x = program.value(lambda value: value.kind != "pred")
    trips = program.whole(0, 12)
    if x is None or not program.fits(x.kind, x.bound * (trips + 1) + trips):
        return None
    state = tuple_shape(array_shape("s32"), x.shape, x.shape)
    body, condition = program.fresh("body"), program.fresh("condition")

    def part(builder, tuple_, number):
        return builder.add("get-tuple-element", [tuple_], None, TupleIndexAttributes(number))

    given = body.parameter(0, state)
    count, sum_, step = (part(body, given, number) for number in range(3))
    following = [body.add("add", [count, body.constant(1, "s32")]), body.add("add", [sum_, step]), step]
    done = body.build(body.add("tuple", following))
    given = condition.parameter(0, state)
    going = condition.add(
        "compare",
        [part(condition, given, 0), condition.constant(trips, "s32")],
        None,
        CompareAttributes("LT", "SIGNED"),
    )
    builder = program.builder
    initial = builder.add("tuple", [builder.constant(0, "s32"), x.instruction, x.instruction])
    made = builder.add("while", [initial], state, None, [done, condition.build(going)])
    return program.keep(part(builder, made, 1), x.bound * (trips + 1))


STEPS = (
    (2, dynamic_slice), (2, dynamic_update_slice), (2, gather), (2, scatter), (1, sort), (0.5, conditional),
    (0.7, loop),
)  # fmt: skip
