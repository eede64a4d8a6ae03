"""Asynchronous pairs as what they do: start instructions run at once, done instructions hand over (rule 81)."""

from __future__ import annotations

from ...hlo.ir.attributes import CallAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..emit import Emitter
from ..expansion import Expansion, Rule


def _started(emit: Emitter, old: HloInstruction, source: HloInstruction, result: HloInstruction) -> HloInstruction:
    """What a start instruction gives: operands, results, and a context that nothing reads."""
    context = [emit.full(0, shape) for shape in old.shape.tuple_shapes[2:]]
    return emit.tuple([source, result, *context])


def _collective(builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]) -> HloInstruction:
    emit = Emitter(builder, old.metadata)
    opcode, shape = old.opcode.removesuffix("-start"), old.shape.tuple_shapes[1]
    result = builder.add(opcode, operands, shape, old.attributes, name=old.name, metadata=old.metadata)
    source = operands[0] if len(operands) == 1 else emit.tuple(operands)
    return _started(emit, old, source, result)


def _all_reduce(builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]) -> HloInstruction:
    called = [builder.rewritten(computation) for computation in old.called_computations]
    return builder.add("all-reduce", operands, old.shape, old.attributes, called, name=old.name, metadata=old.metadata)


def _computation(builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]) -> HloInstruction:
    emit = Emitter(builder, old.metadata)
    body = builder.rewritten(old.called_computations[0])
    result = emit("call", *operands, shape=body.root.shape, attributes=CallAttributes(), called=[body])
    return _started(emit, old, emit.tuple(operands), result)


def _copy(builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]) -> HloInstruction:
    return _started(Emitter(builder, old.metadata), old, operands[0], operands[0])


def _part(index: int) -> Rule:
    return lambda builder, old, operands: Emitter(builder, old.metadata).element(operands[0], index)


def _operand(builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]) -> HloInstruction:
    return operands[0]


EXPANSIONS = {
    "all-gather-done": Expansion(_part(1), summary="the results of all-gather-start"),
    "all-gather-start": Expansion(_collective, summary="all-gather, at once"),
    "all-reduce-done": Expansion(_operand, summary="the results of all-reduce-start"),
    "all-reduce-start": Expansion(_all_reduce, summary="all-reduce, at once"),
    "async-done": Expansion(_part(1), summary="the result of async-start"),
    "async-start": Expansion(_computation, summary="the wrapped computation, at once"),
    "async-update": Expansion(_operand, summary="what was started"),
    "collective-permute-done": Expansion(_part(1), summary="the result of collective-permute-start"),
    "collective-permute-start": Expansion(_collective, summary="collective-permute, at once"),
    "copy-done": Expansion(_part(0), summary="the operand of copy-start"),
    "copy-start": Expansion(_copy, summary="the operand"),
}
