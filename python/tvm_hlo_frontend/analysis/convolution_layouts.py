"""Which layout a convolution is computed in, and weights of convolutions and products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..hlo.ir.attributes import ConvolutionAttributes, ConvolutionDimensionNumbers, Window
from ..hlo.ir.module import HloInstruction

# windows from here on are products in disguise (weight gradients): schedules of convolutions unroll windows
LARGE_WINDOW = 144
# ... as long as there are few positions of the window
FEW_POSITIONS = 64
# vectors of output channels have so many at least
CHANNELS = 4
# outputs side by side in a panel of weights, at most and at least
PANEL_LANES = (16, 8, CHANNELS)
# rows of a last dimension that are worth a tile
TILE_ROWS = 6
# up to so many rows a product is limited by reading the other operand, in whichever layout it is
STREAMED_ROWS = 4


def panel_lanes(outputs: int) -> int:
    """Outputs side by side in a panel: those of a cache line, or what divides those of a group."""
    return next(lanes for lanes in PANEL_LANES if outputs % lanes == 0)


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
    is_products = groups == 1 and has_large_window(attributes.window, spatial)
    return outputs // groups % CHANNELS == 0 and not is_products


def is_depthwise(convolution: HloInstruction) -> bool:
    """Whether every output channel is computed from the input channel of its number alone."""
    attributes = convolution.attributes_as(ConvolutionAttributes)
    numbers, groups = attributes.dimension_numbers, attributes.feature_group_count
    weight = convolution.operands[1].shape
    features = (weight.dimensions[numbers.kernel_input_feature], weight.dimensions[numbers.kernel_output_feature])
    return groups > 1 and features == (1, groups)


def has_large_window(window: Window, positions: Sequence[int]) -> bool:
    """Whether a convolution of one group is a few products of large windows, at so many positions."""
    return math.prod(each.size for each in window.dimensions) >= LARGE_WINDOW and math.prod(positions) <= FEW_POSITIONS
