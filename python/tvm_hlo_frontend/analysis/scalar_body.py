"""The canonical scalar program of a computation on scalars: the body of map, reduce, reduce-window, scatter, sort."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from ..hlo.ir.attributes import (
    CompareAttributes,
    ConstantAttributes,
    ParameterAttributes,
    ReducePrecisionAttributes,
    TupleIndexAttributes,
)
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import Shape
from ..hlo.opcodes import ELEMENTWISE
from .scalar_expression import ScalarExpression, ScalarNode

# instructions walked while inlining; calls of calls with ever new arguments grow exponentially
MAX_INLINED_INSTRUCTIONS = 20_000
INLINED = frozenset({"call", "fusion", "map"})
# on scalars these hand over their first operand
IDENTITIES = frozenset({"broadcast", "reshape", "copy", "transpose", "reverse", "opt-barrier", "add-dependency"})
# the same on arrays
ARRAY_IDENTITIES = frozenset({"copy", "opt-barrier", "add-dependency"})

# a node's index, or a tuple of them for an HLO tuple
ScalarValue = Union[int, "tuple[ScalarValue, ...]"]


class _NotScalar(Exception):
    def __init__(self, instruction: HloInstruction) -> None:
        self.instruction = instruction


def scalar_body(computation: HloComputation, dimensions: tuple[int, ...] = ()) -> ScalarExpression | None:
    """Canonical scalar program of `computation`.

    Calls, fusions and maps are inlined, tuples resolved, broadcasts, reshapes and copies of scalars dropped, common
    subexpressions shared, dead code dropped and nodes numbered in the order in which the results need them, so bodies
    that differ only in names or in the order of independent instructions are equal values.

    Parameters
    ----------
    computation : HloComputation
    dimensions : tuple of int
        Arrays of this shape may occur as well: the program is then what happens at each of their indices.

    Returns
    -------
    ScalarExpression or None
        None if the computation holds anything but element-wise arithmetic; `obstacle` says what.
    """
    try:
        return _walk(computation, dimensions)
    except _NotScalar:
        return None


def obstacle(computation: HloComputation) -> HloInstruction | None:
    """The first instruction for which `scalar_body` is None; None if there is a scalar body."""
    try:
        _walk(computation, ())
    except _NotScalar as error:
        return error.instruction
    return None


def _walk(computation: HloComputation, dimensions: tuple[int, ...]) -> ScalarExpression:
    nodes = _Nodes(dimensions)
    count = itertools.count()
    arguments = [_argument(parameter, parameter.shape, nodes, count) for parameter in computation.parameters]
    root = _inline(computation, arguments, nodes)
    return canonical(ScalarExpression(tuple(nodes.numbers), _leaves(root)))


def _argument(parameter: HloInstruction, shape: Shape, nodes: _Nodes, count: Iterator[int]) -> ScalarValue:
    """Parameter nodes of one parameter, numbered through the leaves of all of them."""
    if shape.is_tuple:
        return tuple(_argument(parameter, part, nodes, count) for part in shape.tuple_shapes)
    kind = _element_type(parameter, shape, nodes)
    return nodes.add(ScalarNode("parameter", kind, (), (next(count),)))


def canonical(expression: ScalarExpression) -> ScalarExpression:
    """The same program without dead nodes, numbered in depth-first order from the results."""
    number: dict[int, int] = {}
    nodes: list[ScalarNode] = []
    pending = list(reversed(expression.results))
    while pending:
        index = pending[-1]
        node = expression.nodes[index]
        missing = [operand for operand in node.operands if operand not in number]
        if index in number or not missing:
            pending.pop()
        if index not in number and not missing:
            number[index] = len(nodes)
            operands = tuple(number[operand] for operand in node.operands)
            nodes.append(ScalarNode(node.opcode, node.element_type, operands, node.attributes))
        pending.extend(reversed(missing))
    return ScalarExpression(tuple(nodes), tuple(number[index] for index in expression.results))


def single_result(expression: ScalarExpression, index: int) -> ScalarExpression:
    """Canonical program of result `index` alone."""
    return canonical(ScalarExpression(expression.nodes, (expression.results[index],)))


class _Nodes:
    """Nodes with equal ones shared; `dimensions` is the shape that values may have beside scalars."""

    def __init__(self, dimensions: tuple[int, ...]) -> None:
        self.numbers: dict[ScalarNode, int] = {}
        self.dimensions = dimensions

    def add(self, node: ScalarNode) -> int:
        return self.numbers.setdefault(node, len(self.numbers))


@dataclass
class _Frame:
    """A computation that is being walked."""

    computation: HloComputation
    arguments: Sequence[ScalarValue]
    position: int = 0
    values: dict[HloInstruction, ScalarValue] = field(default_factory=dict)


def _inline(computation: HloComputation, arguments: Sequence[ScalarValue], nodes: _Nodes) -> ScalarValue:
    """Value of the root, walked with a stack of its own; the same call with the same arguments is walked once."""
    done: dict[tuple[HloComputation, tuple[ScalarValue, ...]], ScalarValue] = {}
    frames = [_Frame(computation, arguments)]
    steps = 0
    while True:
        frame = frames[-1]
        if frame.position == len(frame.computation.instructions):
            frames.pop()
            value = frame.values[frame.computation.root]
            if not frames:
                return value
            done[frame.computation, tuple(frame.arguments)] = value
            continue
        instruction = frame.computation.instructions[frame.position]
        operands = tuple(frame.values[operand] for operand in instruction.operands)
        steps += 1
        if steps > MAX_INLINED_INSTRUCTIONS:
            raise _NotScalar(instruction)
        if instruction.opcode in INLINED:
            callee = instruction.called_computations[0]
            if (callee, operands) not in done:
                frames.append(_Frame(callee, operands))
                continue
            frame.values[instruction] = done[callee, operands]
        else:
            frame.values[instruction] = _value(instruction, operands, frame.arguments, nodes)
        frame.position += 1


def _value(
    instruction: HloInstruction,
    operands: tuple[ScalarValue, ...],
    arguments: Sequence[ScalarValue],
    nodes: _Nodes,
) -> ScalarValue:
    attributes = instruction.attributes
    if isinstance(attributes, ParameterAttributes):
        return arguments[attributes.number]
    if isinstance(attributes, ConstantAttributes):
        return _constant(instruction, attributes.literal, nodes)
    if instruction.opcode == "tuple":
        return operands
    if isinstance(attributes, TupleIndexAttributes):
        part = operands[0]
        assert isinstance(part, tuple)
        return part[attributes.index]
    if instruction.opcode in IDENTITIES:
        if not instruction.shape.is_tuple:
            _element_type(instruction, instruction.shape, nodes)
            # on arrays a reverse or a transpose is no identity
            if instruction.shape.dimensions and not _keeps_places(instruction):
                raise _NotScalar(instruction)
        return operands[0]
    if instruction.opcode not in ELEMENTWISE and not _keeps_width(instruction):
        raise _NotScalar(instruction)
    kind = _element_type(instruction, instruction.shape, nodes)
    return nodes.add(ScalarNode(instruction.opcode, kind, _leaves(operands), node_attributes(instruction)))


def _keeps_places(instruction: HloInstruction) -> bool:
    """Whether each element of an array stays at its index."""
    from_scalar = instruction.opcode == "broadcast" and not instruction.operands[0].shape.dimensions
    return from_scalar or instruction.opcode in ARRAY_IDENTITIES


def _keeps_width(instruction: HloInstruction) -> bool:
    """Whether it reads the bits of every element as another type."""
    return instruction.opcode == "bitcast-convert" and instruction.shape.bits == instruction.operands[0].shape.bits


def node_attributes(instruction: HloInstruction) -> tuple[str | int, ...]:
    """Attributes of a ScalarNode for an element-wise instruction."""
    attributes = instruction.attributes
    if isinstance(attributes, CompareAttributes):
        return attributes.direction, attributes.type
    if isinstance(attributes, ReducePrecisionAttributes):
        return attributes.exponent_bits, attributes.mantissa_bits
    return ()


def constant_node(value: Any, element_type: str) -> ScalarNode:
    """Node of a scalar constant; `value` is a numpy scalar of the element type's own dtype."""
    array = np.asarray(value)
    little = array.astype(array.dtype.newbyteorder("<"))
    return ScalarNode("constant", element_type, (), (little.tobytes().hex(),))


def _constant(instruction: HloInstruction, literal: Any, nodes: _Nodes) -> ScalarValue:
    kind = None if isinstance(literal, tuple) else _element_type(instruction, instruction.shape, nodes)
    flat = np.asarray(literal).reshape(-1)
    if kind is None or not len(flat) or flat.tobytes() != flat[:1].tobytes() * len(flat):
        raise _NotScalar(instruction)
    return nodes.add(constant_node(flat[0], kind))


def _element_type(instruction: HloInstruction, shape: Shape, nodes: _Nodes) -> str:
    if not shape.is_array or shape.dimensions not in ((), nodes.dimensions):
        raise _NotScalar(instruction)
    return shape.element_type


def _leaves(value: ScalarValue) -> tuple[int, ...]:
    """Indices of a value, depth first."""
    leaves: list[int] = []
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, tuple):
            pending.extend(reversed(part))
        else:
            leaves.append(part)
    return tuple(leaves)
