"""Typed attributes from and to the fields of HloInstructionProto, by the codecs of their dataclass fields.

A proto3 field that is absent reads as zero, so every default that is not zero is put back here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ...errors import HloVerificationError
from ..ir import attributes as attr
from ..ir.codec import Codec, codecs
from ..ir.literal import decode_literal, encode_literal
from ..ir.shape import Shape
from ..shape_inference.signatures import ATTRIBUTE_TYPES
from .shapes import shape_from_proto, shape_to_proto

# (message, shapes of the operands, name of the instruction) -> value
Read = Callable[[Any, Sequence[Shape], str], Any]
# (value, message, shape of the instruction)
Write = Callable[[Any, Any, Shape], None]

_MAX_DEVICES = 1 << 20  # more than any machine; a damaged proto must not allocate without end


def read_attributes(proto: Any, operand_shapes: Sequence[Shape], where: str) -> attr.Attributes:
    """Typed attributes of an instruction.

    Parameters
    ----------
    proto : HloInstructionProto
    operand_shapes : sequence of Shape
        Needed where a default depends on the operands' type.
    where : str
        Name of the instruction, for messages.

    Raises
    ------
    HloParseError, HloVerificationError
        If a field holds what no module may hold.
    """
    read = _BY_OPCODE.get(proto.opcode)
    return attr.NoAttributes() if read is None else read(proto, operand_shapes, where)


def write_attributes(attributes: attr.Attributes, shape: Shape, proto: Any) -> None:
    """Set the fields of `proto` (an HloInstructionProto) that `attributes` stand for.

    Parameters
    ----------
    attributes : Attributes
    shape : Shape
        Shape of the instruction, which a constant's literal takes over.
    proto : HloInstructionProto
    """
    kind: Any = type(attributes)
    _writer(kind)(attributes, proto, shape)
    if isinstance(attributes, attr.RaggedDotAttributes):
        proto.precision_config.operand_precision.extend((0, 0))  # XLA wants one, though it is not read


@functools.cache
def _reader(kind: Any) -> Read:
    """Reader of all fields of a dataclass."""
    fields = list(codecs(kind).values())
    if len(fields) > 1 and all(codec.kind in ("value", "list") and codec.absent is None for codec in fields):
        get, lists = attrgetter(*(codec.path for codec in fields)), [codec.kind == "list" for codec in fields]
        return lambda proto, operands, where: kind(
            *[tuple(value) if is_list else value for value, is_list in zip(get(proto), lists)]
        )
    reads = [_MAKERS[codec.kind][0](codec) for codec in fields]
    if len(reads) == 1:
        only = reads[0]
        return lambda proto, operands, where: kind(only(proto, operands, where))
    return lambda proto, operands, where: kind(*[read(proto, operands, where) for read in reads])


@functools.cache
def _writer(kind: Any) -> Write:
    """Writer of all fields of a dataclass."""
    fields = codecs(kind)
    if all(codec.kind == "column" for codec in fields.values()):
        return _write_columns(fields)
    writes = [(attrgetter(name), _MAKERS[codec.kind][1](codec)) for name, codec in fields.items()]
    if len(writes) == 1:
        ((only_get, only_write),) = writes
        return lambda value, proto, shape: only_write(only_get(value), proto, shape)

    def write(value: Any, proto: Any, shape: Shape) -> None:
        for get, write_field in writes:
            write_field(get(value), proto, shape)

    return write


def _bound(function: Callable[..., Any]) -> Callable[[Codec], Callable[..., Any]]:
    return functools.partial(functools.partial, function)


def _read_value(codec: Codec) -> Read:
    get, absent = attrgetter(codec.path), codec.absent
    if absent is None:
        return lambda proto, operands, where: get(proto)
    return lambda proto, operands, where: get(proto) or absent


def _write_value(codec: Codec) -> Write:
    path, _, name = codec.path.rpartition(".")
    if not path:
        return lambda value, proto, shape: setattr(proto, name, value)
    message = attrgetter(path)
    return lambda value, proto, shape: setattr(message(proto), name, value)


def _read_list(codec: Codec) -> Read:
    get = attrgetter(codec.path)
    return lambda proto, operands, where: tuple(get(proto))


def _write_list(codec: Codec) -> Write:
    path, get, empty = codec.path.rpartition(".")[0], attrgetter(codec.path), codec.empty

    def write(value: Any, proto: Any, shape: Shape) -> None:
        if value or empty:
            get(proto).extend(value or empty)
        elif path:
            attrgetter(path)(proto).SetInParent()

    return write


def _read_one(codec: Codec) -> Read:
    get = attrgetter(codec.path)

    def read(proto: Any, operands: Sequence[Shape], where: str) -> Any:
        values = get(proto)
        if len(values) != 1:
            raise HloVerificationError(f"{where}: {proto.opcode} along {len(values)} dimensions, expected 1")
        return values[0]

    return read


def _write_one(codec: Codec) -> Write:
    get = attrgetter(codec.path)
    return lambda value, proto, shape: get(proto).append(value)


def _read_column(codec: Codec) -> Read:
    path, _, name = codec.path.rpartition(".")
    rows, get, absent = attrgetter(path), attrgetter(name), codec.absent or 0
    return lambda proto, operands, where: tuple([get(row) or absent for row in rows(proto)])


def _write_columns(fields: dict[str, Codec]) -> Write:
    """Writer of a dataclass whose fields are the columns of one repeated message."""
    if not fields:
        return lambda value, proto, shape: None
    columns, names = attrgetter(*fields), [codec.path.rpartition(".")[2] for codec in fields.values()]
    path = next(iter(fields.values())).path.rpartition(".")[0]
    get, parent = attrgetter(path), path.rpartition(".")[0]

    def write(value: Any, proto: Any, shape: Shape) -> None:
        rows = get(proto)
        if parent:
            attrgetter(parent)(proto).SetInParent()
        for row in zip(*columns(value), strict=True):
            rows.add(**dict(zip(names, row)))

    return write


def _read_message(codec: Codec) -> Read:
    get, read = attrgetter(codec.path), _reader(_dataclass(codec))
    return lambda proto, operands, where: read(get(proto), operands, where)


def _write_message(codec: Codec) -> Write:
    get, write_fields = attrgetter(codec.path), _writer(_dataclass(codec))

    def write(value: Any, proto: Any, shape: Shape) -> None:
        message = get(proto)
        message.SetInParent()
        write_fields(value, message, shape)

    return write


def _read_messages(codec: Codec) -> Read:
    get, read = attrgetter(codec.path), _reader(_dataclass(codec))
    return lambda proto, operands, where: tuple([read(row, operands, where) for row in get(proto)])


def _write_messages(codec: Codec) -> Write:
    get, write_row = attrgetter(codec.path), _writer(_dataclass(codec))

    def write(value: Any, proto: Any, shape: Shape) -> None:
        for row in value:
            write_row(row, get(proto).add(), shape)

    return write


def _dataclass(codec: Codec) -> type:
    assert codec.message is not None
    return codec.message


def _read_enum(codec: Codec) -> Read:
    get, names, absent = attrgetter(codec.path), codec.names, codec.absent or 0

    def read(proto: Any, operands: Sequence[Shape], where: str) -> str:
        number = get(proto) or absent
        if not 0 <= number < len(names):
            raise HloVerificationError(f"{where}: unknown {codec.what} number {number}")
        return names[number]

    return read


def _write_enum(codec: Codec) -> Write:
    write = _write_value(codec)
    return lambda value, proto, shape: write(codec.names.index(value), proto, shape)


def _read_literal(codec: Codec, proto: Any, operands: Sequence[Shape], where: str) -> attr.Literal:
    if not proto.HasField("literal"):
        raise HloVerificationError(f"{where}: constant without a literal")
    return decode_literal(proto.literal, where)


def _write_literal(codec: Codec, value: Any, proto: Any, shape: Shape) -> None:
    proto.literal.CopyFrom(encode_literal(value, shape))


def _read_direction(codec: Codec, proto: Any, operands: Sequence[Shape], where: str) -> str:
    direction: str = proto.comparison_direction
    if direction not in codec.names:
        raise HloVerificationError(f"{where}: unknown comparison direction {direction!r}")
    return direction


def _read_comparison(codec: Codec, proto: Any, operands: Sequence[Shape], where: str) -> str:
    default = default_comparison_type(operands[0] if operands else None)
    kind: str = proto.comparison_type or default
    if kind not in codec.names:
        raise HloVerificationError(f"{where}: unknown comparison type {kind!r}")
    if not proto.comparison_order:
        return kind
    ordered = _ordered(proto.comparison_order, default, where)
    if proto.comparison_type and kind != ordered:
        raise HloVerificationError(f"{where}: comparison type {kind} contradicts order {proto.comparison_order}")
    return ordered


def _ordered(order: str, default: str, where: str) -> str:
    """The comparison type that `order` means, which XLA writes in its place since 2026; integers have one order."""
    if order not in ("PARTIAL", "TOTAL"):
        raise HloVerificationError(f"{where}: unknown comparison order {order!r}")
    if order == "PARTIAL":
        return "FLOAT"
    return "TOTALORDER" if default == "FLOAT" else default


def default_comparison_type(operand: Shape | None) -> str:
    """What an empty comparison_type means: XLA derives it from the first operand's element type."""
    if operand is None or not operand.is_array or operand.kind in ("float", "complex"):
        return "FLOAT"
    return "SIGNED" if operand.kind == "signed" else "UNSIGNED"


