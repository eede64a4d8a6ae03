"""Message classes of XLA's protos, made from our own table in a descriptor pool of our own.

The pool is private because TensorFlow registers files and symbols of the same names in the default pool, and
protobuf ends the process (or TensorFlow's import) when two versions meet there.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from .schema_fields import FIELDS

_SCALARS = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}


def _add_field(message: Any, row: str) -> None:
    number, name, kind = row.split()
    field = message.field.add(name=name, number=int(number))
    repeated = kind.endswith("*")
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".xla.{kind}"


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="hlo_subset.proto", package="xla", syntax="proto3")
    message: Any = None
    for line in FIELDS.strip().splitlines():
        if not line.startswith(" "):
            message = file.message_type.add(name=line.strip())
            continue
        for row in line.split(";"):
            if row.strip():
                _add_field(message, row)
    return file


def _message_class(pool: descriptor_pool.DescriptorPool, name: str) -> Any:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"xla.{name}"))


_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(_file().SerializeToString())

HloModuleProto: Any = _message_class(_POOL, "HloModuleProto")
HloInstructionProto: Any = _message_class(_POOL, "HloInstructionProto")
HloProto: Any = _message_class(_POOL, "HloProto")
HloSnapshot: Any = _message_class(_POOL, "HloSnapshot")
LiteralProto: Any = _message_class(_POOL, "LiteralProto")
ShapeProto: Any = _message_class(_POOL, "ShapeProto")
