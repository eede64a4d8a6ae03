"""triangular-solve as a call of one kernel; see ``cholesky.py`` for why it is one."""

from __future__ import annotations

from dataclasses import asdict

from ...hlo.ir.attributes import TriangularSolveAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..expansion import Expansion, has_known_matrices
from .kernel_calls import kernel_call


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """The solution, of the shape of the right-hand side (rule 74)."""
    attributes, shape = instruction.attributes_as(TriangularSolveAttributes), instruction.shape
    (solution,) = kernel_call(
        builder, "triangular_solve", asdict(attributes), operands, [shape], shape.rank - 2, instruction.metadata
    )
    return solution


EXPANSIONS = {"triangular-solve": Expansion(_expand, has_known_matrices, "a kernel, in register tiles of columns")}
