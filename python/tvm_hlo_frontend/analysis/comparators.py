"""Which comparators of sort compare keys of the left element with the same keys of the right one."""

from __future__ import annotations

from dataclasses import dataclass

from .scalar_body import canonical
from .scalar_expression import ScalarExpression, ScalarNode

LEFT, RIGHT = 0, 1


@dataclass(frozen=True)
class SortKey:
    """A number by which elements are ordered.

    Attributes
    ----------
    expression : ScalarExpression
        The key of one element; parameter k is the element of operand k.
    order : str
        Comparison type: FLOAT TOTALORDER SIGNED UNSIGNED.
    descending : bool
        Whether larger keys come first; equal keys keep their order all the same (rule 71).
    """

    expression: ScalarExpression
    order: str
    descending: bool

    @property
    def element_type(self) -> str:
        """Element type of the key."""
        return self.expression.result_types[0]


def match_comparator(body: ScalarExpression) -> tuple[SortKey, ...] | None:
    """Keys that `body` compares, the most important one first.

    Parameters
    ----------
    body : ScalarExpression
        Canonical comparator; parameters are l0, r0, l1, r1 …

    Returns
    -------
    tuple of SortKey or None
        None for a comparator that is no comparison of keys; then only calling it tells the order.
    """
    if len(body.results) != 1:
        return None
    keys: list[SortKey] = []
    position = body.results[0]
    while True:
        steps = _split(body, position)
        if steps is None:
            return None
        strict, equal, rest = steps
        key = _strict_key(body, strict)
        if key is None or (equal is not None and not _is_tie(body, equal, key)):
            return None
        keys.append(key)
        if rest is None:
            return tuple(keys)
        position = rest


def _split(body: ScalarExpression, position: int) -> tuple[int, int | None, int | None] | None:
    """(strict, equal, rest) of ``strict or (equal and rest)``, or of ``select(equal, rest, strict)``."""
    node = body.nodes[position]
    if node.opcode == "compare":
        return position, None, None
    if node.opcode == "select":
        equal, rest, strict = node.operands
        return (strict, equal, rest) if _compares(body, strict) else None
    if node.opcode != "or":
        return None
    for strict, tail in (node.operands, node.operands[::-1]):
        both = body.nodes[tail]
        if both.opcode != "and" or not _compares(body, strict):
            continue
        for equal, rest in (both.operands, both.operands[::-1]):
            if _compares(body, equal) and body.nodes[equal].attributes[0] == "EQ":
                return strict, equal, rest
    return None


def _compares(body: ScalarExpression, position: int) -> bool:
    return body.nodes[position].opcode == "compare"


def _strict_key(body: ScalarExpression, position: int) -> SortKey | None:
    """The key of a LT or GT of one side's key with the other side's."""
    direction, order = body.nodes[position].attributes
    sides = _sides(body, position)
    if sides is None or direction not in ("LT", "GT"):
        return None
    expression, first = sides
    return SortKey(expression, str(order), (direction == "GT") == (first == LEFT))


def _is_tie(body: ScalarExpression, position: int, key: SortKey) -> bool:
    """Whether a comparison says that both sides have the same `key`."""
    node = body.nodes[position]
    if node.opcode != "compare" or node.attributes != ("EQ", key.order):
        return False
    sides = _sides(body, position)
    return sides is not None and sides[0] == key.expression


def _sides(body: ScalarExpression, position: int) -> tuple[ScalarExpression, int] | None:
    """(key, side of the first operand) of a comparison whose operands are the same key of the two sides."""
    found = [_side(body, operand) for operand in body.nodes[position].operands]
    if None in found:
        return None
    (first, side), (second, other) = found  # type: ignore[misc]
    return (first, side) if first == second and side != other else None


def _side(body: ScalarExpression, position: int) -> tuple[ScalarExpression, int] | None:
    """(expression over one element, side) of a node that depends on one side alone."""
    part = canonical(ScalarExpression(body.nodes, (position,)))
    numbers = [int(node.attributes[0]) for node in part.nodes if node.opcode == "parameter"]
    sides = {number % 2 for number in numbers}
    if len(sides) != 1:
        return None
    nodes = tuple(
        ScalarNode(node.opcode, node.element_type, node.operands, (int(node.attributes[0]) // 2,))
        if node.opcode == "parameter"
        else node
        for node in part.nodes
    )
    return ScalarExpression(nodes, part.results), sides.pop()


def operands_read(body: ScalarExpression) -> tuple[int, ...]:
    """Numbers of the sorted operands that a comparator looks at."""
    return tuple(sorted({int(node.attributes[0]) // 2 for node in body.nodes if node.opcode == "parameter"}))
