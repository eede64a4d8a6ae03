"""select between tuples, the former tuple-select, as a select between their parts (rule 44)."""

from __future__ import annotations

from ...hlo.ir.builder import RewriteBuilder, transform
from ...hlo.ir.module import HloInstruction, HloModule
from ..capabilities import Capabilities
from ..emit import Emitter


def expand_tuple_selects(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` whose selects choose between arrays."""
    if not any(instruction.opcode == "select" and instruction.shape.is_tuple for instruction in module.instructions):
        return module
    return transform(module, _expand)


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    if instruction.opcode != "select" or not instruction.shape.is_tuple:
        return None
    return _chosen(Emitter(builder, instruction.metadata), *operands)


def _chosen(emit: Emitter, which: HloInstruction, on_true: HloInstruction, on_false: HloInstruction) -> HloInstruction:
    if not on_true.shape.is_tuple:
        return emit.select(which, on_true, on_false) if on_true.shape.is_array else on_true
    parts = range(len(on_true.shape.tuple_shapes))
    return emit.tuple([_chosen(emit, which, emit.element(on_true, i), emit.element(on_false, i)) for i in parts])
