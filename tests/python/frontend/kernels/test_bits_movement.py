"""What only moves numbers keeps all of their bits, and reductions give the right one of two zeros."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from tools.support.compare import _flat, converted, run_plain, run_tvm
from tools.support.oracle import run_xla

from tests.support.bits_check import ANY_NAN, FLUSHED, assert_none, failures
from tests.support.bits_values import bits, few, from_bits, maximum, minimum, special, triples
from tvm_hlo_frontend.hlo.ir.attributes import NoAttributes
from tvm_hlo_frontend.hlo.ir.builder import ComputationBuilder, module
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, array_shape

KINDS = ("f16", "f32", "f64", "bf16", "f8e5m2", "f8e4m3fnuz")
PLACES = np.array([5, 0, 3, 3, 9, 17, 1], np.int32)


def moves(x: Any, start: Any, constant: Any) -> tuple[Any, ...]:
    """Every opcode that moves elements."""
    square = x[:24].reshape(4, 6)
    return (
        x + 0 if x.dtype == jnp.int32 else lax.optimization_barrier(x),
        square.T,
        x[1:20:3],
        x[::-1],
        lax.pad(x, x[-1], [(2, -1, 1)]),
        lax.concatenate([x, constant, x[:3]], 0),
        x[PLACES],
        lax.dynamic_slice(x, (start,), (5,)),
        lax.dynamic_update_slice(square, square[2:, 3:], (start, start)),
        jnp.broadcast_to(x[:, None], (x.shape[0], 2)),
        lax.select(np.arange(x.shape[0]) % 3 == 0, x, x[::-1]),
        x.at[PLACES[[0, 1, 2, 4]]].set(x[-4:]),
        lax.select(start > 1, square, square[::-1]),
        lax.fori_loop(0, start, lambda _, y: jnp.roll(y, 1), x),
    )


def lowered(function: Any, *arguments: np.ndarray) -> bytes:
    with jax.enable_x64(True):
        return jax.jit(function, keep_unused=True).lower(*arguments).compiler_ir("hlo").as_serialized_hlo_module_proto()


@pytest.mark.parametrize("kind", KINDS)
def test_movement_keeps_all_bits(kind: str) -> None:
    """The same moves of unsigned words say what comes out: XLA:CPU's own select of bf16 and f8 empties payloads."""
    x, start = np.resize(few(kind), 36), np.array(2, np.int32)
    constant = few(kind)[::-1].copy()
    proto = lowered(lambda x, start: moves(x, start, constant), x, start)
    with jax.enable_x64(True):
        wanted = jax.jit(lambda x, start: moves(x, start, bits(constant)))(bits(x), start)
    lines = []
    for number, (got, want) in enumerate(zip(run_tvm(proto, [x, start]), wanted)):
        lines += failures(f"move {number}", [], got, np.asarray(want).view(x.dtype), of_xla=False)
    assert_none(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_bits_and_back_through_constants_and_saved_modules(kind: str) -> None:
    """bitcast-convert to words and from words, of parameters and literals; the module is written as JSON and read."""
    import tvm

    x = special(kind)
    word = f"u{BY_NAME[kind].bits}"
    builder = ComputationBuilder("main")
    parameter = builder.parameter(0, array_shape(kind, x.shape))
    words = builder.parameter(1, array_shape(word, x.shape))
    literals = [builder.constant(x, kind), builder.constant(x[:9], kind)]
    made = [
        builder.add("bitcast-convert", [operand], array_shape(word, operand.shape.sizes), NoAttributes())
        for operand in (parameter, *literals)
    ]
    made += [builder.add("bitcast-convert", [words], array_shape(kind, x.shape)), parameter, *literals]
    hlo = module("bits", builder.build(builder.add("tuple", made)))
    wanted = [bits(x), bits(x), bits(x[:9]), x, x, x, x[:9]]
    lines = []
    for number, (got, want) in enumerate(zip(run_tvm(hlo, [x, bits(x)]), wanted)):
        lines += failures(f"result {number}", [x] if got.size == x.size else [], got, want, of_xla=False)
    if kind in ("f16", "f32", "f64"):  # other types are stored as words
        from tools.support.oracle import serialized

        mod, params = converted(serialized(hlo))
        read = tvm.ir.load_json(tvm.ir.save_json(mod))
        for number, (got, want) in enumerate(zip(_flat(run_plain(read, params, [x, bits(x)], False)), wanted)):
            lines += failures(f"result {number} after JSON", [], got, want, of_xla=False)
    assert_none(lines)


def reductions(rows: Any, x: Any) -> tuple[Any, ...]:
    """maximum and minimum by every opcode with a body."""
    results: list[Any] = []
    for operation, cumulative, least in ((lax.max, lax.cummax, -jnp.inf), (lax.min, lax.cummin, jnp.inf)):
        init = np.asarray(least, rows.dtype)
        results += [
            lax.reduce(rows, init, operation, (1,)),
            lax.reduce(rows.T, init, operation, (0,)),
            lax.reduce(rows, rows[0, 0], operation, (0, 1)),
            lax.reduce_window(x, init, operation, (3,), (1,), ((1, 1),)),
            lax.reduce_window(rows.T, init, operation, (2, 1), (1, 1), "VALID"),
            cumulative(x, axis=0),
            cumulative(rows, axis=1, reverse=True),
        ]
    results += [x.at[PLACES].max(x[-7:]), x.at[PLACES].min(x[-7:])]
    results.append(lax.sort([x, np.arange(x.shape[0], dtype=np.int32)], num_keys=1)[1])
    results.append(lax.reduce_precision(x, 5, 3))
    return tuple(results)


@pytest.mark.parametrize("kind", ["f16", "f32", "f64"])
def test_reductions_give_the_right_zero(kind: str) -> None:
    rows = np.stack(triples(kind), 1)
    zeros = from_bits([0, 1 << (BY_NAME[kind].bits - 1)], kind)
    x = np.concatenate([rows[::9].reshape(-1), zeros[np.random.default_rng(3).integers(0, 2, 40)]])
    proto = lowered(reductions, rows, x)
    lines = []
    for number, (got, want) in enumerate(zip(run_tvm(proto, [rows, x]), run_xla(proto, [rows, x]))):
        lines += failures(f"result {number}", [], got, want, frozenset({ANY_NAN, FLUSHED}))
    assert_none(lines)


def test_long_rows_keep_nan_and_the_right_zero() -> None:
    """By IEEE 754: XLA:CPU of jaxlib 0.10.2 loses NaN and -0 in rows of 71."""
    rows = np.stack(triples("f32"), 1)
    x = np.concatenate([np.tile(rows, (1, 23)), rows[:, :2]], 1)
    proto = lowered(lambda x: (x.max(1), x.min(1), x.T.max(0)), x)
    got = run_tvm(proto, [x])
    lines = []
    for number, exact in enumerate((maximum, minimum, maximum)):
        want = functools.reduce(exact, x.T)
        lines += failures(f"result {number}", [], got[number], want, frozenset({ANY_NAN}), of_xla=False)
    assert_none(lines)
