"""What moves elements, on arrays of bounded dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...analysis.known_integers import known_integer
from ...errors import UnsupportedInstruction
from ...hlo.ir.attributes import DimensionsAttributes, DynamicSliceAttributes, PadAttributes, SliceAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME
from ..emit import Emitter
from .numbers import divided_up, held, plus, times
from .padded import SIZE, Case, Padded, Rule, aligned, dynamic_slice, inside, kept, masked, open_axes, refuse, update

PERHAPS_BEHIND = (
    "dimension {axis} has a size known only at run time, at most {bound}, and elements up to {last} may lie behind "
    "it; take them by an index that is computed from the size (in TensorFlow tf.gather, with tf.shape(x) for the end)"
)


def elementwise(case: Case) -> Padded:
    """Operands of one size."""
    values, sizes = aligned(case.emit, case.operands)
    return Padded(case.on(values), sizes)


def _get_size(case: Case) -> Padded:
    (axis,) = case.old.attributes_as(DimensionsAttributes).dimensions
    return Padded(case.operands[0].size(case.emit, axis))


def _set_size(case: Case) -> Padded:
    """The operand, with the size beside it."""
    (axis,), (operand, size) = case.old.attributes_as(DimensionsAttributes).dimensions, case.operands
    sizes = {other: of_other for other, of_other in operand.sizes.items() if other != axis}
    known, bound = known_integer(size.value), operand.bounds[axis]
    if known is not None and not 0 <= known <= bound:
        raise UnsupportedInstruction(f"the size {known} is not from 0 to the bound {bound}")
    if known != bound or axis in open_axes(case.old.shape):
        sizes[axis] = held(case.emit, size.value, bound)
    return Padded(operand.value, sizes)


def _broadcast(case: Case) -> Padded:
    (operand,), axes = case.operands, case.old.attributes_as(DimensionsAttributes).dimensions
    return kept(operand, dict(enumerate(axes)), case.on([operand.value]))


def _transpose(case: Case) -> Padded:
    (operand,), permutation = case.operands, case.old.attributes_as(DimensionsAttributes).dimensions
    return kept(operand, {axis: place for place, axis in enumerate(permutation)}, case.on([operand.value]))


def _slice(case: Case) -> Padded:
    """As many elements as lie before the size. XLA reads behind it where the result is static: TensorFlow's ``x[-1]``
    is the last element before the bound there."""
    emit, (operand,), attributes = case.emit, case.operands, case.old.attributes_as(SliceAttributes)
    sizes = {}
    for axis, size in operand.sizes.items():
        start, limit, stride = attributes.starts[axis], attributes.limits[axis], attributes.strides[axis]
        if axis not in open_axes(case.old.shape):
            if start or limit > 1:
                raise UnsupportedInstruction(
                    PERHAPS_BEHIND.format(axis=axis, last=limit - 1, bound=operand.bounds[axis])
                )
            continue
        if (start, limit, stride) != (0, operand.bounds[axis], 1):
            end = size if limit == operand.bounds[axis] else emit("minimum", size, limit)
            size = divided_up(emit, plus(emit, end, -start), stride)
        sizes[axis] = size
    return Padded(case.on([operand.value]), sizes)


def _pad(case: Case) -> Padded:
    """The padding value behind the size as well, as it is what pad itself puts there."""
    emit, (operand, fill), attributes = case.emit, case.operands, case.old.attributes_as(PadAttributes)
    moved, sizes = {}, {}
    for axis, size in operand.sizes.items():
        low, high, interior = attributes.low[axis], attributes.high[axis], attributes.interior[axis]
        sizes[axis] = size
        if (low, high, interior) == (0, 0, 0):
            continue
        moved[axis] = size
        if interior:  # none behind the last element
            size = emit("maximum", plus(emit, times(emit, size, interior + 1), -interior), 0)
        sizes[axis] = emit("maximum", plus(emit, size, low + high), 0)
    return Padded(case.on([masked(emit, operand.value, moved, fill.value), fill.value]), sizes)


def _concatenate(case: Case) -> Padded:
    """Each array over what lies behind the size of the one before it."""
    emit, operands = case.emit, case.operands
    (axis,) = case.old.attributes_as(DimensionsAttributes).dimensions
    values, sizes = aligned(emit, operands, frozenset({axis}))
    whole = case.on(values)
    if all(axis not in operand.sizes for operand in operands):
        return Padded(whole, sizes)
    end = operands[0].size(emit, axis)
    plain = axis not in operands[0].sizes
    for operand, value in zip(operands[1:], values[1:]):
        if not plain:  # else it is where it belongs already
            whole = update(emit, whole, value, {axis: end})
        plain = plain and axis not in operand.sizes
        end = emit("add", end, operand.size(emit, axis))
    return Padded(whole, {**sizes, axis: end})


def _reverse(case: Case) -> Padded:
    """What was behind the size is in front then, and cut off."""
    emit, (operand,) = case.emit, case.operands
    value = case.on([operand.value])
    for axis in case.old.attributes_as(DimensionsAttributes).dimensions:
        if axis in operand.sizes:
            bound = operand.bounds[axis]
            before = emit("subtract", emit.full(bound, SIZE), operand.sizes[axis])
            value = dynamic_slice(emit, emit.pad_end(value, axis, 2 * bound), {axis: before}, operand.bounds)
    return Padded(value, operand.sizes)


def _starts(emit: Emitter, starts: Sequence[Padded], most: Mapping[int, HloInstruction]) -> list[HloInstruction]:
    """Starts of a slice, held from 0 to those of `most`, by dimension; all of one type."""
    values = [each.value for each in starts]
    if values and values[0].shape.bits < BY_NAME["s32"].bits:
        values = [emit.convert(value, "s32") for value in values]
    return [
        emit("minimum", emit("maximum", value, 0), emit.convert(most[axis], value.shape.element_type))
        if axis in most
        else value
        for axis, value in enumerate(values)
    ]


def _dynamic_slice(case: Case) -> Padded:
    """Whole dimensions keep their sizes; of others one element before the size is taken. TensorFlow's tf.roll takes as
    many as the bound, of which some may lie behind the size."""
    emit, (operand, *starts) = case.emit, case.operands
    taken = case.old.attributes_as(DynamicSliceAttributes).sizes
    whole = {axis: axis for axis in operand.sizes if taken[axis] == operand.bounds[axis]}
    if any(axis not in whole and taken[axis] > 1 for axis in operand.sizes):
        raise refuse("dynamic-slice of several elements along such a dimension")
    most = {
        axis: emit("maximum", plus(emit, size, -taken[axis]), 0)
        for axis, size in operand.sizes.items()
        if axis not in whole
    }
    return kept(operand, whole, case.on([operand.value, *_starts(emit, starts, most)]))


def _update(case: Case) -> Padded:
    """The update before its size; the rest of the operand stays."""
    emit, (operand, part, *starts) = case.emit, case.operands
    rank = operand.value.shape.rank
    open_ = [axis for axis in range(rank) if axis in operand.sizes or axis in part.sizes]
    most = {
        axis: emit("maximum", emit("subtract", operand.size(emit, axis), part.size(emit, axis)), 0) for axis in open_
    }
    begin = _starts(emit, starts, most)
    if not part.sizes:
        return Padded(case.on([operand.value, part.value, *begin]), operand.sizes)
    longer = operand.value
    for axis in part.sizes:  # so that no start is moved for the sake of elements behind the size
        longer = emit.pad_end(longer, axis, operand.bounds[axis] + part.bounds[axis])
    below = emit("dynamic-slice", longer, *begin, attributes=DynamicSliceAttributes(part.bounds))
    new = part.value
    for axis, size in part.sizes.items():
        new = emit.select(inside(emit, new.shape, axis, size), new, below)
    result = emit("dynamic-update-slice", longer, new, *begin)
    for axis in part.sizes:
        result = emit.slice(result, axis, 0, operand.bounds[axis])
    return Padded(result, operand.sizes)


def _bitcast_convert(case: Case) -> Padded:
    """Sizes stay where no dimension comes or goes."""
    (operand,) = case.operands
    rank = min(operand.value.shape.rank, case.old.shape.rank)
    if any(axis >= rank for axis in operand.sizes):
        raise refuse("bitcast-convert of the last dimension")
    return Padded(case.on([operand.value]), operand.sizes)


def _unmoved(case: Case) -> Padded:
    """custom-calls that hand over what they are given, as annotations do."""
    return Padded(case.operands[0].value, case.operands[0].sizes)


def _first_dimensions(count: int) -> Rule:
    """What works on the last dimensions of its operands, matrix by matrix."""

    def rule(case: Case) -> Padded | list[Padded]:
        values, sizes = aligned(case.emit, case.operands)
        if any(axis >= values[0].shape.rank - count for axis in sizes):
            raise refuse(f"{case.old.opcode} of the last {count} dimensions")
        made = case.on(values)
        parts = [case.emit.element(made, place) for place in range(len(case.old.shape.tuple_shapes))]
        return [Padded(part, sizes) for part in parts] if parts else Padded(made, sizes)

    return rule


RULES: Mapping[str, Rule] = {
    "bitcast-convert": _bitcast_convert,
    "broadcast": _broadcast,
    "cholesky": _first_dimensions(2),
    "concatenate": _concatenate,
    "copy": elementwise,
    "dynamic-slice": _dynamic_slice,
    "dynamic-update-slice": _update,
    "get-dimension-size": _get_size,
    "map": elementwise,
    "pad": _pad,
    "reverse": _reverse,
    "set-dimension-size": _set_size,
    "slice": _slice,
    "topk": _first_dimensions(1),
    "transpose": _transpose,
}
# by target
CUSTOM_CALLS: Mapping[str, Rule] = dict.fromkeys(("Sharding", "annotate_device_placement"), _unmoved)
