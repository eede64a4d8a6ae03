"""Scalar programs: the canonical form of the bodies of map, reduce, scatter, sort … and of element-wise opcodes.

A ScalarExpression says nothing of instruction names, ids or metadata, so equal bodies are equal values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

# expressions of one operation that are remembered
MAX_REMEMBERED = 4096


@dataclass(frozen=True)
class ScalarNode:
    """One scalar operation.

    Attributes
    ----------
    opcode : str
        An element-wise HLO opcode, ``"parameter"`` or ``"constant"``.
    element_type : str
        Type of the result.
    operands : tuple of int
        Indices of earlier nodes.
    attributes : tuple of str or int
        compare: (direction, type); reduce-precision: (exponent bits, mantissa bits); parameter: (number,);
        constant: (hexadecimal bytes of the value, little endian,).
    """

    opcode: str
    element_type: str
    operands: tuple[int, ...] = ()
    attributes: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class ScalarExpression:
    """Nodes in dependency order and which of them are results."""

    nodes: tuple[ScalarNode, ...]
    results: tuple[int, ...]

    @property
    def result_types(self) -> tuple[str, ...]:
        """Element types of the results."""
        return tuple(self.nodes[index].element_type for index in self.results)

    def to_json(self) -> list:
        """Plain lists, for `json.dumps`."""
        nodes = [[n.opcode, n.element_type, list(n.operands), list(n.attributes)] for n in self.nodes]
        return [nodes, list(self.results)]

    @staticmethod
    def from_json(data: list) -> ScalarExpression:
        """Inverse of `to_json`."""
        nodes = tuple(ScalarNode(op, kind, tuple(operands), tuple(attrs)) for op, kind, operands, attrs in data[0])
        return ScalarExpression(nodes, tuple(data[1]))

    def __str__(self) -> str:
        return json.dumps(self.to_json(), separators=(",", ":"))


@lru_cache(MAX_REMEMBERED)
def elementwise_expression(
    opcode: str, result_type: str, operand_types: tuple[str, ...], attributes: tuple[str | int, ...] = ()
) -> ScalarExpression:
    """One element-wise operation on parameters 0, 1 and so on."""
    parameters = tuple(ScalarNode("parameter", kind, (), (number,)) for number, kind in enumerate(operand_types))
    node = ScalarNode(opcode, result_type, tuple(range(len(parameters))), attributes)
    return ScalarExpression((*parameters, node), (len(parameters),))
