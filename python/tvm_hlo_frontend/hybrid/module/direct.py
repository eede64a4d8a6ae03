"""Operations of TensorFlow that become operators of main, where those are exactly what TensorFlow computes.

What is not here goes by way of HLO: pooling by maximum, of which TVM's operator drops NaN, and bilinear resizing, which
in TVM, TensorFlow and XLA spreads NaN in three ways.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ...backends.program import Pool
from ...backends.values import Tensor
from .values import Values

REASON = "it is an operator of main"


@dataclass(frozen=True)
class Direct:
    """How an operation becomes an operator.

    Attributes
    ----------
    exact : callable
        ``exact(operation)``: whether the operator means what the operation does, with its attributes and types.
    convert : callable
        ``convert(values, operation)`` puts the value of the first output, the only one that has any.
    follows : bool
        Whether this is only worth while where an operator gives an input: else it is fused with what HLO has.
    """

    exact: Callable[[Any], bool]
    convert: Callable[[Values, Any], None]
    follows: bool = False


def direct_nodes(
    operations: Sequence[Any], stays: Collection[str], table: Collection[str], returned: Collection[str]
) -> list[str]:
    """Names of the operations that become operators of main.

    Parameters
    ----------
    operations : sequence of tf.Operation
        Each behind those that it depends on.
    stays : collection of str
        Names of inputs, and of those that XLA does not take.
    table : collection of str
        Types of operations that may.
    returned : collection of str
        Tensors that the program returns.
    """
    found: set[str] = set()
    for operation in operations:
        if operation.name in stays:
            continue
        if operation.type in ALIASES and any(operation.inputs[0].op.name in some for some in (found, stays)):
            found.add(operation.name)
        entry = TABLE.get(operation.type) if operation.type in table else None
        if entry is None or not _is_plain(operation, returned) or not entry.exact(operation):
            continue
        if not entry.follows or any(tensor.op.name in found for tensor in operation.inputs):
            found.add(operation.name)
    return [operation.name for operation in operations if operation.name in found]


def convert(values: Values, operation: Any) -> None:
    """Put the value of the first output of an operation."""
    if operation.type in ALIASES:
        values.alias(operation.outputs[0], operation.inputs[0])
    else:
        TABLE[operation.type].convert(values, operation)


def _is_plain(operation: Any, returned: Collection[str]) -> bool:
    """Only f32, known shapes with elements, and nothing but the first output has a reader."""
    tensors = [*operation.inputs, operation.outputs[0]]
    floats = {tensor.dtype.base_dtype.name for tensor in tensors} <= {"float32", "int32"}
    known = all(tensor.shape.is_fully_defined() and 0 not in tensor.shape for tensor in tensors)
    alone = not any(tensor.consumers() or tensor.name in returned for tensor in operation.outputs[1:])
    return floats and known and alone and operation.outputs[0].dtype.base_dtype.name == "float32"


def _is_channels_last(operation: Any) -> bool:
    return operation.get_attr("data_format") == b"NHWC" and operation.inputs[0].shape.rank == 4


def _is_spatial(operation: Any, *names: str) -> bool:
    """Whether attributes with one entry per dimension are 1 for all but height and width."""
    rows = [operation.get_attr(name) for name in names]
    return all(len(row) == 4 and row[0] == row[3] == 1 for row in rows)


def _spatial(operation: Any, name: str) -> tuple[int, int]:
    """Height and width of such an attribute."""
    _, height, width, _ = operation.get_attr(name)
    return height, width


def _padding(operation: Any, sizes: Sequence[int], strides: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Before and behind height and width, as TensorFlow pads for windows of these sizes."""
    kind = operation.get_attr("padding")
    if kind == b"EXPLICIT":
        explicit = operation.get_attr("explicit_paddings")
        return (tuple(explicit[2:4]), tuple(explicit[4:6]))
    if kind == b"VALID":
        return ((0, 0), (0, 0))
    found = []
    for size, window, stride in zip(operation.inputs[0].shape[1:3], sizes, strides):
        whole = max((-(-size // stride) - 1) * stride + window - size, 0)
        found.append((whole // 2, whole - whole // 2))
    return tuple(found)


def _is_depthwise(operation: Any) -> bool:
    # TensorFlow's kernel ignores dilations, XLA's does not
    plain = _is_channels_last(operation) and _is_spatial(operation, "strides", "dilations")
    return plain and _spatial(operation, "dilations") == (1, 1)


def _is_convolution(operation: Any) -> bool:
    # TensorFlow takes groups of channels, too, on some machines
    plain = _is_channels_last(operation) and _is_spatial(operation, "strides", "dilations")
    return plain and operation.inputs[0].shape[3] == operation.inputs[1].shape[2]


def _convolve(values: Values, operation: Any) -> None:
    main, (data, kernel) = values.main, operation.inputs
    height, width, depth, multiplier = kernel.shape
    filters, groups = values.last(kernel), 1
    if operation.type == "DepthwiseConv2dNative":
        filters, groups = main.reshape(filters, (height, width, 1, depth * multiplier)), depth
    strides, dilation = _spatial(operation, "strides"), _spatial(operation, "dilations")
    spans = [(size - 1) * gap + 1 for size, gap in zip((height, width), dilation)]
    result = main.convolution(
        values.first(data),
        main.transpose(filters, (3, 2, 0, 1)),
        strides=strides,
        padding=_padding(operation, spans, strides),
        dilation=dilation,
        groups=groups,
        result_type="f32",
    )
    values.put(operation.outputs[0], result, channels_first=True)


def _is_pool(operation: Any) -> bool:
    return _is_channels_last(operation) and _is_spatial(operation, "ksize", "strides")


def _pool(values: Values, operation: Any) -> None:
    sizes, strides = _spatial(operation, "ksize"), _spatial(operation, "strides")
    padding = _padding(operation, sizes, strides)
    pool = Pool(sizes, strides, padding, tuple(operation.outputs[0].shape[1:3]))
    pooled = values.main.average_pool(values.first(operation.inputs[0]), pool)
    values.put(operation.outputs[0], pooled, channels_first=True)


def _elementwise(values: Values, operation: Any, compute: Callable[[Tensor, int], Tensor]) -> None:
    """`compute` of the value, in the form that it has, and of the number of the dimension of channels."""
    data = operation.inputs[0]
    first = values.has_first(data)
    value = values.first(data) if first else values.last(data)
    values.put(operation.outputs[0], compute(value, 1 if first else value.rank - 1), first)


def _along(values: Values, vector: Any, axis: int, rank: int) -> Tensor:
    """A vector as it is added along a dimension."""
    value = values.last(vector)
    ones = [1] * rank
    return values.main.reshape(value, (*ones[:axis], value.dimensions[0], *ones[axis + 1 :]))


def _sum(values: Values, x: Tensor, y: Tensor) -> Tensor:
    result = values.main.map("add", "f32", [x, y])
    assert result is not None, "both dialects add f32"
    return result


def _add_bias(values: Values, operation: Any) -> None:
    def compute(value: Tensor, axis: int) -> Tensor:
        return _sum(values, value, _along(values, operation.inputs[1], axis, value.rank))

    _elementwise(values, operation, compute)


def _add(values: Values, operation: Any) -> None:
    first = any(values.has_first(tensor) for tensor in operation.inputs)
    x, y = (values.first(tensor) if first else values.last(tensor) for tensor in operation.inputs)
    values.put(operation.outputs[0], _sum(values, x, y), first)


def _normalize(values: Values, operation: Any) -> None:
    statistics = [values.last(tensor) for tensor in operation.inputs[1:5]]
    epsilon = operation.get_attr("epsilon")
    _elementwise(values, operation, lambda value, axis: values.main.batch_norm(value, statistics, epsilon, axis))


def _multiply(values: Values, operation: Any) -> None:
    x, y = map(values.last, operation.inputs)
    if operation.get_attr("transpose_b"):
        y = values.main.transpose(y, (1, 0))
    values.put(operation.outputs[0], values.main.matmul(x, y))


def _is_resize(operation: Any) -> bool:
    import tensorflow as tf

    known = tf.get_static_value(operation.inputs[1]) is not None and operation.inputs[0].dtype == tf.float32
    return known and operation.get_attr("half_pixel_centers") and not operation.get_attr("align_corners")


def _resize(values: Values, operation: Any) -> None:
    sizes = tuple(operation.outputs[0].shape[1:3])
    values.put(operation.outputs[0], values.main.resize_nearest(values.last(operation.inputs[0]), sizes))


def _reshape(values: Values, operation: Any) -> None:
    (result,) = operation.outputs
    values.put(result, values.main.reshape(values.last(operation.inputs[0]), tuple(result.shape)))


# the same value under another name
ALIASES = frozenset({"Identity", "PlaceholderWithDefault"})
TABLE: dict[str, Direct] = {
    "Conv2D": Direct(_is_convolution, _convolve),
    "DepthwiseConv2dNative": Direct(_is_depthwise, _convolve),
    "AvgPool": Direct(_is_pool, _pool),
    "MatMul": Direct(lambda each: not each.get_attr("transpose_a"), _multiply),
    "ResizeNearestNeighbor": Direct(_is_resize, _resize),
    "FusedBatchNormV3": Direct(
        lambda each: not each.get_attr("is_training") and _is_channels_last(each), _normalize, follows=True
    ),
    "BiasAdd": Direct(lambda each: each.get_attr("data_format") == b"NHWC", _add_bias, follows=True),
    "AddV2": Direct(lambda each: each.inputs[0].shape == each.inputs[1].shape, _add, follows=True),
    "Reshape": Direct(lambda each: True, _reshape, follows=True),
    "Relu": Direct(
        lambda each: True,
        lambda values, each: _elementwise(values, each, lambda value, axis: values.main.relu(value)),
        follows=True,
    ),
    "Softmax": Direct(
        lambda each: True,
        lambda values, each: values.put(each.outputs[0], values.main.softmax(values.last(each.inputs[0]))),
        follows=True,
    ),
}
