"""HloModule to the bytes of a HloModuleProto that XLA itself compiles: what rewrites are checked with."""

from __future__ import annotations

from typing import Any

from ..ir.module import HloComputation, HloInstruction, HloModule
from .attributes import write_attributes
from .schema import HloModuleProto
from .shapes import shape_to_proto

# of hlo.proto's enum Kind: XLA copies the argument where the caller does not give it away
MAY_ALIAS = 1


def to_proto(module: HloModule) -> bytes:
    """Serialized HloModuleProto of `module`.

    Parameters
    ----------
    module : HloModule

    Returns
    -------
    bytes
        ids are ``computation << 32 | instruction``, as XLA numbers them; ``read`` gives back an equal module.
    """
    proto = HloModuleProto(name=module.name, id=1)
    computation_ids: dict[HloComputation, int] = {}
    for computation in module.computations:
        computation_ids[computation] = len(computation_ids) + 1
        _write_computation(computation, computation_ids, proto.computations.add())
    proto.entry_computation_name = module.entry.name
    proto.entry_computation_id = computation_ids[module.entry]
    _write_program_shape(module.entry, proto.host_program_shape)
    for alias in module.aliases:
        proto.input_output_alias.entries.add(
            output_shape_index=alias.result,
            parameter_number=alias.parameter,
            parameter_shape_index=alias.index,
            kind=MAY_ALIAS,
        )
    return proto.SerializeToString()


def _write_computation(computation: HloComputation, computation_ids: dict[HloComputation, int], proto: Any) -> None:
    proto.name = computation.name
    proto.id = computation_ids[computation]
    ids: dict[HloInstruction, int] = {}
    for instruction in computation.instructions:
        ids[instruction] = proto.id << 32 | len(ids) + 1
        _write_instruction(instruction, ids, computation_ids, proto.instructions.add())
    proto.root_id = ids[computation.root]
    _write_program_shape(computation, proto.program_shape)


def _write_program_shape(computation: HloComputation, proto: Any) -> None:
    for parameter in computation.parameters:
        proto.parameters.add().CopyFrom(shape_to_proto(parameter.shape))
        proto.parameter_names.append(parameter.name)
    proto.result.CopyFrom(shape_to_proto(computation.root.shape))


def _write_instruction(
    instruction: HloInstruction, ids: dict[HloInstruction, int], computation_ids: dict[HloComputation, int], proto: Any
) -> None:
    proto.id = ids[instruction]
    proto.name = instruction.name
    proto.opcode = instruction.opcode
    proto.shape.CopyFrom(shape_to_proto(instruction.shape))
    proto.operand_ids.extend(ids[operand] for operand in instruction.operands)
    proto.called_computation_ids.extend(computation_ids[callee] for callee in instruction.called_computations)
    write_attributes(instruction.attributes, instruction.shape, proto)
    metadata = instruction.metadata
    proto.metadata.op_type = metadata.op_type
    proto.metadata.op_name = metadata.op_name
    proto.metadata.source_file = metadata.source_file
    proto.metadata.source_line = metadata.source_line
