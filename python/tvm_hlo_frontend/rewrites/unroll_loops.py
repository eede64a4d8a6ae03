"""Short loops with a known number of trips, trip by trip: a trip on a virtual machine costs more than a small body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np

from ..analysis.array_loops import Computes, match_array_loop
from ..analysis.constant_values import constant_value
from ..analysis.loops import match_elementwise_loop
from ..analysis.trips import known_trips
from ..hlo.ir.attributes import ParameterAttributes, TupleIndexAttributes
from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloComputation, HloInstruction, HloModule
from ..hlo.ir.shape import Shape
from ..hlo.opcodes import ELEMENTWISE
from .capabilities import Capabilities
from .fold_constants import folded

# of all trips of all loops; each kernel that they become takes milliseconds to compile
MAX_INSTRUCTIONS = 2500
# beyond, what a trip costs on the virtual machine is a small part
MAX_BODY_INSTRUCTIONS = 200
# so many at most pay for kernels of their own, which run in parallel, where one could run all
FEW_TRIPS = 8
# bodies of nothing else, such as the rounds of random number generators, fuse into kernels that compile long
LIGHT = ELEMENTWISE | frozenset(
    "parameter constant tuple get-tuple-element broadcast reshape slice dynamic-slice concatenate iota copy".split()
)

Value = Union[HloInstruction, "tuple[Value, ...]"]


@dataclass
class Budget:
    """Instructions left to be made, what kernels of whole loops compute, what nothing computes in advance."""

    left: int
    computes: Computes
    replaced: frozenset[str]


def unroll_loops(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without the short counted loops that no single kernel can run."""
    budget = Budget(MAX_INSTRUCTIONS, capabilities.computes, capabilities.replaced)

    def unroll(
        builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        if instruction.opcode != "while":
            return None
        state = unrolled(builder, instruction, parts(builder, operands[0]), budget)
        return None if state is None else whole(builder, state, instruction.shape)

    if not any(instruction.opcode == "while" for instruction in module.instructions):
        return module
    return transform(module, unroll)


def unrolled(builder: RewriteBuilder, loop: HloInstruction, state: Value, budget: Budget) -> Value | None:
    """State after the last trip; None if the loop stays: its condition depends on data, it is too long, its body is
    light, or one kernel can run it as it is."""
    body, condition = (builder.rewritten(called) for called in loop.called_computations)
    if len(body.instructions) > MAX_BODY_INSTRUCTIONS or match_elementwise_loop(loop) is not None:
        return None
    if all(instruction.opcode in LIGHT for instruction in body.instructions) or _is_one_kernel(loop, budget.computes):
        return None
    before = budget.left
    while budget.left >= 0:
        going = constant_of(inlined(builder, condition, state, budget))
        if going is None:
            break
        if not going:
            return state
        state = inlined(builder, body, state, budget)
    budget.left = before
    return None


def _is_one_kernel(loop: HloInstruction, computes: Computes) -> bool:
    """Whether one kernel can run all of its trips, which are too many to pay for kernels of their own."""
    trips = known_trips(loop)
    return (trips is None or trips > FEW_TRIPS) and match_array_loop(loop, computes) is not None


def inlined(builder: RewriteBuilder, computation: HloComputation, argument: Value, budget: Budget) -> Value:
    """Value of `computation`, its instructions copied under new names; what follows from constants becomes one."""
    values: dict[HloInstruction, Value] = {}
    for instruction in computation.instructions:
        operands = [values[operand] for operand in instruction.operands]
        if isinstance(instruction.attributes, ParameterAttributes):
            values[instruction] = argument
        elif instruction.opcode == "tuple":
            values[instruction] = tuple(operands)
        elif isinstance(instruction.attributes, TupleIndexAttributes) and isinstance(operands[0], tuple):
            values[instruction] = operands[0][instruction.attributes.index]
        else:
            values[instruction] = copied(builder, instruction, operands, budget)
    return values[computation.root]


def copied(builder: RewriteBuilder, instruction: HloInstruction, operands: Sequence[Value], budget: Budget) -> Value:
    """Copy of one instruction, or the constant that it is, or the trips of the loop that it is."""
    state = unrolled(builder, instruction, operands[0], budget) if instruction.opcode == "while" else None
    if state is not None:
        return state
    shapes = [operand.shape for operand in instruction.operands]
    arguments = [whole(builder, value, shape) for value, shape in zip(operands, shapes)]
    constant = None if instruction.opcode in budget.replaced else folded(builder, instruction, arguments)
    if constant is not None:
        return constant
    budget.left -= 1
    return parts(builder, builder.copy_renamed(instruction, arguments))


def constant_of(value: Value) -> np.ndarray | None:
    """The number that a scalar is known to be."""
    if isinstance(value, HloInstruction) and not value.shape.is_tuple and not value.shape.rank:
        return constant_value(value)
    return None


def parts(builder: RewriteBuilder, value: HloInstruction) -> Value:
    """Elements of a tuple, to any depth."""
    if not value.shape.is_tuple:
        return value
    if value.opcode == "tuple":
        return tuple(parts(builder, operand) for operand in value.operands)
    elements = range(len(value.shape.tuple_shapes))
    return tuple(
        parts(builder, builder.add("get-tuple-element", [value], attributes=TupleIndexAttributes(index)))
        for index in elements
    )


def whole(builder: RewriteBuilder, value: Value, shape: Shape) -> HloInstruction:
    """One instruction for a value; inverse of `parts`."""
    if isinstance(value, HloInstruction):
        return value
    elements = [whole(builder, element, part) for element, part in zip(value, shape.tuple_shapes)]
    return builder.add("tuple", elements, shape)
