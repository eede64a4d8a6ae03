"""Convolutions, pooling, normalisation, images, losses, quantisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case, array, f, i, ints, op_case, scalar

POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
POOL_3D = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "SAME"}
ONES, ONES_3D = [1, 1, 1, 1], [1, 1, 1, 1, 1]


def convolutions() -> list[Case]:
    same: dict[str, Any] = {"strides": [1, 2, 2, 1], "padding": "SAME"}
    plain: dict[str, Any] = {"strides": ONES, "padding": "SAME"}
    valid: dict[str, Any] = {"strides": ONES_3D, "padding": "VALID"}
    return [
        op_case("Conv", f(2, 6, 6, 3), f(3, 3, 3, 4), strides=ONES, padding="SAME"),
        op_case("Conv2D", f(2, 6, 6, 3), f(3, 3, 3, 4), **same),
        op_case("Conv2DBackpropFilter", f(2, 6, 6, 3), ints(3, 3, 3, 4), f(2, 3, 3, 4), **same),
        op_case("Conv2DBackpropInput", ints(2, 6, 6, 3), f(3, 3, 3, 4), f(2, 3, 3, 4), **same),
        op_case("Conv3D", f(1, 4, 4, 4, 2), f(2, 2, 2, 2, 3), **valid),
        op_case("Conv3DBackpropFilterV2", f(1, 4, 4, 4, 2), ints(2, 2, 2, 2, 3), f(1, 3, 3, 3, 3), **valid),
        op_case("Conv3DBackpropInputV2", ints(1, 4, 4, 4, 2), f(2, 2, 2, 2, 3), f(1, 3, 3, 3, 3), **valid),
        op_case("DepthwiseConv2dNative", f(2, 6, 6, 3), f(3, 3, 3, 2), **plain),
        op_case("DepthwiseConv2dNativeBackpropFilter", f(2, 6, 6, 3), ints(3, 3, 3, 2), f(2, 6, 6, 6), **plain),
        op_case("DepthwiseConv2dNativeBackpropInput", ints(2, 6, 6, 3), f(3, 3, 3, 2), f(2, 6, 6, 6), **plain),
    ]


def pooling() -> list[Case]:
    image, pooled = f(2, 4, 4, 3), f(2, 2, 2, 3)
    highest = image.reshape(2, 2, 2, 2, 2, 3).max((2, 4))
    cube = f(1, 4, 4, 4, 2)
    top = cube.reshape(1, 2, 2, 2, 2, 2, 2, 2).max((2, 4, 6))
    windows = ints(1, 2, 2, 1), ints(1, 2, 2, 1)
    return [
        op_case("AvgPool", image, **POOL),
        op_case("AvgPoolGrad", ints(2, 4, 4, 3), pooled, **POOL),
        op_case("AvgPool3D", cube, **POOL_3D),
        op_case("AvgPool3DGrad", ints(1, 4, 4, 4, 2), f(1, 2, 2, 2, 2), **POOL_3D),
        op_case("MaxPool", image, **POOL),
        op_case("MaxPoolV2", image, *windows, padding="VALID"),
        op_case("MaxPool3D", cube, **POOL_3D),
        op_case("MaxPoolGrad", image, highest, pooled, **POOL),
        op_case("MaxPoolGradV2", image, highest, pooled, *windows, padding="VALID"),
        op_case("MaxPoolGradGrad", image, highest, f(2, 4, 4, 3), **POOL),
        op_case("MaxPoolGradGradV2", image, highest, f(2, 4, 4, 3), *windows, padding="VALID"),
        op_case("MaxPool3DGrad", cube, top, f(1, 2, 2, 2, 2), **POOL_3D),
        op_case("MaxPool3DGradGrad", cube, top, f(1, 4, 4, 4, 2), **POOL_3D),
    ]


def normalisation() -> list[Case]:
    def batch_norm() -> list[np.ndarray]:
        return [f(2, 3, 3, 4), f(4), f(4), f(4), f(4, low=0.5, high=2)]

    def gradient() -> list[np.ndarray]:
        return [f(2, 3, 3, 4), f(2, 3, 3, 4), f(4), f(4), f(4, low=0.5, high=2)]

    image = f(1, 3, 3, 8)
    # the reserved results are for the gradient alone, kernels fill them as they like
    shown = lambda results: results[:3]  # noqa: E731
    training: dict[str, Any] = {"is_training": True, "view": shown}
    return [
        op_case("FusedBatchNorm", *batch_norm()[:3], array([], np.float32), array([], np.float32), **training),
        op_case("FusedBatchNormV2", *batch_norm(), is_training=False, view=shown),
        op_case("FusedBatchNormV3", *batch_norm()[:3], array([], np.float32), array([], np.float32), **training),
        op_case("FusedBatchNormGrad", *gradient(), **training),
        op_case("FusedBatchNormGradV2", *gradient(), **training),
        op_case("FusedBatchNormGradV3", *gradient(), f(4), is_training=False, view=shown),
        op_case("_FusedBatchNormEx", *batch_norm(), [], is_training=False, activation_mode="Relu", view=shown),
        op_case("LRN", image, depth_radius=2),
        op_case("LRNGrad", f(1, 3, 3, 8), image, f(1, 3, 3, 8), depth_radius=2),
        op_case("BiasAdd", f(2, 3, 4), f(4)),
        op_case("BiasAddV1", f(2, 3, 4), f(4)),
        op_case("BiasAddGrad", f(2, 3, 4)),
        op_case("SparseSoftmaxCrossEntropyWithLogits", f(4, 5), i(4, high=5)),
    ]


def images() -> list[Case]:
    boxes = array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3], [0, 2.1, 1, 3.1]], np.float32)
    limits = scalar(0.5, np.float32), scalar(0.1, np.float32)
    scores = array([0.6, 0.9, 0.3, 0.7], np.float32)
    return [
        op_case("AdjustContrastv2", f(4, 4, 3, low=0, high=1), f()),
        op_case("AdjustHue", f(4, 4, 3, low=0, high=1), f(low=-0.5, high=0.5)),
        op_case("AdjustSaturation", f(4, 4, 3, low=0, high=1), f(low=0, high=1)),
        op_case("ResizeBilinear", f(1, 4, 5, 2), ints(7, 9), half_pixel_centers=True),
        op_case("ResizeBilinearGrad", f(1, 7, 9, 2), f(1, 4, 5, 2), align_corners=True),
        op_case("ResizeNearestNeighbor", f(1, 4, 5, 2), ints(7, 9), half_pixel_centers=True),
        op_case("NonMaxSuppressionV3", boxes, scores, scalar(3), *limits),
        op_case("NonMaxSuppressionV4", boxes, scores, scalar(3), *limits, pad_to_max_output_size=True),
    ]


def fake_quantisation() -> list[Case]:
    low, high = array(-1.5, np.float32), array(1.25, np.float32)
    lows, highs = f(4, low=-2, high=-0.5), f(4, low=0.5, high=2)
    tensors = f(3, 4, low=-3, high=3)
    return [
        op_case("FakeQuantWithMinMaxArgs", tensors, min=-1.5, max=1.25),
        op_case("FakeQuantWithMinMaxArgsGradient", f(3, 4), tensors, min=-1.5, max=1.25),
        op_case("FakeQuantWithMinMaxVars", tensors, low, high),
        op_case("FakeQuantWithMinMaxVarsGradient", f(3, 4), tensors, low, high),
        op_case("FakeQuantWithMinMaxVarsPerChannel", tensors, lows, highs),
        op_case("FakeQuantWithMinMaxVarsPerChannelGradient", f(3, 4), tensors, lows, highs),
        op_case("QuantizeAndDequantizeV2", tensors, low, high, range_given=True),
        op_case("QuantizeAndDequantizeV3", tensors, low, high, scalar(8)),
        op_case("QuantizeAndDequantizeV4", tensors, low, high),
    ]


def cases() -> list[Case]:
    return [*convolutions(), *pooling(), *normalisation(), *images(), *fake_quantisation()]
