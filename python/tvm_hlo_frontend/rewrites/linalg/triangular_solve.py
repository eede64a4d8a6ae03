"""triangular-solve as a call of one kernel; see ``cholesky.py`` for why it is one."""

from __future__ import annotations

from dataclasses import asdict

from ...hlo.ir.attributes import TriangularSolveAttributes
from ...hlo.ir.builder import RewriteBuilder, transform
from ...hlo.ir.module import HloInstruction, HloModule
from ..capabilities import Capabilities
from .kernel_calls import kernel_call


def expand_triangular_solve(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` without triangular-solve of static shape."""
    if not any(instruction.opcode == "triangular-solve" for instruction in module.instructions):
        return module
    return transform(module, _expand)


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """The solution, of the shape of the right-hand side (rule 74)."""
    attributes, shape = instruction.attributes, instruction.shape
    if not isinstance(attributes, TriangularSolveAttributes) or not shape.is_static:
        return None
    (solution,) = kernel_call(
        builder, "triangular_solve", asdict(attributes), operands, [shape], shape.rank - 2, instruction.metadata
    )
    return solution
