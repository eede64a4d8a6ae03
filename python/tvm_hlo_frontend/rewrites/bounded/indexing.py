"""gather and scatter on arrays of bounded dimensions."""

from __future__ import annotations

from collections.abc import Mapping

from ...hlo.ir.attributes import GatherAttributes, ScatterAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import array_shape
from ..emit import Emitter
from .numbers import plus, same_number
from .padded import SIZE, Case, Padded, Rule, aligned, inside, refuse


def _gather(case: Case) -> Padded:
    """Slices begin where they end before the sizes; indices behind theirs give slices behind those of the result."""
    emit, (operand, indices), numbers = case.emit, case.operands, case.old.attributes_as(GatherAttributes)
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    left = [axis for axis in range(operand.value.shape.rank) if axis not in gone]
    sizes, most = {}, {}
    for axis, size in operand.sizes.items():
        if axis in numbers.operand_batching_dims:
            twin = numbers.start_indices_batching_dims[numbers.operand_batching_dims.index(axis)]
            if twin not in indices.sizes or not same_number(indices.sizes[twin], size):
                raise refuse(f"gather from a batch (dimension {axis}) of another size than its indices")
            continue
        if axis in left and numbers.slice_sizes[axis] == operand.bounds[axis] != 1:
            sizes[numbers.offset_dims[left.index(axis)]] = size
        elif axis in numbers.start_index_map and numbers.slice_sizes[axis] == 1:
            most[numbers.start_index_map.index(axis)] = plus(emit, size, -numbers.slice_sizes[axis])
        else:
            raise refuse(f"gather along dimension {axis}")
    if numbers.index_vector_dim in indices.sizes:
        raise refuse("gather by vectors of indices of such a length")
    batch = [axis for axis in range(case.old.shape.rank) if axis not in numbers.offset_dims]
    of_index = [axis for axis in range(indices.value.shape.rank) if axis != numbers.index_vector_dim]
    sizes.update({place: indices.sizes[axis] for axis, place in zip(of_index, batch) if axis in indices.sizes})
    return Padded(case.on([operand.value, _at_most(emit, indices.value, numbers, most)]), sizes)


def _at_most(
    emit: Emitter, indices: HloInstruction, numbers: GatherAttributes, most: Mapping[int, HloInstruction]
) -> HloInstruction:
    """Indices with limits for those elements of index vectors that are keys of `most`."""
    if not most:
        return indices
    wide = indices if indices.shape.bits >= SIZE.bits else emit.convert(indices, "s32")
    element_type, rank = wide.shape.element_type, wide.shape.rank
    top = emit.full((1 << (wide.shape.bits - 1)) - 1, array_shape(element_type))
    limits = [
        emit.convert(emit("maximum", most[place], 0), element_type) if place in most else top
        for place in range(len(numbers.start_index_map))
    ]
    if numbers.index_vector_dim == rank:
        return emit("minimum", wide, emit.along(limits[0], wide.shape, ()))
    row = emit.concatenate([emit.reshape(limit, [1]) for limit in limits], 0)
    return emit("minimum", wide, emit.along(row, wide.shape, [numbers.index_vector_dim]))


def _scatter(case: Case) -> Padded | list[Padded]:
    """Updates behind a size go nowhere; of what goes behind a size of the operand nothing is seen."""
    emit, numbers = case.emit, case.old.attributes_as(ScatterAttributes)
    count = len(case.operands) // 2
    operands, indices, updates = case.operands[:count], case.operands[count], case.operands[count + 1 :]
    values, sizes = aligned(emit, operands)
    news, given = aligned(emit, updates)
    _check_windows(case, numbers, sizes, given)
    if numbers.index_vector_dim in indices.sizes or 0 in indices.bounds[numbers.index_vector_dim :][:1]:
        raise refuse("scatter by vectors of indices of such a length")
    batch = [axis for axis in range(news[0].shape.rank) if axis not in numbers.update_window_dims]
    of_index = [axis for axis in range(indices.value.shape.rank) if axis != numbers.index_vector_dim]
    short = {axis: given[place] for axis, place in zip(of_index, batch) if place in given}
    made = case.on([*values, _outside(emit, indices, {**indices.sizes, **short}), *news])
    if not case.old.shape.is_tuple:
        return Padded(made, sizes)
    return [Padded(emit.element(made, place), sizes) for place in range(count)]


def _check_windows(
    case: Case, numbers: ScatterAttributes, sizes: Mapping[int, HloInstruction], given: Mapping[int, HloInstruction]
) -> None:
    """Windows of one element, or as long as the operand, along dimensions with sizes: others lie partly within them."""
    operand, update = case.operands[0].bounds, case.operands[len(case.operands) // 2 + 1].bounds
    gone = {*numbers.inserted_window_dims, *numbers.input_batching_dims}
    left = [axis for axis in range(len(operand)) if axis not in gone]
    for axis, place in zip(left, numbers.update_window_dims):
        whole = update[place] == operand[axis]
        if axis in sizes and not whole and update[place] != 1:
            raise refuse(f"scatter of windows along dimension {axis}")
        if place in given and not (whole and axis in sizes and same_number(given[place], sizes[axis])):
            raise refuse(f"scatter of windows along dimension {axis}")


def _outside(emit: Emitter, indices: Padded, sizes: Mapping[int, HloInstruction]) -> HloInstruction:
    """Indices, and -1, where no operand has elements, behind the sizes."""
    value = indices.value
    if not sizes:
        return value
    if value.shape.element_type not in ("s32", "s64"):
        value = emit.convert(value, "s64")
    for axis, size in sizes.items():
        value = emit.select(inside(emit, value.shape, axis, size), value, emit.full(-1, value.shape))
    return value


RULES: Mapping[str, Rule] = {"gather": _gather, "scatter": _scatter}
