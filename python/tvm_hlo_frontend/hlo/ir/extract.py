"""Modules that compute a part of what another module computes: how a wrong instruction is found."""

from __future__ import annotations

from collections.abc import Sequence

from .attributes import ParameterAttributes, TupleIndexAttributes
from .builder import ComputationBuilder, live_instructions, module
from .module import HloComputation, HloInstruction, HloModule
from .names import Names
from .shape import Shape

# equal on all sides by definition
_GIVEN = frozenset({"constant", "parameter"})


def cut(computation: HloComputation, position: int) -> tuple[HloInstruction, ...]:
    """What crosses a line through a computation.

    Parameters
    ----------
    computation : HloComputation
    position : int
        Number of instructions before the line, among those that the root needs (`needed`).

    Returns
    -------
    tuple of HloInstruction
        Instructions before the line that one behind it reads; the root too if it stands before it. Parameters,
        constants and tokens are left out: together with the parameters, these values decide everything behind the line.
    """
    order = needed(computation)
    behind = {operand for instruction in order[position:] for operand in instruction.operands}
    return tuple(
        instruction
        for instruction in order[:position]
        if (instruction in behind or instruction is computation.root)
        and instruction.opcode not in _GIVEN
        and instruction.shape.paths()
    )


def needed(computation: HloComputation) -> list[HloInstruction]:
    """Instructions that the root or a side effect needs, in order."""
    return live_instructions(computation.instructions, computation.root)


def computing(original: HloModule, wanted: Sequence[HloInstruction]) -> HloModule:
    """Module that takes the parameters of `original` and whose results are some of its values.

    Parameters
    ----------
    original : HloModule
    wanted : sequence of HloInstruction
        Of the entry computation.

    Returns
    -------
    HloModule
        Its root is the tuple of the arrays of `wanted`, one after another, tuples flattened as by `Shape.paths`.
    """
    builder = ComputationBuilder(original.entry.name, Names(i.name for i in original.instructions))
    new: dict[HloInstruction, HloInstruction] = {}
    for instruction in _all_before(original.entry, wanted):
        new[instruction] = builder.copy(instruction, [new[operand] for operand in instruction.operands])
    leaves = [_element(builder, new[instruction], path) for instruction in wanted for path in instruction.shape.paths()]
    return module(original.name, builder.build(builder.add("tuple", leaves)))


def _all_before(computation: HloComputation, wanted: Sequence[HloInstruction]) -> list[HloInstruction]:
    """Instructions that `wanted` needs, and all parameters, in order."""
    kept = set(wanted)
    for instruction in reversed(computation.instructions):
        if instruction in kept:
            kept.update(instruction.operands)
    return [i for i in computation.instructions if i in kept or i.opcode == "parameter"]


def _element(builder: ComputationBuilder, value: HloInstruction, path: tuple[int, ...]) -> HloInstruction:
    for index in path:
        value = builder.add("get-tuple-element", [value], attributes=TupleIndexAttributes(index))
    return value


def alone(instruction: HloInstruction) -> HloModule | None:
    """Module of one instruction, with what it calls and its constants.

    Parameters
    ----------
    instruction : HloInstruction

    Returns
    -------
    HloModule or None
        Its parameters are the arrays of `open_operands`, one after another. None if it takes a token.
    """
    taken = [instruction.name, *(operand.name for operand in instruction.operands)]
    builder = ComputationBuilder("alone", Names(taken))
    parameters: list[HloInstruction] = []
    new: dict[HloInstruction, HloInstruction] = {}
    for operand in dict.fromkeys(instruction.operands):
        if operand.opcode == "constant":
            new[operand] = builder.copy(operand, [])
        elif _holds_token(operand.shape):
            return None
        else:
            new[operand] = _whole(builder, operand.shape, parameters)
    return module("alone", builder.build(builder.copy(instruction, [new[o] for o in instruction.operands])))


def open_operands(instruction: HloInstruction) -> list[HloInstruction]:
    """Operands that are parameters of `alone`: each once, without constants."""
    return [operand for operand in dict.fromkeys(instruction.operands) if operand.opcode != "constant"]


def flat_parameters(original: HloModule) -> HloModule:
    """`original` with an array parameter for every array of a tuple parameter, in order: what XLA's client runs."""
    if not any(parameter.shape.is_tuple for parameter in original.entry.parameters):
        return original
    builder = ComputationBuilder(original.entry.name, Names(i.name for i in original.instructions))
    new: dict[HloInstruction, HloInstruction] = {}
    made: list[HloInstruction] = []
    for parameter in original.entry.parameters:
        new[parameter] = _whole(builder, parameter.shape, made)
    for instruction in original.entry.instructions:
        if not isinstance(instruction.attributes, ParameterAttributes):
            new[instruction] = builder.copy(instruction, [new[operand] for operand in instruction.operands])
    return module(original.name, builder.build(new[original.entry.root]))


def _whole(builder: ComputationBuilder, shape: Shape, parameters: list[HloInstruction]) -> HloInstruction:
    """A value of `shape`, made of new array parameters, which are added to `parameters`."""
    if shape.is_tuple:
        return builder.add("tuple", [_whole(builder, part, parameters) for part in shape.tuple_shapes], shape)
    parameters.append(builder.parameter(len(parameters), shape))
    return parameters[-1]


def _holds_token(shape: Shape) -> bool:
    return len(shape.leaves()) > len(shape.arrays())
