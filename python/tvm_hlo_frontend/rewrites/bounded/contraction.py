"""What combines or orders elements along bounded dimensions: those behind a size are made to count for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...analysis.known_sizes import at_bounds
from ...analysis.reducers import ARGUMENT_KINDS, identity_element, match_reducer
from ...analysis.scalar_body import scalar_body
from ...hlo.ir.attributes import (
    ConvolutionAttributes,
    DimensionsAttributes,
    DotAttributes,
    SortAttributes,
    WindowAttributes,
    WindowDimension,
)
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.names import Names
from ...hlo.ir.shape import array_shape, tuple_shape
from ..emit import Emitter
from .numbers import over, plus, same_number, times
from .padded import Case, Padded, Rule, aligned, inside, masked, refuse, zero_of

PRED = array_shape("pred")


def _identity(case: Case, count: int) -> list[HloInstruction] | None:
    """For each of the `count` arrays of a reduction a scalar that changes nothing; None if none is known."""
    body = scalar_body(case.old.called_computations[0])
    reducer = match_reducer(body) if body is not None else None
    if reducer is None:
        return None
    if reducer.kind in ARGUMENT_KINDS:  # they take the better one, and it does not matter how often the first one comes
        return [operand.value for operand in case.operands[count:]]
    element_type = case.operands[0].value.shape.element_type
    return [case.builder.constant(identity_element(reducer.kind, element_type), element_type)]


def _combined(
    case: Case, values: Sequence[HloInstruction], short: Mapping[int, HloInstruction], count: int
) -> HloInstruction:
    """A reduce or reduce-window of `values`, of which only elements before the sizes in `short` count."""
    emit, inits = case.emit, [operand.value for operand in case.operands[count:]]
    fills = _identity(case, count) if short else []
    if fills is not None:
        return case.on([*(masked(emit, value, short, fill) for value, fill in zip(values, fills or values)), *inits])
    # any other body is told of each element whether it counts
    counts = emit.full(True, array_shape("pred", values[0].shape.dimensions))
    for axis, size in short.items():
        counts = emit("and", counts, inside(emit, counts.shape, axis, size))
    shapes = [array.shape for array in (*values, counts)]
    results = [at_bounds(shape) for shape in case.old.shape.arrays()]
    whole = tuple_shape(*results, array_shape("pred", results[0].dimensions))
    body, told = _if_it_counts(case.called[0], [shape.element_type for shape in shapes]), emit.full(True, PRED)
    made = emit(
        case.old.opcode, *values, counts, *inits, told, shape=whole, attributes=case.old.attributes, called=[body]
    )
    parts = [emit.element(made, place) for place in range(count)]
    return emit.tuple(parts) if case.old.shape.is_tuple else parts[0]


def _if_it_counts(body: HloComputation, element_types: Sequence[str]) -> HloComputation:
    """`body` of some arrays, for one more of truth values: where that has false, the state stays."""
    builder = RewriteBuilder(f"{body.name}_within_size", Names(), {})
    emit, count = Emitter(builder), len(element_types)
    given = [builder.parameter(each, array_shape(element_types[each % count])) for each in range(2 * count)]
    state, flag = given[: count - 1], given[count - 1]
    made = builder.inline(body, [*state, *given[count : 2 * count - 1]])
    parts = [emit.element(made, each) for each in range(count - 1)] if made.shape.is_tuple else [made]
    return builder.build(emit.tuple([*(emit.select(given[-1], new, old) for new, old in zip(parts, state)), flag]))


def _results(case: Case, made: HloInstruction, sizes: Mapping[int, HloInstruction]) -> Padded | list[Padded]:
    """`made`, or each array of it, with the same sizes."""
    if not case.old.shape.is_tuple:
        return Padded(made, sizes)
    return [Padded(case.emit.element(made, place), sizes) for place in range(len(case.old.shape.tuple_shapes))]


def _reduce(case: Case) -> Padded | list[Padded]:
    count = len(case.operands) // 2
    values, sizes = aligned(case.emit, case.operands[:count])
    gone = case.old.attributes_as(DimensionsAttributes).dimensions
    left = [axis for axis in range(values[0].shape.rank) if axis not in gone]
    made = _combined(case, values, {axis: size for axis, size in sizes.items() if axis in gone}, count)
    return _results(case, made, {left.index(axis): size for axis, size in sizes.items() if axis in left})


def _reduce_window(case: Case) -> Padded | list[Padded]:
    count = len(case.operands) // 2
    values, sizes = aligned(case.emit, case.operands[:count])
    window = case.old.attributes_as(WindowAttributes).window.dimensions
    made = _combined(case, values, sizes, count)
    return _results(case, made, {axis: windows(case.emit, size, window[axis]) for axis, size in sizes.items()})


def windows(emit: Emitter, size: HloInstruction, window: WindowDimension) -> HloInstruction:
    """How many windows lie along so many elements."""
    if window == WindowDimension(1):
        return size
    if window.base_dilation != 1:
        size = emit("maximum", plus(emit, times(emit, size, window.base_dilation), 1 - window.base_dilation), 0)
    reach = (window.size - 1) * window.window_dilation + 1
    rest = plus(emit, size, window.padding_low + window.padding_high - reach + window.stride)
    return over(emit, emit("maximum", rest, 0), window.stride)


def _dot(case: Case) -> Padded:
    """Zeros behind the sizes of contracted dimensions, in both operands: what is there may be infinite."""
    emit, (lhs, rhs) = case.emit, case.operands
    numbers = case.old.attributes_as(DotAttributes).dimension_numbers
    pairs = dict(zip(numbers.lhs_contracting, numbers.rhs_contracting))
    short = [(a, b, size) for a, b in pairs.items() for size in (lhs.sizes.get(a), rhs.sizes.get(b)) if size]
    left, right = lhs.value, rhs.value
    for a, b, size in short:
        left = masked(emit, left, {a: size}, zero_of(emit, left))
        right = masked(emit, right, {b: size}, zero_of(emit, right))
    sizes = {}
    for place, (a, b) in enumerate(zip(numbers.lhs_batch, numbers.rhs_batch)):
        found = [size for size in (lhs.sizes.get(a), rhs.sizes.get(b)) if size]
        if found:
            sizes[place] = found[0] if same_number(found[0], found[-1]) else emit("minimum", *found)
    place = len(numbers.lhs_batch)
    for operand, gone in ((lhs, (*numbers.lhs_batch, *pairs)), (rhs, (*numbers.rhs_batch, *pairs.values()))):
        for axis in range(operand.value.shape.rank):
            if axis not in gone:
                sizes.update({place: operand.sizes[axis]} if axis in operand.sizes else {})
                place += 1
    return Padded(case.on([left, right]), sizes)


def _convolution(case: Case) -> Padded:
    """Zeros behind the sizes of spatial dimensions; batches go through."""
    emit, (data, kernel) = case.emit, case.operands
    attributes = case.old.attributes_as(ConvolutionAttributes)
    numbers, window = attributes.dimension_numbers, attributes.window.dimensions
    if kernel.sizes or numbers.input_feature in data.sizes or attributes.batch_group_count != 1:
        raise refuse("convolution with such channels or such a kernel")
    sizes = {}
    if numbers.input_batch in data.sizes:
        sizes[numbers.output_batch] = data.sizes[numbers.input_batch]
    spatial = {}
    for axis, place, taps in zip(numbers.input_spatial, numbers.output_spatial, window):
        if axis in data.sizes:
            spatial[axis] = data.sizes[axis]
            sizes[place] = windows(emit, data.sizes[axis], taps)
    return Padded(case.on([masked(emit, data.value, spatial, zero_of(emit, data.value)), kernel.value]), sizes)


def _sort(case: Case) -> Padded | list[Padded]:
    """By whether an element lies behind the size first."""
    emit, attributes = case.emit, case.old.attributes_as(SortAttributes)
    values, sizes = aligned(emit, case.operands)
    if attributes.dimension not in sizes:
        return _results(case, case.on(values), sizes)
    flags = emit("not", inside(emit, values[0].shape, attributes.dimension, sizes[attributes.dimension]))
    order = _behind_others(case.called[0], len(values))
    made = emit("sort", *values, flags, attributes=attributes, called=[order])
    parts = [Padded(emit.element(made, place), sizes) for place in range(len(values))]
    return parts if case.old.shape.is_tuple else parts[0]


def _behind_others(comparator: HloComputation, count: int) -> HloComputation:
    """`comparator` of `count` arrays, for one more of truth values: what has true there comes last."""
    builder = RewriteBuilder(f"{comparator.name}_within_size", Names(), {})
    emit = Emitter(builder)
    given = [builder.parameter(each, parameter.shape) for each, parameter in enumerate(comparator.parameters)]
    first, second = (builder.parameter(2 * count + each, array_shape("pred")) for each in (0, 1))
    before = emit("and", emit("not", first), second)
    alike = emit.compare("EQ", first, second)
    return builder.build(emit("or", before, emit("and", alike, builder.inline(comparator, given))))


RULES: Mapping[str, Rule] = {
    "convolution": _convolution,
    "dot": _dot,
    "reduce": _reduce,
    "reduce-window": _reduce_window,
    "sort": _sort,
}
