"""The driver: walks computations in dependency order and calls one converter per instruction. No recursion on the
graph, no type inference: HLO carries every shape."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.arithmetic import exact_arithmetic
from ..analysis.fusion import fusion_boundaries
from ..analysis.refused import refusal_of
from ..analysis.symbolic import has_known_sizes
from ..backends.signature import HostCall
from ..backends.values import Tensor, Value, flatten, is_value, unflatten
from ..errors import ConversionError, UnsupportedInstruction
from ..hlo.ir.attributes import CustomCallAttributes, ParameterAttributes
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import Shape
from ..hlo.opcodes import CUSTOM_CALL_PREFIX
from .context import ConversionContext
from .refusals import SPECIALIZE
from .rules import Converter

# where complex numbers are left they stand around an instruction that is refused itself
PAIR_JOINTS = frozenset({"complex", "real", "imag"})


def convert_computation(ctx: ConversionContext, computation: HloComputation, arguments: Sequence[Value]) -> Value:
    """Convert the body of `computation` with its parameters bound to `arguments`; the value of its root."""
    ctx.exact |= exact_arithmetic(computation)
    boundaries = fusion_boundaries(computation)
    values: dict[HloInstruction, Value] = {}
    for instruction in computation.instructions:
        if instruction.opcode == "parameter":
            value = arguments[instruction.attributes_as(ParameterAttributes).number]
        else:
            value = convert_instruction(ctx, computation, instruction, [values[o] for o in instruction.operands])
            if instruction in boundaries and isinstance(value, Tensor):
                value = ctx.dialect.fusion_barrier(value)
        values[instruction] = value
    root = values[computation.root]
    return ctx.settle(root, computation.root.shape)


def convert_instruction(
    ctx: ConversionContext, computation: HloComputation, instruction: HloInstruction, operands: list[Value]
) -> Value:
    """The value of one instruction; a refusal is noted, and a placeholder stands for its result."""
    found = ctx.converters.get(converter_key(instruction))
    if has_no_elements(instruction.shape) and ctx.dialect.carries(instruction.shape.element_type):
        return ctx.zeros(instruction.shape)
    if found is None:  # already among the refusals, which are collected before the walk
        return placeholder(ctx, instruction.shape)
    lacking = lacking_type(ctx, instruction)
    if lacking is not None:
        if instruction.opcode not in PAIR_JOINTS:
            reason = f"TVM tensors do not carry {lacking}, and no rewrite takes this opcode apart for it"
            ctx.refusals.append(refusal_of(computation, instruction, reason))
        return placeholder(ctx, instruction.shape)
    if instruction.opcode == "custom-call" and not found.takes(len(operands)):
        reason = f"its converter does not take {len(operands)} operands"
        ctx.refusals.append(refusal_of(computation, instruction, reason))
        return placeholder(ctx, instruction.shape)
    try:
        if not found.broadcasting:
            operands = [ctx.settle(v, o.shape) for v, o in zip(operands, instruction.operands)]
        value, how = observed(ctx, found, instruction, operands)
    except TypeError as error:  # of what computes with a size as with a number
        if has_known_sizes(instruction):
            raise
        reason = f"its sizes must be numbers ({error}); {SPECIALIZE}"
        ctx.refusals.append(refusal_of(computation, instruction, reason))
        return placeholder(ctx, instruction.shape)
    except UnsupportedInstruction as refusal:
        ctx.refusals.append(refusal_of(computation, instruction, str(refusal)))
        return placeholder(ctx, instruction.shape)
    note_host_calls(ctx, computation, instruction)
    check_result(instruction, value, found.broadcasting)
    ctx.counts[instruction.opcode, how] += 1
    return value


def observed(
    ctx: ConversionContext, found: Converter, instruction: HloInstruction, operands: list[Value]
) -> tuple[Value, str]:
    """What a converter makes of an instruction, and what kind of thing that is; computations that it converts on
    the way are counted for themselves."""
    outer = ctx.observed.start()
    try:
        value = found.convert(ctx, instruction, *operands)
        if not is_value(value):
            raise ConversionError(f"the converter of {instruction!r} returned {value!r}, which is no value")
        return value, ctx.observed.outcome(found.how, value, operands)
    finally:
        ctx.observed.restore(outer)


def note_host_calls(ctx: ConversionContext, computation: HloComputation, instruction: HloInstruction) -> None:
    """Note which functions of the host an instruction calls, those aside that one within it is known to call."""
    for function in ctx.dialect.host_functions[len(ctx.host_calls) :]:
        seen = refusal_of(computation, instruction, "")
        ctx.host_calls.append(HostCall(function, seen.instruction, seen.opcode, seen.computation, seen.source))


def lacking_type(ctx: ConversionContext, instruction: HloInstruction) -> str | None:
    """Element type of the result or of an operand that the dialect does not carry."""
    carries = ctx.dialect.carries
    for value in (instruction, *instruction.operands):
        for array in value.shape.arrays():
            if not carries(array.element_type):
                return array.element_type
    return None


def placeholder(ctx: ConversionContext, shape: Shape) -> Value:
    """Stands for a refused result so that the walk can go on and find the other refusals; never reaches a user."""
    tensors = [
        Tensor(None, array.element_type, array.dimensions)
        if not ctx.dialect.carries(array.element_type)
        else ctx.dialect.parameter("refused", array)
        for array in shape.arrays()
    ]
    return unflatten(shape, tensors)


def has_no_elements(shape: Shape) -> bool:
    """Whether `shape` is an array without elements: no converter needs to know of those (rule 47)."""
    return shape.is_array and 0 in shape.dimensions


def converter_key(instruction: HloInstruction) -> str:
    """Key of the registry for an instruction."""
    if instruction.opcode == "custom-call":
        return CUSTOM_CALL_PREFIX + instruction.attributes_as(CustomCallAttributes).target
    return instruction.opcode


def check_result(instruction: HloInstruction, value: Value, broadcasting: bool) -> None:
    """ConversionError unless a converter's result has the element types and dimensions that HLO says."""
    shape = instruction.shape
    if isinstance(value, Tensor) and (value.element_type, value.dimensions) == (shape.element_type, shape.dimensions):
        return
    wanted = instruction.shape.arrays()
    got = flatten(value)
    fits = len(wanted) == len(got) and all(
        tensor.element_type == shape.element_type and _dimensions_fit(tensor, shape, broadcasting)
        for tensor, shape in zip(got, wanted)
    )
    if not fits:
        made = ", ".join(str(tensor.shape) for tensor in got)
        raise ConversionError(f"the converter of {instruction!r} made ({made}) instead of {instruction.shape}")


def _dimensions_fit(tensor: Tensor, shape: Shape, broadcasting: bool) -> bool:
    if tensor.dimensions == shape.dimensions:
        return True
    if tensor.rank == 0:
        return broadcasting
    return (
        broadcasting
        and tensor.rank == shape.rank
        and all(have in (1, want) for have, want in zip(tensor.dimensions, shape.dimensions))
    )
