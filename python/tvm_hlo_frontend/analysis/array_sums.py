"""Products and reductions that are formed in other types than their elements', as nodes of array programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..hlo.ir.shape import Shape
from .accumulators import accumulator_type, reduction_type
from .array_program import Add, ArrayNode
from .reducers import match_reducer
from .scalar_expression import elementwise_expression


def wide_dot(add: Add, node: ArrayNode, shapes: Sequence[Shape]) -> int:
    """A product whose operands are widened before products are formed, and which is rounded once (rule 48).

    Parameters
    ----------
    add : callable
        ``add(node)``: its number.
    node : ArrayNode
        dot or convolution as HLO has it.
    shapes : sequence of Shape
        Of the operands.
    """
    lhs, rhs = (shape.element_type for shape in shapes)
    return _in_type(add, node, shapes, accumulator_type(lhs, rhs, node.element_type))


def wide_fold(add: Add, node: ArrayNode, shapes: Sequence[Shape]) -> int:
    """A reduce or reduce-window of one operand, accumulated in its own type (rule 65) if that is known."""
    assert node.body is not None
    reducer = match_reducer(node.body)
    if reducer is None or any(shape.element_type != reducer.element_type for shape in shapes):
        return add(node)
    wanted = reduction_type(reducer)
    if wanted == node.element_type or reducer.rounding is not None:
        return add(node)
    body = elementwise_expression(reducer.opcode, wanted, (wanted, wanted))
    return _in_type(add, replace(node, body=body), shapes, wanted)


def _in_type(add: Add, node: ArrayNode, shapes: Sequence[Shape], wanted: str) -> int:
    """The node on operands converted to a type, its result converted back."""
    operands = tuple(
        _converted(add, operand, shape.element_type, wanted, shape.sizes)
        for operand, shape in zip(node.operands, shapes)
    )
    result = add(replace(node, element_type=wanted, operands=operands))
    return _converted(add, result, wanted, node.element_type, node.dimensions)


def _converted(add: Add, operand: int, source: str, target: str, sizes: tuple[int, ...]) -> int:
    return operand if source == target else add(ArrayNode("convert", target, sizes, (operand,)))
