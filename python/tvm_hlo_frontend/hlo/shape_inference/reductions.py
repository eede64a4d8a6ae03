"""reduce, reduce-window, select-and-scatter, map, sort, topk: opcodes that apply a computation to elements."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.attributes import DimensionsAttributes, SortAttributes, TopKAttributes, WindowAttributes, WindowDimension
from ..ir.module import HloComputation
from ..ir.shape import Shape, array_shape, tuple_shape
from ..ir.sizes import Integer, definite_sizes, larger, may_be_at_most, smaller
from .rules import (
    Query,
    RuleTable,
    attributes_as,
    bounded,
    expect,
    expect_arrays,
    expect_axes,
    expect_signature,
    in_order,
    one_or_tuple,
    scalar,
)

table = RuleTable()


def windowed_size(size: Integer, row: WindowDimension, allow_empty: bool = False) -> Integer:
    """How many places a window has along a dimension of `size` elements."""
    least = 0 if allow_empty else 1
    expect(may_be_at_most(least, row.size), f"expected a window of at least {least}, found {row.size}")
    expect(may_be_at_most(1, row.stride), f"expected a positive window stride, found {row.stride}")
    dilated = may_be_at_most(1, row.base_dilation) and may_be_at_most(1, row.window_dilation)
    expect(dilated, f"expected positive dilations, found {row.base_dilation} and {row.window_dilation}")
    padding, window = row.padding_low + row.padding_high, _dilated(row.size, row.window_dilation)
    padded = _dilated(size, row.base_dilation) + padding
    places = (padded - window) // row.stride + 1
    if may_be_at_most(padding - window + row.stride, -1):  # an input without elements may be too small
        places = larger(places, 0)
    if allow_empty and may_be_at_most(window, 0):  # a window of nothing is nowhere in nothing
        places = places * smaller(larger(padded, 0), 1)
    return places


def _dilated(size: Integer, dilation: Integer) -> Integer:
    """Elements of `size` with ``dilation - 1`` others between each two."""
    return size if dilation == 1 else larger((size - 1) * dilation + 1, 0)


def expect_reducer(
    computation: HloComputation, inputs: Sequence[Shape], inits: Sequence[Shape], role: str = "reducer"
) -> list[Shape]:
    """Check a computation (accumulators, elements) -> accumulators of scalars; returns the accumulators' shapes.

    Element, initial value and accumulator may differ in precision, as XLA allows (a bf16 sum accumulated in f32).
    """
    root = bounded(computation.root.shape)
    accumulators = list(root.parts)
    count = len(inputs)
    fits = len(accumulators) == count and all(part.is_array and part.rank == 0 for part in accumulators)
    fits = fits and (count == 1 or root.is_tuple)
    expect(fits, f"expected {role} {computation.name} to return {count} scalars, found {root}")
    parameters = [bounded(parameter.shape) for parameter in computation.parameters]
    wanted = [*accumulators, *(scalar(shape) for shape in inputs)]
    fits = len(parameters) == len(wanted) and all(map(_same_up_to_precision, parameters, wanted))
    names = ", ".join(map(str, wanted))
    expect(fits, f"expected {role} {computation.name} to take ({names}), it takes ({', '.join(map(str, parameters))})")
    for init, accumulator in zip(inits, accumulators):
        fits = init.rank == 0 and _same_up_to_precision(init, accumulator)
        expect(fits, f"expected initial values like {accumulator}, found {init}")
    for shape, accumulator in zip(inputs, accumulators):
        expect(shape.kind == accumulator.kind, f"expected operands of the type of {accumulator}, found {shape}")
    return accumulators


def _same_up_to_precision(a: Shape, b: Shape) -> bool:
    return a.is_array and b.is_array and a.kind == b.kind and a.rank == b.rank == 0


def _split(query: Query) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
    """Operands of variadic reductions: arrays of equal dimensions, then as many initial values."""
    expect_arrays(query)
    expect(len(query.operands) % 2 == 0, f"expected as many initial values as arrays, found {len(query.operands)}")
    count = len(query.operands) // 2
    inputs = query.operands[:count]
    for shape in inputs[1:]:
        fits = shape.dimensions == inputs[0].dimensions
        expect(fits, f"expected arrays of equal dimensions, found {inputs[0]} and {shape}")
    return inputs, query.operands[count:]


@table.infers("reduce")
def _reduce(query: Query) -> Shape:
    inputs, inits = _split(query)
    dimensions = attributes_as(query, DimensionsAttributes).dimensions
    expect_axes(dimensions, inputs[0].rank, "dimensions")
    accumulators = expect_reducer(query.called[0], inputs, inits)
    sizes = [size for axis, size in enumerate(inputs[0].dimensions) if axis not in dimensions]
    return one_or_tuple([array_shape(part.element_type, sizes) for part in accumulators])


def _windowed_sizes(shape: Shape, attributes: WindowAttributes) -> list[Integer]:
    rows = attributes.window.dimensions
    expect(len(rows) == shape.rank, f"expected a window of {shape.rank} dimensions, found {len(rows)}")
    return [windowed_size(size, row) for size, row in zip(definite_sizes(shape), rows)]


@table.infers("reduce-window")
def _reduce_window(query: Query) -> Shape:
    inputs, inits = _split(query)
    sizes = _windowed_sizes(inputs[0], attributes_as(query, WindowAttributes))
    accumulators = expect_reducer(query.called[0], inputs, inits)
    return one_or_tuple([array_shape(part.element_type, sizes) for part in accumulators])


@table.infers("select-and-scatter")
def _select_and_scatter(query: Query) -> Shape:
    expect_arrays(query)
    operand, source, init = query.operands
    element = scalar(operand)
    expect_signature(query.called[0], [element, element], array_shape("pred"), "select computation")
    expect_reducer(query.called[1], [source], [init], "scatter computation")
    sizes = _windowed_sizes(operand, attributes_as(query, WindowAttributes))
    wanted = array_shape(operand.element_type, sizes)
    fits = source.dimensions == wanted.dimensions and source.kind == wanted.kind
    expect(fits, f"expected a source of shape {wanted}, found {source}")
    return operand


@table.infers("map")
def _map(query: Query) -> Shape | None:
    expect_arrays(query)
    if not query.operands:
        return None
    first = query.operands[0]
    for operand in query.operands:
        fits = operand.dimensions == first.dimensions
        expect(fits, f"expected operands of equal dimensions, found {first} and {operand}")
    dimensions = attributes_as(query, DimensionsAttributes).dimensions
    expect(dimensions == tuple(range(first.rank)), f"expected all dimensions in order, found {list(dimensions)}")
    expect_signature(query.called[0], [scalar(operand) for operand in query.operands], None, "mapped computation")
    root = query.called[0].root.shape
    expect(root.is_array and root.rank == 0, f"expected a computation that returns a scalar, found {root}")
    return array_shape(root.element_type, first.dimensions)


@table.infers("sort")
def _sort(query: Query) -> Shape:
    expect_arrays(query)
    first = query.operands[0]
    expect_axes((attributes_as(query, SortAttributes).dimension,), first.rank, "dimension")
    for operand in query.operands:
        fits = operand.dimensions == first.dimensions
        expect(fits, f"expected operands of equal dimensions, found {first} and {operand}")
    parameters = [scalar(operand) for operand in query.operands for _ in range(2)]
    expect_signature(query.called[0], parameters, array_shape("pred"), "comparator")
    return one_or_tuple(query.operands)


@table.infers("topk")
def _topk(query: Query) -> Shape:
    expect_arrays(query)
    (operand,), k = query.operands, attributes_as(query, TopKAttributes).k
    last = definite_sizes(operand)[-1] if operand.rank else -1
    expect(in_order(0, k, last), f"expected a k up to the last dimension of {operand}, found {k}")
    sizes = (*operand.dimensions[:-1], k)
    return tuple_shape(array_shape(operand.element_type, sizes), array_shape("s32", sizes))
