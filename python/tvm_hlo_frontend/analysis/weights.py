"""Which parameters are weights of contractions, and how many products each of their sums has."""

from __future__ import annotations

import math

from ..hlo.ir.attributes import ConvolutionAttributes, DotAttributes, ParameterAttributes
from ..hlo.ir.module import HloInstruction, HloModule

# a weight that went through them is still that weight
_CARRIED = frozenset("bitcast-convert broadcast convert copy opt-barrier reshape transpose".split())


def products_per_sum(module: HloModule) -> dict[int, int]:
    """Entry parameters that a convolution uses as its kernel or a dot as its weight.

    Parameters
    ----------
    module : HloModule
        With calls inlined.

    Returns
    -------
    dict of int to int
        Parameter number to the number of products that are added up, the largest one if there are several. Of a dot of
        two parameters the second one counts as the weight.
    """
    origin: dict[HloInstruction, int] = {}
    found: dict[int, int] = {}
    for instruction in module.entry.instructions:
        attributes = instruction.attributes
        if isinstance(attributes, ParameterAttributes):
            origin[instruction] = attributes.number
        elif instruction.opcode in _CARRIED and instruction.operands[0] in origin:
            origin[instruction] = origin[instruction.operands[0]]
        elif isinstance(attributes, (ConvolutionAttributes, DotAttributes)):
            weight = _weight(instruction, origin)
            if weight is not None:
                found[weight] = max(_products(instruction), found.get(weight, 1))
    return found


def _weight(contraction: HloInstruction, origin: dict[HloInstruction, int]) -> int | None:
    first, second = contraction.operands[:2]
    if second in origin or isinstance(contraction.attributes, ConvolutionAttributes):
        return origin.get(second)
    return origin.get(first)


def _products(contraction: HloInstruction) -> int:
    attributes = contraction.attributes
    first, second = (operand.shape for operand in contraction.operands[:2])
    if isinstance(attributes, DotAttributes):
        return math.prod(first.sizes[axis] for axis in attributes.dimension_numbers.lhs_contracting)
    features = second.sizes[contraction.attributes_as(ConvolutionAttributes).dimension_numbers.kernel_output_feature]
    return second.element_count // max(features, 1)
