"""bitcast-convert to another width, as other nodes of array programs."""

from __future__ import annotations

from ..hlo.ir.shape import Shape
from .array_program import Add, ArrayNode, scalar_node


def recast(add: Add, operand: int, source: Shape, target: Shape) -> int:
    """The last dimension is the parts of a wider type, little endian (rule 32).

    Parameters
    ----------
    add : callable
        ``add(node)``: its number.
    operand : int
    source, target : Shape
        Of other widths.
    """
    word = _cast(add, operand, f"u{source.bits}", source.sizes)
    if source.bits > target.bits:
        made = _split(add, word, source, target.bits)
    else:
        made = _join(add, word, source, target.bits)
    return _cast(add, made, target.element_type, target.sizes)


def _cast(add: Add, operand: int, kind: str, sizes: tuple[int, ...]) -> int:
    return add(ArrayNode("bitcast-convert", kind, sizes, (operand,)))


def _shifted(add: Add, opcode: str, operand: int, kind: str, sizes: tuple[int, ...], amount: int) -> int:
    amounts = add(ArrayNode("broadcast", kind, sizes, (add(scalar_node(amount, kind)),)))
    return add(ArrayNode(opcode, kind, sizes, (operand, amounts)))


def _split(add: Add, words: int, shape: Shape, bits: int) -> int:
    """Words to a new last dimension of their parts, lowest first."""
    kind, part, sizes = f"u{shape.bits}", f"u{bits}", shape.sizes
    parts = []
    for low in range(0, shape.bits, bits):
        shifted = _shifted(add, "shift-right-logical", words, kind, sizes, low)
        narrow = add(ArrayNode("convert", part, sizes, (shifted,)))
        parts.append(add(ArrayNode("reshape", part, (*sizes, 1), (narrow,))))
    return add(ArrayNode("concatenate", part, (*sizes, len(parts)), tuple(parts), (len(sizes),)))


def _join(add: Add, parts: int, shape: Shape, bits: int) -> int:
    """The last dimension as the parts of words."""
    *outer, count = shape.sizes
    kind, word, sizes = f"u{shape.bits}", f"u{bits}", tuple(outer)
    words = []
    for number in range(count):
        starts = (*(0 for _ in outer), number)
        part = add(ArrayNode("slice", kind, (*sizes, 1), (parts,), (starts, (1,) * shape.rank)))
        wide = add(ArrayNode("convert", word, sizes, (add(ArrayNode("reshape", kind, sizes, (part,))),)))
        words.append(_shifted(add, "shift-left", wide, word, sizes, number * shape.bits))
    total = words[0]
    for each in words[1:]:
        total = add(ArrayNode("or", word, sizes, (total, each)))
    return total
