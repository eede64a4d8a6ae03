"""reshape and dynamic-reshape of arrays of bounded dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...analysis.known_sizes import at_bounds
from ...errors import UnsupportedInstruction
from ...hlo.ir.attributes import DimensionsAttributes, GatherAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape, Symbol, array_shape
from ..emit import Emitter
from .numbers import as_size, over, same_number, times
from .padded import SIZE, Case, Padded, Rule, Sizes, open_axes


@dataclass(frozen=True)
class Group:
    """Neighbouring dimensions of the operand, and those of the result that have their elements."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def _reshape(case: Case) -> Padded:
    """Sizes follow from the elements that there are."""
    (operand,), shape = case.operands, case.old.shape
    sizes: dict[int, HloInstruction] = {}
    for group in _groups(operand, shape):
        sizes.update(_sizes_of_group(case.emit, group, operand, shape))
    return reshaped(case, sizes)


def _dynamic_reshape(case: Case) -> Padded:
    """Sizes are operands."""
    _, *numbers = case.operands
    sizes = {
        axis: as_size(case.emit, numbers[axis].value, at_bounds(case.old.shape).sizes[axis])
        for axis in open_axes(case.old.shape)
    }
    return reshaped(case, sizes)


def reshaped(case: Case, sizes: Sizes) -> Padded:
    """The operand as an array of the shape of the result."""
    operand, shape = case.operands[0], at_bounds(case.old.shape)
    if all(_stays(group, operand, shape, sizes) for group in _groups(operand, case.old.shape)):
        return Padded(case.emit.reshape(operand.value, shape.sizes), sizes)
    return Padded(_moved(case.emit, operand, shape.sizes, sizes), sizes)


def _groups(operand: Padded, shape: Shape) -> list[Group]:
    """Dimensions in groups of as many elements; those of one element that have no size of their own play no part."""
    bounds = at_bounds(shape).sizes
    before = [axis for axis, bound in enumerate(operand.bounds) if bound != 1 or axis in operand.sizes]
    after = [axis for axis, bound in enumerate(bounds) if bound != 1 or isinstance(shape.dimensions[axis], Symbol)]
    if 0 in bounds:
        return [Group(tuple(before), tuple(after))]
    groups = []
    while before or after:
        head: list[int] = []
        tail: list[int] = []
        counts = [1, 1]
        while counts[0] != counts[1] or ((before or after) and not (head and tail)):
            if before and (counts[0] <= counts[1] or not after):
                head.append(before.pop(0))
                counts[0] *= operand.bounds[head[-1]]
            else:
                tail.append(after.pop(0))
                counts[1] *= bounds[tail[-1]]
        groups.append(Group(tuple(head), tuple(tail)))
    return groups


def _sizes_of_group(emit: Emitter, group: Group, operand: Padded, shape: Shape) -> dict[int, HloInstruction]:
    bounds = at_bounds(shape).sizes
    given = [axis for axis in group.before if axis in operand.sizes]
    wanted = [axis for axis in group.after if isinstance(shape.dimensions[axis], Symbol)]
    if [operand.bounds[axis] for axis in group.before] == [bounds[axis] for axis in group.after]:
        return {new: operand.sizes[old] for old, new in zip(group.before, group.after) if old in operand.sizes}
    if not given and not wanted:
        return {}
    if len(wanted) != 1:
        raise UnsupportedInstruction(f"which of its dimensions have the sizes of the operand is not clear from {shape}")
    rest = math.prod(bounds[axis] for axis in group.after if axis not in wanted)
    count = emit.full(math.prod(operand.bounds[axis] for axis in group.before if axis not in given), SIZE)
    for axis in given:
        count = times(emit, operand.sizes[axis], count)
    return {wanted[0]: over(emit, count, rest) if rest else emit.full(0, SIZE)}


def _stays(group: Group, operand: Padded, shape: Shape, sizes: Sizes) -> bool:
    """Whether the elements before the sizes stand one behind the other in both shapes, or at the same places."""
    given = [axis for axis in group.before if axis in operand.sizes]
    made = [axis for axis in group.after if axis in sizes]
    if set(given) <= set(group.before[:1]) and set(made) <= set(group.after[:1]):
        return True
    pairs = list(zip(group.before, group.after))
    alike = [operand.bounds[axis] for axis in group.before] == [shape.sizes[axis] for axis in group.after]
    return alike and all(_same(operand.sizes.get(old), sizes.get(new)) for old, new in pairs)


def _same(a: HloInstruction | None, b: HloInstruction | None) -> bool:
    return a is b or (a is not None and b is not None and same_number(a, b))


def _moved(emit: Emitter, operand: Padded, bounds: Sequence[int], sizes: Sizes) -> HloInstruction:
    """Every element of the result from where it stands in the operand, whose rows are as long as their bounds."""
    indices = array_shape("s32", bounds)

    def filled(axis: int, own: Sizes, known: Sequence[int]) -> HloInstruction:
        return emit.along(own[axis], indices, ()) if axis in own else emit.full(known[axis], indices)

    number = emit.full(0, indices)
    for axis in range(len(bounds)):
        iota = emit("iota", shape=indices, attributes=DimensionsAttributes((axis,)))
        number = emit("add", emit("multiply", number, filled(axis, sizes, bounds)), iota)
    place, stride = emit.full(0, indices), 1
    for axis in reversed(range(len(operand.bounds))):
        size = filled(axis, operand.sizes, operand.bounds)
        index = emit("remainder", number, size) if axis else number
        place, number = emit("add", place, emit("multiply", index, stride)), emit("divide", number, size)
        stride *= operand.bounds[axis]
    flat = emit.reshape(operand.value, [stride])
    rows = GatherAttributes((), (0,), (0,), len(bounds), (1,))
    return emit("gather", flat, place, shape=array_shape(flat.shape.element_type, bounds), attributes=rows)


RULES: Mapping[str, Rule] = {"dynamic-reshape": _dynamic_reshape, "reshape": _reshape}
