"""Real numbers that keep their accuracy, and the four operations on pairs.

Sources: C99 Annex G for infinities and zeros, Smith's division, and what XLA:CPU returns.
"""

from __future__ import annotations

import math

from ...hlo.ir.module import HloInstruction
from ..emit import Emitter, Operand
from .pair import Pair


def add(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """z + w."""
    return Pair(emit("add", z.re, w.re), emit("add", z.im, w.im))


def subtract(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """z - w."""
    return Pair(emit("subtract", z.re, w.re), emit("subtract", z.im, w.im))


def negate(emit: Emitter, z: Pair) -> Pair:
    """-z."""
    return Pair(emit("negate", z.re), emit("negate", z.im))


def scale(emit: Emitter, z: Pair, factor: Operand) -> Pair:
    """Both components times a real factor."""
    return Pair(emit("multiply", z.re, factor), emit("multiply", z.im, factor))


def multiply(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """(ac - bd, ad + bc), as XLA."""
    re = emit("subtract", emit("multiply", z.re, w.re), emit("multiply", z.im, w.im))
    im = emit("add", emit("multiply", z.re, w.im), emit("multiply", z.im, w.re))
    return Pair(re, im)


def divide(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """Smith's division, with the infinities and zeros of C99 Annex G."""
    wide = emit.compare("GE", emit("abs", w.re), emit("abs", w.im))
    large, small = emit.select(wide, w.re, w.im), emit.select(wide, w.im, w.re)
    ratio = emit("divide", small, large)
    denominator = emit("add", large, emit("multiply", small, ratio))
    # numerators are (a + b r, b - a r) for |c| >= |d|, else (a r + b, b r - a)
    first, second = emit.select(wide, z.re, z.im), emit.select(wide, z.im, z.re)
    re = emit("add", first, emit("multiply", second, ratio))
    cross = emit("subtract", second, emit("multiply", first, ratio))
    im = emit.select(wide, cross, emit("negate", cross))
    quotient = Pair(emit("divide", re, denominator), emit("divide", im, denominator))
    return _special_quotients(emit, z, w, quotient)


def _special_quotients(emit: Emitter, z: Pair, w: Pair, quotient: Pair) -> Pair:
    zero = emit("and", emit.compare("EQ", w.re, 0), emit.compare("EQ", w.im, 0))
    infinity = copy_sign(emit, emit.full(math.inf, w.re.shape), w.re)
    by_zero = scale(emit, z, infinity)
    numerator_infinite = emit("or", is_infinite(emit, z.re), is_infinite(emit, z.im))
    denominator_infinite = emit("or", is_infinite(emit, w.re), is_infinite(emit, w.im))
    numerator_finite = emit("and", emit("is-finite", z.re), emit("is-finite", z.im))
    denominator_finite = emit("and", emit("is-finite", w.re), emit("is-finite", w.im))
    grows = emit("and", numerator_infinite, denominator_finite)
    vanishes = emit("and", denominator_infinite, numerator_finite)
    boxed, boxed_divisor = (Pair(*(_boxed(emit, x) for x in pair)) for pair in (z, w))
    grown = scale(emit, _times_conjugate(emit, boxed, w), math.inf)
    vanished = scale(emit, _times_conjugate(emit, z, boxed_divisor), 0.0)
    for condition, values in ((vanishes, vanished), (grows, grown), (zero, by_zero)):
        quotient = Pair(*(emit.select(condition, new, old) for new, old in zip(values, quotient)))
    return quotient


def _times_conjugate(emit: Emitter, z: Pair, w: Pair) -> Pair:
    return multiply(emit, z, Pair(w.re, emit("negate", w.im)))


def _boxed(emit: Emitter, x: HloInstruction) -> HloInstruction:
    """1 for an infinity, 0 for anything else, with the sign of `x`."""
    return copy_sign(emit, emit.convert(is_infinite(emit, x), x.shape.element_type), x)


def is_infinite(emit: Emitter, x: HloInstruction) -> HloInstruction:
    """Whether a real number is infinite."""
    return emit.compare("EQ", emit("abs", x), math.inf)


def copy_sign(emit: Emitter, magnitude: HloInstruction, sign: HloInstruction) -> HloInstruction:
    """A non-negative `magnitude` with the sign bit of `sign`."""
    element_type = sign.shape.element_type
    unsigned, mask = ("u32", 1 << 31) if element_type == "f32" else ("u64", 1 << 63)
    bit = emit("and", emit.bits(sign, unsigned), mask)
    return emit.bits(emit("or", emit.bits(magnitude, unsigned), bit), element_type)


def ordered_magnitudes(emit: Emitter, z: Pair) -> tuple[HloInstruction, HloInstruction, HloInstruction]:
    """The greater magnitude of the components, and the square of the ratio of the smaller one to it; the ratio."""
    re, im = emit("abs", z.re), emit("abs", z.im)
    greater, smaller = emit("maximum", re, im), emit("minimum", re, im)
    # 0 / 0 and inf / inf
    ratio = emit.select(emit.compare("EQ", greater, smaller), 1.0, emit("divide", smaller, greater))
    return greater, emit("multiply", ratio, ratio), ratio


def magnitude(emit: Emitter, z: Pair) -> HloInstruction:
    """|z| without overflow on the way."""
    greater, square, _ = ordered_magnitudes(emit, z)
    return emit("multiply", greater, emit("sqrt", emit("add", square, 1.0)))


def hyperbolic(emit: Emitter, x: HloInstruction, cosine: HloInstruction, sine: HloInstruction) -> Pair:
    """(cosh(x) * cosine, sinh(x) * sine), also where cosh(x) alone overflows."""
    positive = emit("abs", x)
    minus_one = emit("exponential-minus-one", positive)
    grown = emit("add", minus_one, 1.0)
    hyperbolic_sine = emit("multiply", emit("add", minus_one, emit("divide", minus_one, grown)), 0.5)
    hyperbolic_cosine = emit("multiply", emit("add", grown, emit("divide", 1.0, grown)), 0.5)
    overflow = emit.compare("EQ", grown, math.inf)
    root = emit("exponential", emit("multiply", positive, 0.5))
    half = emit("multiply", root, 0.5)

    def times(factor: HloInstruction, other: HloInstruction) -> HloInstruction:
        long_way = emit("multiply", emit("multiply", half, other), root)
        product = emit.select(overflow, long_way, emit("multiply", factor, other))
        # the hyperbolic function of an infinity times zero is zero
        return emit.select(emit.compare("EQ", other, 0), other, product)

    negative = emit.compare("LT", x, 0)
    signed_sine = emit.select(negative, emit("negate", sine), sine)
    undefined_sine = emit.select(overflow, minus_one, emit.select(emit.compare("EQ", x, 0), positive, hyperbolic_sine))
    return Pair(times(hyperbolic_cosine, cosine), times(undefined_sine, signed_sine))
