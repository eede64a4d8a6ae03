"""convolution: brought to channels-first form, then the dialect's own operators where they exist and are exact."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ...analysis.accumulators import accumulator_type, product_type
from ...analysis.convolution_layouts import fills_vectors, has_large_window, is_depthwise, numbers_channels_last
from ...backends.values import Tensor
from ...hlo.ir.attributes import ConvolutionAttributes, Window
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, Dimension, Shape
from ...hlo.ir.sizes import is_known, product_of
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.spec import KernelSpec, convolution_spec
from ..context import ConversionContext
from ..rules import ConverterTable
from .dot import panels_of, widen

table = ConverterTable()

NATIVE_SPATIAL_RANKS = (1, 2, 3)


@dataclass(frozen=True)
class ChannelsFirst:
    """A convolution of data[N, C, spatial...] with kernel[O, C / groups, spatial...]; no reversal, no batch groups.

    Attributes
    ----------
    data, kernel : Tensor
    window : Window
    groups : int
    dimensions : tuple of int or Size
        Of the result [N, O, spatial...].
    accumulator : str
        Element type in which products are formed and summed.
    element_type : str
        Of the result.
    """

    data: Tensor
    kernel: Tensor
    window: Window
    groups: int
    dimensions: tuple[Any, ...]
    accumulator: str
    element_type: str

    @property
    def is_static(self) -> bool:
        """Whether all sizes are numbers."""
        return all(is_known(size) for size in (*self.dimensions, *self.data.dimensions, *self.kernel.dimensions))

    @property
    def reach(self) -> tuple[int, ...]:
        """Per spatial dimension, elements of the padded data from the first window's start to the last one's end."""
        return tuple(
            (size - 1) * w.stride + (w.size - 1) * w.window_dilation + 1
            for size, w in zip(self.dimensions[2:], self.window.dimensions)
        )


@table.converter("convolution", how="native")
def convert_convolution(ctx: ConversionContext, instruction: HloInstruction, lhs: Tensor, rhs: Tensor) -> Tensor:
    """convolution: any layout, padding, dilation, reversal and groups; integers wrap (rules 49-52).

    XLA operation semantics: ConvGeneralDilated.
    """
    shape = instruction.shape
    if 0 in (*shape.dimensions, *lhs.dimensions, *rhs.dimensions):
        return ctx.zeros(shape)
    if ctx.dialect.convolves_channels_last and is_channels_last(instruction):
        return by_panels(ctx, instruction, lhs, rhs)
    convolution = channels_first(ctx, instruction, lhs, rhs)
    numbers = instruction.attributes_as(ConvolutionAttributes).dimension_numbers
    produced = [numbers.output_batch, numbers.output_feature, *numbers.output_spatial]
    back = [produced.index(axis) for axis in range(shape.rank)]
    return ctx.dialect.transpose(choose(convolution)(ctx, convolution), back)


def is_channels_last(instruction: HloInstruction) -> bool:
    """Whether a kernel with channels last computes it."""
    numbers = instruction.attributes_as(ConvolutionAttributes).dimension_numbers
    return numbers == numbers_channels_last(instruction.shape.rank) and fills_vectors(instruction)


def by_panels(ctx: ConversionContext, instruction: HloInstruction, lhs: Tensor, rhs: Tensor) -> Tensor:
    """The kernels with channels last; weights become panels in a kernel of their own, which TVM folds if they are
    constants."""
    attributes, result = instruction.attributes_as(ConvolutionAttributes), instruction.shape
    rhs = with_reversals(ctx, rhs, attributes.window, 0)
    depth = math.prod(instruction.operands[1].shape.sizes[:-1])
    accumulator = product_type(lhs.element_type, rhs.element_type, result.element_type, depth)
    groups = attributes.feature_group_count
    parameters = convolution_spec(attributes.window, groups, TVM_DTYPES[accumulator]).parameters
    if is_depthwise(instruction):
        (value,) = ctx.dialect.kernel(KernelSpec("depthwise_channels_last", parameters), [lhs, rhs], [result])
        return value
    outputs = instruction.shape.sizes[-1]
    panels = panels_of(ctx, rhs, outputs // groups, accumulator)
    (value,) = ctx.dialect.kernel(KernelSpec("convolution_channels_last", parameters), [lhs, panels], [result])
    return value


def with_reversals(ctx: ConversionContext, kernel: Tensor, window: Window, first: int) -> Tensor:
    """Weights whose windows run forwards; `first` is the first dimension of the window."""
    reversed_axes = [axis for axis, w in enumerate(window.dimensions, first) if w.window_reversal and w.size > 1]
    return ctx.dialect.reverse(kernel, reversed_axes) if reversed_axes else kernel


def channels_first(ctx: ConversionContext, instruction: HloInstruction, lhs: Tensor, rhs: Tensor) -> ChannelsFirst:
    """The instruction with its layouts, reversals and batch groups resolved."""
    attributes = instruction.attributes_as(ConvolutionAttributes)
    numbers, window = attributes.dimension_numbers, attributes.window
    sizes = instruction.shape.dimensions
    data = ctx.dialect.transpose(lhs, (numbers.input_batch, numbers.input_feature, *numbers.input_spatial))
    order = (numbers.kernel_output_feature, numbers.kernel_input_feature, *numbers.kernel_spatial)
    kernel = with_reversals(ctx, ctx.dialect.transpose(rhs, order), window, 2)
    if attributes.batch_group_count > 1:
        data = batch_groups_as_features(ctx, data, attributes.batch_group_count)
    return ChannelsFirst(
        data,
        kernel,
        window,
        attributes.feature_group_count * attributes.batch_group_count,
        tuple(sizes[axis] for axis in (numbers.output_batch, numbers.output_feature, *numbers.output_spatial)),
        accumulator_type(lhs.element_type, rhs.element_type, instruction.shape.element_type),
        instruction.shape.element_type,
    )


def batch_groups_as_features(ctx: ConversionContext, data: Tensor, count: int) -> Tensor:
    """Block b of the batch becomes feature group b: output feature o reads block o / (O / count) alone (rule 51)."""
    batch, features, *spatial = data.dimensions
    part: Any = batch // count  # type: ignore[operator]
    blocks = ctx.dialect.reshape(data, (count, part, features, *spatial))
    blocks = ctx.dialect.transpose(blocks, (1, 0, *range(2, blocks.rank)))
    return ctx.dialect.reshape(blocks, (part, product_of((count, features)), *spatial))


def choose(convolution: ChannelsFirst) -> Any:
    """The way to compute it."""
    spatial = convolution.dimensions[2:]
    if BY_NAME[convolution.accumulator].kind != "float":
        return by_kernel
    if not convolution.is_static:
        return by_products if convolution.groups == 1 and not spatial else by_kernel
    if convolution.groups == 1 and (not spatial or has_large_window(convolution.window, spatial)):
        return by_products
    return by_operator if len(spatial) in NATIVE_SPATIAL_RANKS else by_kernel


def by_kernel(ctx: ConversionContext, convolution: ChannelsFirst) -> Tensor:
    """The general kernel: any rank, any element type."""
    spec = convolution_spec(convolution.window, convolution.groups, TVM_DTYPES[convolution.accumulator])
    result = Shape(convolution.element_type, convolution.dimensions)
    return ctx.dialect.kernel(spec, [convolution.data, convolution.kernel], [result])[0]


def by_operator(ctx: ConversionContext, convolution: ChannelsFirst) -> Tensor:
    """The dialect's operator; what its padding cannot say is padded (or cropped) beforehand."""
    convolution = widened(ctx, convolution)
    windows = convolution.window.dimensions
    if any(w.base_dilation > 1 or w.padding_low < 0 or w.padding_high < 0 for w in windows):
        convolution = padded(ctx, convolution)
        windows = convolution.window.dimensions
    result = ctx.dialect.convolution(
        convolution.data,
        convolution.kernel,
        strides=[w.stride for w in windows],
        padding=[(w.padding_low, w.padding_high) for w in windows],
        dilation=[w.window_dilation for w in windows],
        groups=convolution.groups,
        result_type=convolution.accumulator,
    )
    return rounded(ctx, result, convolution)


