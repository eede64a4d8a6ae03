"""How the dimensions of a reduction are merged and split before a kernel sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.reducers import counts_to
from ...hlo.ir.attributes import DimensionsAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Dimension

# fewer outputs than this leave threads idle, so a large reduction gets partial results
MIN_PARALLEL = 8
MAX_PARTS = 64
LARGE = 1 << 16
# a kernel takes about so many kept columns at a time
COLUMNS = 1024


@dataclass(frozen=True)
class Group:
    """Neighbouring dimensions that are read as one.

    Attributes
    ----------
    size : int or Size
    reduced : bool
    full : tuple of bool
        Per operand: False if a broadcast is pending along the group.
    axes : tuple of int
        The dimensions of the operand that it stands for, those of size 1 left out.
    """

    size: Any
    reduced: bool
    full: tuple[bool, ...]
    axes: tuple[int, ...]


def merged(
    sizes: Sequence[Dimension], dimensions: Sequence[int], operands: Sequence[tuple[Dimension, ...]]
) -> list[Group]:
    """Groups of all dimensions larger than 1."""
    groups: list[Group] = []
    for axis, size in enumerate(sizes):
        if size == 1:
            continue
        # of a scalar a broadcast is pending along all dimensions
        reduced, full = axis in dimensions, tuple(operand != () and operand[axis] != 1 for operand in operands)
        if groups and (groups[-1].reduced, groups[-1].full) == (reduced, full):
            last = groups.pop()
            groups.append(Group(last.size * size, reduced, full, (*last.axes, axis)))
        else:
            groups.append(Group(size, reduced, full, (axis,)))
    return groups


def merged_sizes(sizes: Sequence[Dimension], dimensions: Sequence[int]) -> tuple[list[Any], list[int]]:
    """(sizes, reduced dimensions) with neighbours merged; one kept dimension at least."""
    groups = merged(sizes, dimensions, [])
    extents = [group.size for group in groups]
    reduced = [number for number, group in enumerate(groups) if group.reduced]
    if len(reduced) == len(groups):
        extents, reduced = [1, *extents], [number + 1 for number in reduced]
    return extents, reduced


def parallel_split(extents: Sequence[int], reduced: Sequence[int]) -> tuple[int, int] | None:
    """(reduced dimension, parts) where a large reduction with few outputs is better done in parts; None if not."""
    kept = [size for axis, size in enumerate(extents) if axis not in reduced]
    outputs = math.prod(kept)
    if len(extents) - 1 not in reduced:
        outputs = math.prod(kept[:-1]) * -(-kept[-1] // COLUMNS)
    if outputs >= MIN_PARALLEL or math.prod(extents) < LARGE:
        return None
    for axis in reduced:
        parts = max(count for count in range(1, MAX_PARTS + 1) if extents[axis] % count == 0)
        if parts > 1:
            return axis, parts
    return None


def counts_up(instruction: HloInstruction, axis: int) -> bool:
    """Whether the value is 0, 1, 2 … along `axis`."""
    if instruction.opcode == "broadcast":
        dimensions = instruction.attributes_as(DimensionsAttributes).dimensions
        return axis in dimensions and counts_up(instruction.operands[0], dimensions.index(axis))
    if instruction.opcode != "iota" or instruction.attributes_as(DimensionsAttributes).dimensions != (axis,):
        return False
    size = instruction.shape.dimensions[axis]
    return isinstance(size, int) and counts_to(instruction.shape.element_type, size)
