"""Quantised tensors: TensorFlow's quantised types, and the uniform quantisation family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Case, apply, array, f, i

INT8 = {"quantization_min_val": -128, "quantization_max_val": 127}
INT32 = {"quantization_min_val": -(2**31), "quantization_max_val": 2**31 - 1}
SCALE, ZERO = np.float32(0.05), np.int32(3)


def quantised(values: Any, kind: Any) -> Any:
    """Integers as a quantised type."""
    import tensorflow as tf

    return tf.bitcast(values, kind)


def plain(values: Any, kind: Any) -> Any:
    """A quantised type as integers, which numpy knows."""
    import tensorflow as tf

    return tf.bitcast(values, kind)


def prefixed(prefix: str, attributes: dict[str, int]) -> dict[str, int]:
    """Attributes of one of several operands."""
    return {f"{prefix}_{name}": value for name, value in attributes.items()}


def uniform() -> list[Case]:
    import tensorflow as tf

    small, wide = i(3, 4, low=-100, high=100, dtype=np.int8), i(3, 4, low=-900, high=900)
    scales = [SCALE, ZERO]

    def quantize(x: Any) -> Any:
        return plain(apply("UniformQuantize", [x, *scales], {"Tout": tf.qint8, **INT8}), tf.int8)

    def dequantize(x: Any) -> Any:
        return apply("UniformDequantize", [quantised(x, tf.qint8), *scales], {"Tout": tf.float32, **INT8})

    def requantize(x: Any) -> Any:
        ranges = prefixed("input", INT8) | prefixed("output", INT8)
        operands = [quantised(x, tf.qint8), *scales, np.float32(0.1), np.int32(-2)]
        return plain(apply("UniformRequantize", operands, {"Tout": tf.qint8, **ranges}), tf.int8)

    def clip(x: Any) -> Any:
        operands = [quantised(each, tf.qint32) for each in (x, tf.constant(-500), tf.constant(400))]
        return plain(apply("UniformQuantizedClipByValue", [*operands, *scales], INT32), tf.int32)

    def add(x: Any, y: Any) -> Any:
        ranges = prefixed("lhs", INT32) | prefixed("rhs", INT32) | prefixed("output", INT32)
        operands = [quantised(x, tf.qint32), quantised(y, tf.qint32), *scales, *scales, *scales]
        return plain(apply("UniformQuantizedAdd", operands, ranges), tf.int32)

    return [
        Case("UniformQuantize", quantize, (f(3, 4),)),
        Case("UniformDequantize", dequantize, (small,)),
        Case("UniformRequantize", requantize, (small,)),
        Case("UniformQuantizedClipByValue", clip, (wide,)),
        Case("UniformQuantizedAdd", add, (wide, i(3, 4, low=-900, high=900))),
        Case(
            "UniformQuantizedDot",
            contraction("UniformQuantizedDot"),
            (small, i(4, 5, low=-100, high=100, dtype=np.int8)),
        ),
        Case(
            "UniformQuantizedConvolution",
            contraction("UniformQuantizedConvolution", padding="VALID", dimension_numbers=channels_first()),
            (i(2, 3, 5, 5, low=-100, high=100, dtype=np.int8), i(4, 3, 3, 3, low=-100, high=100, dtype=np.int8)),
        ),
    ]


def channels_first() -> bytes:
    """Dimension numbers of images and kernels with channels before the spatial dimensions."""
    from tensorflow.core.util.quantization import uniform_quant_ops_attr_pb2 as messages

    return messages.UniformQuantizedConvolutionDimensionNumbersAttr(
        input_batch_dimension=0,
        input_feature_dimension=1,
        input_spatial_dimensions=[2, 3],
        kernel_output_feature_dimension=0,
        kernel_input_feature_dimension=1,
        kernel_spatial_dimensions=[2, 3],
        output_batch_dimension=0,
        output_feature_dimension=1,
        output_spatial_dimensions=[2, 3],
    ).SerializeToString()


def contraction(op: str, **attributes: Any) -> Callable[[Any, Any], Any]:
    """A product of two quantised tensors, whose scale is the product of theirs."""
    import tensorflow as tf

    def function(x: Any, y: Any) -> Any:
        ranges = prefixed("lhs", INT8) | prefixed("rhs", INT8) | prefixed("output", INT32)
        scales = [SCALE, ZERO, SCALE, np.int32(0), np.float32(SCALE * SCALE), np.int32(0)]
        operands = [quantised(x, tf.qint8), quantised(y, tf.qint8), *scales]
        return plain(apply(op, operands, {"Tout": tf.qint32, **ranges, **attributes}), tf.int32)

    return function


def cases() -> list[Case]:
    import tensorflow as tf

    def dequantize(x: Any) -> Any:
        return apply("Dequantize", [quantised(x, tf.quint8), np.float32(-1), np.float32(2)], {"mode": "MIN_COMBINED"})

    def fused(x: Any, y: Any, bias: Any, side: Any) -> Any:
        operands = [x, y, [bias, side], [np.float32(0.5), np.float32(0.25)]]
        fusion = {"fused_ops": ["BiasAdd", "Relu"], "num_args": 2, "strides": [1, 1, 1, 1], "padding": "VALID"}
        layout = {"data_format": "NCHW", "filter_format": "OIHW"}
        return apply("_FusedConv2D", operands, fusion | layout)

    bytes_of = {"low": -100, "high": 100, "dtype": np.int8}
    convolution = (
        i(1, 4, 5, 5, **bytes_of),
        i(4, 4, 3, 3, **bytes_of),
        array([1, 2, 3, 4], np.float32),
        i(1, 4, 3, 3, **bytes_of),
    )
    return [
        *uniform(),
        Case("Dequantize", dequantize, (i(3, 4, high=255, dtype=np.uint8),)),
        Case("_FusedConv2D", fused, convolution),
    ]
