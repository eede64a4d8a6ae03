"""Opcodes that move elements: broadcast, reshape, transpose, reverse, slice, pad, concatenate, bitcasts, copies."""

from __future__ import annotations

from ..ir.attributes import DimensionsAttributes, PadAttributes, SliceAttributes
from ..ir.shape import Shape, array_shape
from ..ir.sizes import Integer, definite_sizes, element_count, larger, may_be_at_most
from .rules import Query, RuleTable, attributes_as, expect, expect_arrays, expect_axes, has_unbounded, in_order

table = RuleTable()


@table.infers("broadcast")
def _broadcast(query: Query) -> Shape | None:
    expect_arrays(query)
    (operand,), dimensions = query.operands, attributes_as(query, DimensionsAttributes).dimensions
    expect(len(dimensions) == operand.rank, f"expected {operand.rank} dimensions, found {list(dimensions)}")
    if query.declared is None:
        return None
    expect(query.declared.is_array, f"expected an array shape, found {query.declared}")
    expect_axes(dimensions, query.declared.rank, "dimensions")
    sizes = list(query.declared.dimensions)
    for size, axis in zip(operand.dimensions, dimensions):
        sizes[axis] = size
    return array_shape(operand.element_type, sizes)


@table.infers("reshape", "dynamic-reshape")
def _reshape(query: Query) -> Shape | None:
    expect_arrays(query)
    (operand, *sizes), declared = query.operands, query.declared
    if query.opcode == "dynamic-reshape" and declared is not None:
        fits = len(sizes) == declared.rank and all(size == array_shape("s32") for size in sizes)
        expect(fits, f"expected a size s32[] for every dimension of {declared}, found {[str(size) for size in sizes]}")
    if declared is None or not declared.is_array or has_unbounded(declared):
        expect(declared is None or declared.is_array, f"expected an array shape, found {declared}")
        return None
    count = element_count(operand)
    fits = declared.element_type == operand.element_type and element_count(declared) == count
    expect(fits, f"expected a shape of {count} elements of type {operand.element_type}, found {declared}")
    return None


@table.infers("bitcast")
def _bitcast(query: Query) -> Shape | None:
    (operand,), declared = query.operands, query.declared
    if declared is None or not (operand.is_array and declared.is_array) or has_unbounded(declared):
        return None
    wanted, found = (
        element_count(shape) * (8 if shape.kind == "pred" else shape.bits) for shape in (operand, declared)
    )
    expect(found == wanted, f"expected a shape of {wanted} bits, found {declared}")
    return None


@table.infers("bitcast-convert")
def _bitcast_convert(query: Query) -> Shape | None:
    expect_arrays(query)
    (operand,), declared = query.operands, query.declared
    if declared is None:
        return None
    expect(declared.is_array, f"expected an array shape, found {declared}")
    expect(
        (operand.kind == "complex") == (declared.kind == "complex"),
        f"expected both or none to be complex, found {operand} and {declared}",
    )
    old, new, dimensions = operand.bits, declared.bits, operand.dimensions
    if old > new:
        expect(old % new == 0, f"expected a type whose bits divide {old}, found {declared}")
        dimensions = (*dimensions, old // new)
    elif old < new:
        last = operand.dimensions[-1:]
        expect(last == (new // old,) and new % old == 0, f"expected a last dimension of {new // old}, found {operand}")
        dimensions = dimensions[:-1]
    return array_shape(declared.element_type, dimensions)


@table.infers("transpose")
def _transpose(query: Query) -> Shape:
    expect_arrays(query)
    (operand,), dimensions = query.operands, attributes_as(query, DimensionsAttributes).dimensions
    expect(
        sorted(dimensions) == list(range(operand.rank)),
        f"expected a permutation of {operand.rank} dimensions, found {list(dimensions)}",
    )
    return array_shape(operand.element_type, [operand.dimensions[axis] for axis in dimensions])


@table.infers("reverse")
def _reverse(query: Query) -> Shape:
    expect_arrays(query)
    (operand,) = query.operands
    expect_axes(attributes_as(query, DimensionsAttributes).dimensions, operand.rank, "dimensions")
    return operand


@table.infers("slice")
def _slice(query: Query) -> Shape:
    expect_arrays(query)
    (operand,), attributes = query.operands, attributes_as(query, SliceAttributes)
    rows = (attributes.starts, attributes.limits, attributes.strides)
    for row in rows:
        expect(len(row) == operand.rank, f"expected {operand.rank} starts, limits and strides, found {len(row)}")
    sizes: list[Integer] = []
    for size, start, limit, stride in zip(definite_sizes(operand), *rows):
        fits = in_order(0, start, limit, size)
        expect(fits, f"expected 0 <= start <= limit <= {size}, found {start} and {limit}")
        expect(may_be_at_most(1, stride), f"expected a positive stride, found {stride}")
        sizes.append((limit - start + stride - 1) // stride)
    return array_shape(operand.element_type, sizes)


@table.infers("pad")
def _pad(query: Query) -> Shape:
    expect_arrays(query)
    (operand, value), attributes = query.operands, attributes_as(query, PadAttributes)
    expect(
        value == array_shape(operand.element_type),
        f"expected a scalar of type {operand.element_type} to pad with, found {value}",
    )
    rows = (attributes.low, attributes.high, attributes.interior)
    for row in rows:
        expect(len(row) == operand.rank, f"expected {operand.rank} paddings, found {len(row)}")
    sizes: list[Integer] = []
    for size, low, high, interior in zip(definite_sizes(operand), *rows):
        expect(may_be_at_most(0, interior), f"expected no negative interior padding, found {interior}")
        between = 0 if interior == 0 else larger(size - 1, 0) * interior
        padded = size + between + low + high
        expect(may_be_at_most(0, padded), f"expected no negative size after padding, found {padded}")
        sizes.append(padded)
    return array_shape(operand.element_type, sizes)


@table.infers("concatenate")
def _concatenate(query: Query) -> Shape:
    expect_arrays(query)
    dimensions = attributes_as(query, DimensionsAttributes).dimensions
    expect(len(dimensions) == 1, f"expected 1 dimension, found {list(dimensions)}")
    first, (axis,) = query.operands[0], dimensions
    expect_axes(dimensions, first.rank, "dimension")
    total: Integer = 0
    before, after = first.dimensions[:axis], first.dimensions[axis + 1 :]
    for operand in query.operands:
        sizes = definite_sizes(operand)
        fits = operand.element_type == first.element_type and operand.rank == first.rank
        fits = fits and (sizes[:axis], sizes[axis + 1 :]) == (before, after)
        expect(fits, f"expected operands like {first} but for dimension {axis}, found {operand}")
        total = total + sizes[axis]
    return array_shape(first.element_type, (*before, total, *after))


@table.infers("copy", "opt-barrier", "domain", "shuffle")
def _same(query: Query) -> Shape:
    return query.operands[0]
