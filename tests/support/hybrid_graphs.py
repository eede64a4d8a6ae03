"""TensorFlow functions with parts that XLA does not take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

WEIGHTS = [
    tf.Variable((np.random.default_rng(seed).normal(size=shape) * 0.3).astype("float32"))
    for seed, shape in enumerate(((16, 64), (64, 64), (64, 8)))
]
LETTERS = list("abcdefgh")
TABLE = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(tf.constant(LETTERS), tf.range(8, dtype=tf.int64)), -1
)
COUNTER = tf.Variable(0, dtype=tf.int64)
KEPT = tf.Variable(tf.zeros([4, 8]))
ROWS, TEXTS = tf.TensorSpec([4, 16]), tf.TensorSpec([4], tf.string)
LOGGED: list[float] = []


@dataclass(frozen=True)
class Graph:
    """A function, and what it is called with.

    Attributes
    ----------
    name : str
    function : callable
    specs : tuple of tf.TensorSpec
    stays : tuple of str
        Operations that TensorFlow must compute.
    """

    name: str
    function: Callable[..., Any]
    specs: tuple[Any, ...]
    stays: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def network(x: Any) -> Any:
    """Three dense layers."""
    for weight in WEIGHTS[:-1]:
        x = tf.nn.relu(tf.matmul(x, weight))
    return tf.nn.softmax(tf.matmul(x, WEIGHTS[-1]))


def again(p: Any) -> Any:
    """The network on what it has returned."""
    return network(p @ tf.ones([8, 16]))


def strings(texts: Any, x: Any) -> Any:
    return tf.strings.join([tf.strings.upper(texts), tf.strings.as_string(tf.argmax(network(x), 1))])


def lookup(texts: Any) -> Any:
    found = TABLE.lookup(texts)
    return network(tf.one_hot(tf.where(found < 0, tf.zeros_like(found), found), 16))


@tf.function
def twice(texts: Any, x: Any) -> Any:
    """A function that others call, and that calls one; with variables and a table."""
    COUNTER.assign_add(1)
    found = tf.maximum(TABLE.lookup(texts), 0)
    return tf.function(network)(tf.nn.tanh(tf.gather(WEIGHTS[1], found)[:, :16]) + x), COUNTER.read_value()


def called(texts: Any, x: Any) -> Any:
    first, before = twice(texts, x)
    second, after = twice(texts, again(first) @ tf.ones([8, 16]))
    return second + 1, before, after


def unique(numbers: Any, x: Any) -> Any:
    values, places = tf.unique(numbers)
    return values, tf.gather(network(x), places % 4)


def python(x: Any) -> Any:
    hidden = tf.nn.relu(tf.matmul(tf.nn.tanh(x) + 1, WEIGHTS[0])) * 2
    hidden = tf.numpy_function(lambda a: np.sort(a, 1), [hidden], tf.float32)
    hidden.set_shape([4, 64])
    return tf.nn.softmax(tf.matmul(tf.matmul(hidden, WEIGHTS[1]), WEIGHTS[2]) + 1)


def sparse(x: Any) -> Any:
    some = tf.sparse.from_dense(tf.cast(x > 0, tf.float32))
    return tf.sparse.sparse_dense_matmul(some, WEIGHTS[0]), network(x)


def suppression(boxes: Any, scores: Any, x: Any) -> Any:
    low, high = tf.minimum(boxes[:, :2], boxes[:, 2:]), tf.maximum(boxes[:, :2], boxes[:, 2:])
    corners = tf.concat([low, high], 1)
    kept = tf.image.non_max_suppression(corners, tf.nn.sigmoid(scores * 2 + 1), 5)
    return tf.gather(corners, kept), network(x)


def ragged(numbers: Any, x: Any) -> Any:
    return tf.reduce_sum(tf.RaggedTensor.from_row_lengths(numbers, [2, 0, 7, 3]), 1), network(x)


def picture(jpeg: Any) -> Any:
    image = tf.io.decode_jpeg(jpeg, channels=3)
    image.set_shape([16, 16, 3])
    return network(tf.reshape(tf.cast(image, tf.float32) / 255.0, [48, 16]))


def printed(x: Any) -> Any:
    p = network(x)
    tf.py_function(lambda total: LOGGED.append(float(total)), [tf.reduce_sum(p)], [])
    return again(p)


def asserted(x: Any) -> Any:
    p = network(x)
    tf.debugging.assert_less(tf.reduce_max(p), 2.0, "no softmax")
    with tf.control_dependencies([tf.debugging.assert_greater(tf.reduce_min(x), -1e3)]):
        return again(tf.identity(p))


def random(x: Any) -> Any:
    return network(x + tf.random.stateless_normal([4, 16], [1, 2])), tf.shape(network(x + tf.random.normal([4, 16])))


def assigned(x: Any) -> Any:
    p = network(x)
    COUNTER.assign_add(tf.cast(tf.reduce_sum(tf.argmax(p, 1)), tf.int64))
    return p, COUNTER.read_value()


def scattered(numbers: Any, x: Any) -> Any:
    places = tf.argsort(numbers)[:, None]
    KEPT.scatter_nd_update(places, network(x))
    return again(KEPT.gather_nd(places[::-1]))


def looped(x: Any) -> Any:
    def step(i: Any, value: Any) -> Any:
        return i + 1, value + tf.matmul(tf.nn.tanh(value), tf.ones([16, 16]) * 0.1)

    total = tf.while_loop(lambda i, value: i < 3, step, (0, x))[1]
    return network(total), tf.strings.length(tf.strings.as_string(tf.cast(total, tf.int32)))


GRAPHS = (
    Graph("strings", strings, (TEXTS, ROWS), ("StringUpper", "StringJoin")),
    Graph("lookup table", lookup, (TEXTS,), ("LookupTableFindV2",)),
    Graph("called functions", called, (TEXTS, ROWS), ("LookupTableFindV2", "AssignAddVariableOp")),
    Graph("unique", unique, (tf.TensorSpec([12], tf.int32), ROWS), ("Unique",)),
    Graph("Python", python, (ROWS,), ("PyFunc",)),
    Graph("sparse", sparse, (ROWS,), ("SparseTensorDenseMatMul",)),
    Graph("suppression", suppression, (tf.TensorSpec([8, 4]), tf.TensorSpec([8]), ROWS), ("NonMaxSuppressionV3",)),
    Graph("ragged", ragged, (tf.TensorSpec([12], tf.int32), ROWS), ("Range",)),
    Graph("picture", picture, (tf.TensorSpec([], tf.string),), ("DecodeJpeg",)),
    Graph("effect", printed, (ROWS,), ("EagerPyFunc",)),
    Graph("assertions", asserted, (ROWS,), ("If",)),
    Graph("random numbers", random, (ROWS,), ("StatelessRandomNormalV2",)),
    Graph("assignment", assigned, (ROWS,), ("AssignAddVariableOp",)),
    Graph("rows of a variable", scattered, (tf.TensorSpec([4], tf.int32), ROWS), ("ResourceScatterNdUpdate",)),
    Graph("loop", looped, (ROWS,), ("AsString",)),
)


def arguments(specs: tuple[Any, ...], seed: int = 0) -> list[Any]:
    """Tensors of these specs."""
    generator = np.random.default_rng(seed)
    return [_argument(spec, generator) for spec in specs]


def _argument(spec: Any, generator: np.random.Generator) -> Any:
    if spec.dtype == tf.string and spec.shape == ():
        return tf.io.encode_jpeg(tf.constant(generator.integers(0, 255, (16, 16, 3)), tf.uint8))
    if spec.dtype == tf.string:
        return tf.constant(generator.choice(LETTERS, spec.shape))
    if spec.dtype == tf.int32:
        return tf.constant(generator.integers(0, 5, spec.shape), tf.int32)
    return tf.constant(generator.normal(size=spec.shape).astype("float32"))


def assert_same(got: Any, want: Any) -> None:
    """Both have the same structure and, up to rounding, the same elements."""
    tf.nest.assert_same_structure(got, want, expand_composites=True)
    for a, b in zip(tf.nest.flatten(got, expand_composites=True), tf.nest.flatten(want, expand_composites=True)):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype.is_floating:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
        else:
            assert np.array_equal(a.numpy(), b.numpy())
