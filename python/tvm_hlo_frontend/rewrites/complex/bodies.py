"""Bodies of reductions, scatters, sorts and maps with the components of complex arguments as arguments of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ...hlo.ir.attributes import ParameterAttributes, TupleIndexAttributes
from ...hlo.ir.builder import ComputationBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import Shape
from ..emit import Emitter
from .pair import paired_shape

# (parameter number of the old body, component or None for a real one)
Leaf = tuple[int, "int | None"]


def flat_body(
    body: HloComputation, old_parameters: Sequence[Shape], order: Sequence[Leaf], results: Sequence[int] | None = None
) -> HloComputation:
    """`body` on scalars.

    Parameters
    ----------
    body : HloComputation
        Rewritten: its complex parameters and results are tuples.
    old_parameters : sequence of Shape
        Shapes of its parameters before.
    order : sequence of Leaf
        What the parameters of the result are. Components that are not among them become zero.
    results : sequence of int, optional
        Which of the flat results to return; by default all. One result is returned bare.
    """
    builder = ComputationBuilder(body.name)
    emit = Emitter(builder)
    leaves: dict[Leaf, HloInstruction] = {}
    for number, leaf in enumerate(order):
        shape = paired_shape(old_parameters[leaf[0]])
        leaves[leaf] = builder.parameter(number, shape if leaf[1] is None else shape.tuple_shapes[leaf[1]])
    arguments = []
    for number, old in enumerate(old_parameters):
        shape = paired_shape(old)
        if not shape.is_tuple:
            arguments.append(leaves[number, None])
            continue
        parts = [
            leaves[number, i] if (number, i) in leaves else emit.full(0, part)
            for i, part in enumerate(shape.tuple_shapes)
        ]
        arguments.append(emit.tuple(parts))
    flat = flat_leaves(emit, inline(emit, body, arguments))
    chosen = flat if results is None else [flat[index] for index in results]
    return builder.build(chosen[0] if len(chosen) == 1 else emit.tuple(chosen))


def inline(emit: Emitter, computation: HloComputation, arguments: Sequence[HloInstruction]) -> HloInstruction:
    """Copy a body; elements of tuples are taken directly, so that unused components are dead."""
    new: dict[HloInstruction, HloInstruction] = {}
    for instruction in computation.instructions:
        operands = [new[operand] for operand in instruction.operands]
        if isinstance(instruction.attributes, ParameterAttributes):
            new[instruction] = arguments[instruction.attributes.number]
        elif instruction.opcode == "get-tuple-element" and operands[0].opcode == "tuple":
            new[instruction] = operands[0].operands[instruction.attributes_as(TupleIndexAttributes).index]
        else:
            new[instruction] = emit.builder.add(
                instruction.opcode,
                operands,
                instruction.shape,
                instruction.attributes,
                instruction.called_computations,
                name=instruction.name,
                metadata=instruction.metadata,
            )
    return new[computation.root]


def flat_leaves(emit: Emitter, value: HloInstruction) -> list[HloInstruction]:
    """Arrays of a value, depth first."""
    if not value.shape.is_tuple:
        return [value]
    parts = (emit.element(value, index) for index in range(len(value.shape.tuple_shapes)))
    return [leaf for part in parts for leaf in flat_leaves(emit, part)]


def is_separable(body: HloComputation) -> bool:
    """Whether a flat body (re, im, re', im') -> (re, im) never mixes the components, as a sum does."""
    root = body.root
    if root.opcode != "tuple" or len(root.operands) != 2 or len(body.parameters) != 4:
        return False
    return all(_parameters_of(part) <= {index, index + 2} for index, part in enumerate(root.operands))


def _parameters_of(value: HloInstruction) -> set[int]:
    pending, seen, numbers = [value], {value}, set()
    while pending:
        instruction = pending.pop()
        if isinstance(instruction.attributes, ParameterAttributes):
            numbers.add(instruction.attributes.number)
        for operand in instruction.operands:
            if operand not in seen:
                seen.add(operand)
                pending.append(operand)
    return numbers
