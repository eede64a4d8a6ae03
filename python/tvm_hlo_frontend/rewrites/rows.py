"""What is computed row by row as a call of one computation, of which the converter makes one kernel."""

from __future__ import annotations

from ..analysis.row_groups import RowGroup, steps_by_rows
from ..hlo.ir.attributes import CallAttributes, TupleIndexAttributes
from ..hlo.ir.builder import ComputationBuilder, module
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from ..hlo.ir.names import Names
from .capabilities import Capabilities


def call_rows(old: HloModule, capabilities: Capabilities) -> HloModule:
    """`old` with each group of rows of its entry (see `steps_by_rows`) as a call."""
    if "call" in capabilities.replaced:
        return old
    steps = steps_by_rows(old.entry, capabilities.replaced)
    if not any(isinstance(step, RowGroup) for step in steps):
        return old
    readers = _readers(old.entry)
    builder = ComputationBuilder(old.entry.name, Names(instruction.name for instruction in old.instructions))
    new: dict[HloInstruction, HloInstruction] = {}
    for step in steps:
        if isinstance(step, RowGroup):
            new.update(_called(builder, step, readers, new))
        else:
            new[step] = builder.copy(step, [new[operand] for operand in step.operands])
    return module(old.name, builder.build(new[old.entry.root]), old.aliases)


def _readers(computation: HloComputation) -> dict[HloInstruction, list[HloInstruction | None]]:
    """What reads each instruction; None for the caller, who reads the root."""
    readers: dict[HloInstruction, list[HloInstruction | None]] = {each: [] for each in computation.instructions}
    for instruction in computation.instructions:
        for operand in instruction.operands:
            readers[operand].append(instruction)
    readers[computation.root].append(None)
    return readers


def _called(
    builder: ComputationBuilder,
    group: RowGroup,
    readers: dict[HloInstruction, list[HloInstruction | None]],
    new: dict[HloInstruction, HloInstruction],
) -> dict[HloInstruction, HloInstruction]:
    """The results of a call of a group's computation, by the members that they are."""
    members = dict.fromkeys(group.members)
    results = [member for member in members if any(reader not in members for reader in readers[member])]
    last = results[-1]
    body = ComputationBuilder(f"{last.name}_rows")
    values: dict[HloInstruction, HloInstruction] = {}
    given: list[HloInstruction] = []
    for member in members:
        for operand in member.operands:
            if operand in values:
                continue
            if operand.opcode == "constant" and not operand.shape.dimensions:
                values[operand] = body.copy(operand, ())
            else:
                values[operand] = body.parameter(len(given), operand.shape, f"{last.name}_operand_{len(given)}")
                given.append(new[operand])
        values.setdefault(member, body.copy(member, [values[operand] for operand in member.operands]))
    if len(results) == 1:
        called = body.build(values[last])
        return {
            last: builder.add(
                "call", given, last.shape, CallAttributes(), [called], name=last.name, metadata=last.metadata
            )
        }
    root = body.add("tuple", [values[result] for result in results])
    call = builder.add(
        "call", given, root.shape, CallAttributes(), [body.build(root)], name=last.name, metadata=last.metadata
    )
    return {
        result: builder.add("get-tuple-element", [call], result.shape, TupleIndexAttributes(number), name=result.name)
        for number, result in enumerate(results)
    }