def by_products(ctx: ConversionContext, convolution: ChannelsFirst) -> Tensor:
    """One matrix product per position of the window."""
    convolution = widened(ctx, convolution)
    if any(w.base_dilation > 1 or w.padding_low or w.padding_high for w in convolution.window.dimensions):
        convolution = padded(ctx, convolution)
    batch, features, *spatial = convolution.dimensions
    windows = convolution.window.dimensions
    depth = product_of(convolution.kernel.dimensions[1:])
    weight = ctx.dialect.reshape(convolution.kernel, (features, depth))
    images: Any = convolution.data.dimensions[:2]
    products = []
    for position in positions(spatial):
        starts = [p * w.stride for p, w in zip(position, windows)]
        limits = [start + (w.size - 1) * w.window_dilation + 1 for start, w in zip(starts, windows)]
        patch = ctx.dialect.slice(
            convolution.data,
            (0, 0, *starts),
            (*images, *limits),
            (1, 1, *(w.window_dilation for w in windows)),
        )
        product = ctx.dialect.dense(ctx.dialect.reshape(patch, (batch, depth)), weight, convolution.accumulator)
        products.append(ctx.dialect.reshape(product, (batch, features, 1)))
    result = products[0] if len(products) == 1 else ctx.dialect.concatenate(products, 2)
    return rounded(ctx, ctx.dialect.reshape(result, convolution.dimensions), convolution)


def positions(sizes: list[int]) -> list[tuple[int, ...]]:
    """Every index of an array of `sizes`, row-major."""
    found: list[tuple[int, ...]] = [()]
    for size in sizes:
        found = [(*index, p) for index in found for p in range(size)]
    return found


def widened(ctx: ConversionContext, convolution: ChannelsFirst) -> ChannelsFirst:
    """With operands of the accumulator's type."""
    wide = convolution.accumulator
    return dataclasses.replace(
        convolution, data=widen(ctx, convolution.data, wide), kernel=widen(ctx, convolution.kernel, wide)
    )


def rounded(ctx: ConversionContext, result: Tensor, convolution: ChannelsFirst) -> Tensor:
    """The finished sums in the element type of the result."""
    if result.element_type == convolution.element_type:
        return result
    return ctx.map("convert", convolution.element_type, [result])


def padded(ctx: ConversionContext, convolution: ChannelsFirst) -> ChannelsFirst:
    """With holes, padding and cropping done to the data: no padding or base dilation is left in the window."""
    windows = convolution.window.dimensions
    spec = KernelSpec(
        "pad",
        {"low": [0, 0, *(w.padding_low for w in windows)], "interior": [0, 0, *(w.base_dilation - 1 for w in windows)]},
    )
    sizes: tuple[Dimension, ...] = (*convolution.data.dimensions[:2], *convolution.reach)
    zero = ctx.scalar(0, convolution.data.element_type)
    (data,) = ctx.dialect.kernel(spec, [convolution.data, zero], [Shape(convolution.data.element_type, sizes)])
    plain = tuple(dataclasses.replace(w, padding_low=0, padding_high=0, base_dilation=1) for w in windows)
    return dataclasses.replace(convolution, data=data, window=Window(plain))
