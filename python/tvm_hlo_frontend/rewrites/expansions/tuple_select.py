"""select between tuples, the former tuple-select, as a select between their parts (rule 44)."""

from __future__ import annotations

from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..emit import Emitter
from ..expansion import Expansion


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    return _chosen(Emitter(builder, instruction.metadata), *operands)


def _chosen(emit: Emitter, which: HloInstruction, on_true: HloInstruction, on_false: HloInstruction) -> HloInstruction:
    if not on_true.shape.is_tuple:
        return emit.select(which, on_true, on_false) if on_true.shape.is_array else on_true
    parts = range(len(on_true.shape.tuple_shapes))
    return emit.tuple([_chosen(emit, which, emit.element(on_true, i), emit.element(on_false, i)) for i in parts])


def _is_between_tuples(instruction: HloInstruction) -> bool:
    return instruction.shape.is_tuple


EXPANSIONS = {"select": Expansion(_expand, _is_between_tuples)}
