"""Bytes, files, text and framework objects to HloModule.

Nothing is trusted: ids may dangle, repeat or run in circles, names may be empty. What cannot be read is refused with
an HloParseError (no such message) or an HloVerificationError (a message that contradicts itself).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError

from ...errors import HloParseError, HloVerificationError
from ..ir.attributes import CompareAttributes, ParameterAttributes
from ..ir.module import NO_METADATA, Alias, HloComputation, HloInstruction, HloModule, Metadata
from ..ir.names import Names
from ..ir.ordering import CycleError, dependency_order
from ..ir.shape import Shape
from ..opcodes import COMPARISONS, OPCODES, RETIRED_OPCODES, UPGRADED_OPCODES
from .attributes import read_attributes
from .newer_xla import check_fields
from .schema import HloModuleProto, HloProto, HloSnapshot
from .shapes import shape_from_proto
from .sources import to_bytes

# what TensorFlow writes for nodes whose Python frames it does not know
NO_FILE = "dummy_file_name"

_KNOWN_OPCODES = frozenset(OPCODES)


def read(source: Any) -> HloModule:
    """HLO module from whatever holds one.

    Parameters
    ----------
    source : bytes, str, pathlib.Path, HloModule or object
        Serialized HloModuleProto, HloProto or HloSnapshot; HLO text; StableHLO or MHLO as MLIR text, bytecode or module
        object; the path of a file with one of these, or of a folder that XLA dumped one module into; a protobuf
        message; a jaxlib XlaComputation or HloModule. Text and MLIR need jaxlib.

    Returns
    -------
    HloModule
        Computations callee-first, instructions operands-first, names unique. Not yet verified, see ``verify``.

    Raises
    ------
    HloParseError
        If `source` holds no HLO module.
    HloVerificationError
        If ids, opcodes or attributes contradict each other; the message names the instruction.
    """
    if isinstance(source, HloModule):
        return source
    return module_from_proto(parse_module_proto(to_bytes(source)))


def parse_module_proto(data: bytes) -> Any:
    """HloModuleProto message of serialized HloModuleProto, HloProto or HloSnapshot.

    Raises
    ------
    HloParseError
        If `data` is none of these.
    """
    # The wrappers first: a wrapped module could pass for a module with a strange name, never the other way round.
    for message_class, path in (
        (HloProto, ("hlo_module",)),
        (HloModuleProto, ()),
        (HloSnapshot, ("hlo", "hlo_module")),
    ):
        try:
            message = message_class.FromString(data)
        except DecodeError:
            continue
        for name in path:
            message = getattr(message, name)
        if any(computation.instructions for computation in message.computations):
            return message
    raise HloParseError(
        f"these {len(data)} bytes are no HLO module: neither HloModuleProto, HloProto nor HloSnapshot with at least "
        "one instruction"
    )


def module_from_proto(proto: Any) -> HloModule:
    """HloModule of an HloModuleProto message of ``hlo/proto/schema.py``; errors as for `read`."""
    by_id: dict[int, Any] = {}
    for computation in proto.computations:
        if computation.id in by_id:
            raise HloVerificationError(f"computation {computation.name}: id {computation.id} is not unique")
        by_id[computation.id] = computation
    entry = _entry(proto, by_id)
    done: dict[int, HloComputation] = {}
    reader = _ComputationReader(done, _StackFrames(proto.stack_frame_index))
    for computation_id in _callee_first(by_id):
        done[computation_id] = reader.read(by_id[computation_id])
    aliases = tuple(
        Alias(tuple(each.output_shape_index), each.parameter_number, tuple(each.parameter_shape_index))
        for each in proto.input_output_alias.entries
    )
    return HloModule(proto.name, tuple(done.values()), done[entry.id], aliases)


def _entry(proto: Any, by_id: dict[int, Any]) -> Any:
    if proto.entry_computation_id in by_id:
        return by_id[proto.entry_computation_id]
    named = [c for c in by_id.values() if proto.entry_computation_name and c.name == proto.entry_computation_name]
    if len(named) != 1:
        raise HloVerificationError(
            f"module {proto.name}: no computation has the entry's id {proto.entry_computation_id} "
            f"or name {proto.entry_computation_name!r}"
        )
    return named[0]


def _callee_first(by_id: dict[int, Any]) -> list[int]:
    """Ids of all computations, called ones before their callers."""

    def callees(computation_id: int) -> list[int]:
        found: dict[int, None] = {}
        for instruction in by_id[computation_id].instructions:
            for callee in instruction.called_computation_ids:
                if callee not in by_id:
                    raise HloVerificationError(f"{_where(instruction)}: calls the unknown computation {callee}")
                found[callee] = None
        return list(found)

    try:
        return dependency_order(by_id, callees)
    except CycleError as error:
        raise HloVerificationError(f"computation {by_id[error.node].name} calls itself") from None  # type: ignore[index]


def _where(proto: Any) -> str:
    """Name of an instruction for messages."""
    return proto.name or f"{proto.opcode or 'instruction'} with id {proto.id}"


class _StackFrames:
    """Source places of OpMetadata.stack_frame_id; ids count from 1, 0 means none."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._places: dict[int, tuple[str, int]] = {0: ("", 0)}

    def place(self, frame_id: int) -> tuple[str, int]:
        """File and line of a stack frame, ("", 0) if unknown."""
        if frame_id not in self._places:
            self._places[frame_id] = self._look_up(frame_id)
        return self._places[frame_id]

    def _look_up(self, frame_id: int) -> tuple[str, int]:
        frame = _item(self._index.stack_frames, frame_id)
        location = frame and _item(self._index.file_locations, frame.file_location_id)
        name = location and _item(self._index.file_names, location.file_name_id)
        return (name, location.line) if name else ("", 0)


