"""Which instructions a picture shows as one node, and which it shows in the nodes that use them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..hlo.ir.attributes import ConstantAttributes, TupleIndexAttributes
from ..hlo.ir.module import HloComputation, HloInstruction
from .kinds import kind_of_opcode

# what makes no node of its own where all it is made from is shown in its users
_TRANSPARENT = frozenset(
    "bitcast bitcast-convert broadcast convert copy domain get-tuple-element opt-barrier reshape transpose".split()
)
_GROUPED_MOVEMENT = _TRANSPARENT - {"convert", "get-tuple-element"} | {"get-dimension-size", "reverse", "slice"}


@dataclass(frozen=True)
class Folded:
    """A computation cut into nodes.

    Attributes
    ----------
    groups : list of list of HloInstruction
        Instructions of each node, in order, the last one is what others read; nodes in order.
    labels : dict of HloInstruction to str
        What users show of instructions that have no node.
    node_of : dict of HloInstruction to int
        Index of the group that stands for an instruction.
    """

    groups: list[list[HloInstruction]] = field(default_factory=list)
    labels: dict[HloInstruction, str] = field(default_factory=dict)
    node_of: dict[HloInstruction, int] = field(default_factory=dict)


def every_instruction(computation: HloComputation) -> Folded:
    """A node per instruction."""
    instructions = list(computation.instructions)
    return Folded([[i] for i in instructions], {}, {i: index for index, i in enumerate(instructions)})


def fold(computation: HloComputation) -> Folded:
    """Chains of element-wise arithmetic and of cheap movement become one node each; parameters, constants and what only
    reshapes them are shown in their users; get-tuple-element is left to the edges."""
    labels = folded_labels(computation)
    alias = {
        i: i.operands[0]
        for i in computation.instructions
        if i.opcode == "get-tuple-element" and i not in labels and i is not computation.root
    }
    shown = [i for i in computation.instructions if i not in labels and i not in alias]
    last = last_of_group(computation, shown, alias)
    groups: dict[HloInstruction, list[HloInstruction]] = {i: [] for i in shown if last[i] is i}
    for instruction in shown:
        groups[last[instruction]].append(instruction)
    node_of = {i: index for index, members in enumerate(groups.values()) for i in members}
    for instruction in alias:
        node_of[instruction] = node_of[resolved(instruction, alias)]
    return Folded(list(groups.values()), labels, node_of)


def resolved(instruction: HloInstruction, alias: dict[HloInstruction, HloInstruction]) -> HloInstruction:
    """The instruction behind get-tuple-elements."""
    while instruction in alias:
        instruction = alias[instruction]
    return instruction


def folded_labels(computation: HloComputation) -> dict[HloInstruction, str]:
    """Instructions that their users show, and how: parameters, constants, iotas and what only reshapes them."""
    labels: dict[HloInstruction, str] = {}
    for instruction in computation.instructions:
        if instruction is computation.root:
            continue
        if kind_of_opcode(instruction.opcode) == "input":
            labels[instruction] = leaf_label(instruction)
        elif instruction.opcode in _TRANSPARENT and instruction.operands[0] in labels:
            label = labels[instruction.operands[0]]
            attributes = instruction.attributes
            labels[instruction] = (
                f"{label}[{attributes.index}]" if isinstance(attributes, TupleIndexAttributes) else label
            )
    return labels


def leaf_label(instruction: HloInstruction) -> str:
    """A parameter with its shape, a scalar constant by its value, others by opcode and shape."""
    attributes = instruction.attributes
    literal = attributes.literal if isinstance(attributes, ConstantAttributes) else None
    if isinstance(literal, np.ndarray) and literal.size == 1:
        return str(literal.reshape(-1)[0])
    if instruction.opcode == "parameter":
        return instruction.name if instruction.shape.is_tuple else f"{instruction.name} {instruction.shape}"
    return f"{instruction.opcode} {instruction.shape}"


def last_of_group(
    computation: HloComputation, shown: list[HloInstruction], alias: dict[HloInstruction, HloInstruction]
) -> dict[HloInstruction, HloInstruction]:
    """For each instruction the last one of its node.

    An instruction joins the node of its users if they are all in one and all of it can be drawn together; then no path
    leaves a node and comes back, so that the nodes have an order as well.
    """
    users: dict[HloInstruction, set[HloInstruction]] = {i: set() for i in shown}
    for instruction in computation.instructions:
        for operand in instruction.operands:
            source = resolved(operand, alias)
            if source in users and instruction not in alias:
                users[source].add(instruction)
    last: dict[HloInstruction, HloInstruction] = {}
    for instruction in reversed(shown):
        ends = {last[user] for user in users[instruction]}
        end = next(iter(ends)) if len(ends) == 1 else instruction
        joins = can_join(instruction) and can_join(end) and instruction is not computation.root
        last[instruction] = end if joins else instruction
    return last


def can_join(instruction: HloInstruction) -> bool:
    """Whether an instruction may share a node with others."""
    return kind_of_opcode(instruction.opcode) == "elementwise" or instruction.opcode in _GROUPED_MOVEMENT


def kind_of_group(members: Iterable[HloInstruction]) -> str:
    """Kind of a node: arithmetic wins over movement."""
    kinds = [kind_of_opcode(member.opcode) for member in members]
    return "elementwise" if "elementwise" in kinds else kinds[-1]