def _read_api_version(codec: Codec, proto: Any, operands: Sequence[Shape], where: str) -> str:
    number = proto.custom_call_api_version or codec.absent
    return codec.names[number] if 0 <= number < len(codec.names) else f"API_VERSION_{number}"


def _write_api_version(codec: Codec, value: str, proto: Any, shape: Shape) -> None:
    known = value in codec.names
    proto.custom_call_api_version = codec.names.index(value) if known else int(value.rpartition("_")[2])


def _read_layouts(codec: Codec, proto: Any, operands: Sequence[Shape], where: str) -> tuple[Shape, ...]:
    layouts = proto.operand_shapes_with_layout if proto.constrain_layout else ()
    return tuple(shape_from_proto(layout, where) for layout in layouts)


def _write_layouts(codec: Codec, value: tuple[Shape, ...], proto: Any, shape: Shape) -> None:
    proto.constrain_layout = bool(value)
    for layout in value:
        proto.operand_shapes_with_layout.add().CopyFrom(shape_to_proto(layout))


def _read_pairs(codec: Codec, proto: Any, operands: Sequence[Shape], where: str) -> Any:
    return tuple((pair.source, pair.target) for pair in proto.source_target_pairs)


def _write_pairs(codec: Codec, value: tuple[tuple[int, int], ...], proto: Any, shape: Shape) -> None:
    for source, target in value:
        proto.source_target_pairs.add(source=source, target=target)


