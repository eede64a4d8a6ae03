"""Collectives on one device, replica and partition ids (rule 89)."""

from __future__ import annotations

from ...backends.values import Tensor, Value, flatten
from ...hlo.ir.attributes import CollectiveAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.shape_inference.collectives import is_in_place
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()

MORE_DEVICES = "it communicates between several devices; lower the program for a single device"


def require_one_device(ctx: ConversionContext, instruction: HloInstruction) -> None:
    """Refuse a collective whose groups hold more than one device, or whose result is larger than its operand."""
    attributes = instruction.attributes_as(CollectiveAttributes)
    pairs = attributes.source_target_pairs
    if any(len(group) > 1 for group in attributes.replica_groups) or any(pair != (0, 0) for pair in pairs):
        ctx.refuse(MORE_DEVICES)


@table.converter(
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "reduce-scatter",
    how="identity",
)
def convert_collective(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """all-gather, all-reduce, all-to-all, collective-broadcast, reduce-scatter: the operands on one device."""
    require_one_device(ctx, instruction)
    return like(ctx, instruction, operands)


def like(ctx: ConversionContext, instruction: HloInstruction, operands: tuple[Value, ...]) -> Value:
    """The operands in the structure of the result; refused where its dimensions say that there are more devices."""
    wanted = instruction.shape.arrays()
    got = [tensor for operand in operands for tensor in flatten(operand)]
    if [tensor.dimensions for tensor in got] != [shape.dimensions for shape in wanted]:
        ctx.refuse(MORE_DEVICES)
    return tuple(operands) if instruction.shape.is_tuple else operands[0]


@table.converter("collective-reduce", how="rewrite")
def refuse_collective_reduce(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """collective-reduce: on one device all-reduce, and a number of the root is left out."""
    ctx.refuse(MORE_DEVICES)


@table.converter("ragged-all-to-all", how="rewrite")
def refuse_ragged_all_to_all(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """ragged-all-to-all: on one device, rows gathered and put in their places by select, piece by piece."""
    ctx.refuse(MORE_DEVICES)


@table.converter("collective-permute", how="identity")
def convert_collective_permute(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """collective-permute: the operand if device 0 sends to itself, else zeros."""
    require_one_device(ctx, instruction)
    if is_in_place([operand.shape for operand in instruction.operands]):
        ctx.refuse("it writes into parts of a buffer, as optimised HLO does; convert the module before optimisations")
    results = tuple(permuted(ctx, instruction, tensor) for operand in operands for tensor in flatten(operand))
    return results if instruction.shape.is_tuple else results[0]


def permuted(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """What device 0 receives."""
    attributes = instruction.attributes_as(CollectiveAttributes)
    if (0, 0) in attributes.source_target_pairs:
        return operand
    zero = ctx.scalar(0, operand.element_type)
    return ctx.dialect.broadcast_to(zero, operand.dimensions)


@table.converter("replica-id", "partition-id", how="native")
def convert_device_id(ctx: ConversionContext, instruction: HloInstruction) -> Tensor:
    """replica-id, partition-id: 0."""
    return ctx.scalar(0, "u32")
