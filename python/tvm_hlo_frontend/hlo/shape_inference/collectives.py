"""Collectives between devices, asynchronous pairs, copies between memories, and exchange with the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..ir.attributes import CollectiveAttributes
from ..ir.shape import Shape, array_shape, tuple_shape
from ..ir.sizes import Integer, definite_sizes, may_be_at_most
from .rules import (
    Query,
    RuleTable,
    attributes_as,
    bounded,
    compatible,
    expect,
    expect_arrays,
    expect_axes,
    expect_index,
    expect_same,
    expect_signature,
    may_divide,
    one_or_tuple,
)

table = RuleTable()

U32, TOKEN = array_shape("u32"), Shape("token")


def _collective(query: Query) -> CollectiveAttributes:
    """The attributes, with replica groups that name every device once."""
    attributes = attributes_as(query, CollectiveAttributes)
    devices = [device for group in attributes.replica_groups for device in group]
    fits = all(attributes.replica_groups) and sorted(devices) == list(range(len(devices)))
    expect(fits, f"expected replica groups of devices 0, 1, …, each once, found {attributes.replica_groups}")
    return attributes


def _group_size(query: Query) -> int:
    """Devices of one group; all groups are of one size."""
    sizes = {len(group) for group in _collective(query).replica_groups}
    expect(len(sizes) <= 1, f"expected replica groups of equal size, found sizes {sorted(sizes)}")
    return sizes.pop() if sizes else 1


def _axis(query: Query) -> int:
    expect(query.operands, "expected at least 1 operand, found 0")
    expect_arrays(query)
    axes = attributes_as(query, CollectiveAttributes).dimensions
    expect(len(axes) == 1, f"expected 1 dimension, found {list(axes)}")
    for operand in query.operands:
        expect_axes(axes, operand.rank, "dimension")
    return axes[0]


def _scaled(operands: Sequence[Shape], axis: int, count: Integer) -> Shape:
    """The operands `count` times as large along `axis`."""
    return one_or_tuple(
        [
            array_shape(
                shape.element_type, [s * count if i == axis else s for i, s in enumerate(definite_sizes(shape))]
            )
            for shape in operands
        ]
    )


def _first_array(shape: Shape | None) -> Shape | None:
    """The shape itself, or the first part of a tuple."""
    if shape is not None and shape.is_tuple and shape.tuple_shapes:
        shape = shape.tuple_shapes[0]
    return shape if shape is not None and shape.is_array else None


def _shards(query: Query, axis: int, small: Shape, large: Shape) -> Integer:
    """How often `small` is in `large` along `axis`; where groups are named, their size."""
    size = _group_size(query)
    fits = small.is_array and large.is_array and small.rank == large.rank
    expect(fits, f"expected a result with the dimensions of {small} but for dimension {axis}, found {large}")
    part = definite_sizes(small)[axis]
    count = size if part == 0 else definite_sizes(large)[axis] // part
    # XLA, too, takes groups of one device as unspecified
    expect(size in (1, count), f"expected {size} parts, as many as a group has devices, found {count}")
    return count


@table.infers("all-gather")
def _all_gather(query: Query) -> Shape:
    return _gathered(query, query.declared)


def _gathered(query: Query, result: Shape | None) -> Shape:
    axis, first = _axis(query), _first_array(result)
    count = _group_size(query) if first is None else _shards(query, axis, query.operands[0], first)
    return _scaled(query.operands, axis, count)


@table.infers("all-gather-start")
def _all_gather_start(query: Query) -> Shape:
    result = None
    if query.declared is not None:
        expect(len(query.declared.tuple_shapes) == 2, f"expected operands and results, found {query.declared}")
        result = query.declared.tuple_shapes[1]
    return tuple_shape(one_or_tuple(query.operands), _gathered(query, result))


@table.infers("reduce-scatter")
def _reduce_scatter(query: Query) -> Shape:
    axis, first = _axis(query), _first_array(query.declared)
    _expect_reducer(query)
    operand = query.operands[0]
    count = _group_size(query) if first is None else _shards(query, axis, first, operand)
    for shape in query.operands:
        fits = may_be_at_most(1, count) and may_divide(count, definite_sizes(shape)[axis])
        expect(fits, f"expected operands that {count} devices divide along dimension {axis}, found {shape}")
    parts = [
        array_shape(shape.element_type, [s // count if i == axis else s for i, s in enumerate(definite_sizes(shape))])
        for shape in query.operands
    ]
    return one_or_tuple(parts)


def _expect_reducer(query: Query) -> None:
    (body,) = query.called
    shapes = [bounded(instruction.shape) for instruction in (*body.parameters, body.root)]
    fits = len(shapes) == 3 and all(shape.is_array and shape.rank == 0 for shape in shapes)
    expect(fits, f"expected a reducer {body.name} of two scalars, found {[str(shape) for shape in shapes]}")


@table.infers("all-reduce", "all-reduce-start")
def _all_reduce(query: Query) -> Shape:
    expect_arrays(query)
    expect(query.operands, "expected at least 1 operand, found 0")
    _collective(query)
    _expect_reducer(query)
    return one_or_tuple(query.operands)


def has_root_operand(operands: Sequence[Shape], result: Shape) -> bool:
    """Whether the last operand has no result: it numbers the device that gives or gets the data (has_dynamic_root)."""
    results = len(result.tuple_shapes) if result.is_tuple else 1
    return len(operands) == results + 1


def _without_root(query: Query) -> Query:
    if query.declared is None or not has_root_operand(query.operands, query.declared):
        return query
    return replace(query, operands=query.operands[:-1])


@table.infers("collective-reduce")
def _collective_reduce(query: Query) -> Shape | None:
    """As all-reduce, but that only the root has the result."""
    data = _without_root(query)
    for root in query.operands[len(data.operands) :]:
        expect_index(root, "a last operand")
    return _all_reduce(data)


@table.infers("all-reduce-done")
def _all_reduce_done(query: Query) -> Shape:
    return query.operands[0]


@table.infers("all-to-all")
def _all_to_all(query: Query) -> Shape:
    """With a dimension one operand is cut along it; without one there is an operand per device."""
    expect_arrays(query)
    size = _group_size(query)
    if attributes_as(query, CollectiveAttributes).dimensions:
        axis = _axis(query)
        expect(len(query.operands) == 1, f"expected 1 operand, found {len(query.operands)}")
        (operand,) = query.operands
        fits = may_divide(size, definite_sizes(operand)[axis])
        expect(fits, f"expected dimension {axis} cut into {size} parts, found {operand}")
        return operand
    count = len(query.operands)
    expect(count > 0 and size in (1, count), f"expected an operand for each of {size} devices, found {count}")
    expect_same(query.operands, "operands")
    if count == 1 and query.declared is not None and query.declared.is_tuple:
        return tuple_shape(*query.operands)
    return one_or_tuple(query.operands)


@table.infers("ragged-all-to-all")
def _ragged_all_to_all(query: Query) -> Shape:
    expect_arrays(query)
    _collective(query)
    operand, result, *offsets = query.operands
    fits = operand.element_type == result.element_type
    fits = fits and min(operand.rank, result.rank) > 0 and operand.dimensions[1:] == result.dimensions[1:]
    expect(fits, f"expected operand and output of equal types and rows, found {operand} and {result}")
    for shape in offsets:
        expect_index(shape, "offsets and sizes")
    expect_same(offsets, "offsets and sizes")
    return result


@table.infers("collective-broadcast")
def _collective_broadcast(query: Query) -> Shape:
    expect(query.operands, "expected at least 1 operand, found 0")
    expect_arrays(query)
    _collective(query)
    return one_or_tuple(_without_root(query).operands)


def _permuted(query: Query) -> Shape:
    """One result per operand; in place, (input, output, offsets, offsets), the output."""
    expect(query.operands, "expected at least 1 operand, found 0")
    pairs = attributes_as(query, CollectiveAttributes).source_target_pairs
    for what, devices in (("source", [a for a, _ in pairs]), ("target", [b for _, b in pairs])):
        expect(min(devices, default=0) >= 0, f"expected no negative {what}, found {list(pairs)}")
    if is_in_place(query.operands):
        return query.operands[1]
    for what, devices in (("source", [a for a, _ in pairs]), ("target", [b for _, b in pairs])):
        expect(len(set(devices)) == len(devices), f"expected every {what} once, found {list(pairs)}")
    expect_arrays(query)
    return one_or_tuple(query.operands)


def is_in_place(operands: Sequence[Shape]) -> bool:
    """Whether a collective-permute writes into its second operand, at offsets given by the third and fourth."""
    return len(operands) == 4 and operands[2].is_tuple and operands[3].is_tuple


@table.infers("collective-permute")
def _collective_permute(query: Query) -> Shape:
    return _permuted(query)


@table.infers("collective-permute-start")
def _collective_permute_start(query: Query) -> Shape:
    context = () if query.declared is None else query.declared.tuple_shapes[2:]
    for shape in context:
        expect(shape.element_type in ("u32", "s32"), f"expected a context of type u32 or s32, found {shape}")
    source = tuple_shape(*query.operands[:2]) if is_in_place(query.operands) else one_or_tuple(query.operands)
    return tuple_shape(source, _permuted(query), *context)


def _started(query: Query, least: int) -> tuple[Shape, ...]:
    """Parts of what a start instruction gives."""
    (operand,) = query.operands
    parts = operand.tuple_shapes
    expect(len(parts) >= least, f"expected a tuple of at least {least} parts, found {operand}")
    return parts


@table.infers("all-gather-done", "collective-permute-done")
def _second_of_started(query: Query) -> Shape:
    return _started(query, 2)[1]


@table.infers("async-start")
def _async_start(query: Query) -> Shape:
    (body,) = query.called
    expect_signature(body, query.operands, None, "wrapped computation")
    context = () if query.declared is None else query.declared.tuple_shapes[2:]
    return tuple_shape(tuple_shape(*query.operands), bounded(body.root.shape), *context)


@table.infers("async-update")
def _async_update(query: Query) -> Shape:
    _expect_wrapped(query)
    return query.operands[0]


@table.infers("async-done")
def _async_done(query: Query) -> Shape:
    _expect_wrapped(query)
    return _started(query, 2)[1]


def _expect_wrapped(query: Query) -> None:
    """A wrapped computation, where the instruction names it again, is the one that was started."""
    arguments, result = _started(query, 2)[:2]
    for body in query.called:
        expect_signature(body, arguments.tuple_shapes, result, "wrapped computation")


@table.infers("copy-start")
def _copy_start(query: Query) -> Shape:
    (operand,) = query.operands
    return tuple_shape(operand, operand, U32)


@table.infers("copy-done")
def _copy_done(query: Query) -> Shape:
    target, source = _started(query, 2)[:2]
    expect(compatible(target, source), f"expected source and destination of equal shapes, found {source} and {target}")
    return target


@table.infers("send")
def _send(query: Query) -> Shape:
    _expect_token(query, 1)
    return tuple_shape(query.operands[0], U32, TOKEN)


@table.infers("send-done")
def _send_done(query: Query) -> Shape:
    return TOKEN


@table.infers("recv")
def _recv(query: Query) -> Shape | None:
    _expect_token(query, 0)
    return None if query.declared is None else tuple_shape(_data(query), U32, TOKEN)


@table.infers("recv-done")
def _recv_done(query: Query) -> Shape:
    return tuple_shape(_started(query, 1)[0], TOKEN)


@table.infers("infeed")
def _infeed(query: Query) -> Shape | None:
    _expect_token(query, 0)
    return None if query.declared is None else tuple_shape(_data(query), TOKEN)


@table.infers("outfeed")
def _outfeed(query: Query) -> Shape:
    _expect_token(query, 1)
    return TOKEN


def _data(query: Query) -> Shape:
    """First part of the declared tuple."""
    assert query.declared is not None
    expect(query.declared.tuple_shapes, f"expected a tuple of data and token, found {query.declared}")
    return query.declared.tuple_shapes[0]


def _expect_token(query: Query, index: int) -> None:
    found = query.operands[index]
    expect(found.element_type == "token", f"expected a token as operand {index}, found {found}")
