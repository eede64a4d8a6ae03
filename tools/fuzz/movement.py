"""Steps that move elements."""

from __future__ import annotations

import math

from tools.fuzz.kinds import MAX_ELEMENTS, greatest
from tools.fuzz.program import Program, Value
from tvm_hlo_frontend.hlo.ir.attributes import DimensionsAttributes, PadAttributes, SliceAttributes
from tvm_hlo_frontend.hlo.ir.shape import array_shape


def transpose(program: Program) -> Value | None:
    """Dimensions in another order."""
    x = program.moved(lambda value: len(value.sizes) > 1)
    if x is None:
        return None
    order = tuple(int(axis) for axis in program.rng.permutation(len(x.sizes)))
    return program.add("transpose", [x], x.bound, DimensionsAttributes(order))


def reshape(program: Program) -> Value | None:
    """The same elements in other dimensions."""
    x = program.moved()
    if x is None:
        return None
    sizes, rest = [], math.prod(x.sizes)
    if not rest:
        sizes = [0, *program.sizes(program.whole(0, 2))]
    while rest > 1:
        divisors = [size for size in range(2, rest + 1) if rest % size == 0]
        sizes.append(int(program.pick(divisors)))
        rest //= sizes[-1]
    for _ in range(program.whole(0, 1)):
        sizes.insert(program.whole(0, len(sizes)), 1)
    return program.add("reshape", [x], x.bound, None, array_shape(x.kind, sizes)) if len(sizes) <= 7 else None


def broadcast(program: Program) -> Value | None:
    """More dimensions, in any place."""
    x = program.moved(lambda value: len(value.sizes) < 4)
    if x is None:
        return None
    rank = program.whole(len(x.sizes), min(5, len(x.sizes) + 2))
    axes = sorted(int(axis) for axis in program.rng.permutation(rank)[: len(x.sizes)])
    sizes = [program.size() for _ in range(rank)]
    for axis, size in zip(axes, x.sizes):
        sizes[axis] = size
    if math.prod(sizes) > MAX_ELEMENTS:
        return None
    return program.add("broadcast", [x], x.bound, DimensionsAttributes(tuple(axes)), array_shape(x.kind, sizes))


def cut(program: Program) -> Value | None:
    """A part, with strides."""
    x = program.moved(lambda value: bool(value.sizes))
    if x is None:
        return None
    rows = []
    for size in x.sizes:
        start = program.whole(0, size)
        limit = program.whole(start, size) if program.chance(0.1) else min(size, start + max(1, size // 2))
        rows.append((start, limit, program.pick((1, 1, 2, 3))))
    return program.add("slice", [x], x.bound, SliceAttributes(*map(tuple, zip(*rows))))


def pad(program: Program) -> Value | None:
    """Edges, negative ones too, and elements between."""
    x = program.moved(lambda value: bool(value.sizes))
    if x is None:
        return None
    rows = [(program.whole(-1, 2), program.whole(-1, 3), int(program.pick((0, 0, 0, 1, 2)))) for _ in x.sizes]
    results = [low + high + size + max(0, size - 1) * inner for size, (low, high, inner) in zip(x.sizes, rows)]
    if min(results) < 0 or math.prod(results) > MAX_ELEMENTS:
        return None
    filling = program.like(x.kind, ())
    return program.add("pad", [x, filling], max(x.bound, filling.bound), PadAttributes(*map(tuple, zip(*rows))))


def reverse(program: Program) -> Value | None:
    """Some dimensions backwards."""
    x = program.moved(lambda value: bool(value.sizes))
    if x is None:
        return None
    axes = tuple(axis for axis in range(len(x.sizes)) if program.chance(0.5))
    return program.add("reverse", [x], x.bound, DimensionsAttributes(axes))


def concatenate(program: Program) -> Value | None:
    """Two or three arrays, one behind the other."""
    x = program.moved(lambda value: bool(value.sizes))
    if x is None:
        return None
    axis, parts = program.whole(0, len(x.sizes) - 1), [x]
    for _ in range(program.whole(1, 2)):
        sizes = list(x.sizes)
        sizes[axis] = program.size()
        parts.append(program.like(x.kind, tuple(sizes)))
    if sum(math.prod(part.sizes) for part in parts) > MAX_ELEMENTS:
        return None
    return program.add("concatenate", parts, max(part.bound for part in parts), DimensionsAttributes((axis,)))


def iota(program: Program) -> Value | None:
    """0, 1, 2 … along a dimension."""
    kind, sizes = program.kind(), program.sizes(program.whole(1, 3))
    axis = program.whole(0, len(sizes) - 1)
    if kind == "pred" or sizes[axis] > greatest(kind):
        return None
    return program.add("iota", [], sizes[axis], DimensionsAttributes((axis,)), array_shape(kind, sizes))


STEPS = (
    (3, transpose), (3, reshape), (3, broadcast), (3, cut), (2, pad), (2, reverse), (2, concatenate), (1, iota),
)  # fmt: skip
