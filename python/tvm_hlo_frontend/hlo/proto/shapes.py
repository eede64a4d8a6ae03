"""ShapeProto to Shape and back."""

from __future__ import annotations

from typing import Any

from ...errors import HloParseError
from ..ir.shape import BY_NAME, BY_NUMBER, Dimension, Shape, Symbol, default_layout
from .schema import ShapeProto

UNBOUNDED = -(2**63)  # what XLA writes as the size of an unbounded dynamic dimension


def shape_from_proto(proto: Any, where: str) -> Shape:
    """Shape of a ShapeProto; dynamic dimensions become symbols named after `where`.

    Raises
    ------
    HloParseError
        If the element type is unknown, a size negative, or the layout no permutation.
    """
    row = BY_NUMBER.get(proto.element_type)
    if row is None:
        raise HloParseError(f"{where}: its shape has the unknown element type number {proto.element_type}")
    if row.name == "tuple":
        parts = (shape_from_proto(part, f"{where}.{index}") for index, part in enumerate(proto.tuple_shapes))
        return Shape("tuple", tuple_shapes=tuple(parts))
    if row.numpy_dtype is None:
        return Shape(row.name)
    dimensions: tuple[Dimension, ...] = tuple(proto.dimensions)
    if any(proto.is_dynamic_dimension) or (dimensions and min(proto.dimensions) < 0):
        dimensions = _dynamic_dimensions(proto, where)
    layout = tuple(proto.layout.minor_to_major) or None
    if layout == default_layout(len(dimensions)):
        layout = None
    if layout is not None and sorted(layout) != list(range(len(dimensions))):
        raise HloParseError(f"{where}: layout {list(layout)} is no permutation of {len(dimensions)} dimensions")
    tiles = tuple(tuple(tile.dimensions) for tile in proto.layout.tiles)
    return Shape(row.name, dimensions, layout, tiles=tiles)


def _dynamic_dimensions(proto: Any, where: str) -> tuple[Dimension, ...]:
    dynamic = list(proto.is_dynamic_dimension) or [False] * len(proto.dimensions)
    if len(dynamic) != len(proto.dimensions):
        raise HloParseError(f"{where}: {len(proto.dimensions)} dimensions but {len(dynamic)} is_dynamic_dimension")
    result: list[Dimension] = []
    for index, (size, is_dynamic) in enumerate(zip(proto.dimensions, dynamic)):
        if size == UNBOUNDED and is_dynamic:
            result.append(Symbol(f"{where}[{index}]"))
        elif size < 0:
            raise HloParseError(f"{where}: dimension {index} of its shape has the negative size {size}")
        else:
            result.append(Symbol(f"{where}[{index}]", size) if is_dynamic else size)
    return tuple(result)


def shape_to_proto(shape: Shape) -> Any:
    """ShapeProto with an explicit layout for arrays, as XLA wants it."""
    proto = ShapeProto(element_type=BY_NAME[shape.element_type].number)
    for part in shape.tuple_shapes:
        proto.tuple_shapes.add().CopyFrom(shape_to_proto(part))
    if not shape.is_array:
        return proto
    for size in shape.dimensions:
        if isinstance(size, Symbol):
            proto.dimensions.append(UNBOUNDED if size.bound is None else size.bound)
        else:
            proto.dimensions.append(size)
        proto.is_dynamic_dimension.append(isinstance(size, Symbol))
    layout = default_layout(shape.rank) if shape.minor_to_major is None else shape.minor_to_major
    proto.layout.minor_to_major.extend(layout)
    for tile in shape.tiles:
        proto.layout.tiles.add().dimensions.extend(tile)
    proto.layout.tail_padding_alignment_in_elements = 1
    return proto
