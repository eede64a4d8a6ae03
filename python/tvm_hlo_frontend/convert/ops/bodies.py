"""What converters of opcodes with a called computation share."""

from __future__ import annotations

from ...analysis.scalar_body import obstacle, scalar_body
from ...analysis.scalar_expression import ScalarExpression
from ...hlo.ir.module import HloComputation
from ..context import ConversionContext


def body_of(ctx: ConversionContext, computation: HloComputation) -> ScalarExpression:
    """Scalar program of a called computation; refuses the instruction at hand if there is none."""
    body = scalar_body(computation)
    if body is None:
        culprit = obstacle(computation)
        ctx.refuse(f"its body %{computation.name} is no scalar arithmetic: it holds {culprit!r}")
    missing = sorted({node.element_type for node in body.nodes if not ctx.dialect.carries(node.element_type)})
    if missing:
        ctx.refuse(f"its body %{computation.name} computes with {', '.join(missing)}, and the dialect has no such type")
    return body
