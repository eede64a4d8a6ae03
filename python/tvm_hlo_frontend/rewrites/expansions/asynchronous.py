"""Asynchronous pairs as what they do: start instructions run at once, done instructions hand over (rule 81)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...hlo.ir.attributes import CallAttributes
from ...hlo.ir.builder import RewriteBuilder, transform
from ...hlo.ir.module import HloInstruction, HloModule
from ..capabilities import Capabilities
from ..emit import Emitter

Rule = Callable[[RewriteBuilder, Emitter, HloInstruction, "Sequence[HloInstruction]"], HloInstruction]


def expand_asynchronous(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without asynchronous collectives, computations and copies."""
    if not any(instruction.opcode in _RULES for instruction in module.instructions):
        return module
    return transform(module, _expand)


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    rule = _RULES.get(instruction.opcode)
    return None if rule is None else rule(builder, Emitter(builder, instruction.metadata), instruction, operands)


def _started(emit: Emitter, old: HloInstruction, source: HloInstruction, result: HloInstruction) -> HloInstruction:
    """What a start instruction gives: operands, results, and a context that nothing reads."""
    context = [emit.full(0, shape) for shape in old.shape.tuple_shapes[2:]]
    return emit.tuple([source, result, *context])


def _collective(
    builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    opcode, shape = old.opcode.removesuffix("-start"), old.shape.tuple_shapes[1]
    result = builder.add(opcode, operands, shape, old.attributes, name=old.name, metadata=old.metadata)
    source = operands[0] if len(operands) == 1 else emit.tuple(operands)
    return _started(emit, old, source, result)


def _all_reduce(
    builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    called = [builder.rewritten(computation) for computation in old.called_computations]
    return builder.add("all-reduce", operands, old.shape, old.attributes, called, name=old.name, metadata=old.metadata)


def _computation(
    builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    body = builder.rewritten(old.called_computations[0])
    result = emit("call", *operands, shape=body.root.shape, attributes=CallAttributes(), called=[body])
    return _started(emit, old, emit.tuple(operands), result)


def _copy(
    builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    return _started(emit, old, operands[0], operands[0])


def _part(index: int) -> Rule:
    return lambda builder, emit, old, operands: emit.element(operands[0], index)


def _operand(
    builder: RewriteBuilder, emit: Emitter, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    return operands[0]


_RULES: dict[str, Rule] = {
    "all-gather-done": _part(1),
    "all-gather-start": _collective,
    "all-reduce-done": _operand,
    "all-reduce-start": _all_reduce,
    "async-done": _part(1),
    "async-start": _computation,
    "async-update": _operand,
    "collective-permute-done": _part(1),
    "collective-permute-start": _collective,
    "copy-done": _part(0),
    "copy-start": _copy,
}
