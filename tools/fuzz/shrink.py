"""The least module in which something is still wrong: instructions become parameters that hold what they computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tvm_hlo_frontend.hlo.ir.attributes import ConstantAttributes, ParameterAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, live_instructions, module
from tvm_hlo_frontend.hlo.ir.extract import computing
from tvm_hlo_frontend.hlo.ir.module import HloInstruction, HloModule

# of a judgment the number, at most
TRIES = 40


@dataclass(frozen=True)
class Case:
    """A module and the arrays that it is run on."""

    module: HloModule
    arguments: list[np.ndarray]


def shrunk(
    case: Case, is_wrong: Callable[[Case], bool], run: Callable[[HloModule, Sequence[np.ndarray]], list[np.ndarray]]
) -> Case:
    """A case in which as many instructions as possible are parameters, the first ones first.

    Parameters
    ----------
    case : Case
    is_wrong : callable
        Whether a case shows the same fault.
    run : callable
        Computes the values that parameters get.
    """
    case = with_parameters(case, {})
    done: set[str] = set()
    for _ in range(TRIES):
        order = [each for each in case.module.entry.instructions if _may_become_parameter(case, each)]
        candidate = next((each for each in order if each.name not in done), None)
        if candidate is None:
            return case
        done.add(candidate.name)
        (value,) = run(computing(case.module, [candidate]), case.arguments)
        smaller = with_parameters(case, {candidate: value})
        if is_wrong(smaller):
            case = smaller
    return case


def _may_become_parameter(case: Case, instruction: HloInstruction) -> bool:
    roots = case.module.entry.root.operands
    return instruction.opcode != "parameter" and instruction.shape.is_array and instruction not in roots


def with_parameters(case: Case, values: dict[HloInstruction, np.ndarray]) -> Case:
    """The case with parameters for these instructions, and without what nothing needs then."""
    entry = case.module.entry
    kept = _needed(entry.root, set(values))
    builder, new = ComputationBuilder(entry.name), dict[HloInstruction, HloInstruction]()
    arguments: list[np.ndarray] = []
    for instruction in live_instructions(entry.instructions, entry.root):
        if instruction not in kept:
            continue
        if instruction in values or isinstance(instruction.attributes, ParameterAttributes):
            new[instruction] = builder.parameter(len(arguments), instruction.shape, instruction.name)
            attributes = instruction.attributes
            arguments.append(
                case.arguments[attributes.number]
                if isinstance(attributes, ParameterAttributes)
                else values[instruction]
            )
        else:
            new[instruction] = builder.copy(instruction, [new[operand] for operand in instruction.operands])
    return Case(module(case.module.name, builder.build(new[entry.root])), arguments)


def with_given_constants(case: Case) -> Case:
    """The case with parameters for the arrays that are constants of its entry."""
    values: dict[HloInstruction, np.ndarray] = {}
    for each in case.module.entry.instructions:
        if isinstance(each.attributes, ConstantAttributes) and isinstance(each.attributes.literal, np.ndarray):
            values[each] = each.attributes.literal
    return with_parameters(case, values)


def _needed(root: HloInstruction, given: set[HloInstruction]) -> set[HloInstruction]:
    pending, seen = [root], {root}
    while pending:
        current = pending.pop()
        for operand in () if current in given else current.operands:
            if operand not in seen:
                seen.add(operand)
                pending.append(operand)
    return seen
