"""TensorFlow's programs whose sizes depend on values, against TensorFlow without XLA (rule 90)."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_hlo_frontend import build, from_tensorflow
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.errors import LoweringError

tf = pytest.importorskip("tensorflow")

# none, some or all of their elements are above 0; the last one repeats some
VECTORS = [
    np.array(values, "float32")
    for values in ([1, 0, -2, 0, 3, 0, 5, 2], [-1] * 8, [4, 4, 1, 2, 2, 1, 4, 9], [0, 2] * 4)
]
BOXES = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 2, 1, 3], [0, 2, 1, 3.1]], "float32")
TABLE = np.arange(40, dtype="float32").reshape(10, 4)


def above(x):
    return tf.boolean_mask(x, x > 0)


def rows(x):
    return tf.boolean_mask(tf.reshape(x, [4, 2]), tf.reshape(x, [4, 2])[:, 1] > 0)


def spread(x):
    whole = above(x)
    return whole[:, None] * whole[None]


def loop(x):
    return tf.while_loop(lambda i, m: i < 3, lambda i, m: (i + 1, m * 2), (0, above(x)))[1]


def scattered(x):
    places = tf.where(x > 0)
    return tf.scatter_nd(tf.cast(places, tf.int32), tf.gather_nd(x, places) * 2, [8])


def sums_of_groups(x):
    places = tf.where(x > 0)
    return tf.math.unsorted_segment_sum(tf.gather_nd(x, places), tf.cast(places[:, 0], tf.int32) % 3, 3)


def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(above(x) ** 2)
    return tape.gradient(total, x)


PROGRAMS = {
    "where": lambda x: tf.where(x > 0),
    "where of a matrix": lambda x: tf.where(tf.reshape(x, [2, 4]) > 0),
    "boolean_mask": above,
    "rows": rows,
    "its size": lambda x: tf.shape(above(x)),
    "sums": lambda x: (tf.reduce_sum(above(x)), tf.reduce_prod(above(x)), tf.reduce_max(above(x))),
    "softmax": lambda x: tf.nn.softmax(above(x)),
    "unique": lambda x: tf.unique(x),
    "of unique": lambda x: tf.gather(TABLE, tf.cast(tf.unique(tf.abs(x)).y, tf.int32)),
    "sort": lambda x: tf.sort(above(x)),
    "reverse": lambda x: tf.reverse(above(x), [0]),
    "slices": lambda x: (above(x)[1:], above(x)[:-1], above(x)[1:3]),
    "concat": lambda x: tf.concat([above(x), x, above(-x)], 0),
    "one next to another": lambda x: above(x) + tf.boolean_mask(3 * x, x > 0),
    "reshape": lambda x: tf.reshape(spread(x), [-1]),
    "reshape twice": lambda x: tf.reshape(tf.reshape(rows(x), [-1]), [-1, 2]) * 2,
    "matmul": lambda x: tf.nn.relu(tf.matmul(rows(x), TABLE[:2]) - 5),
    "matmul over it": lambda x: tf.matmul(rows(x), rows(x), transpose_a=True),
    "embedding": lambda x: tf.gather(TABLE, tf.cast(above(x), tf.int32)),
    "pad": lambda x: tf.pad(above(x), [[1, 2]], constant_values=7),
    "repeat": lambda x: tf.repeat(above(x), 2),
    "range": lambda x: tf.range(tf.size(above(x))),
    "loop": loop,
    "map": lambda x: tf.map_fn(lambda each: each * 2, above(x)),
    "branches": lambda x: tf.cond(x[0] > 0, lambda: above(x), lambda: x),
    "scatter": scattered,
    "groups": sums_of_groups,
    "gradient": gradient,
    "partition": lambda x: tf.dynamic_partition(x, tf.cast(x > 0, tf.int32), 2),
    "suppression": lambda x: tf.image.non_max_suppression(BOXES, x[:4], 3, score_threshold=-0.5),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_rule_90_results_have_tensorflow_s_sizes(what):
    function = tf.function(PROGRAMS[what])
    run = build(*mod_and_params(from_tensorflow(function, tf.TensorSpec((8,), tf.float32))))
    for vector in VECTORS:
        want = [each.numpy() for each in tf.nest.flatten(function(tf.constant(vector)))]
        got = run(vector)
        got = list(got) if isinstance(got, tuple) else [got]
        assert [each.shape for each in got] == [each.shape for each in want], vector
        for a, b in zip(got, want):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=str(vector))


REFUSED = {
    "a mask of a mask": (lambda x: tf.boolean_mask(above(x), above(x) > 1), "Where"),
    "its last element": (lambda x: above(x)[-1], "StridedSlice"),
    "its last elements": (lambda x: above(x)[-2:], "StridedSlice"),
    "diagonal": (lambda x: tf.linalg.diag(above(x)), "MatrixDiag"),
    "roll": (lambda x: tf.roll(above(x), -1, 0), "Roll"),
    "slice to the end": (lambda x: tf.slice(above(x), [tf.minimum(1, tf.size(above(x)))], [-1]), "Slice"),
    "exclusive sums": (lambda x: tf.cumsum(above(x), exclusive=True), "Cumsum"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_rule_90_what_xla_computes_wrong_is_refused(what):
    function, operation = REFUSED[what]
    with pytest.raises(LoweringError, match=operation):
        from_tensorflow(tf.function(function), tf.TensorSpec((8,), tf.float32))
