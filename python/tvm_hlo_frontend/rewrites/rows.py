"""What is computed row by row as a call of one computation, of which the converter makes one kernel."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..analysis.row_groups import RowGroup, Step, is_scalar_constant, steps_by_rows
from ..hlo.ir.attributes import CallAttributes, TupleIndexAttributes
from ..hlo.ir.builder import ComputationBuilder, module
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.names import Names
from .capabilities import Capabilities
from .outline import outlined


def call_rows(old: HloModule, capabilities: Capabilities) -> HloModule:
    """`old` with each group of rows of its entry (see `steps_by_rows`) as a call."""
    if "call" in capabilities.replaced:
        return old
    steps = steps_by_rows(old.entry, capabilities.replaced)
    if not any(isinstance(step, RowGroup) for step in steps):
        return old
    needed = {old.entry.root} | _read_elsewhere(steps)
    builder = ComputationBuilder(old.entry.name, Names(instruction.name for instruction in old.instructions))
    new: dict[HloInstruction, HloInstruction] = {}
    for step in steps:
        if isinstance(step, RowGroup):
            new.update(_called(builder, step, needed, new))
        else:
            new[step] = builder.copy(step, [new[operand] for operand in step.operands])
    return module(old.name, builder.build(new[old.entry.root]), old.aliases)


def _read_elsewhere(steps: Sequence[Step]) -> set[HloInstruction]:
    """What another step than its own reads."""
    found: set[HloInstruction] = set()
    for step in steps:
        members = step.members if isinstance(step, RowGroup) else (step,)
        found |= {operand for member in members for operand in member.operands} - set(members)
    return found


def _called(
    builder: ComputationBuilder,
    group: RowGroup,
    needed: Container[HloInstruction],
    new: dict[HloInstruction, HloInstruction],
) -> dict[HloInstruction, HloInstruction]:
    """The results of a call of a group's computation, by the members that they are: those that are needed."""
    results = [member for member in group.members if member in needed]
    last = results[-1]
    made = outlined(last, "rows", group.members, lambda shape: shape, _constant_of)
    root = made.values[last]
    if len(results) > 1:
        root = made.body.add("tuple", [made.values[result] for result in results])
    operands, body = [new[operand] for operand in made.operands], made.body.build(root)
    call = builder.add("call", operands, root.shape, CallAttributes(), [body], name=last.name, metadata=last.metadata)
    if len(results) == 1:
        return {last: call}
    return {
        result: builder.add("get-tuple-element", [call], result.shape, TupleIndexAttributes(number), name=result.name)
        for number, result in enumerate(results)
    }


def _constant_of(operand: HloInstruction) -> HloInstruction | None:
    return operand if is_scalar_constant(operand) else None
