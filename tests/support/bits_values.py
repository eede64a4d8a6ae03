"""Special values of every element type, as bits: what a number is made of and what comparing values overlooks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tvm_hlo_frontend.hlo.ir.shape import BY_NAME

WORDS = {1: np.dtype("u1"), 2: np.dtype("u2"), 4: np.dtype("u4"), 8: np.dtype("u8")}
# (exponent bits, mantissa bits) of the types of IEEE 754's layout that are too wide for all of their values
_LAYOUT = {"f16": (5, 10), "bf16": (8, 7), "f32": (8, 23), "f64": (11, 52)}
_INTEGER_BITS = (2, 4, 8, 16, 32, 64)
# halves, thirds, the ends of exp, and numbers whose 23rd bit is beside a tie of narrower types
_NUMBERS = (
    0.25, 0.49999997, 0.5, 0.50000006, 0.75, 0.99999994, 1, 1.5, 2, 2.5, 3, 3.5, 7, 10, 88.72, 88.73, 104, 709.78, 745,
    1.0004883, 1.0009766, 1.00390625, 1.01171875, 1e-3, 1e-10, 1e-30, 65504, 65519.996, 65520, 4194304.5, 8388607.5,
    8388609, 3.14159265358979,
)  # fmt: skip


def word(element_type: str) -> np.dtype:
    """Unsigned dtype with as many bytes as an element of numpy's has."""
    return WORDS[BY_NAME[element_type].numpy_dtype.itemsize]


def bits(array: np.ndarray) -> np.ndarray:
    """The bits of an array of any real type."""
    return np.ascontiguousarray(array).view(WORDS[array.dtype.itemsize])


def from_bits(words: object, element_type: str) -> np.ndarray:
    """Array of `element_type` with the given bits."""
    return np.asarray(words, word(element_type)).view(BY_NAME[element_type].numpy_dtype)


def every(element_type: str) -> np.ndarray:
    """All values of a type of at most 16 bits."""
    row = BY_NAME[element_type]
    if row.kind == "signed" and row.bits < 8:
        return np.arange(-(1 << (row.bits - 1)), 1 << (row.bits - 1)).astype(row.numpy_dtype)
    return from_bits(np.arange(1 << row.bits), element_type)


@functools.cache
def special(element_type: str) -> np.ndarray:
    """All values of a type of at most 8 bits, else zeros, subnormals, ends, halves, infinities, and NaNs of several
    payloads, quiet and signalling, of either sign."""
    row = BY_NAME[element_type]
    if row.kind == "pred":
        return np.array([False, True])
    if row.bits <= 8:
        return every(element_type)
    if row.kind != "float":
        return _integers(element_type)
    exponent, mantissa = _LAYOUT[element_type]
    infinity = ((1 << exponent) - 1) << mantissa
    quiet = infinity | 1 << (mantissa - 1)
    one = ((1 << (exponent - 1)) - 1) << mantissa
    codes = {0, 1, 2, 3, (1 << mantissa) - 1, 1 << mantissa, (1 << mantissa) + 1, infinity - 1, infinity}
    codes |= {one - 1, one, one + 1, quiet, quiet | 5, quiet | ((1 << (mantissa - 1)) - 1), infinity | 1, quiet - 1}
    with np.errstate(over="ignore"):
        ends = [Fraction(2) ** (size - sign) for size in _INTEGER_BITS for sign in (0, 1)]
        numbers = np.array([*_NUMBERS, *(float(end) for end in ends)]).astype(row.numpy_dtype)
    near = bits(numbers).astype(np.int64)
    whole = [int(code) + step for code in near[len(_NUMBERS) :] for step in (-1, 0, 1)]
    codes |= {int(code) for code in near[: len(_NUMBERS)]} | set(whole)
    sign = 1 << (row.bits - 1)
    return from_bits([code | side for code in sorted(codes) for side in (0, sign)], element_type)


def _integers(element_type: str) -> np.ndarray:
    row = BY_NAME[element_type]
    info = np.iinfo(row.numpy_dtype)
    numbers = {0, 1, 2, 3, 5, 7, info.max, info.max - 1, info.max // 3, info.min, info.min + 1, row.bits, row.bits - 1}
    for size in (*_INTEGER_BITS, 11, 12, 24, 25, 53, 54):
        for step in (-1, 0, 1):
            numbers |= {(1 << (size - 1)) + step, (1 << size) + step, -(1 << (size - 1)) + step}
    # ties of f32, f16 and bf16, and beside them
    for base in (1 << 8, 1 << 11, 1 << 24, 1 << 30, 1 << 53, 1 << 62):
        for step in (1, 2, 3, base >> 8, base >> 9, (base >> 9) + 1, base >> 24, (base >> 25) + 1):
            numbers |= {base + step, -base - step}
    return np.array(sorted(n for n in numbers if info.min <= n <= info.max), row.numpy_dtype)


def few(element_type: str) -> np.ndarray:
    """The special values that pairs are made of."""
    row = BY_NAME[element_type]
    if row.kind != "float":
        return special(element_type)
    if row.bits <= 8:
        codes = np.arange(1 << row.bits)
        step = max(1, len(codes) // 32)
        kept = (codes % step == 0) | (codes % (len(codes) // 2) < 3) | ((codes + 3) % (len(codes) // 2) < 3)
        return from_bits(codes[kept], element_type)
    exponent, mantissa = _LAYOUT[element_type]
    infinity = ((1 << exponent) - 1) << mantissa
    quiet = infinity | 1 << (mantissa - 1)
    numbers = np.array([0.5, 1, 1.5, 2, 3, 4, 2.5, 1e4], np.float64).astype(row.numpy_dtype)
    codes = [0, 1, (1 << mantissa) - 1, 1 << mantissa, infinity - 1, infinity, quiet, quiet | 5, infinity | 1]
    codes += [int(code) for code in bits(numbers)]
    sign = 1 << (row.bits - 1)
    return from_bits([code | side for code in codes for side in (0, sign)], element_type)


def pairs(element_type: str) -> tuple[np.ndarray, np.ndarray]:
    """(left, right): each special value with each."""
    values = few(element_type)
    left, right = np.divmod(np.arange(len(values) ** 2), len(values))
    return values[left], values[right]


def triples(element_type: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Zeros, ones, infinities and NaN, each with each and each."""
    dtype = BY_NAME[element_type].numpy_dtype
    with np.errstate(all="ignore"):
        values = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]).astype(dtype)
    rows = np.array(list(itertools.product(range(len(values)), repeat=3)))
    return values[rows[:, 0]], values[rows[:, 1]], values[rows[:, 2]]


def _extreme(is_maximum: bool) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """maximum or minimum of IEEE 754-2019."""

    def extreme(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        zeros = bits(x) & bits(y) if is_maximum else bits(x) | bits(y)
        found = np.maximum(x, y) if is_maximum else np.minimum(x, y)
        return np.where(x == y, zeros.view(x.dtype), found)

    return extreme


maximum, minimum = _extreme(True), _extreme(False)
