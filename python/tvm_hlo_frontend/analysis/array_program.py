"""Array programs: the canonical form of loop bodies that one kernel can run, as plain data.

What a ScalarExpression is to scalars an ArrayProgram is to arrays: it says nothing of names, ids or metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..hlo.ir.shape import BY_NAME
from .scalar_body import constant_node
from .scalar_expression import ScalarExpression


@dataclass(frozen=True)
class ArrayNode:
    """One operation on arrays.

    Attributes
    ----------
    opcode : str
        An HLO opcode; or ``"captured"``: an array that the whole kernel gets, ``"part"``: one of several results,
        ``"scalar"``: a constant.
    element_type : str
        Of the result; empty for what has several (``while``, ``conditional``, ``topk``, ``reduce``,
        ``reduce-window`` and ``sort`` of several operands).
    dimensions : tuple of int
        Of the result.
    operands : tuple of int
        Indices of earlier nodes.
    attributes : tuple
        Numbers, text and tuples of them, by opcode: element-wise ones as of a ScalarNode; parameter, captured, part:
        (number,); scalar: (hexadecimal bytes,); broadcast, transpose, reverse, concatenate, reduce, sort, iota:
        dimensions; slice: (starts, strides); pad: (low, interior); dot: (contracting pairs, batch pairs); topk: (k,);
        convolution: (WindowDimensions, ConvolutionDimensionNumbers, feature groups, batch groups);
        reduce-window: (numbers of the WindowDimensions without reversal, dimensions of the results); gather: the
        numbers of GatherAttributes, and scatter those of ScatterAttributes.
    programs : tuple of ArrayProgram
        while: (condition, body); conditional: its branches.
    body : ScalarExpression or None
        Of reduce, reduce-window and scatter; of sort and topk the comparator.
    """

    opcode: str
    element_type: str
    dimensions: tuple[int, ...] = ()
    operands: tuple[int, ...] = ()
    attributes: tuple[Any, ...] = ()
    programs: tuple[ArrayProgram, ...] = ()
    body: ScalarExpression | None = None


@dataclass(frozen=True)
class ArrayProgram:
    """Nodes in dependency order and which of them are results."""

    nodes: tuple[ArrayNode, ...]
    results: tuple[int, ...]

    @property
    def changed_leaves(self) -> list[int]:
        """Of the body of a loop: the leaves of the state that it does not hand on as they are."""
        roots = [self.nodes[result] for result in self.results]
        return [leaf for leaf, root in enumerate(roots) if root.opcode != "parameter" or root.attributes != (leaf,)]

    def to_json(self) -> list:
        """Plain lists, for `json.dumps`."""
        return [[_node_to_json(node) for node in self.nodes], list(self.results)]

    @staticmethod
    def from_json(data: list) -> ArrayProgram:
        """Inverse of `to_json`."""
        return ArrayProgram(tuple(_node_from_json(node) for node in data[0]), tuple(data[1]))


# ``add(node)``: its number in a program that is being made
Add = Callable[[ArrayNode], int]


def scalar_node(value: Any, element_type: str) -> ArrayNode:
    """A number."""
    constant = constant_node(np.asarray(value, BY_NAME[element_type].numpy_dtype), element_type)
    return ArrayNode("scalar", element_type, (), (), constant.attributes)


def _node_to_json(node: ArrayNode) -> list:
    programs = [program.to_json() for program in node.programs]
    body = None if node.body is None else node.body.to_json()
    attributes = _lists(node.attributes)
    return [node.opcode, node.element_type, list(node.dimensions), list(node.operands), attributes, programs, body]


def _node_from_json(data: list) -> ArrayNode:
    opcode, kind, dimensions, operands, attributes, programs, body = data
    return ArrayNode(
        opcode,
        kind,
        tuple(dimensions),
        tuple(operands),
        _tuples(attributes),
        tuple(ArrayProgram.from_json(program) for program in programs),
        None if body is None else ScalarExpression.from_json(body),
    )


def _lists(value: Any) -> Any:
    return [_lists(part) for part in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
