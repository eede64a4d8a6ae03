"""Random numbers: stateful ones, of which the distribution is compared, and stateless ones, which are exact."""

from __future__ import annotations

import numpy as np

from .case import Case, Const, array, f, ints, op_case, scalar

SHAPE = ints(40, 50)


def number(value: float) -> np.ndarray:
    """A scalar argument."""
    return array(value, np.float32)


def stateful() -> list[Case]:
    bounds = number(0), number(1), number(-1), number(1.5)
    return [
        op_case("RandomStandardNormal", SHAPE, dtype=np.float32, random=True),
        op_case("RandomUniform", SHAPE, dtype=np.float32, random=True),
        op_case("RandomUniformInt", SHAPE, scalar(-3), scalar(30), random=True),
        op_case("TruncatedNormal", SHAPE, dtype=np.float32, random=True),
        op_case("RandomShuffle", np.arange(1200, dtype=np.float32).reshape(600, 2), random=True),
        op_case("Multinomial", f(3, 4), scalar(1000), random=True),
        op_case("ParameterizedTruncatedNormal", SHAPE, *bounds, random=True),
    ]


def stateless() -> list[Case]:
    seed = array([3, 5])
    key = np.array([12345], np.uint64), np.array([7, 9], np.uint64), scalar(1)
    bounds = number(0), number(1), number(-1), number(1.5)
    limits = Const(np.int32(-3)), Const(np.int32(30))
    return [
        op_case("StatelessMultinomial", f(3, 4), scalar(1000), seed),
        op_case("StatelessParameterizedTruncatedNormal", SHAPE, seed, *bounds),
        op_case("StatelessRandomGetAlg"),
        op_case("StatelessRandomGetKeyCounter", seed),
        op_case("StatelessRandomGetKeyCounterAlg", seed),
        op_case("StatelessRandomNormal", SHAPE, seed),
        op_case("StatelessRandomNormalV2", SHAPE, *key),
        op_case("StatelessRandomUniform", SHAPE, seed),
        op_case("StatelessRandomUniformV2", SHAPE, *key),
        op_case("StatelessRandomUniformFullInt", SHAPE, seed, dtype=np.int32),
        op_case("StatelessRandomUniformFullIntV2", SHAPE, *key, dtype=np.uint32),
        op_case("StatelessRandomUniformInt", SHAPE, seed, *limits),
        op_case("StatelessRandomUniformIntV2", SHAPE, *key, *limits),
        op_case("StatelessTruncatedNormal", SHAPE, seed),
        op_case("StatelessTruncatedNormalV2", SHAPE, *key),
        op_case("StochasticCastToInt", f(40, 50), *key, Tout=np.int8),
    ]


def cases() -> list[Case]:
    return [*stateful(), *stateless()]
