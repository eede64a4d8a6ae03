"""What is computed row by row: softmax, layer normalisation, and whatever else reduces rows and goes on with them.

TVM stores what lies between a reduction and what reads its result at every element of the row. One kernel that does
all of it on a row before the next reads the row from memory once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Union

from ..hlo.ir.attributes import DimensionsAttributes
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.ordering import CycleError, dependency_order
from .fusible import through_movement
from .reducers import match_reducer
from .scalar_body import scalar_body
from .vectors import is_vector

# elements of a row: shorter ones are no vectors, longer ones no longer in a core's own memory
MIN_LENGTH, MAX_LENGTH = 16, 1 << 15
# fewer rows leave threads without work
MIN_ROWS = 8
# instructions of one group
MAX_MEMBERS = 200
_REDUCED_TYPES = frozenset("f32 f64 s32 u32".split())


@dataclass(frozen=True)
class Rows:
    """How an array is rows: the dimensions that count them, and those of one row."""

    outer: tuple[int, ...]
    row: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Dimensions of the whole array."""
        return self.outer + self.row

    @property
    def length(self) -> int:
        """Elements of a row."""
        return math.prod(self.row)

    def is_number(self, sizes: Sequence[int]) -> bool:
        """Whether an array of these dimensions has one element for each row."""
        return tuple(sizes) == self.outer or (
            len(sizes) == len(self.sizes)
            and tuple(sizes[: len(self.outer)]) == self.outer
            and all(size == 1 for size in sizes[len(self.outer) :])
        )


@dataclass(frozen=True, eq=False)
class RowGroup:
    """Instructions that one kernel may compute row by row, operands first."""

    rows: Rows
    members: tuple[HloInstruction, ...]


# a step of a computation: an instruction, or several at once
Step = Union[HloInstruction, RowGroup]


def steps_by_rows(computation: HloComputation, replaced: frozenset[str] = frozenset()) -> list[Step]:
    """The computation's instructions with those that can be computed row by row as single steps, in dependency order.

    A group has a reduction along rows and an array of rows that follows from it.

    Parameters
    ----------
    computation : HloComputation
    replaced : frozenset of str
        Opcodes that may be in no group.
    """
    search = _Search(replaced)
    for instruction in computation.instructions:
        search.visit(instruction)
    if not search.rows:
        return list(computation.instructions)
    search.take_operands(computation)
    groups = [group for group in search.groups(computation) if _pays(group)]
    while True:
        try:
            return ordered_steps(computation, groups)
        except CycleError as error:  # groups that need each other
            last = error.node if isinstance(error.node, RowGroup) else groups[-1]
            groups = [group for group in groups if group is not last]


def ordered_steps(computation: HloComputation, groups: Sequence[RowGroup]) -> list[Step]:
    """Instructions and groups of them in dependency order; CycleError if there is no such order."""
    step_of: dict[HloInstruction, Step] = {member: group for group in groups for member in group.members}

    def dependencies(step: Step) -> list[Step]:
        members = step.members if isinstance(step, RowGroup) else (step,)
        needed = dict.fromkeys(step_of.get(operand, operand) for each in members for operand in each.operands)
        return [each for each in needed if each is not step]

    return dependency_order((step_of.get(each, each) for each in computation.instructions), dependencies)


@dataclass
class _Search:
    """Groups so far. `behind` of an instruction are the groups that it needs by way of instructions outside of them, as
    bits; no group may take what is behind it."""

    replaced: frozenset[str]
    rows: list[Rows] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    group_of: dict[HloInstruction, int] = field(default_factory=dict)
    behind: dict[HloInstruction, int] = field(default_factory=dict)

    def visit(self, instruction: HloInstruction) -> None:
        """Put an instruction into the latest of its operands' groups that can take it, or begin one with it."""
        groups = sorted({self.group_of[x] for x in instruction.operands if x in self.group_of}, reverse=True)
        rows = None if instruction.opcode in self.replaced else reduced_rows(instruction)
        joined = next((group for group in groups if self._takes(group, instruction, rows)), None)
        if joined is None and rows is not None:
            joined = len(self.rows)
            self.rows.append(rows)
            self.counts.append(0)
        if joined is not None:
            self._add(joined, instruction)
        self.behind[instruction] = self._needs(instruction.operands, joined)

    def _add(self, group: int, instruction: HloInstruction) -> None:
        self.group_of[instruction] = group
        self.counts[group] += 1

    def _needs(self, operands: Iterable[HloInstruction], group: int | None) -> int:
        needs = 0
        for operand in operands:
            needs |= self.behind[operand]
            own = self.group_of.get(operand)
            if own is not None and own != group:
                needs |= 1 << own
        return needs

    def _takes(self, group: int, instruction: HloInstruction, reduced: Rows | None) -> bool:
        """`reduced` are the rows that the instruction reduces."""
        if instruction.opcode in self.replaced or self.counts[group] >= MAX_MEMBERS:
            return False
        if self._needs(instruction.operands, group) >> group & 1:
            return False
        if instruction.opcode == "reduce":
            return reduced == self.rows[group] and self.group_of.get(instruction.operands[0]) == group
        return is_of_rows(instruction, self.rows[group])

    def take_operands(self, computation: HloComputation) -> None:
        """Put element-wise instructions that only one group reads into it."""
        # the group that alone reads an instruction; None if others do
        only: dict[HloInstruction, int | None] = {computation.root: None}
        for instruction in reversed(computation.instructions):
            group = only.get(instruction)
            if instruction not in self.group_of and group is not None and self._takes_operand(group, instruction):
                self._add(group, instruction)
            own = self.group_of.get(instruction)
            for operand in instruction.operands:
                if only.setdefault(operand, own) != own:
                    only[operand] = None

    def _takes_operand(self, group: int, instruction: HloInstruction) -> bool:
        if instruction.opcode in self.replaced or self.counts[group] >= MAX_MEMBERS:
            return False
        if is_scalar_constant(instruction) or _spreads_scalar(instruction):
            return True
        same = instruction.shape.is_static and instruction.shape.sizes == self.rows[group].sizes
        return same and is_vector(instruction) and not _follows_product(instruction)

    def groups(self, computation: HloComputation) -> list[RowGroup]:
        """What was found."""
        members: list[list[HloInstruction]] = [[] for _ in self.rows]
        for instruction in computation.instructions:
            if instruction in self.group_of:
                members[self.group_of[instruction]].append(instruction)
        return [RowGroup(rows, tuple(each)) for rows, each in zip(self.rows, members)]


