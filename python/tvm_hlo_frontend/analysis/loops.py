"""Loops whose whole state is scalars and arrays of one shape, changed element by element."""

from __future__ import annotations

from dataclasses import dataclass

from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Shape
from .scalar_body import scalar_body
from .scalar_expression import ScalarExpression

# beyond, a trip is worth kernels of its own, which run in parallel
MAX_ELEMENTS = 4096


@dataclass(frozen=True)
class ElementwiseLoop:
    """A while loop that one kernel can run.

    Attributes
    ----------
    condition, body : ScalarExpression
        On the leaves of the state, in order.
    dimensions : tuple of int
        Shape of those leaves that are arrays; () if there is none.
    """

    condition: ScalarExpression
    body: ScalarExpression
    dimensions: tuple[int, ...]


def match_elementwise_loop(instruction: HloInstruction) -> ElementwiseLoop | None:
    """The scalar programs of a `while`; None if the state has arrays of several shapes, or the body does more than
    element-wise arithmetic."""
    leaves = instruction.shape.leaves()
    dimensions = {leaf.dimensions for leaf in leaves if leaf.dimensions}
    if not leaves or len(dimensions) > 1 or not all(leaf.is_array and leaf.is_static for leaf in leaves):
        return None
    (shape,) = dimensions or {()}
    if shape and not 0 < Shape("pred", shape).element_count <= MAX_ELEMENTS:
        return None
    body, condition = (scalar_body(called, shape) for called in instruction.called_computations)  # type: ignore[arg-type]
    if body is None or condition is None:
        return None
    return ElementwiseLoop(condition, body, shape)  # type: ignore[arg-type]
