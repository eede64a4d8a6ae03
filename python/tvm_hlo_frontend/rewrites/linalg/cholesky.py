"""cholesky as a call of one kernel that factors block by block.

One kernel instead of an unrolled graph of panels and dots: it is compiled once whatever the size (0.5 s for n = 1024),
copies nothing between blocks, and keeps the failures of a batch apart.
"""

from __future__ import annotations

from ...hlo.ir.attributes import CholeskyAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..expansion import Expansion, has_known_matrices
from .kernel_calls import kernel_call


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """The factor of one triangle, zeros in the other, NaN where a matrix is not positive definite (rule 73)."""
    attributes, shape = instruction.attributes_as(CholeskyAttributes), instruction.shape
    (factor,) = kernel_call(
        builder, "cholesky", {"lower": attributes.lower}, operands, [shape], shape.rank - 2, instruction.metadata
    )
    return factor


EXPANSIONS = {"cholesky": Expansion(_expand, has_known_matrices, "a kernel that factors block by block")}
