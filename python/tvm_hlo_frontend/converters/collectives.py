"""Collectives on one device, replica and partition ids, and asynchronous pairs (rules 81, 89)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conversion import ConversionContext
from ..hlo.module import HloInstruction
from ..registry import converter
from ..values import Tensor, Value, array_shapes, flatten

MORE_DEVICES = "it communicates between several devices; lower the program for a single device"


def require_one_device(ctx: ConversionContext, instruction: HloInstruction) -> None:
    """Refuse a collective whose groups hold more than one device, or whose result is larger than its operand."""
    attributes: Any = instruction.attributes
    pairs = attributes.source_target_pairs
    if any(len(group) > 1 for group in attributes.replica_groups) or any(pair != (0, 0) for pair in pairs):
        ctx.refuse(MORE_DEVICES)


@converter(
    "all-gather",
    "all-reduce",
    "all-reduce-start",
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
    wanted = array_shapes(instruction.shape)
    got = [tensor for operand in operands for tensor in flatten(operand)]
    if [tensor.dimensions for tensor in got] != [shape.dimensions for shape in wanted]:
        ctx.refuse(MORE_DEVICES)
    return tuple(operands) if instruction.shape.is_tuple else operands[0]


@converter("all-gather-start", "collective-permute-start", how="identity")
def convert_collective_start(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """all-gather-start, collective-permute-start: a tuple of operand and result, both the operand."""
    require_one_device(ctx, instruction)
    operand: Value = operands[0] if len(operands) == 1 else operands
    result = operand
    if instruction.opcode == "collective-permute-start":
        assert isinstance(operand, Tensor)
        result = permuted(ctx, instruction, operand)
    context = [ctx.dialect.constant(np.zeros((), np.uint32)) for _ in instruction.shape.tuple_shapes[2:]]
    return (operand, result, *context)


@converter("collective-permute", how="identity")
def convert_collective_permute(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """collective-permute: the operand if device 0 sends to itself, else zeros."""
    require_one_device(ctx, instruction)
    return permuted(ctx, instruction, operand)


def permuted(ctx: ConversionContext, instruction: HloInstruction, operand: Tensor) -> Tensor:
    """What device 0 receives."""
    attributes: Any = instruction.attributes
    if (0, 0) in attributes.source_target_pairs:
        return operand
    zero = ctx.scalar(0, operand.element_type)
    return ctx.dialect.broadcast_to(zero, operand.dimensions)


@converter("all-reduce-done", how="identity")
def convert_all_reduce_done(ctx: ConversionContext, instruction: HloInstruction, operand: Value) -> Value:
    """all-reduce-done: the result of all-reduce-start."""
    return operand


@converter("all-gather-done", "collective-permute-done", "async-done", how="identity")
def convert_done(ctx: ConversionContext, instruction: HloInstruction, started: Value) -> Value:
    """all-gather-done, collective-permute-done, async-done: element 1 of what was started."""
    return started[1]  # type: ignore[index]


@converter("async-start", how="identity")
def convert_async_start(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """async-start: runs the wrapped computation at once; a tuple of operands, result and context."""
    result = ctx.convert_computation(instruction.called_computations[0], operands)
    context = [ctx.dialect.constant(np.zeros((), np.uint32)) for _ in instruction.shape.tuple_shapes[2:]]
    return (tuple(operands), result, *context)


@converter("async-update", how="identity")
def convert_async_update(ctx: ConversionContext, instruction: HloInstruction, started: Value) -> Value:
    """async-update: what was started."""
    return started


@converter("copy-start", how="identity")
def convert_copy_start(ctx: ConversionContext, instruction: HloInstruction, operand: Value) -> Value:
    """copy-start: a tuple of destination, source and context."""
    return (operand, operand, ctx.dialect.constant(np.zeros((), np.uint32)))


@converter("copy-done", how="identity")
def convert_copy_done(ctx: ConversionContext, instruction: HloInstruction, started: Value) -> Value:
    """copy-done: the destination."""
    return started[0]  # type: ignore[index]


@converter("replica-id", "partition-id", how="native")
def convert_device_id(ctx: ConversionContext, instruction: HloInstruction) -> Tensor:
    """replica-id, partition-id: 0."""
    return ctx.scalar(0, "u32")
