"""Whole loops as one kernel, its state in place (rule 78), against XLA:CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import compare, describe

from tests.support.emitted import calls_of
from tvm_hlo_frontend import build, from_jax
from tvm_hlo_frontend.backends.select import mod_and_params
from tvm_hlo_frontend.convert.ops import control_flow
from tvm_hlo_frontend.rewrites import unroll_loops

TRIPS = 11
update = lax.dynamic_update_slice


def f32(*sizes):
    count = int(np.prod(sizes))
    return (np.sin(np.arange(count) * 1.7) * np.linspace(0.5, 1.5, count)).astype(np.float32).reshape(sizes)


def s32(*sizes):
    return (np.arange(int(np.prod(sizes))) * 7919 % 23 - 11).astype(np.int32).reshape(sizes)


def f16(*sizes):
    return f32(*sizes).astype(np.float16)


def c64(*sizes):
    return (f32(*sizes) + 1j * f32(*sizes)[::-1]).astype(np.complex64)


def halves(*sizes):
    """Whose sums are exact."""
    return np.round(f16(*sizes) * 4)


def trips(body):
    """A loop of `body(i, *state)`, which gives the new state."""

    def function(*state):
        return lax.fori_loop(0, TRIPS, lambda i, s: tuple(body(i, *s)), tuple(state))

    return function


# state in place: the old value, the new one, or both are read
IN_PLACE = {
    "arrays change places": (trips(lambda i, a, b: (b, a)), f32(5), f32(5) + 1),
    "three arrays in a circle": (trips(lambda i, a, b, c: (b, c, a * 0.5)), f32(5), f32(5) + 1, f32(5) + 2),
    "one from all, all from one": (trips(lambda i, a, b: (a + b[::-1], a - b)), f32(7), f32(7)),
    "an array from itself at other places": (trips(lambda i, a: (a + jnp.roll(a, 1) * 0.5,)), f32(9)),
    "an array of itself the other way round": (trips(lambda i, a: (a[::-1] * 0.9,)), f32(9)),
    "a matrix and its transpose": (trips(lambda i, a: (a.T * 0.5 + a,)), f32(4, 4)),
    "a row is written": (trips(lambda i, a: (a.at[i % 4].set(a[(i + 1) % 4] * 0.5),)), f32(4, 3)),
    "a row is written and read": (
        trips(
            lambda i, a, t: (a.at[i % 4].add(t), t * 0.5 + lax.dynamic_index_in_dim(a.at[i % 4].add(t), i % 4, 0)[0])
        ),
        f32(4, 3),
        f32(3),
    ),
    "the old array is read after the update": (
        trips(lambda i, a, t: (updated := update(a, t, (i % 3,)), t + updated[:2] * a[1:3] * 0.1)),
        f32(4),
        f32(2),
    ),
    "the old array is the result, too": (
        trips(lambda i, a, b: (update(a, b[:2], (i % 3,)), a)),
        f32(4),
        f32(4) + 1,
    ),
    "two updates of one array": (
        trips(lambda i, a, b: (a.at[i % 4].set(2.0 + i), a.at[(i + 1) % 4].set(3.0))),
        f32(4),
        f32(4),
    ),
    "an update of an update": (
        trips(lambda i, a: (update(update(a, a[2:], (0,)), a[:2], (2,)),)),
        f32(4),
    ),
    "an overlapping move": (trips(lambda i, a: (update(a, a[:-1] * 0.9, (1,)),)), f32(6)),
    "starts outside": (
        trips(lambda i, a, t: (update(a, t, (i - 5, 3 * i)), lax.dynamic_slice(a, (i, i - 9), (2, 2)))),
        f32(4, 5),
        f32(2, 2),
    ),
    "what does not change": (trips(lambda i, a, w, b: (jnp.tanh(a @ w + b), w, b)), f32(4), f32(4, 4), f32(4)),
    "constants that change places": (trips(lambda i, a, w, b: (a + w, b, w)), f32(4), f32(4), f32(4) + 1),
    "reshaped and written": (trips(lambda i, a: (a.reshape(6).at[i % 6].set(1.5).reshape(2, 3) * 0.9,)), f32(2, 3)),
    "flags": (trips(lambda i, p, a: (jnp.logical_xor(p, a > 0), jnp.where(p, -a, a * 0.5))), f32(5) > 0.2, f32(5)),
}


def nested(x):
    def outer(i, state):
        a, b = state
        a = lax.fori_loop(0, i, lambda j, s: s.at[j % 3].add(b[j % 3] * 0.1), a)
        return a, b + a.sum() * 0.01

    return lax.fori_loop(0, TRIPS, outer, (x, x + 1))


def nested_with_old(x):
    def outer(i, a):
        inner = lax.fori_loop(0, i, lambda j, s: jnp.roll(s, 1) * 0.9 + a, a)
        return inner + a * 0.5

    return lax.fori_loop(0, TRIPS, outer, x)


def twice_the_same(x):
    def outer(i, a):
        p, q = lax.fori_loop(0, 3, lambda j, s: (s[0] + s[1][::-1], s[1] * 0.5), (a, a))
        return (p + q) * 0.1

    return lax.fori_loop(0, TRIPS, outer, x)


def chosen(x):
    def body(i, s):
        a, b = s
        a = lax.cond(b.sum() > 0, lambda v: v.at[i % 3].set(b[0]), lambda v: -v * 0.9, a)
        b = lax.switch(i % 5, [lambda v: v + 1, lambda v: v[::-1], lambda v: v - jnp.float32(2)], b)
        return a, b

    return lax.fori_loop(0, TRIPS, body, (x, x[::-1]))


def key_value_cache(x, w):
    def step(i, s):
        keys, values, token = s
        keys = update(keys, (token @ w)[None], (i, 0))
        values = update(values, (w @ token)[None], (i, 0))
        scores = jnp.where(jnp.arange(keys.shape[0]) <= i, keys @ token, -jnp.inf)
        weights = jnp.exp(scores - scores.max())
        return keys, values, jnp.tanh(weights @ values / weights.sum())

    zeros = jnp.zeros((TRIPS, x.shape[0]), x.dtype)
    return lax.fori_loop(0, TRIPS, step, (zeros, zeros, x))


def recurrence(x, w):
    step = lambda c, row: (jnp.tanh(c @ w + row),) * 2  # noqa: E731
    return lax.scan(step, x[0], x)


def sampler(seed):
    def step(carry, _):
        key, x = carry
        key, first, second = jax.random.split(key, 3)
        y = x + jax.random.normal(first, x.shape)
        x = jnp.where(jnp.log(jax.random.uniform(second)) < 0.5 * ((x**2).sum() - (y**2).sum()), y, x)
        return (key, x), x

    return lax.scan(step, (jax.random.PRNGKey(seed), jnp.zeros(3)), None, length=TRIPS)


def with_a_table(x):
    table = jnp.asarray(np.arange(40, dtype=np.float32).reshape(8, 5) / 40)
    return lax.fori_loop(0, TRIPS, lambda i, s: s * 0.9 + table[i % 8], x)


def until(x):
    return lax.while_loop(lambda s: jnp.abs(s).max() > 1e-3, lambda s: s[::-1] * 0.7, x)


def greedy_decoding(x, w):
    def step(i, s):
        tokens, state = s
        token = jnp.argmax(state @ w)
        return tokens.at[i].set(token), jnp.tanh(w[:, token] + state)

    return lax.fori_loop(0, TRIPS, step, (jnp.zeros(TRIPS, jnp.int32), x))


def sampling_of_the_first(logits, key):
    def step(i, s):
        key, tokens = s
        key, now = jax.random.split(key)
        values, places = lax.top_k(logits * (1 + i * 0.1), 5)
        return key, tokens.at[i].set(places[jax.random.categorical(now, values)])

    return lax.fori_loop(0, TRIPS, step, (key, jnp.zeros(TRIPS, jnp.int32)))


def sampling_of_a_nucleus(logits, key):
    def step(i, s):
        key, tokens = s
        key, now = jax.random.split(key)
        order = jnp.argsort(-logits)
        below = jnp.cumsum(jax.nn.softmax(logits[order])) < 0.9
        chosen = jax.random.categorical(now, jnp.where(below, logits[order], -jnp.inf))
        return key, tokens.at[i].set(order[chosen])

    return lax.fori_loop(0, TRIPS, step, (key, jnp.zeros(TRIPS, jnp.int32)))


def bits_of_a_generator(state):
    def step(i, s):
        state, total = s
        state, bits = lax.rng_bit_generator(state, (5,), algorithm=lax.RandomAlgorithm.RNG_PHILOX)
        return state, total + bits

    return lax.fori_loop(0, TRIPS, step, (state, jnp.zeros(5, jnp.uint32)))


def training(x, w):
    def loss(w):
        return (lax.conv_general_dilated(x, w, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) ** 2).sum()

    return lax.fori_loop(0, TRIPS, lambda i, w: w - 0.001 * jax.grad(loss)(w), w)


def gradient_of_a_scan(x, w):
    return jax.grad(lambda v: (recurrence(x, v)[1] ** 2).sum())(w)


WHOLE = {
    "a loop in a loop": (nested, f32(3)),
    "a loop in a loop, old state needed": (nested_with_old, f32(5)),
    "one array twice in the state": (twice_the_same, f32(4)),
    "conditionals": (chosen, f32(3)),
    "a cache of keys and values": (key_value_cache, f32(8), f32(8, 8) / 3),
    "a recurrence": (recurrence, f32(TRIPS, 20), f32(20, 20) / 5),
    "its gradient": (gradient_of_a_scan, f32(TRIPS, 6), f32(6, 6) / 3),
    "greedy decoding": (greedy_decoding, f32(6), f32(6, 200)),
    "sampling of the first": (sampling_of_the_first, f32(50), np.array([3, 7], np.uint32)),
    "sampling of a nucleus": (sampling_of_a_nucleus, f32(50), np.array([3, 7], np.uint32)),
    "bits of a generator": (bits_of_a_generator, np.arange(3, 7, dtype=np.uint32)),
    "training of a convolution": (training, f32(2, 6, 6, 3), f32(3, 3, 3, 4)),
    "a sampler": (sampler, np.int32(3)),
    "a constant array": (with_a_table, f32(5)),
    "until it is small": (until, f32(6)),
    "no trip": (lambda x, n: lax.fori_loop(0, n, lambda i, s: jnp.flip(s) @ s, x), f32(3, 3), np.int32(0)),
}


def each(function):
    """A loop in which `function` of the arrays is added up."""

    def looped(*arrays):
        shape = jax.eval_shape(function, np.int32(0), *arrays)
        start = jnp.zeros(shape.shape, shape.dtype)
        if shape.dtype == bool:
            return lax.fori_loop(0, TRIPS, lambda i, total: total ^ function(i, *arrays)[::-1], start)
        return lax.fori_loop(0, TRIPS, lambda i, total: jnp.flip(total) + function(i, *arrays), start)

    return looped


def dot(lhs, rhs, contracting, batch=((), ())):
    return each(lambda i, x, y: lax.dot_general(x + i.astype(x.dtype), y, (contracting, batch))), lhs, rhs


def gradient_of_maxima(i, x):
    largest = lambda v: lax.reduce_window(v, -np.inf, lax.max, (2, 3), (1, 2), "VALID")  # noqa: E731
    return jax.grad(lambda v: (largest(v) ** 2).sum())(x * (i - 4.5))


def windows_of_two(i, x, y):
    step = lambda p, q: (p[0] + q[0] * 0.5, jnp.minimum(p[1], q[1]))  # noqa: E731
    start = (np.float32(0), np.int32(3))
    return sum(lax.reduce_window((x * i, y), start, step, (3,), (2,), ((1, 1),)))


def convolution(lhs, rhs, layout="NCHW", kernel="OIHW", strides=(1, 1), padding="SAME", **rest):
    def function(i, x, y):
        numbers = (layout, kernel, layout)
        return lax.conv_general_dilated(x + i.astype(x.dtype), y, strides, padding, dimension_numbers=numbers, **rest)

    return each(function), lhs, rhs


OPCODES = {
    "convolution": convolution(f32(1, 3, 6, 9), f32(5, 3, 3, 3)),
    "convolution, channels last": convolution(f32(2, 6, 5, 3), f32(3, 3, 3, 5), "NHWC", "HWIO"),
    "convolution with holes": convolution(
        f32(2, 3, 7, 5),
        f32(4, 3, 3, 2),
        "NCHW",
        "OIHW",
        (2, 3),
        [(1, 2), (0, 3)],
        lhs_dilation=(2, 1),
        rhs_dilation=(1, 2),
    ),
    "convolution of a part": convolution(f32(1, 3, 7, 9), f32(4, 3, 3, 2), padding=[(-1, 2), (0, -3)]),
    "convolution in groups": convolution(f32(2, 4, 5, 4), f32(6, 2, 3, 3), feature_group_count=2),
    "convolution of every channel": convolution(
        f32(1, 5, 4, 4), f32(3, 3, 1, 8), "NHWC", "HWIO", feature_group_count=4
    ),
    "convolution in groups of the batch": convolution(f32(4, 3, 5, 4), f32(6, 3, 3, 3), batch_group_count=2),
    "convolution of the past": convolution(f32(1, 12, 6), f32(4, 6, 6), "NWC", "WIO", (1,), [(3, 0)]),
    "convolution of integers": convolution(s32(2, 3, 5, 5), s32(5, 3, 3, 3)),
    "dot, rows times columns": dot(f32(5, 70), f32(70, 33), ((1,), (0,))),
    "dot, columns times rows": dot(f32(70, 5), f32(33, 70), ((0,), (1,))),
    "dot, rows times rows": dot(f32(3, 70), f32(6, 70), ((1,), (1,))),
    "dot, columns times columns": dot(f32(9, 3), f32(9, 17), ((0,), (0,))),
    "dot, a vector times a matrix": dot(f32(37), f32(37, 21), ((0,), (0,))),
    "dot, a matrix times a vector": dot(f32(21, 37), f32(37), ((1,), (0,))),
    "dot, a column": dot(f32(37, 21), f32(37, 1), ((0,), (0,))),
    "dot, vectors": dot(f32(37), f32(37), ((0,), (0,))),
    "dot, an outer product": dot(f32(5), f32(19), ((), ())),
    "dot, batches": dot(f32(2, 4, 6), f32(2, 6, 9), ((2,), (1,)), ((0,), (0,))),
    "dot, batches behind": dot(f32(4, 6, 2), f32(6, 9, 2), ((1,), (0,)), ((2,), (2,))),
    "dot, two contracting": dot(f32(3, 4, 5), f32(5, 4, 18), ((1, 2), (1, 0))),
    "dot, two contracting in rows": dot(f32(3, 4, 40), f32(2, 4, 40), ((1, 2), (1, 2))),
    "dot, tiles of rows": dot(f32(83, 9), f32(9, 45), ((1,), (0,))),
    "dot, many tiles of rows": dot(f32(290, 21), f32(21, 10), ((1,), (0,))),
    "dot, tiles of rows times rows": dot(f32(9, 70), f32(14, 70), ((1,), (1,))),
    "dot by several threads": dot(f32(66, 70), f32(70, 66), ((1,), (0,))),
    "dot by several threads, rows times rows": dot(f32(66, 70), f32(66, 70), ((1,), (1,))),
    "dot by several threads, batches": dot(f32(2, 35, 70), f32(2, 70, 66), ((2,), (1,)), ((0,), (0,))),
    "dot by several threads, batches behind": dot(f32(70, 70, 2), f32(70, 35, 2), ((1,), (0,)), ((2,), (2,))),
    "dot of integers": dot(s32(5, 6) * 40_000_001, s32(6, 7), ((1,), (0,))),
    "dot of bytes": dot(s32(5, 6).astype(np.uint8), s32(6, 18).astype(np.uint8), ((1,), (0,))),
    "dot of halves": dot(f16(5, 70), f16(70, 9), ((1,), (0,))),
    "dot of halves as floats": (
        each(lambda i, x, y: lax.dot(x + i.astype(x.dtype), y, preferred_element_type=np.float32)),
        f16(5, 70),
        f16(70, 9),
    ),
    "dot of bytes as integers": (
        each(lambda i, x, y: lax.dot(x + i.astype(x.dtype), y, preferred_element_type=np.int32)),
        s32(5, 30).astype(np.int8) * 9,
        s32(30, 6).astype(np.int8) * 9,
    ),
    "dot of flags": (each(lambda i, x, y: lax.dot(x > i, y > 2)), s32(3, 7), s32(7, 5)),
    "sum of halves": (
        each(lambda i, x: lax.reduce(x * (i % 3).astype(x.dtype), np.float16(0), lax.add, (1,))),
        halves(3, 40),
    ),
    "running sum of halves": (each(lambda i, x: jnp.cumsum(x * (i % 3).astype(x.dtype), 1)), halves(3, 30)),
    "maximum of halves with NaN": (
        each(lambda i, x: (x + i.astype(x.dtype)).max(1)),
        np.where(f16(5, 40) > 1.3, np.nan, f16(5, 40)),
    ),
    "rows of halves are written": (trips(lambda i, a: (a.at[i % 4].set(a[(i + 1) % 4] * 0.5),)), f16(4, 3)),
    "halves are added": (each(lambda i, x, at: x.at[at].add(x[:5] * i.astype(x.dtype))), halves(6), s32(5) % 3),
    "sum of rows": (each(lambda i, x: (x * i).sum(1)), f32(5, 70)),
    "sum of columns": (each(lambda i, x: (x * i).sum(0)), f32(5, 70)),
    "sum of all": (each(lambda i, x: (x * i).sum(keepdims=True)), f32(5, 70)),
    "sum in the middle": (each(lambda i, x: (x + i).sum(1)), f32(3, 4, 5)),
    "sum around the middle": (each(lambda i, x: (x + i).sum((0, 2))), f32(3, 4, 40)),
    "maximum with NaN": (each(lambda i, x: (x + i).max(1)), np.where(f32(5, 40) > 1.3, np.nan, f32(5, 40))),
    "minimum": (each(lambda i, x: (x + i).min(1)), s32(5, 40)),
    "product": (each(lambda i, x: x.prod(1) + i), f32(5, 6)),
    "any": (each(lambda i, x: (x > i).any(1)), f32(5, 6)),
    "all": (each(lambda i, x: (x < i).all(0)), f32(5, 6)),
    "or of bits": (each(lambda i, x: lax.reduce_or(x + i, (1,))), s32(4, 40)),
    "argmax with NaN": (
        each(lambda i, x: jnp.argmax(x * i, 1)),
        np.where(np.arange(200).reshape(2, 100) % 171 == 170, np.nan, f32(2, 100)),
    ),
    "argmax of long rows with NaN": (
        each(lambda i, x: jnp.argmax(x * (i - 4), 1)),
        np.where(np.arange(600).reshape(2, 300) % 409 == 408, np.nan, np.round(f32(2, 300) * 4)),
    ),
    "argmin of columns": (each(lambda i, x: jnp.argmin(x * (i - 5), 0)), s32(40, 3)),
    "argmax of all": (each(lambda i, x: jnp.argmax(x * (i - 5), keepdims=True)), s32(5, 40)),
    "argmax of flags": (each(lambda i, x: jnp.argmax(x > i, 1)), s32(5, 6)),
    "two reductions at once": (
        trips(
            lambda i, low, high, x: (
                *lax.reduce(
                    (x + low[:, None], x * i),
                    (np.inf, -np.inf),
                    lambda a, b: (jnp.minimum(a[0], b[0]), a[1] + b[1]),
                    (0, 2),
                ),
                x,
            )
        ),
        f32(4),
        f32(4),
        f32(3, 4, 5),
    ),
    "sort of rows": (
        trips(lambda i, s, x: (jnp.sort(x * (i - 4.5) - s, 1), x)),
        np.where(f32(3, 40) > 1.2, np.nan, np.round(f32(3, 40) * 4)),
        f32(3, 40),
    ),
    "sort of a long row": (each(lambda i, x: jnp.sort(x * (i - 5))), s32(200)),
    "sort of one element": (each(lambda i, x: jnp.sort(x * i, 1)), f32(5, 1)),
    "positions of columns in order": (each(lambda i, x: jnp.argsort(x % 7 * (i - 4), 0)), s32(20, 3)),
    "sort of three by two": (
        each(lambda i, x, y: jnp.stack(lax.sort((x * (i - 4.0), y, x), dimension=0, num_keys=2)).sum(0)),
        np.round(f32(30)),
        f32(30)[::-1].copy(),
    ),
    "sort of bytes downwards": (each(lambda i, x: jnp.sort(x, descending=True)), s32(30).astype(np.uint8)),
    "first of rows": (
        each(lambda i, x: lax.top_k(x * (i - 4.5), 3)[0]),
        np.where(f32(5, 40) > 1.3, np.nan, f32(5, 40)),
    ),
    "places of the first": (each(lambda i, x: lax.top_k(x * (i - 4), 7)[1]), s32(3, 7)),
    "running sum": (each(lambda i, x: jnp.cumsum(x * i, 1)), f32(3, 40)),
    "running product backwards": (each(lambda i, x: lax.cumprod(x + i / 8, 0, reverse=True)), f32(6, 3)),
    "running maximum": (each(lambda i, x: lax.cummax(x * (i - 4), 0)), s32(9, 7)),
    "windows of maxima": (
        each(lambda i, x: lax.reduce_window(x * (i - 4.5), -np.inf, lax.max, (1, 3, 2), (1, 2, 2), "SAME")),
        f32(2, 9, 7),
    ),
    "windows with holes": (
        each(
            lambda i, x: lax.reduce_window(
                x * i, np.float32(1), lax.add, (3, 2), (2, 1), ((1, 2), (0, 1)), (2, 1), (1, 2)
            )
        ),
        f32(9, 7),
    ),
    "gradient of windows of maxima": (each(gradient_of_maxima), np.round(f32(6, 7) * 2)),
    "windows of two arrays": (each(windows_of_two), f32(9), s32(9)),
    "gather of rows": (each(lambda i, x, at: jnp.take(x, at + i, axis=0, mode="clip")), f32(6, 4), s32(2, 3)),
    "gather of elements": (each(lambda i, x, at: x[at % 6, (at + i) % 4]), f32(6, 4), s32(2, 3)),
    "gather of windows": (
        each(lambda i, x, at: jax.vmap(lambda a: lax.dynamic_slice(x, (a + i, a), (2, 3)))(at)),
        f32(6, 4),
        s32(5),
    ),
    "gather in batches": (each(lambda i, x, at: jnp.take_along_axis(x, (at + i) % 6, 0)), f32(6, 4), s32(3, 4)),
    "scatter of rows": (each(lambda i, x, at: x.at[at + i].add(x[:4] * i)), f32(6, 4), s32(4) % 6),
    "scatter to one place": (each(lambda i, x, at: x.at[at].mul(x[:5])), f32(6), np.array([2, 2, 9, -9, 2], np.int32)),
    "scatter of windows": (
        each(
            lambda i, x, at: lax.scatter(
                x,
                at + i,
                x[:3, :2].reshape(3, 1, 2),
                lax.ScatterDimensionNumbers((1, 2), (), (0, 1)),
                mode=lax.GatherScatterMode.FILL_OR_DROP,
            )
        ),
        f32(6, 4),
        s32(3, 2) // 3,
    ),
    "scatter in batches": (
        each(lambda i, x, at: jax.vmap(lambda v, a: v.at[a].max(i * 0.3))(x, at)),
        f32(4, 6),
        s32(4),
    ),
    "pad": (each(lambda i, x: lax.pad(x + i, jnp.float32(2), ((1, 2, 1), (-1, 0, 0)))), f32(4, 5)),
    "pad that cuts": (each(lambda i, x: lax.pad(x + i, jnp.float32(2), ((-1, -2, 1), (-7, 4, 0)))), f32(4, 5)),
    "concatenate": (each(lambda i, x: jnp.concatenate([x * i, x[:, 1:3], x], 1)), f32(4, 5)),
    "slice with steps": (each(lambda i, x: lax.slice(x * i, (1, 0), (6, 5), (2, 3))), f32(6, 5)),
    "transpose": (each(lambda i, x: lax.transpose(x * i, (2, 0, 1))), f32(2, 3, 4)),
    "reshape": (each(lambda i, x: (x.T * i).reshape(3, 4)), f32(6, 2)),
    "iota": (each(lambda i, x: lax.broadcasted_iota(jnp.int8, (3, 200), 1) + x.astype(jnp.int8)), s32(3, 1)),
    "broadcast": (each(lambda i, x: jnp.broadcast_to((x * i)[:, None, :], (3, 4, 5)) * x[:, :1, None]), f32(3, 5)),
    "dot of complex numbers": dot(c64(5, 6), c64(6, 4), ((1,), (0,))),
    "sum of complex numbers": (each(lambda i, x: (x * i).sum(0)), c64(5, 6)),
    "rows of complex numbers are written": (trips(lambda i, a: (a.at[i % 4].set(a[(i + 1) % 4] * 0.5j),)), c64(4, 3)),
    "spectrum": (each(lambda i, x: jnp.fft.fft(x * i)), c64(16)),
    "clamp": (each(lambda i, x: lax.clamp(jnp.float32(-0.5), x * i, jnp.float32(0.5))), f32(6)),
    "bits": (each(lambda i, x: lax.bitcast_convert_type(x + i, jnp.uint32) >> 3), f32(6)),
    "bits of words as bytes": (each(lambda i, x: lax.bitcast_convert_type(x + i, jnp.uint8)), f32(6)),
    "bits of bytes as words": (
        each(lambda i, x: lax.bitcast_convert_type(x + i.astype(x.dtype), jnp.int32)),
        s32(3, 4).astype(np.uint8),
    ),
    "bytes wrap": (each(lambda i, x: x * x + i.astype(jnp.uint8)), s32(9).astype(np.uint8)),
    "dynamic-slice by bytes": (
        each(lambda i, x, at: lax.dynamic_slice(x, (at[0] + i.astype(jnp.uint8),), (3,))),
        f32(300),
        np.array([250], np.uint8),
    ),
}
CASES = {**IN_PLACE, **WHOLE, **OPCODES}


@pytest.fixture
def no_other_kernel(monkeypatch):
    for module in (control_flow, unroll_loops):
        monkeypatch.setattr(module, "match_elementwise_loop", lambda _: None)


@pytest.mark.parametrize("name", CASES)
def test_a_loop_is_one_kernel_and_gives_what_xla_does(name, no_other_kernel):
    function, *arrays = CASES[name]
    lowered = jax.jit(function, keep_unused=True).lower(*arrays)
    hlo = lowered.compiler_ir("hlo").as_serialized_hlo_module_proto()
    mod, params = mod_and_params(from_jax(function, *arrays))
    assert "loop" in calls_of(mod), calls_of(mod)
    got = [np.asarray(leaf) for leaf in jax.tree.leaves(build(mod, params)(*arrays))]
    wanted = [np.asarray(leaf) for leaf in jax.tree.leaves(jax.jit(function)(*arrays))]
    compare(got, wanted, rtol=2e-5, describe=lambda *at: describe(hlo, arrays, *at))


@pytest.mark.parametrize("seed", range(6))
def test_loops_of_any_body(seed, no_other_kernel):
    """Bodies made by chance: what is updated in place is as if it had been copied."""
    function, arrays = loop_by_chance(np.random.default_rng(seed))
    mod, params = mod_and_params(from_jax(function, *arrays))
    assert "loop" in calls_of(mod), calls_of(mod)
    got = jax.tree.leaves(build(mod, params)(*arrays))
    for one, want in zip(got, jax.tree.leaves(jax.jit(function)(*arrays)), strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-4, atol=1e-4, err_msg=str(jax.make_jaxpr(function)(*arrays)))


def loop_by_chance(random):
    """A loop over four arrays; each result is one of the values that a chain of steps has made of them."""
    steps = [(int(random.integers(len(STEPS))), random.integers(0, 1 << 20, 3)) for _ in range(12)]
    results = random.integers(0, 1 << 20, 4)

    def body(i, *state):
        values = list(state)
        for number, (first, second, shift) in steps:
            x, y = values[first % len(values)], values[second % len(values)]
            values.append(jnp.tanh(STEPS[number](x, y, i + int(shift) % 7)))
        return [values[len(values) - 1 - result % len(values)] for result in results]

    return trips(body), [f32(4, 6) + number for number in range(4)]


STEPS = [
    lambda x, y, i: x + y,
    lambda x, y, i: x * y[::-1],
    lambda x, y, i: update(x, y[:1], (i % 4, 0)),
    lambda x, y, i: update(x, y[:2, 1:4], (i % 4, i % 3)),
    lambda x, y, i: jnp.roll(x, i, 1) if isinstance(i, int) else jnp.roll(x, 1, 1) - y,
    lambda x, y, i: jnp.broadcast_to(lax.dynamic_index_in_dim(x, i % 4, 0), x.shape) + y,
    lambda x, y, i: x @ (y.T @ x) * 0.1,
    lambda x, y, i: jnp.where(x > y, x, y.sum(0)),
    lambda x, y, i: lax.fori_loop(0, i % 3, lambda j, s: s.at[j].set(y[3 - j] * 0.5), x),
    lambda x, y, i: lax.cond(i % 2 == 0, lambda v: v[::-1], lambda v: v.at[1].set(y[2]), x),
    lambda x, y, i: jnp.concatenate([x[2:], y[:2]]),
    lambda x, y, i: x.T.reshape(4, 6) + y.max(1, keepdims=True),
]
