"""Operators of main that operations of TensorFlow become are what TensorFlow and XLA compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tvm_hlo_frontend import build
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.hybrid import from_tensorflow, parts_of
from tvm_hlo_frontend.hybrid.module.direct import TABLE, direct_nodes

tf = pytest.importorskip("tensorflow")

IMAGE = tf.TensorSpec([2, 11, 7, 3])


def weight(*sizes: int) -> np.ndarray:
    return np.random.default_rng(sum(sizes)).normal(size=sizes).astype("float32")


def as_it_is(x: Any) -> Any:
    """An operator that changes nothing, for what goes direct only behind one."""
    return tf.nn.avg_pool2d(x, 1, 1, "VALID")


@dataclass(frozen=True)
class Family:
    """Operations of a kind, with their attributes.

    Attributes
    ----------
    ops : set of str
        Types of operations that main must have.
    function : callable
        Of an image.
    special_as_xla : bool
        Whether NaN and infinities are those of XLA, and not of TensorFlow.
    """

    ops: set[str]
    function: Callable[[Any], list[Any]]
    special_as_xla: bool = False

    def __str__(self) -> str:
        return "-".join(sorted(self.ops))


# size, stride, dilation, padding
CONVOLUTIONS = (
    (3, 1, 1, "SAME"), (3, 2, 1, "SAME"), (4, 2, 1, "SAME"), (2, 3, 1, "SAME"), (1, 2, 1, "SAME"), (3, 1, 2, "SAME"),
    (3, 2, 1, "VALID"), (3, 1, 3, "VALID"), (2, 1, 1, [[0, 0], [1, 2], [0, 3], [0, 0]]),
)  # fmt: skip
# size, stride, multiplier, padding
DEPTHWISE = ((3, 1, 1, "SAME"), (3, 2, 2, "SAME"), (2, 2, 3, "VALID"), (5, 1, 1, "SAME"))
POOLS = ((2, 2, "SAME"), (3, 1, "SAME"), (3, 2, "SAME"), (2, 3, "SAME"), (3, 2, "VALID"), ((2, 3), (1, 2), "SAME"))
SIZES = ((22, 14), (5, 3), (11, 7), (1, 1), (13, 29), (100, 3), (17, 23))


def normalized(x: Any, epsilon: float) -> Any:
    scale, offset, mean, deviation = weight(4, 3)
    return tf.raw_ops.FusedBatchNormV3(
        x=as_it_is(x), scale=scale, offset=offset, mean=mean, variance=deviation**2, epsilon=epsilon, is_training=False
    ).y


def products(x: Any) -> list[Any]:
    rows = tf.reshape(as_it_is(x), [14, 33])
    return [
        tf.matmul(rows, weight(33, 5)),
        tf.matmul(rows, weight(9, 33), transpose_b=True),
        tf.matmul(rows, rows, transpose_b=True),
    ]


FAMILIES = (
    Family(
        {"Conv2D"}, lambda x: [tf.nn.conv2d(x, weight(k, k, 3, 5), s, p, dilations=d) for k, s, d, p in CONVOLUTIONS]
    ),
    Family(
        {"DepthwiseConv2dNative"},
        lambda x: [tf.nn.depthwise_conv2d(x, weight(k, k, 3, m), [1, s, s, 1], p) for k, s, m, p in DEPTHWISE],
    ),
    Family({"AvgPool"}, lambda x: [tf.nn.avg_pool2d(x, k, s, p) for k, s, p in POOLS]),
    Family(
        {"FusedBatchNormV3", "BiasAdd", "AddV2", "Relu"},
        lambda x: [
            *(normalized(x, epsilon) for epsilon in (1e-3, 1e-5, 0.5)),
            tf.nn.bias_add(as_it_is(x), weight(3)),
            as_it_is(x) + tf.nn.avg_pool2d(x, 3, 1, "SAME"),
            tf.nn.relu(as_it_is(x)),
        ],
    ),
    Family({"MatMul", "Reshape"}, products),
    # oneDNN's softmax, which TensorFlow calls, leaves numbers in rows with NaN
    Family(
        {"Softmax"},
        lambda x: [tf.nn.softmax(as_it_is(x)), tf.nn.softmax(tf.nn.avg_pool2d(x, 3, 1, "SAME"))],
        special_as_xla=True,
    ),
    Family({"ResizeNearestNeighbor"}, lambda x: [tf.image.resize(x, size, "nearest") for size in SIZES]),
)


def images() -> list[np.ndarray]:
    """Numbers, and numbers among NaN, infinities and zeros."""
    plain = np.random.default_rng(1).normal(size=IMAGE.shape).astype("float32")
    special = plain.copy()
    special[0, 3, 4, 1] = special[0, 0, 0, 0] = np.nan
    special[0, 8, 2, 0], special[0, 9, 6, 2], special[1, 10, 6, 1] = np.inf, -np.inf, -0.0
    return [plain, special]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_operators_give_tensorflow_s_and_xla_s_numbers(family):
    function = tf.function(family.function, input_signature=[IMAGE]).get_concrete_function()
    by_xla = tf.function(lambda x: function(x), jit_compile=True)
    mod, params = mod_and_params(from_tensorflow(function))
    main, others = parts_of(mod)[0], parts_of(mod)[1:]
    ops = {function.graph.get_operation_by_name(name).type for name in main.nodes}
    assert main.kind == "direct" and ops >= family.ops and not others
    run = build(mod, params)
    for image in images():
        given, got = tf.constant(image), run(image)
        xla_alone = family.special_as_xla and np.isnan(image).any()
        for want in (by_xla(given),) if xla_alone else (function(given), by_xla(given)):
            for a, b in zip(got, want, strict=True):
                np.testing.assert_allclose(a, b.numpy(), rtol=1e-5, atol=1e-5)
    if "Relu" in family.ops:
        assert not np.signbit(got[-1]).any()


def test_the_whole_table_is_tested():
    assert set(TABLE) == set().union(*(family.ops for family in FAMILIES))


# what the operators would not compute as TensorFlow does, or where nothing is gained by them
LEFT = {
    "maximum drops NaN": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "bilinear NaN": lambda x: tf.image.resize(x, (5, 5)),
    "corners": lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (5, 5)),
    "statistics": lambda x: (
        tf.raw_ops.FusedBatchNormV3(
            x=as_it_is(x), scale=[1.0] * 3, offset=[0.0] * 3, mean=[], variance=[], is_training=True
        ).y
    ),
    "statistics read": lambda x: tf.raw_ops.FusedBatchNormV3(
        x=as_it_is(x), scale=[1.0] * 3, offset=[0.0] * 3, mean=[0.0] * 3, variance=[1.0] * 3, is_training=False
    )[1],
    "f64": lambda x: tf.nn.conv2d(tf.cast(x, tf.float64), tf.ones([1, 1, 3, 2], tf.float64), 1, "SAME"),
    "groups": lambda x: tf.raw_ops.Conv2D(input=x, filter=tf.ones([1, 1, 1, 3]), strides=[1] * 4, padding="SAME"),
    "dilated depthwise": lambda x: tf.raw_ops.DepthwiseConv2dNative(
        input=x, filter=tf.ones([2, 2, 3, 1]), strides=[1] * 4, padding="VALID", dilations=[1, 2, 2, 1]
    ),
    "transposed": lambda x: tf.matmul(tf.reshape(x, [14, 33]), tf.ones([14, 5]), transpose_a=True),
    "integers": lambda x: tf.matmul(tf.cast(tf.reshape(x, [14, 33]), tf.int32), tf.ones([33, 5], tf.int32)),
    "broadcast": lambda x: as_it_is(x) + tf.ones([3]),
    "nothing before it": lambda x: tf.nn.softmax(tf.nn.relu(x)),
    "empty": lambda x: tf.nn.conv2d(x[:0], tf.ones([1, 1, 3, 2]), 1, "SAME"),
}


@pytest.mark.parametrize("name", LEFT)
def test_other_attributes_and_types_go_by_way_of_hlo(name):
    graph = tf.function(LEFT[name], input_signature=[IMAGE]).get_concrete_function().graph
    operations = [each for each in graph.get_operations() if each.type != "Const"]
    found = direct_nodes(operations, {"x"}, TABLE, ())
    assert {graph.get_operation_by_name(each).type for each in found} <= {"AvgPool", "Identity"}
