"""Short transforms of numbers that are in registers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Number


def butterfly(loops: Loops, x: Sequence[Number]) -> list[Number]:
    """sum over j of x[j] exp(-2 pi i j k / n) for each k, as variables; any length n, quick for small primes."""
    n = len(x)
    if n == 1:
        return list(x)
    return _even(loops, x) if n % 2 == 0 else _odd(loops, x)


def _even(loops: Loops, x: Sequence[Number]) -> list[Number]:
    """From those of every second element (Cooley, Tukey)."""
    left, right = butterfly(loops, x[::2]), butterfly(loops, x[1::2])
    turned = [_turned(loops, z, k, len(x)) for k, z in enumerate(right)]
    lower = [_kept(loops, num.add(*pair)) for pair in zip(left, turned)]
    upper = [_kept(loops, num.subtract(*pair)) for pair in zip(left, turned)]
    return [*lower, *upper]


def _turned(loops: Loops, z: Number, k: int, n: int) -> Number:
    """z exp(-2 pi i k / n) for k < n / 2."""
    re, im = z
    if k == 0:
        return z
    if 4 * k == n:
        return im, -re
    angle = 2 * math.pi * k / n
    c, s = (tir.const(value, dtype_of(re)) for value in (math.cos(angle), math.sin(angle)))
    if 8 * k == n:
        return _kept(loops, (c * (re + im), c * (im - re)))
    return _kept(loops, (c * re + s * im, c * im - s * re))


def _odd(loops: Loops, x: Sequence[Number]) -> list[Number]:
    """Elements j and n - j have conjugate factors, and so have results."""
    n, first = len(x), x[0]
    pairs = [(x[j], x[n - j]) for j in range(1, n // 2 + 1)]
    sums = [_kept(loops, num.add(*pair)) for pair in pairs]
    differences = [_kept(loops, num.subtract(*pair)) for pair in pairs]
    total = first
    for term in sums:
        total = num.add(total, term)
    results: list[Number] = [_kept(loops, total), *[first] * (n - 1)]
    for k in range(1, n // 2 + 1):
        even, odd = first, None
        for j, (plus, minus) in enumerate(zip(sums, differences), 1):
            angle = 2 * math.pi * (j * k % n) / n
            c, s = (tir.const(f(angle), dtype_of(first[0])) for f in (math.cos, math.sin))
            even = num.add(even, num.scale(plus, c))
            odd = num.scale(minus, s) if odd is None else num.add(odd, num.scale(minus, s))
        assert odd is not None
        (a, b), (c, d) = _kept(loops, even), _kept(loops, odd)
        results[k], results[n - k] = _kept(loops, (a + d, b - c)), _kept(loops, (a - d, b + c))
    return results


def _kept(loops: Loops, z: Number) -> Number:
    return tuple(loops.values(z, "z"))
