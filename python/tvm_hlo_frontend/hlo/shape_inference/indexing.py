"""gather, scatter, dynamic-slice and dynamic-update-slice."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.attributes import DynamicSliceAttributes, GatherAttributes, ScatterAttributes
from ..ir.shape import Shape, array_shape
from ..ir.sizes import Integer, definite_sizes, may_be_at_most
from .reductions import expect_reducer
from .rules import (
    Query,
    RuleTable,
    attributes_as,
    expect,
    expect_arrays,
    expect_axes,
    expect_index,
    fits_within,
    one_or_tuple,
)

table = RuleTable()


def _expect_starts(operand: Shape, starts: Sequence[Shape]) -> None:
    """Start indices: one scalar per dimension, or (in old protos) one vector of them."""
    for start in starts:
        expect_index(start, "start indices")
    if len(starts) == 1 and starts[0].rank == 1:
        expect(starts[0].dimensions == (operand.rank,), f"expected {operand.rank} start indices, found {starts[0]}")
        return
    expect(len(starts) == operand.rank, f"expected {operand.rank} start indices, found {len(starts)}")
    for start in starts:
        expect(start.rank == 0, f"expected scalars as start indices, found {start}")
        expect(start.element_type == starts[0].element_type, f"expected start indices of equal type, found {start}")


@table.infers("dynamic-slice")
def _dynamic_slice(query: Query) -> Shape:
    expect_arrays(query)
    operand, sizes = query.operands[0], attributes_as(query, DynamicSliceAttributes).sizes
    _expect_starts(operand, query.operands[1:])
    expect(fits_within(sizes, operand), f"expected sizes within {operand}, found {list(sizes)}")
    return array_shape(operand.element_type, sizes)


@table.infers("dynamic-update-slice")
def _dynamic_update_slice(query: Query) -> Shape:
    expect_arrays(query)
    operand, update = query.operands[:2]
    _expect_starts(operand, query.operands[2:])
    fits = update.element_type == operand.element_type and fits_within(definite_sizes(update), operand)
    expect(fits, f"expected an update within {operand}, found {update}")
    return operand


def _index_sizes(indices: Shape, index_vector_dim: int, depth: int) -> list[Integer]:
    """Sizes of the indices without the dimension of the index vectors, which hold `depth` indices."""
    expect_index(indices, "indices")
    fits = 0 <= index_vector_dim <= indices.rank
    expect(fits, f"expected index_vector_dim up to {indices.rank}, found {index_vector_dim}")
    sizes = list(definite_sizes(indices))
    found: Integer = sizes.pop(index_vector_dim) if index_vector_dim < indices.rank else 1
    expect(found == depth, f"expected index vectors of {depth} elements, found {found}")
    return sizes


def _expect_batching(
    operand: Shape, operand_dims: Sequence[int], indices: Shape, indices_dims: Sequence[int], index_vector_dim: int
) -> None:
    expect_axes(indices_dims, indices.rank, "batching dimensions of the indices")
    fits = len(operand_dims) == len(indices_dims) and index_vector_dim not in indices_dims
    fits = fits and [operand.dimensions[i] for i in operand_dims] == [indices.dimensions[i] for i in indices_dims]
    expect(
        fits,
        f"expected batching dimensions of equal size, found {list(operand_dims)} of {operand} and "
        f"{list(indices_dims)} of {indices}",
    )


def _expect_sorted(axes: Sequence[int], rank: int, what: str) -> None:
    expect_axes(axes, rank, what)
    expect(list(axes) == sorted(axes), f"expected sorted {what}, found {list(axes)}")


# what gather and scatter call the dimensions of the operand that windows lack, those of batches, those that indices are
# for, and the batches' dimensions of the indices
_GATHER = ("collapsed_slice_dims", "operand_batching_dims", "start_index_map", "start_indices_batching_dims")
_SCATTER = (
    "inserted_window_dims",
    "input_batching_dims",
    "scatter_dims_to_operand_dims",
    "scatter_indices_batching_dims",
)


def _indexed(
    operand: Shape, indices: Shape, numbers: GatherAttributes | ScatterAttributes, names: tuple[str, str, str, str]
) -> tuple[list[Integer], tuple[int, ...]]:
    """Sizes that the indices give, and the dimensions of the operand that are in no window."""
    absent, batching, mapped, indices_batching = (getattr(numbers, name) for name in names)
    batch = _index_sizes(indices, numbers.index_vector_dim, len(mapped))
    _expect_sorted(absent, operand.rank, names[0])
    _expect_sorted(batching, operand.rank, names[1])
    dropped = (*absent, *batching)
    expect_axes(dropped, operand.rank, f"{names[0].split('_')[0]} and batching dimensions")
    expect_axes((*mapped, *batching), operand.rank, names[2])
    _expect_batching(operand, batching, indices, indices_batching, numbers.index_vector_dim)
    return batch, dropped


@table.infers("gather")
def _gather(query: Query) -> Shape:
    expect_arrays(query)
    (operand, indices), numbers = query.operands, attributes_as(query, GatherAttributes)
    sizes = numbers.slice_sizes
    expect(fits_within(sizes, operand), f"expected slice sizes within {operand}, found {list(sizes)}")
    batch, dropped = _indexed(operand, indices, numbers, _GATHER)
    for axis in dropped:
        fits = may_be_at_most(sizes[axis], 1)
        expect(fits, f"expected slice size 1 in dimension {axis}, which is dropped, found {sizes[axis]}")
    offset = [size for axis, size in enumerate(sizes) if axis not in dropped]
    rank = len(batch) + len(offset)
    _expect_sorted(numbers.offset_dims, rank, "offset_dims")
    count = len(numbers.offset_dims)
    expect(count == len(offset), f"expected {len(offset)} offset_dims, found {count}")
    return array_shape(operand.element_type, _interleave(rank, numbers.offset_dims, offset, batch))


def _interleave(
    rank: int, places: Sequence[int], there: Sequence[Integer], elsewhere: Sequence[Integer]
) -> list[Integer]:
    inside, outside = iter(there), iter(elsewhere)
    return [next(inside) if axis in places else next(outside) for axis in range(rank)]


@table.infers("scatter")
def _scatter(query: Query) -> Shape:
    expect_arrays(query)
    numbers, total = attributes_as(query, ScatterAttributes), len(query.operands)
    expect(total % 2 == 1, f"expected operands, indices and as many updates, found {total} operands")
    count = total // 2
    operands, indices, updates = query.operands[:count], query.operands[count], query.operands[count + 1 :]
    operand = operands[0]
    for others in (operands, updates):
        for shape in others[1:]:
            fits = shape.dimensions == others[0].dimensions
            expect(fits, f"expected operands of equal dimensions, found {others[0]} and {shape}")
    batch, dropped = _indexed(operand, indices, numbers, _SCATTER)
    _expect_updates(operand, updates[0], numbers.update_window_dims, dropped, batch)
    expect_reducer(query.called[0], updates, [array_shape(shape.element_type) for shape in operands], "combiner")
    return one_or_tuple(operands)


def _expect_updates(
    operand: Shape, updates: Shape, window_dims: Sequence[int], dropped: Sequence[int], batch: Sequence[Integer]
) -> None:
    window = [size for axis, size in enumerate(definite_sizes(operand)) if axis not in dropped]
    rank = len(batch) + len(window)
    expect(updates.rank == rank, f"expected updates of {rank} dimensions, found {updates}")
    _expect_sorted(window_dims, rank, "update_window_dims")
    expect(len(window_dims) == len(window), f"expected {len(window)} update_window_dims, found {list(window_dims)}")
    limits = _interleave(rank, window_dims, window, batch)
    for axis, (size, limit) in enumerate(zip(definite_sizes(updates), limits)):
        fits = may_be_at_most(size, limit) if axis in window_dims else size == limit
        expect(fits, f"expected updates that fit {limits}, found {updates}")
