"""Which layout a convolution is computed in."""

from __future__ import annotations

import math

from ..hlo.ir.attributes import ConvolutionAttributes, ConvolutionDimensionNumbers
from ..hlo.ir.module import HloInstruction

# windows from here on are products in disguise (weight gradients): schedules of convolutions unroll windows
LARGE_WINDOW = 144
# ... as long as there are few positions of the window
FEW_POSITIONS = 64
# vectors of output channels have so many at least
CHANNELS = 4


def numbers_channels_first(rank: int) -> ConvolutionDimensionNumbers:
    """[N, C, spatial...] * [O, I, spatial...] -> [N, O, spatial...]."""
    spatial = tuple(range(2, rank))
    return ConvolutionDimensionNumbers(0, 1, spatial, 1, 0, spatial, 0, 1, spatial)


def numbers_channels_last(rank: int) -> ConvolutionDimensionNumbers:
    """[N, spatial..., C] * [spatial..., I, O] -> [N, spatial..., O]."""
    spatial, window = tuple(range(1, rank - 1)), tuple(range(rank - 2))
    return ConvolutionDimensionNumbers(0, rank - 1, spatial, rank - 2, rank - 1, window, 0, rank - 1, spatial)


def fills_vectors(convolution: HloInstruction) -> bool:
    """Whether with channels last neighbouring results are vectors: of the outputs of a group, or of groups of one input
    and one output each. All sizes are numbers then, none of them 0."""
    attributes = convolution.attributes_as(ConvolutionAttributes)
    shapes = (convolution.shape, *(operand.shape for operand in convolution.operands))
    if not all(isinstance(size, int) and size > 0 for shape in shapes for size in shape.dimensions):
        return False
    numbers, groups = attributes.dimension_numbers, attributes.feature_group_count
    spatial = [convolution.shape.sizes[axis] for axis in numbers.output_spatial]
    if not spatial or attributes.batch_group_count != 1:
        return False
    outputs = convolution.shape.sizes[numbers.output_feature]
    if is_depthwise(convolution):
        return outputs % CHANNELS == 0
    return outputs // groups % CHANNELS == 0 and not is_products(convolution)


def is_depthwise(convolution: HloInstruction) -> bool:
    """Whether every output channel is computed from the input channel of its number alone."""
    attributes = convolution.attributes_as(ConvolutionAttributes)
    numbers, groups = attributes.dimension_numbers, attributes.feature_group_count
    weight = convolution.operands[1].shape
    features = (weight.dimensions[numbers.kernel_input_feature], weight.dimensions[numbers.kernel_output_feature])
    return groups > 1 and features == (1, groups)


def is_products(convolution: HloInstruction) -> bool:
    """Whether it is a few products of large windows."""
    attributes = convolution.attributes_as(ConvolutionAttributes)
    window = math.prod(dimension.size for dimension in attributes.window.dimensions)
    spatial = [convolution.shape.dimensions[axis] for axis in attributes.dimension_numbers.output_spatial]
    if not all(isinstance(size, int) for size in spatial):
        return False
    return (
        attributes.feature_group_count * attributes.batch_group_count == 1
        and window >= LARGE_WINDOW
        and math.prod(spatial) <= FEW_POSITIONS  # type: ignore[arg-type]
    )