def reduced_rows(instruction: HloInstruction) -> Rows | None:
    """The rows that a reduce of a known kind is along; None if it is none, or its rows are too short, long or few."""
    if instruction.opcode != "reduce" or len(instruction.operands) != 2:
        return None
    data, start = instruction.operands
    if not data.shape.is_static or data.shape.element_type not in _REDUCED_TYPES or not is_scalar_constant(start):
        return None
    dimensions = tuple(sorted(instruction.attributes_as(DimensionsAttributes).dimensions))
    sizes = data.shape.sizes
    first = len(sizes) - len(dimensions)
    if dimensions != tuple(range(first, len(sizes))):
        return None
    rows = Rows(sizes[:first], sizes[first:])
    if not MIN_LENGTH <= rows.length <= MAX_LENGTH or math.prod(rows.outer) < MIN_ROWS:
        return None
    body = scalar_body(instruction.called_computations[0])
    reducer = None if body is None else match_reducer(body)
    known = reducer is not None and reducer.accumulator_type == data.shape.element_type and reducer.rounding is None
    return rows if known else None


def is_of_rows(instruction: HloInstruction, rows: Rows) -> bool:
    """Whether an instruction that is no reduction is computed row by row."""
    shape = instruction.shape
    if not all(each.is_array and each.is_static for each in (shape, *(x.shape for x in instruction.operands))):
        return False
    if instruction.opcode == "reshape":
        (operand,) = instruction.operands
        return rows.is_number(shape.sizes) and rows.is_number(operand.shape.sizes)
    if instruction.opcode == "broadcast":
        return _spreads_numbers(instruction, rows) or _keeps_numbers(instruction, rows)
    if not is_vector(instruction):
        return False
    sizes = [operand.shape.sizes for operand in instruction.operands]
    if shape.sizes == rows.sizes:
        return all(each in ((), rows.sizes) for each in sizes)
    return rows.is_number(shape.sizes) and all(each in ((), shape.sizes) for each in sizes)


def _spreads_numbers(instruction: HloInstruction, rows: Rows) -> bool:
    """Whether a broadcast puts the number of each row at all elements of it."""
    dimensions = instruction.attributes_as(DimensionsAttributes).dimensions
    leading = tuple(range(len(rows.outer)))
    sizes = instruction.operands[0].shape.sizes
    return instruction.shape.sizes == rows.sizes and sizes == rows.outer and tuple(dimensions) == leading


def _keeps_numbers(instruction: HloInstruction, rows: Rows) -> bool:
    """Whether a broadcast gives the numbers of rows no more than other dimensions of 1."""
    (operand,) = instruction.operands
    dimensions = instruction.attributes_as(DimensionsAttributes).dimensions
    numbers = rows.is_number(instruction.shape.sizes) and rows.is_number(operand.shape.sizes)
    return numbers and list(dimensions) == sorted(dimensions)


def _pays(group: RowGroup) -> bool:
    """Whether an array of rows follows from a reduction of the group."""
    follows: set[HloInstruction] = set()
    for member in group.members:
        if member.opcode == "reduce" or any(operand in follows for operand in member.operands):
            follows.add(member)
    return any(member.shape.sizes == group.rows.sizes for member in follows)


def is_scalar_constant(instruction: HloInstruction) -> bool:
    """Whether it is a constant of no dimensions."""
    return instruction.opcode == "constant" and instruction.shape.is_array and not instruction.shape.dimensions


def _spreads_scalar(instruction: HloInstruction) -> bool:
    return instruction.opcode == "broadcast" and is_scalar_constant(instruction.operands[0])


def _follows_product(instruction: HloInstruction) -> bool:
    """Whether it is better computed with the product or the convolution before it, of constant weights."""
    sources = [through_movement(operand, ("convert",)) for operand in instruction.operands]
    products = [source for source in sources if source.opcode in ("dot", "convolution")]
    factors = [through_movement(factor, ("convert",)) for product in products for factor in product.operands]
    return any(factor.opcode == "constant" for factor in factors)
