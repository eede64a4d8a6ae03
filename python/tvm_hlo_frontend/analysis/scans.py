"""Scans whose body is element-wise arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from ..hlo.ir.attributes import ScanAttributes
from ..hlo.ir.module import HloInstruction
from .scalar_body import scalar_body
from .scalar_expression import ScalarExpression


@dataclass(frozen=True)
class ElementwiseScan:
    """A scan that one kernel can run.

    Attributes
    ----------
    body : ScalarExpression
        On an element of every input and of every carry; outputs first, then new carries.
    steps : int
    outer, inner : int
        Elements of a slice before and behind the dimension that is scanned.
    """

    body: ScalarExpression
    steps: int
    outer: int
    inner: int


def match_elementwise_scan(instruction: HloInstruction) -> ElementwiseScan | None:
    """What a `scan` does to every element; None if slices and carries are not all of one shape, there is nothing to
    scan, or the body does more than element-wise arithmetic."""
    attributes = instruction.attributes_as(ScanAttributes)
    (computation,) = instruction.called_computations
    axis, count = attributes.dimension, len(instruction.operands) - attributes.num_carries
    root = computation.root.shape
    results = root.parts
    slices = [parameter.shape for parameter in computation.parameters]
    if not count or not all(shape.is_array and shape.is_static for shape in (*slices, *results)):
        return None
    dimensions = slices[0].sizes
    steps = instruction.operands[0].shape.sizes[axis]
    if any(shape.sizes != dimensions for shape in (*slices, *results)) or 0 in (*dimensions, steps):
        return None
    body = scalar_body(computation, dimensions)
    if body is None:
        return None
    outer = inner = 1
    for position, size in enumerate(dimensions):
        outer, inner = (outer * size, inner) if position < axis else (outer, inner * size)
    return ElementwiseScan(body, steps, outer, inner)
