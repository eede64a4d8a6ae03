"""Steps that read or write where integers say, and sort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.fuzz.kinds import INTEGERS, MAX_ELEMENTS, comparison_of, greatest
from tools.fuzz.program import WILD, Program, Value
from tvm_hlo_frontend.hlo.ir.attributes import (
    CompareAttributes,
    DynamicSliceAttributes,
    GatherAttributes,
    ScatterAttributes,
    SortAttributes,
    TupleIndexAttributes,
)
from tvm_hlo_frontend.hlo.ir.module import HloComputation
from tvm_hlo_frontend.hlo.ir.shape import array_shape


def _is_leaf(x: Value) -> bool:
    return x.instruction.opcode in ("parameter", "constant")


def _starts(program: Program, x: Value, sizes: Sequence[int]) -> list[Value]:
    """Where a part of these sizes begins; beyond the ends only of parameters and constants."""
    if _is_leaf(x):
        return [program.leaf("s32", (), max(x.sizes) + 1) for _ in sizes]
    found = []
    for size, part in zip(x.sizes, sizes):
        array = np.array(program.whole(0, size - part), np.int32)
        found.append(program.argument(array, size))
    return found


def _is_of_a_part(x: Value) -> bool:
    """Whether XLA may take a part of it for a part of what it is a part of."""
    instruction = x.instruction
    while instruction.operands and instruction.opcode != "dynamic-slice":
        instruction = instruction.operands[0]
    return instruction.opcode == "dynamic-slice"


def dynamic_slice(program: Program) -> Value | None:
    """A part that begins where numbers say."""
    x = program.moved(lambda value: 0 < len(value.sizes) <= 4 and not _is_of_a_part(value))
    if x is None:
        return None
    sizes = tuple(program.whole(min(1, size), size) for size in x.sizes)
    starts = _starts(program, x, sizes)
    return program.add("dynamic-slice", [x, *starts], x.bound, DynamicSliceAttributes(sizes))


def dynamic_update_slice(program: Program) -> Value | None:
    """A part that is overwritten."""
    x = program.moved(lambda value: 0 < len(value.sizes) <= 4)
    if x is None:
        return None
    update = program.like(x.kind, tuple(program.whole(min(1, size), size) for size in x.sizes))
    starts = _starts(program, x, update.sizes)
    return program.add("dynamic-update-slice", [x, update, *starts], max(x.bound, update.bound))


@dataclass(frozen=True)
class _Windows:
    """Windows at places of an operand, as gather and scatter have them.

    Attributes
    ----------
    batches : tuple of int
        Sizes of the indices' dimensions besides the vector's.
    operand_batch, indices_batch : tuple of int
        Dimensions that run along with each other.
    mapped : tuple of int
        Dimensions of the operand that the indices are of.
    sizes : tuple of int
        Of a window, along each dimension of the operand.
    dropped : tuple of int
        Dimensions of the operand that the window loses.
    """

    batches: tuple[int, ...]
    operand_batch: tuple[int, ...]
    indices_batch: tuple[int, ...]
    mapped: tuple[int, ...]
    sizes: tuple[int, ...]
    dropped: tuple[int, ...]

    @property
    def window(self) -> tuple[int, ...]:
        """Sizes of the dimensions that the window keeps."""
        gone = {*self.dropped, *self.operand_batch}
        return tuple(size for axis, size in enumerate(self.sizes) if axis not in gone)


def _windows(program: Program, x: Value) -> _Windows | None:
    """Random ones that are not too large."""
    rank = len(x.sizes)
    axes = [int(axis) for axis in program.rng.permutation(rank)]
    batch_count = 1 if rank > 1 and program.chance(0.25) else 0
    operand_batch, rest = tuple(axes[:batch_count]), axes[batch_count:]
    mapped = tuple(rest[: program.whole(1, len(rest))])
    batches = [program.whole(1, 4) for _ in range(program.whole(0, 2))]
    place = program.whole(0, len(batches))
    if operand_batch:
        batches.insert(place, x.sizes[operand_batch[0]])
    sizes = [1 if axis in operand_batch else program.whole(1, size) for axis, size in enumerate(x.sizes)]
    for axis in mapped:
        if program.chance(0.6):
            sizes[axis] = 1
    for axis in rest:
        if axis not in mapped and program.chance(0.6):
            sizes[axis] = x.sizes[axis]
    dropped = tuple(sorted(axis for axis in rest if sizes[axis] == 1 and program.chance(0.7)))
    found = _Windows(tuple(batches), operand_batch, (place,) if operand_batch else (), mapped, tuple(sizes), dropped)
    return found if math.prod(batches) * math.prod(sizes) <= MAX_ELEMENTS // 4 else None


def _places(program: Program, x: Value, windows: _Windows) -> tuple[Value, int, tuple[int, ...]]:
    """Indices, which of their dimensions holds the vector, and those that run along with the operand's."""
    kind = str(program.pick(("s32", "s32", "s64", "u32", "s8", "u8")))
    place = program.whole(0, len(windows.batches))
    sizes = list(windows.batches)
    if len(windows.mapped) == 1 and program.chance(0.3):
        place = len(sizes)
    else:
        sizes.insert(place, len(windows.mapped))
    beyond = 1 if _is_leaf(x) else 0  # XLA moves windows of parts of parts within after it has added the starts
    rooms = [x.sizes[axis] - windows.sizes[axis] for axis in windows.mapped]
    shape = [1] * len(sizes)
    if place < len(sizes):
        shape[place] = len(rooms)
    low = -beyond if kind.startswith("s") else 0
    array = program.rng.integers(low, np.minimum(np.array(rooms) + beyond, greatest(kind)).reshape(shape) + 1, sizes)
    return (
        program.argument(array.astype(array_shape(kind).numpy_dtype), 0),
        place,
        tuple(axis + int(axis >= place) for axis in windows.indices_batch),
    )