def _read_replica_groups(
    codec: Codec, proto: Any, operands: Sequence[Shape], where: str
) -> tuple[tuple[int, ...], ...]:
    devices = proto.collective_device_list
    for compact in (devices.iota_replica_group_list, proto.iota_collective_device_list):
        if compact.num_replica_groups:
            return _expand_iota_groups(compact, where)
    return tuple(tuple(group.replica_ids) for group in devices.replica_groups or proto.replica_groups)


def _expand_iota_groups(compact: Any, where: str) -> tuple[tuple[int, ...], ...]:
    """IotaReplicaGroupListProto: iota, reshaped, transposed, and cut into groups."""
    groups, size = compact.num_replica_groups, compact.num_devices_per_group
    shape, order = list(compact.iota_reshape_dims), list(compact.iota_transpose_perm)
    fits = groups >= 0 <= size and groups * size <= _MAX_DEVICES and math.prod(shape) == groups * size
    if not fits or min(shape, default=1) < 0 or sorted(order) != list(range(len(shape))):
        raise HloVerificationError(f"{where}: inconsistent iota replica groups")
    devices = np.arange(groups * size).reshape(shape).transpose(order).reshape(groups, size)
    return tuple(tuple(int(device) for device in group) for group in devices)


def _write_replica_groups(codec: Codec, value: tuple[tuple[int, ...], ...], proto: Any, shape: Shape) -> None:
    for group in value:
        proto.collective_device_list.replica_groups.add().replica_ids.extend(group)


def _read_tri_state(codec: Codec) -> Read:
    get = attrgetter(codec.path)
    return lambda proto, operands, where: get(proto) == 1  # TriState: 0 unspecified, 1 TRUE, 2 FALSE


def _write_tri_state(codec: Codec) -> Write:
    return lambda value, proto, shape: setattr(proto, codec.path, 1 if value else 2)


# by kind of codec: makers of readers and writers, and what is bound to the codec alone
_MAKERS: dict[str, tuple[Callable[[Codec], Read], Callable[[Codec], Write]]] = {
    "value": (_read_value, _write_value),
    "list": (_read_list, _write_list),
    "one": (_read_one, _write_one),
    "column": (_read_column, _write_value),  # written by _write_columns
    "message": (_read_message, _write_message),
    "messages": (_read_messages, _write_messages),
    "enum": (_read_enum, _write_enum),
    "tri_state": (_read_tri_state, _write_tri_state),
    "direction": (_bound(_read_direction), _write_value),
    "comparison": (_bound(_read_comparison), _write_value),
    "literal": (_bound(_read_literal), _bound(_write_literal)),
    "api_version": (_bound(_read_api_version), _bound(_write_api_version)),
    "layouts": (_bound(_read_layouts), _bound(_write_layouts)),
    "pairs": (_bound(_read_pairs), _bound(_write_pairs)),
    "replica_groups": (_bound(_read_replica_groups), _bound(_write_replica_groups)),
}
_BY_OPCODE = {opcode: _reader(kind) for opcode, kind in ATTRIBUTE_TYPES.items() if kind is not attr.NoAttributes}
