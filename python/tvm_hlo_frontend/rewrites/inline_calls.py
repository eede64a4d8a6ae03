"""call, fusion and composite bodies in place: analyses and converters then see one flat computation (rule 80)."""

from __future__ import annotations

from ..hlo.builder import RewriteBuilder, transform
from ..hlo.module import HloInstruction, HloModule
from .capabilities import Capabilities


def inline_calls(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without call and fusion instructions; bodies of reduce, while … stay computations of their own."""

    def inline(
        builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        if instruction.opcode not in ("call", "fusion"):
            return None
        return builder.inline(instruction.called_computations[0], operands)

    if not any(instruction.opcode in ("call", "fusion") for instruction in module.instructions):
        return module
    return transform(module, inline)
