"""Opcodes without array operands, tuples, tokens, random numbers, and dimension sizes."""

from __future__ import annotations

import numpy as np

from ..ir.attributes import (
    ConstantAttributes,
    DimensionsAttributes,
    Literal,
    ParameterAttributes,
    RngAttributes,
    RngBitGeneratorAttributes,
    TupleIndexAttributes,
)
from ..ir.shape import Shape, array_shape, tuple_shape
from ..ir.sizes import definite_sizes, may_be_at_most
from .rules import Query, RuleTable, attributes_as, compatible, expect, expect_arrays, expect_axes, fail

table = RuleTable()


@table.infers("parameter")
def _parameter(query: Query) -> Shape | None:
    number = attributes_as(query, ParameterAttributes).number
    expect(number >= 0, f"expected no negative parameter number, found {number}")
    return None


@table.infers("constant")
def _constant(query: Query) -> Shape | None:
    if query.declared is not None:
        _check_literal(attributes_as(query, ConstantAttributes).literal, query.declared)
    return None


def _check_literal(literal: Literal, shape: Shape) -> None:
    if isinstance(literal, tuple):
        fits = shape.is_tuple and len(shape.tuple_shapes) == len(literal)
        expect(fits, f"expected a literal of shape {shape}, found a tuple of {len(literal)}")
        for part, part_shape in zip(literal, shape.tuple_shapes):
            _check_literal(part, part_shape)
        return
    fits = isinstance(literal, np.ndarray) and shape.is_array
    fits = fits and literal.shape == shape.dimensions and literal.dtype == shape.numpy_dtype
    expect(fits, f"expected a literal of shape {shape}, found {literal.dtype}{list(literal.shape)}")


@table.infers("iota")
def _iota(query: Query) -> Shape | None:
    dimensions = attributes_as(query, DimensionsAttributes).dimensions
    expect(len(dimensions) == 1, f"expected 1 dimension, found {list(dimensions)}")
    if query.declared is not None:
        numeric = query.declared.is_array and query.declared.kind != "pred"
        expect(numeric, f"expected an array of numbers, found {query.declared}")
        expect_axes(dimensions, query.declared.rank, "dimension")
    return None


@table.infers("tuple")
def _tuple(query: Query) -> Shape:
    return tuple_shape(*query.operands)


@table.infers("get-tuple-element")
def _get_tuple_element(query: Query) -> Shape:
    (operand,), index = query.operands, attributes_as(query, TupleIndexAttributes).index
    expect(operand.is_tuple, f"expected a tuple, found {operand}")
    count = len(operand.tuple_shapes)
    expect(0 <= index < count, f"expected an index below {count}, found {index}")
    return operand.tuple_shapes[index]


@table.infers("after-all")
def _after_all(query: Query) -> Shape:
    for operand in query.operands:
        expect(operand.element_type == "token", f"expected tokens, found {operand}")
    return Shape("token")


@table.infers("add-dependency")
def _add_dependency(query: Query) -> Shape:
    value, token = query.operands
    expect(token.element_type == "token", f"expected a token as second operand, found {token}")
    return value


@table.infers("replica-id", "partition-id")
def _device_id(query: Query) -> Shape:
    return array_shape("u32")


_RANDOM_KINDS = {"RNG_UNIFORM": ("float", "signed", "unsigned", "pred"), "RNG_NORMAL": ("float",)}


@table.infers("rng")
def _rng(query: Query) -> Shape | None:
    expect_arrays(query)
    first, second = query.operands
    expect(first.rank == 0 and compatible(first, second), f"expected two scalars, found {first} and {second}")
    kinds = _RANDOM_KINDS.get(attributes_as(query, RngAttributes).distribution, ())
    expect(first.kind in kinds, f"expected scalars of type {' or '.join(kinds)}, found {first}")
    if query.declared is not None and query.declared.element_type != first.element_type:
        fail(f"expected a shape of element type {first.element_type}, found {query.declared}")
    return None


@table.infers("rng-bit-generator")
def _rng_bit_generator(query: Query) -> Shape | None:
    (state,), declared = query.operands, query.declared
    fits = state.is_array and state.kind == "unsigned" and state.rank == 1
    fits = fits and may_be_at_most(2, definite_sizes(state)[0])
    expect(fits, f"expected an unsigned state of at least 2 elements, found {state}")
    if declared is None:
        return None
    expect(len(declared.tuple_shapes) == 2, f"expected a tuple of state and bits, found {declared}")
    bits = declared.tuple_shapes[1]
    expect(bits.is_array and bits.kind != "complex", f"expected an array of bits, found {bits}")
    sizes = {"RNG_THREE_FRY": (2,), "RNG_PHILOX": (2, 3)}
    wanted = sizes.get(attributes_as(query, RngBitGeneratorAttributes).algorithm)
    if wanted is not None and state.element_type == "u64":
        fits = state.rank == 1 and state.dimensions[0] in wanted
        expect(fits, f"expected a state of {wanted} elements, found {state}")
    return tuple_shape(state, bits)


@table.infers("rng-get-and-update-state")
def _rng_state(query: Query) -> Shape:
    return array_shape("u64", (2,))


@table.infers("get-dimension-size")
def _get_dimension_size(query: Query) -> Shape:
    expect_arrays(query)
    _check_one_axis(query)
    return array_shape("s32")


@table.infers("set-dimension-size")
def _set_dimension_size(query: Query) -> Shape | None:
    expect_arrays(query)
    _check_one_axis(query)
    expect(query.operands[1] == array_shape("s32"), f"expected a size of shape s32[], found {query.operands[1]}")
    return None if query.declared is None else query.operands[0]


def _check_one_axis(query: Query) -> None:
    dimensions = attributes_as(query, DimensionsAttributes).dimensions
    expect(len(dimensions) == 1, f"expected 1 dimension, found {list(dimensions)}")
    expect_axes(dimensions, query.operands[0].rank, "dimension")