def _has_elements(value: Value) -> bool:
    return 0 < len(value.sizes) <= 4 and 0 not in value.sizes


def _kept_places(program: Program, batches: int, windows: int) -> tuple[int, ...]:
    """Where dimensions of the window stand among those of the batches."""
    return tuple(sorted(int(axis) for axis in program.rng.permutation(batches + windows)[:windows]))


def gather(program: Program) -> Value | None:
    """Windows of any sizes at any places."""
    x = program.moved(_has_elements)
    windows = None if x is None else _windows(program, x)
    if x is None or windows is None:
        return None
    places, vector, along = _places(program, x, windows)
    offsets = _kept_places(program, len(windows.batches), len(windows.window))
    attributes = GatherAttributes(
        offsets, windows.dropped, windows.mapped, vector, windows.sizes, windows.operand_batch, along
    )
    return program.add("gather", [x, places], x.bound, attributes)


def scatter(program: Program) -> Value | None:
    """Windows added, chosen or put in place, one after the other."""
    x = program.value(lambda value: _has_elements(value) and value.kind != "pred")
    windows = None if x is None else _windows(program, x)
    if x is None or windows is None:
        return None
    places, vector, along = _places(program, x, windows)
    kept = _kept_places(program, len(windows.batches), len(windows.window))
    sizes = list(windows.batches)
    for axis, size in zip(kept, windows.window):
        sizes.insert(axis, size)
    updates = program.like(x.kind, tuple(sizes))
    opcodes = ["add", "maximum", "minimum", "put"] + (["multiply", "xor"] if x.kind in INTEGERS else [])
    opcode = str(program.pick(opcodes))
    count = math.prod(windows.batches)
    bound = x.bound + count * updates.bound if opcode == "add" else max(x.bound, updates.bound)
    if not program.fits(x.kind, bound):
        return None
    attributes = ScatterAttributes(kept, windows.dropped, windows.mapped, vector, windows.operand_batch, along)
    body = _put(program, x.kind) if opcode == "put" else program.binary(opcode, x.kind)
    return program.add("scatter", [x, places, updates], bound, attributes, None, [body])


def _put(program: Program, kind: str) -> HloComputation:
    builder = program.fresh("put")
    parameters = [builder.parameter(number, array_shape(kind)) for number in range(2)]
    return builder.build(parameters[1])


def sort(program: Program) -> Value | None:
    """One array, up or down; equal elements are alike, so stability plays no part."""
    x = program.value(lambda value: bool(value.sizes) and value.kind != "pred", WILD)
    if x is None:
        return None
    how = comparison_of(x.kind) if x.stage < WILD else "TOTALORDER"
    dimension = program.whole(0, len(x.sizes) - 1)
    attributes = SortAttributes(dimension, program.chance(0.5))
    return program.add("sort", [x], x.bound, attributes, None, [_order(program, [x.kind], how)])


def _order(program: Program, kinds: Sequence[str], how: str) -> HloComputation:
    """A comparison of the first operands of a sort."""
    builder = program.fresh("order")
    parameters = [builder.parameter(number, array_shape(kinds[number // 2])) for number in range(2 * len(kinds))]
    attributes = CompareAttributes(program.pick(("LT", "GT")), how)
    return builder.build(builder.add("compare", parameters[:2], None, attributes))


def sort_along(program: Program) -> Value | None:
    """Several arrays by the first, equal ones in their order."""
    x = program.value(lambda value: bool(value.sizes) and value.kind != "pred")
    if x is None:
        return None
    kinds = [x.kind, *(program.kind() for _ in range(program.whole(1, 2)))]
    operands = [x, *(program.like(kind, x.sizes) for kind in kinds[1:])]
    attributes = SortAttributes(program.whole(0, len(x.sizes) - 1), True)
    builder = program.builder
    called = [_order(program, kinds, comparison_of(x.kind))]
    made = builder.add("sort", [each.instruction for each in operands], None, attributes, called)
    number = program.whole(0, len(kinds) - 1)
    part = builder.add("get-tuple-element", [made], None, TupleIndexAttributes(number))
    return program.keep(Value(part, operands[number].bound))


STEPS = (
    (2, dynamic_slice), (2, dynamic_update_slice), (2.5, gather), (2.5, scatter), (1, sort), (1, sort_along),
)  # fmt: skip