def _item(values: Any, one_based: int) -> Any:
    return values[one_based - 1] if 1 <= one_based <= len(values) else None


def _upgrade(proto: Any) -> None:
    """Give an instruction of a retired opcode the one that has replaced it."""
    if proto.opcode in COMPARISONS:
        proto.comparison_direction = COMPARISONS[proto.opcode]
    elif proto.opcode == "trace":
        proto.ClearField("operand_ids")
    proto.opcode = UPGRADED_OPCODES[proto.opcode]


class _ComputationReader:
    """Reads computations whose callees have been read; names are unique over all it has read."""

    def __init__(self, done: dict[int, HloComputation], frames: _StackFrames) -> None:
        self._done = done
        self._frames = frames
        self._instruction_names = Names()
        self._shapes: dict[bytes, Shape] = {}
        self._computation_names = Names()

    def read(self, proto: Any) -> HloComputation:
        protos = self._by_id(proto)
        instructions: dict[int, HloInstruction] = {}
        for instruction_id in self._operands_first(proto, protos):
            instructions[instruction_id] = self._instruction(protos[instruction_id], instructions)
        root = instructions.get(proto.root_id)
        if root is None:
            raise HloVerificationError(f"computation {proto.name}: no instruction has the root's id {proto.root_id}")
        name = self._computation_names.take(proto.name or "computation")
        _check_parameter_numbers(name, instructions.values())
        return HloComputation(name, tuple(instructions.values()), root)

    def _by_id(self, proto: Any) -> dict[int, Any]:
        protos: dict[int, Any] = {}
        for instruction in proto.instructions:
            if instruction.id in protos:
                other = _where(protos[instruction.id])
                raise HloVerificationError(f"{_where(instruction)}: has the same id {instruction.id} as {other}")
            if instruction.opcode in UPGRADED_OPCODES:
                _upgrade(instruction)
            protos[instruction.id] = instruction
        return protos

    def _operands_first(self, proto: Any, protos: dict[int, Any]) -> Iterable[int]:
        """Ids in the proto's own order if operands come first in it, else reordered."""
        seen: set[int] = set()
        ordered = True
        for instruction_id, instruction in protos.items():
            for operand in instruction.operand_ids:
                if operand not in protos:
                    raise HloVerificationError(
                        f"{_where(instruction)}: operand id {operand} is not in computation {proto.name}"
                    )
                ordered = ordered and operand in seen
            seen.add(instruction_id)
        if ordered:
            return protos
        try:
            return dependency_order(protos, lambda node: protos[node].operand_ids)
        except CycleError as error:
            name = _where(protos[error.node])  # type: ignore[index]
            raise HloVerificationError(f"{name}: depends on its own result") from None

    def _instruction(self, proto: Any, done: dict[int, HloInstruction]) -> HloInstruction:
        where = _where(proto)
        if proto.opcode not in _KNOWN_OPCODES:
            hint = RETIRED_OPCODES.get(proto.opcode, "it is not one of XLA's opcodes that this package knows")
            raise HloVerificationError(f"{where}: unknown opcode {proto.opcode!r}: {hint}")
        if not proto.HasField("shape"):
            raise HloVerificationError(f"{where}: {proto.opcode} without a shape")
        check_fields(proto, where)
        operands = tuple(done[operand] for operand in proto.operand_ids)
        attributes = read_attributes(proto, [operand.shape for operand in operands], where)
        if isinstance(attributes, CompareAttributes):
            proto.comparison_type = attributes.type  # all that an older jaxlib reads of a newer one's comparison
        return HloInstruction(
            self._instruction_names.take(proto.name or proto.opcode),
            proto.opcode,
            self._shape(proto.shape, where),
            operands,
            attributes,
            tuple(self._done[callee] for callee in proto.called_computation_ids),
            self._metadata(proto),
        )

    def _shape(self, proto: Any, where: str) -> Shape:
        """Modules have few shapes, which many instructions share; symbols have the names of theirs."""
        key = proto.SerializeToString()
        shape = self._shapes.get(key)
        if shape is None:
            shape = shape_from_proto(proto, where)
            if shape.is_static:
                self._shapes[key] = shape
        return shape

    def _metadata(self, proto: Any) -> Metadata:
        if not proto.HasField("metadata"):
            return NO_METADATA
        metadata = proto.metadata
        file, line = metadata.source_file, metadata.source_line
        if not file:
            file, line = self._frames.place(metadata.stack_frame_id)
        if file == NO_FILE:
            file, line = "", 0
        if not (metadata.op_type or metadata.op_name or file):
            return NO_METADATA
        return Metadata(metadata.op_type, metadata.op_name, file, line)


def _check_parameter_numbers(name: str, instructions: Iterable[HloInstruction]) -> None:
    by_number: dict[int, HloInstruction] = {}
    for instruction in instructions:
        if isinstance(instruction.attributes, ParameterAttributes):
            number = instruction.attributes.number
            if number in by_number:
                raise HloVerificationError(
                    f"{instruction.name}: parameter {number} of computation {name} is also {by_number[number].name}"
                )
            by_number[number] = instruction
    for position, number in enumerate(sorted(by_number)):
        if position != number:
            raise HloVerificationError(
                f"{by_number[number].name}: computation {name} has a parameter {number} but no parameter {position}"
            )
