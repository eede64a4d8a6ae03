"""Short counted loops whose trips, written one behind the other, are one scalar program at every index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

import numpy as np

from ..hlo.ir.attributes import ParameterAttributes, TupleIndexAttributes
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import Shape
from ..hlo.opcodes import ROWS
from .constant_values import computed, constant_value
from .scalar_body import canonical, constant_node, node_attributes
from .scalar_expression import ScalarExpression, ScalarNode
from .trips import known_trips

MAX_TRIPS = 8
# of all trips; each is a statement that takes milliseconds to compile
MAX_NODES = 512
# these hand on every element as it is where the shape stays, and a scalar to every element
_IDENTITIES = frozenset({"broadcast", "copy", "opt-barrier", "reshape"})
# few instructions each, so that a copy per trip costs less than the memory between two trips
_LIGHT = frozenset(info.name for info in ROWS if info.family == "elementwise" and info.cost != "transcendental") - {
    "divide",
    "remainder",
    "power",
    "mulhi",
}


@dataclass(frozen=True)
class ShortLoop:
    """A loop as one element-wise program.

    Attributes
    ----------
    body : ScalarExpression
        The elements of the leaves that it computes; its parameters are those of `inputs`.
    dimensions : tuple of int
        Shape of the arrays.
    inputs : tuple of int
        The leaves of the initial state that it reads.
    final : tuple
        What each leaf is in the end: a result of `body` by its number, a leaf of the initial state that was handed on,
        or a constant.
    """

    body: ScalarExpression
    dimensions: tuple[int, ...]
    inputs: tuple[int, ...]
    final: tuple[Result | Leaf | np.ndarray, ...]


@dataclass(frozen=True)
class Result:
    """A result of the program, by its number."""

    number: int


@dataclass(frozen=True)
class Leaf:
    """A leaf of the initial state, by its number."""

    number: int


# a node of the program, a leaf of which no element was needed yet, or the elements of a constant
Known = Union[int, Leaf, np.ndarray]


class _NotShort(Exception):
    """The loop has no such program."""


def match_short_loop(loop: HloInstruction) -> ShortLoop | None:
    """The program of a `while`; None if its trips are many or unknown, or its body does more than light element-wise
    arithmetic on arrays of one shape, on scalars and on constants."""
    trips = known_trips(loop)
    if trips is None or not 0 < trips <= MAX_TRIPS:
        return None
    initial = loop.operands[0].operands
    if not all(part.shape.is_array and part.shape.is_static for part in initial):
        return None
    state: list[Known] = [
        Leaf(number) if value is None else value for number, value in enumerate(map(constant_value, initial))
    ]
    shapes = {part.shape.sizes for part, value in zip(initial, state) if isinstance(value, Leaf)} - {()}
    if len(shapes) > 1 or any(0 in shape for shape in shapes):
        return None
    program = _Program(loop, next(iter(shapes), ()))
    try:
        for _ in range(trips):
            state = program.trip(state)
        return program.finished(state)
    except _NotShort:
        return None


class _Program:
    """Nodes of the trips so far, equal ones shared."""

    def __init__(self, loop: HloInstruction, dimensions: tuple[int, ...]) -> None:
        self.body: HloComputation = loop.called_computations[0]
        self.leaves = [part.shape for part in loop.operands[0].operands]
        self.dimensions = dimensions
        self.nodes: dict[ScalarNode, int] = {}

    def trip(self, state: Sequence[Known]) -> list[Known]:
        """The state after one more trip."""
        values: dict[HloInstruction, Any] = {}
        for instruction in self.body.instructions:
            values[instruction] = self._value(instruction, [values[operand] for operand in instruction.operands], state)
        return list(values[self.body.root])

    def _value(self, instruction: HloInstruction, operands: Sequence[Any], state: Sequence[Known]) -> Any:
        """Of an array; a tuple of such for a tuple."""
        attributes = instruction.attributes
        if isinstance(attributes, ParameterAttributes):
            return tuple(state)
        if instruction.opcode == "tuple":
            return tuple(operands)
        if isinstance(attributes, TupleIndexAttributes):
            return operands[0][attributes.index]
        constant = constant_value(instruction)
        if constant is not None:
            return constant
        if not instruction.shape.is_array or any(isinstance(operand, tuple) for operand in operands):
            raise _NotShort
        known = self._folded(instruction, operands)
        return self._element(instruction, operands) if known is None else known

    def _folded(self, instruction: HloInstruction, operands: Sequence[Known]) -> np.ndarray | None:
        arrays = [operand for operand in operands if isinstance(operand, np.ndarray)]
        return computed(instruction, arrays) if len(arrays) == len(operands) else None

    def _element(self, instruction: HloInstruction, operands: Sequence[Known]) -> Known:
        """What happens at each index."""
        shape, opcode = instruction.shape, instruction.opcode
        if not shape.is_static or shape.sizes not in ((), self.dimensions):
            raise _NotShort
        if opcode in _IDENTITIES and instruction.operands[0].shape.dimensions in ((), shape.dimensions):
            return operands[0]
        if opcode not in _LIGHT or len(self.nodes) > MAX_NODES:
            raise _NotShort
        numbers = tuple(
            self._node(value, operand.shape.element_type) for value, operand in zip(operands, instruction.operands)
        )
        return self._add(ScalarNode(opcode, shape.element_type, numbers, node_attributes(instruction)))

    def _node(self, value: Known, kind: str) -> int:
        """The number of the node with the elements of an operand."""
        if isinstance(value, int):
            return value
        if isinstance(value, Leaf):
            if self.leaves[value.number].sizes not in ((), self.dimensions):
                raise _NotShort
            return self._add(ScalarNode("parameter", kind, (), (value.number,)))
        first = value[(0,) * value.ndim]
        if any(value.strides) and value.tobytes() != first.tobytes() * math.prod(value.shape):
            raise _NotShort
        return self._add(constant_node(first, kind))

    def _of_shape(self, value: Known, shape: Shape) -> Known:
        """What a leaf of this shape is in the end."""
        if isinstance(value, Leaf) and self.leaves[value.number] == shape:
            return value
        if isinstance(value, np.ndarray) and value.shape == shape.sizes:
            return value
        if shape.sizes != self.dimensions:
            raise _NotShort
        return self._node(value, shape.element_type)

    def _add(self, node: ScalarNode) -> int:
        return self.nodes.setdefault(node, len(self.nodes))

    def finished(self, state: Sequence[Known]) -> ShortLoop:
        """The loop whose last trip has left `state`."""
        state = [self._of_shape(value, shape) for value, shape in zip(state, self.leaves)]
        results = list(dict.fromkeys(value for value in state if isinstance(value, int)))
        if not results:
            raise _NotShort
        body = canonical(ScalarExpression(tuple(self.nodes), tuple(results)))
        read = [int(node.attributes[0]) for node in body.nodes if node.opcode == "parameter"]
        nodes = tuple(
            replace(node, attributes=(read.index(int(node.attributes[0])),)) if node.opcode == "parameter" else node
            for node in body.nodes
        )
        final = tuple(Result(results.index(value)) if isinstance(value, int) else value for value in state)
        return ShortLoop(ScalarExpression(nodes, body.results), self.dimensions, tuple(read), final)
