"""conditional whose branch is known: a call of that branch, and nothing is asked of the others."""

from __future__ import annotations

from ...analysis.known_integers import chosen_branch
from ...hlo.ir.attributes import CallAttributes
from ...hlo.ir.builder import RewriteBuilder, transform
from ...hlo.ir.module import HloInstruction, HloModule
from ..capabilities import Capabilities


def decide_conditionals(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with a call in place of every conditional whose selector is known."""

    def decide(
        builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        branch = chosen_branch(instruction) if instruction.opcode == "conditional" else None
        if branch is None:
            return None
        callee = builder.rewritten(instruction.called_computations[branch])
        return builder.add(
            "call",
            operands[branch + 1 : branch + 2],
            instruction.shape,
            CallAttributes(),
            [callee],
            name=instruction.name,
            metadata=instruction.metadata,
        )

    if not any(instruction.opcode == "conditional" for instruction in module.instructions):
        return module
    return transform(module, decide)
