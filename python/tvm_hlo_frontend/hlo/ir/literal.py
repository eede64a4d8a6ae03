"""LiteralProto to numpy and back, without a Python object per element.

LiteralProto keeps elements in the physical order of its layout; here they are in logical (row-major) order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import HloParseError
from ..proto.schema import LiteralProto
from .attributes import Literal
from .shape import BY_NAME, BY_NUMBER, ElementType, Shape, default_layout

_VARINTS = frozenset({"s32", "s64", "u32", "u64"})
_MAX_VARINT_BYTES = 10
_BLOCK = 1 << 14  # elements decoded at a time: what stays in the cache


def decode_literal(proto: Any, where: str = "literal") -> Literal:
    """Elements of a LiteralProto in logical order.

    Parameters
    ----------
    proto : LiteralProto
        A message of ``hlo/proto/schema.py``.
    where : str
        Name of the instruction, for messages.

    Returns
    -------
    numpy.ndarray or nested tuple of numpy.ndarray
        Of the literal's shape and its ``ElementType.numpy_dtype``; sub-byte elements one per item, sign-extended;
        read-only where the bytes could be used as they are.

    Raises
    ------
    HloParseError
        If the number of elements does not fit the shape, or the element type or layout is unknown.
    """
    row = BY_NUMBER.get(proto.shape.element_type)
    if row is None:
        raise HloParseError(f"{where}: literal of unknown element type number {proto.shape.element_type}")
    if row.name == "tuple":
        return tuple(decode_literal(part, where) for part in proto.tuple_literals)
    if row.numpy_dtype is None:
        raise HloParseError(f"{where}: a literal cannot be of element type {row.name}")
    dimensions = tuple(proto.shape.dimensions)
    if any(size < 0 for size in dimensions):
        raise HloParseError(f"{where}: literal of dynamic or negative size {list(dimensions)}")
    flat = _flat_elements(proto, row, where)
    needed = math.prod(dimensions)
    if flat.size != needed:
        # TensorFlow's optimized_hlo_proto_serialized drops all constants; XLA itself cannot read it either
        hint = "; its producer dropped the constants, use the unoptimised module" if flat.size == 0 else ""
        raise HloParseError(
            f"{where}: literal of shape {row.name}{list(dimensions)} needs {needed} elements "
            f"and holds {flat.size}{hint}"
        )
    try:
        return _logical(flat, dimensions, tuple(proto.shape.layout.minor_to_major), where)
    except ValueError as error:  # no elements, but sizes or a rank beyond numpy's
        raise HloParseError(f"{where}: literal of shape {row.name}{list(dimensions)}: {error}") from None


def encode_literal(literal: Literal, shape: Shape) -> Any:
    """LiteralProto of an array (or nested tuple of arrays), in the layout of `shape`.

    Parameters
    ----------
    literal : numpy.ndarray or nested tuple of numpy.ndarray
        Elements in logical order, of `shape`'s dtype.
    shape : Shape
        Shape of the literal. XLA refuses a constant whose literal has another layout than the instruction.

    Returns
    -------
    LiteralProto
    """
    proto = LiteralProto()
    row = BY_NAME[shape.element_type]
    proto.shape.element_type = row.number
    if isinstance(literal, tuple):
        for part, part_shape in zip(literal, shape.tuple_shapes, strict=True):
            proto.tuple_literals.add().CopyFrom(encode_literal(part, part_shape))
            proto.shape.tuple_shapes.add().CopyFrom(proto.tuple_literals[-1].shape)
        return proto
    proto.shape.dimensions.extend(literal.shape)
    proto.shape.is_dynamic_dimension.extend([False] * literal.ndim)
    layout = default_layout(literal.ndim) if shape.minor_to_major is None else shape.minor_to_major
    proto.shape.layout.minor_to_major.extend(layout)
    array = np.asarray(literal, dtype=row.numpy_dtype).transpose(layout[::-1]).reshape(-1)
    if row.name in _VARINTS:
        data = _encode_varints(array)
    elif 0 < row.bits < 8 and row.kind != "pred":
        data = (array.view(np.uint8) & np.uint8((1 << row.bits) - 1)).tobytes()
    else:
        data = array.tobytes()
    field = row.name + "s"
    if isinstance(getattr(proto, field), bytes):
        setattr(proto, field, data)
    elif data:
        getattr(proto, field).append(data)
    return proto


def _flat_elements(proto: Any, row: ElementType, where: str) -> np.ndarray:
    """Elements in physical order; packed repeated fields arrive as chunks of bytes, see ``schema_fields.py``."""
    assert row.numpy_dtype is not None
    value = getattr(proto, row.name + "s")
    if not isinstance(value, bytes):
        value = value[0] if len(value) == 1 else b"".join(value)
    if row.name in _VARINTS:
        return _decode_varints(value, row.numpy_dtype, where)
    if row.name == "pred":
        return np.frombuffer(value, np.uint8) != 0
    if 0 < row.bits < 8:
        return _unpack_sub_byte(np.frombuffer(value, np.uint8), row)
    if len(value) % row.numpy_dtype.itemsize:
        raise HloParseError(f"{where}: {len(value)} bytes are no whole number of {row.name} elements")
    return np.frombuffer(value, row.numpy_dtype)


def _unpack_sub_byte(raw: np.ndarray, row: ElementType) -> np.ndarray:
    """One element per byte, in its low bits."""
    assert row.numpy_dtype is not None
    low = raw & np.uint8((1 << row.bits) - 1)
    if row.kind == "float":
        return low.view(row.numpy_dtype)
    if row.kind == "signed":
        shift = 8 - row.bits
        return ((low << np.uint8(shift)).view(np.int8) >> np.int8(shift)).astype(row.numpy_dtype)
    return low.astype(row.numpy_dtype)


def _logical(flat: np.ndarray, dimensions: tuple[int, ...], minor_to_major: tuple[int, ...], where: str) -> np.ndarray:
    if not minor_to_major or minor_to_major == default_layout(len(dimensions)):
        return flat.reshape(dimensions)
    if sorted(minor_to_major) != list(range(len(dimensions))):
        raise HloParseError(f"{where}: layout {list(minor_to_major)} is no permutation of {len(dimensions)} dimensions")
    major_to_minor = minor_to_major[::-1]
    stored = flat.reshape([dimensions[axis] for axis in major_to_minor])
    return np.ascontiguousarray(stored.transpose(np.argsort(major_to_minor)))


def _decode_varints(data: bytes, dtype: np.dtype, where: str) -> np.ndarray:
    """Base-128 varints to integers, one vector operation per byte position instead of a loop over elements."""
    raw = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 128)
    if last.size == raw.size:
        return raw.astype(dtype)
    if last.size == 0 or last[-1] != raw.size - 1:
        raise HloParseError(f"{where}: the last element of the literal is cut off")
    lengths = np.diff(last, prepend=-1)
    if lengths.max() > _MAX_VARINT_BYTES:
        raise HloParseError(f"{where}: an element of the literal has more than {_MAX_VARINT_BYTES} bytes")
    result = np.empty(last.size, dtype)
    for start in range(0, last.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        result[block] = _varint_block(raw, last[block], lengths[block]).astype(dtype)
    return result  # 32-bit types keep the low bits, as protobuf does


def _varint_block(raw: np.ndarray, last: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Elements that end at the indices `last` of `raw` and have `lengths` bytes."""
    first = last - lengths + 1
    values = (raw[first] & 127).astype(np.uint64)
    for position in range(1, int(lengths.max())):
        longer = lengths > position
        if longer.all():
            values |= (raw[first + position] & 127).astype(np.uint64) << np.uint64(7 * position)
        else:
            digit = (raw[first[longer] + position] & 127).astype(np.uint64)
            values[longer] |= digit << np.uint64(7 * position)
    return values


def _encode_varints(array: np.ndarray) -> bytes:
    """Integers to base-128 varints; negative ones are extended to 64 bits, as protobuf does."""
    values = array.astype(np.int64).view(np.uint64) if array.dtype.kind == "i" else array.astype(np.uint64)
    if values.size == 0 or values.max() < 128:
        return values.astype(np.uint8).tobytes()
    lengths = np.ones(values.size, np.int64)
    for position in range(1, _MAX_VARINT_BYTES):
        lengths += (values >> np.uint64(7 * position)) != 0
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    raw = np.zeros(int(lengths.sum()), np.uint8)
    for position in range(int(lengths.max())):
        longer = np.flatnonzero(lengths > position)
        digit = ((values[longer] >> np.uint64(7 * position)) & np.uint64(127)).astype(np.uint8)
        more = (lengths[longer] > position + 1).astype(np.uint8) << np.uint8(7)
        raw[first[longer] + position] = digit | more
    return raw.tobytes()
