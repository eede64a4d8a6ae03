"""Nodes whose elements are computed where they are read, or moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...analysis.array_program import ArrayNode
from ...analysis.scalar_expression import ScalarExpression, ScalarNode, elementwise_expression
from ...tensor_ir.compat import tir
from ..elementwise.scalar.evaluate import evaluate
from ..indexing.gather import clamped
from .value import Index, Storage, Value, number, ravel, unravel

# of operations that are many instructions; few fit into one expression, as TVM's passes take exponential time in how
# deep the variables of one lie in those of another
LONG_COST = 16
_SHORT = frozenset(
    "abs add and compare convert maximum minimum multiply negate not or select shift-left shift-right-arithmetic "
    "shift-right-logical subtract xor bitcast-convert".split()
)


def scalar_constant(node: ArrayNode) -> Value:
    """scalar: a constant."""
    expression = ScalarExpression((ScalarNode("constant", node.element_type, (), node.attributes),), (0,))
    (constant,) = evaluate(expression, [])
    return number(node.element_type, constant)


def is_long(node: ArrayNode) -> bool:
    """Whether an element-wise node is many instructions."""
    return node.opcode not in _SHORT


def elementwise(node: ArrayNode, operands: Sequence[Value]) -> Value:
    """An element-wise opcode; scalars among the operands belong to every element (select, clamp)."""
    kinds = tuple(operand.element_type for operand in operands)
    expression = elementwise_expression(node.opcode, node.element_type, kinds, node.attributes)

    def at(index: Index) -> Any:
        return evaluate(expression, [x.at(index if x.dimensions else ()) for x in operands])[0]

    def flat(place: Any) -> Any:
        return evaluate(expression, [x.flat(place) if x.dimensions else x.scalar() for x in operands])[0]  # type: ignore[misc]

    flattened = all(x.flat is not None or not x.dimensions for x in operands)
    return Value(
        node.element_type,
        node.dimensions,
        at,
        flat if flattened else None,
        *_sources(operands),
        cost=sum(x.cost for x in operands) + (LONG_COST if is_long(node) else 1),
    )


def _sources(operands: Sequence[Value], moved: bool = False) -> tuple[frozenset[int], frozenset[int]]:
    reads = frozenset[int]().union(*(x.reads for x in operands))
    return reads, reads if moved else frozenset[int]().union(*(x.moved for x in operands))


def _view(node: ArrayNode, x: Value, at: Any, flat: Any = None) -> Value:
    """Elements of `x` at other places."""
    return Value(node.element_type, node.dimensions, at, flat, *_sources([x], moved=True), cost=x.cost)


def broadcast(node: ArrayNode, x: Value) -> Value:
    """broadcast: dimension i of the operand is dimension ``attributes[i]`` of the result."""
    if not x.dimensions:
        return _view(node, x, lambda _: x.scalar(), lambda _: x.scalar())
    same = x.size == math.prod(node.dimensions) and list(node.attributes) == sorted(node.attributes)
    return _view(node, x, lambda index: x.at([index[axis] for axis in node.attributes]), x.flat if same else None)


def transpose(node: ArrayNode, x: Value) -> Value:
    """transpose: dimension ``attributes[i]`` of the operand is dimension i of the result."""
    place = {axis: position for position, axis in enumerate(node.attributes)}
    wide = [axis for axis in node.attributes if x.dimensions[axis] > 1]
    flat = x.flat if wide == sorted(wide) else None
    return _view(node, x, lambda index: x.at([index[place[axis]] for axis in range(len(index))]), flat)


def reshape(node: ArrayNode, x: Value) -> Value:
    """reshape: the same elements in the same order."""
    old, new = x.dimensions, node.dimensions
    if [size for size in old if size > 1] == [size for size in new if size > 1]:
        wide = [axis for axis, size in enumerate(new) if size > 1]

        def at(index: Index) -> Any:
            left = iter([index[axis] for axis in wide])
            return x.at([next(left) if size > 1 else tir.const(0, "int32") for size in old])
    elif x.flat is not None:
        flat = x.flat

        def at(index: Index) -> Any:
            return flat(ravel(index, new))
    else:

        def at(index: Index) -> Any:
            return x.at(unravel(ravel(index, new), old))

    return Value(node.element_type, new, at, x.flat, x.reads, x.moved, x.cost, x.memory)


def slice_(node: ArrayNode, x: Value) -> Value:
    """slice: from ``starts`` in steps of ``strides``."""
    starts, strides = node.attributes
    if any(stride != 1 for stride in strides):
        return _view(node, x, lambda index: x.at([s + i * d for s, i, d in zip(starts, index, strides)]))
    return _part(node, x, starts)


def dynamic_slice(storage: Storage, node: ArrayNode, x: Value, starts: Sequence[Value]) -> Value:
    """dynamic-slice: the starts are moved so that the slice lies inside."""
    return _part(node, x, clamped_starts(storage, starts, x.dimensions, node.dimensions))


def _part(node: ArrayNode, x: Value, starts: Sequence[Any]) -> Value:
    """Neighbours of `x` from `starts` on."""
    flat = None
    if x.flat is not None and _is_contiguous(node.dimensions, x.dimensions):
        whole, first = x.flat, ravel(starts, x.dimensions)

        def flat(place: Any) -> Any:
            return whole(first + place)

    return _view(node, x, lambda index: x.at([start + i for start, i in zip(starts, index)]), flat)


def _is_contiguous(part: Sequence[int], whole: Sequence[int]) -> bool:
    """Whether a part of an array is one run of elements: ones, then any size, then whole dimensions."""
    cut = [axis for axis, (size, all_of_it) in enumerate(zip(part, whole)) if size != all_of_it]
    return not cut or all(size == 1 for size in part[: cut[-1]])


def clamped_starts(storage: Storage, starts: Sequence[Value], whole: Sequence[int], part: Sequence[int]) -> list[Any]:
    """Starts of a part that lies inside of the whole, as numbers of now."""
    found = []
    for start, size, length in zip(starts, whole, part):
        if size == length:
            found.append(tir.const(0, "int32"))
            continue
        first = clamped(start.scalar(), size - length)
        found.append(first if isinstance(first, tir.IntImm) else storage.loops.in_memory(first, "start"))
    return found


def reverse(node: ArrayNode, x: Value) -> Value:
    """reverse: the other way round along some dimensions."""

    def at(index: Index) -> Any:
        return x.at(
            [size - 1 - i if axis in node.attributes else i for axis, (i, size) in enumerate(zip(index, x.dimensions))]
        )

    return _view(node, x, at)


def iota(node: ArrayNode) -> Value:
    """iota: the index along one dimension."""
    (axis,) = node.attributes
    number = elementwise_expression("convert", node.element_type, ("s32",))

    def at(index: Index) -> Any:
        place = index[axis]
        return evaluate(number, [tir.const(place, "int32") if isinstance(place, int) else place])[0]

    flat = (lambda place: at([place])) if len(node.dimensions) == 1 else None
    return Value(node.element_type, node.dimensions, at, flat, cost=0 if node.element_type in ("s32", "s64") else 1)


def concatenate(storage: Storage, node: ArrayNode, operands: Sequence[Value]) -> Value:
    """concatenate: one behind the other, in memory."""
    (axis,) = node.attributes
    memory, first = storage.new(math.prod(node.dimensions), node.element_type), 0
    for x in operands:
        for index in storage.indices(x.dimensions):
            place = [i + first if number == axis else i for number, i in enumerate(index)]
            memory.store(ravel(place, node.dimensions), x.at(index))
        first += x.dimensions[axis]
    return storage.whole(memory, node.element_type, node.dimensions)


def pad(storage: Storage, node: ArrayNode, x: Value, padding: Value) -> Value:
    """pad: elements with `interior` places between them, behind `low` places, which may be negative."""
    low, interior = node.attributes
    memory = storage.new(math.prod(node.dimensions), node.element_type)
    with storage.loops.loop(math.prod(node.dimensions), "place") as place:
        memory.store(place, padding.scalar())
    spans = []
    for size, total, first, gap in zip(x.dimensions, node.dimensions, low, interior):
        begin = max(0, -(first // (gap + 1)))
        end = min(size, -(-(total - first) // (gap + 1)))
        spans.append((begin, end))
    if all(begin < end for begin, end in spans):
        for steps in storage.indices([end - begin for begin, end in spans]):
            index = [begin + step for (begin, _), step in zip(spans, steps)]
            places = [first + i * (gap + 1) for first, i, gap in zip(low, index, interior)]
            memory.store(ravel(places, node.dimensions), x.at(index))
    return storage.whole(memory, node.element_type, node.dimensions)
