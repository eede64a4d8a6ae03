"""select-and-scatter as windows that find places and a scatter to them, in nodes of array programs (rule 69)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..hlo.ir.shape import Shape
from .array_program import Add, ArrayNode, scalar_node
from .scalar_body import canonical, constant_node
from .scalar_expression import ScalarExpression, ScalarNode

# single elements by their places
_POINTS = ((), (0,), (0,), 1, (), ())


def select_and_scatter(
    add: Add,
    operands: tuple[int, ...],
    shapes: tuple[Shape, Shape],
    window: tuple[Any, ...],
    bodies: tuple[ScalarExpression, ScalarExpression],
) -> int:
    """The number of the result.

    Parameters
    ----------
    add : callable
        ``add(node)``: its number.
    operands : tuple of int
        Operand, source and init value.
    shapes : (Shape, Shape)
        Of operand and source.
    window : tuple
        As of a reduce-window.
    bodies : (ScalarExpression, ScalarExpression)
        Which of two elements stays; how a source is combined with what is there.
    """
    x, source, init = operands
    kind, sizes, made = shapes[0].element_type, shapes[0].sizes, shapes[1].sizes
    count, updates = math.prod(sizes), math.prod(made)
    places = add(ArrayNode("reshape", "s32", sizes, (add(ArrayNode("iota", "s32", (count,), (), (0,))),)))
    starts = add(scalar_node(0, kind)), add(scalar_node(-1, "s32"))
    body = _choice(bodies[0], kind)
    found = add(ArrayNode("reduce-window", "", (), (x, places, *starts), (window, made), (), body))
    # a window without elements has chosen the place -1, which the scatter leaves out
    chosen = add(ArrayNode("part", "s32", made, (found,), (1,)))
    chosen = add(ArrayNode("reshape", "s32", (updates, 1), (chosen,)))
    values = add(ArrayNode("reshape", kind, (updates,), (source,)))
    filled = add(ArrayNode("broadcast", kind, (count,), (init,)))
    scattered = add(ArrayNode("scatter", kind, (count,), (filled, chosen, values), _POINTS, (), bodies[1]))
    return add(ArrayNode("reshape", kind, sizes, (scattered,)))


def _choice(select: ScalarExpression, kind: str) -> ScalarExpression:
    """(value, place) of the accumulator while `select` holds for it and a candidate, else of the candidate."""
    nodes = [ScalarNode("parameter", each, (), (number,)) for number, each in enumerate((kind, "s32", kind, "s32"))]

    def put(node: ScalarNode) -> int:
        nodes.append(node)
        return len(nodes) - 1

    numbers: list[int] = []
    for node in select.nodes:
        operands = tuple(numbers[operand] for operand in node.operands)
        numbers.append(
            2 * int(node.attributes[0]) if node.opcode == "parameter" else put(replace(node, operands=operands))
        )
    zero = put(constant_node(np.int32(0), "s32"))
    there = put(ScalarNode("compare", "pred", (1, zero), ("GE", "SIGNED")))
    keep = put(ScalarNode("and", "pred", (numbers[select.results[0]], there)))
    results = (
        put(ScalarNode("select", kind, (keep, 0, 2))),
        put(ScalarNode("select", "s32", (keep, 1, 3))),
    )
    return canonical(ScalarExpression(tuple(nodes), results))
