"""Elementary functions of a complex argument.

Sources: W. Kahan, "Branch cuts for complex elementary functions" (square root, hyperbolic tangent, inverse functions),
and what XLA:CPU returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ...hlo.ir.module import HloInstruction
from ..emit import Emitter
from .arithmetic import (
    add,
    copy_sign,
    divide,
    hyperbolic,
    is_infinite,
    magnitude,
    multiply,
    negate,
    ordered_magnitudes,
    subtract,
)
from .order import maximum, minimum
from .pair import Pair

# beyond it tanh of the real part is 1 to the last bit, and the formula might overflow
_TANH_LIMIT = {"f32": 20.0, "f64": 40.0}


def exponential(emit: Emitter, z: Pair) -> Pair:
    """e^a (cos b, sin b); a real argument stays real, -inf gives 0."""
    grown = emit("exponential", z.re)
    root = emit("exponential", emit("multiply", z.re, 0.5))
    overflow = emit.compare("EQ", grown, math.inf)
    vanished = emit.compare("EQ", grown, 0)

    def times(other: HloInstruction) -> HloInstruction:
        long_way = emit("multiply", emit("multiply", root, other), root)
        product = emit.select(overflow, long_way, emit("multiply", grown, other))
        return emit.select(vanished, 0.0, product)

    im = emit.select(emit.compare("EQ", z.im, 0), z.im, times(emit("sine", z.im)))
    return Pair(times(emit("cosine", z.im)), im)


def exponential_minus_one(emit: Emitter, z: Pair) -> Pair:
    """expm1(a) cos(b) - 2 sin(b/2)^2: nothing cancels near 0."""
    half = emit("sine", emit("multiply", z.im, 0.5))
    versine = emit("multiply", emit("multiply", half, half), 2.0)
    small = emit("subtract", emit("multiply", emit("exponential-minus-one", z.re), emit("cosine", z.im)), versine)
    whole = exponential(emit, z)
    near = emit.compare("LT", emit("abs", z.re), 1.0)
    return Pair(emit.select(near, small, emit("subtract", whole.re, 1.0)), whole.im)


def log_magnitude(emit: Emitter, z: Pair) -> HloInstruction:
    """log |z|, accurate near the unit circle."""
    greater, square, ratio = ordered_magnitudes(emit, z)
    far = emit("add", emit("log", greater), emit("multiply", emit("log-plus-one", square), 0.5))
    smaller = emit("multiply", ratio, greater)
    excess = emit("multiply", emit("subtract", greater, 1.0), emit("add", greater, 1.0))
    near = emit("multiply", emit("log-plus-one", emit("add", excess, emit("multiply", smaller, smaller))), 0.5)
    close = emit("and", emit.compare("GT", greater, 0.5), emit.compare("LT", greater, 2.0))
    return emit.select(close, near, far)


def log(emit: Emitter, z: Pair) -> Pair:
    """Natural logarithm."""
    return Pair(log_magnitude(emit, z), emit("atan2", z.im, z.re))


def log_plus_one(emit: Emitter, z: Pair) -> Pair:
    """log1p(a (2 + a) + b^2) / 2 near 0, where 1 + z loses digits."""
    shifted = Pair(emit("add", z.re, 1.0), z.im)
    excess = emit("multiply", z.re, emit("add", z.re, 2.0))
    near = emit("multiply", emit("log-plus-one", emit("add", excess, emit("multiply", z.im, z.im))), 0.5)
    close = emit.compare("LT", emit("maximum", emit("abs", z.re), emit("abs", z.im)), 0.5)
    return Pair(emit.select(close, near, log_magnitude(emit, shifted)), emit("atan2", z.im, shifted.re))


def _principal_root(emit: Emitter, z: Pair) -> Pair:
    """The root in the right half plane, without cancellation; on the branch cut the sign of the zero decides."""
    size, half = magnitude(emit, z), emit("multiply", emit("abs", z.re), 0.5)
    # halves are added, so that nothing overflows
    t = emit("sqrt", emit("add", half, emit("multiply", size, 0.5)))
    zero = emit.compare("EQ", t, 0)
    other = emit.select(zero, 0.0, emit("divide", emit("multiply", emit("abs", z.im), 0.5), t))
    right = emit.compare("GE", z.re, 0)
    infinite = is_infinite(emit, z.im)
    re = emit.select(infinite, math.inf, emit.select(right, t, other))
    im = emit.select(infinite, z.im, copy_sign(emit, emit.select(right, other, t), z.im))
    return Pair(re, im)


def square_root(emit: Emitter, z: Pair) -> Pair:
    """The principal root; on the branch cut the upper one, as XLA:CPU, whatever the sign of the zero."""
    root = _principal_root(emit, z)
    return Pair(root.re, emit.select(emit.compare("EQ", z.im, 0), emit("abs", root.im), root.im))


def reciprocal_root(emit: Emitter, z: Pair) -> Pair:
    """conj(sqrt(z)) / |z|."""
    root, size = square_root(emit, z), magnitude(emit, z)
    return Pair(emit("divide", root.re, size), emit("negate", emit("divide", root.im, size)))


def sine(emit: Emitter, z: Pair) -> Pair:
    """sin(z)."""
    return hyperbolic(emit, z.im, emit("sine", z.re), emit("cosine", z.re))


def cosine(emit: Emitter, z: Pair) -> Pair:
    """cos(z)."""
    return hyperbolic(emit, z.im, emit("cosine", z.re), emit("negate", emit("sine", z.re)))


def hyperbolic_sine(emit: Emitter, z: Pair) -> Pair:
    """sinh(z)."""
    products = hyperbolic(emit, z.re, emit("sine", z.im), emit("cosine", z.im))
    return Pair(products.im, products.re)


def hyperbolic_cosine(emit: Emitter, z: Pair) -> Pair:
    """cosh(z)."""
    return hyperbolic(emit, z.re, emit("cosine", z.im), emit("sine", z.im))


def hyperbolic_tangent(emit: Emitter, z: Pair) -> Pair:
    """Kahan's formula with t = tan(b) and s = sinh(a)."""
    sin, cos, positive = emit("sine", z.im), emit("cosine", z.im), emit("abs", z.re)
    grown = emit("exponential-minus-one", positive)
    s = emit("multiply", emit("add", grown, emit("divide", grown, emit("add", grown, 1.0))), 0.5)
    s = emit.select(emit.compare("LT", z.re, 0), emit("negate", s), s)
    t = emit("divide", sin, cos)
    beta, rho = _one_plus_square(emit, t), emit("sqrt", _one_plus_square(emit, s))
    product = emit("multiply", beta, s)
    denominator = emit("add", emit("multiply", product, s), 1.0)
    re = emit("divide", emit("multiply", product, rho), denominator)
    im = emit("divide", t, denominator)
    far = emit.compare("GT", positive, _TANH_LIMIT[z.re.shape.element_type])
    decay = emit("exponential", emit("multiply", positive, -2.0))
    far_im = emit("multiply", emit("multiply", emit("multiply", sin, cos), 4.0), decay)
    # nothing is left of the imaginary part, whatever the angle
    far_im = emit.select(emit.compare("EQ", decay, 0), copy_sign(emit, decay, z.im), far_im)
    one = copy_sign(emit, emit.full(1.0, z.re.shape), z.re)
    return Pair(emit.select(far, one, re), emit.select(far, far_im, im))


def _one_plus_square(emit: Emitter, x: HloInstruction) -> HloInstruction:
    return emit("add", emit("multiply", x, x), 1.0)


def tangent(emit: Emitter, z: Pair) -> Pair:
    """-i tanh(iz)."""
    turned = hyperbolic_tangent(emit, Pair(emit("negate", z.im), z.re))
    return Pair(turned.im, emit("negate", turned.re))


def logistic(emit: Emitter, z: Pair) -> Pair:
    """1 / (1 + e^-z)."""
    grown = exponential(emit, negate(emit, z))
    one = Pair(emit.full(1.0, z.re.shape), emit.full(0.0, z.re.shape))
    return divide(emit, one, add(emit, one, grown))


def sign(emit: Emitter, z: Pair) -> Pair:
    """z / |z|, 0 for 0 (rule 15)."""
    greater, _, _ = ordered_magnitudes(emit, z)
    zero = emit.compare("EQ", greater, 0)
    scaled = Pair(*(emit("divide", part, greater) for part in z))
    size = magnitude(emit, scaled)
    return Pair(*(emit.select(zero, part, emit("divide", near, size)) for part, near in zip(z, scaled)))


def power(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """|z|^c e^(-d arg z) at the angle d log|z| + c arg z; z^0 is 1, 0^w is 0 for a real positive w."""
    angle, size = emit("atan2", z.im, z.re), magnitude(emit, z)
    real_exponent = emit.compare("EQ", w.im, 0)
    turn = emit.select(real_exponent, 0.0, emit("multiply", w.im, log_magnitude(emit, z)))
    damping = emit("exponential", emit("negate", emit("multiply", w.im, angle)))
    length = emit("multiply", emit("power", size, w.re), damping)
    total = emit("add", turn, emit("multiply", w.re, angle))
    result = Pair(emit("multiply", length, emit("cosine", total)), emit("multiply", length, emit("sine", total)))
    zero_base = emit.compare("EQ", size, 0)
    # 0^w for any w with a positive real part
    vanishes = emit("and", zero_base, emit.compare("GT", w.re, 0))
    one = emit("and", real_exponent, emit.compare("EQ", w.re, 0))
    re = emit.select(one, 1.0, emit.select(vanishes, 0.0, result.re))
    im = emit.select(emit("or", one, vanishes), 0.0, result.im)
    return Pair(re, im)


def cube_root(emit: Emitter, z: Pair) -> Pair:
    """z to the power of a third."""
    third = Pair(emit.full(1 / 3, z.re.shape), emit.full(0.0, z.re.shape))
    return power(emit, z, third)


def arc_tangent_2(emit: Emitter, y: Pair, x: Pair) -> Pair:
    """-i log((x + iy) / sqrt(x^2 + y^2)) (rule 23)."""
    turned = Pair(emit("subtract", x.re, y.im), emit("add", x.im, y.re))
    length = square_root(emit, add(emit, multiply(emit, x, x), multiply(emit, y, y)))
    angle = log(emit, divide(emit, turned, length))
    return Pair(angle.im, emit("negate", angle.re))


def _roots_around(emit: Emitter, z: Pair) -> tuple[Pair, Pair]:
    """sqrt(1 - z) and sqrt(1 + z)."""
    one = Pair(emit.full(1.0, z.re.shape), emit.full(0.0, z.re.shape))
    return _principal_root(emit, subtract(emit, one, z)), _principal_root(emit, add(emit, one, z))


def _real_arc_hyperbolic_sine(emit: Emitter, x: HloInstruction) -> HloInstruction:
    positive = emit("abs", x)
    root = emit("add", emit("sqrt", _one_plus_square(emit, positive)), 1.0)
    inner = emit("add", positive, emit("multiply", positive, emit("divide", positive, root)))
    return copy_sign(emit, emit("log-plus-one", inner), x)


def _cross(emit: Emitter, z: Pair, w: Pair) -> HloInstruction:
    """Imaginary part of conj(z) w."""
    return emit("subtract", emit("multiply", z.re, w.im), emit("multiply", z.im, w.re))


def arc_sine(emit: Emitter, z: Pair) -> Pair:
    """asin(z)."""
    minus, plus = _roots_around(emit, z)
    product = emit("subtract", emit("multiply", minus.re, plus.re), emit("multiply", minus.im, plus.im))
    return Pair(emit("atan2", z.re, product), _real_arc_hyperbolic_sine(emit, _cross(emit, minus, plus)))


def arc_cosine(emit: Emitter, z: Pair) -> Pair:
    """acos(z)."""
    minus, plus = _roots_around(emit, z)
    re = emit("multiply", emit("atan2", minus.re, plus.re), 2.0)
    return Pair(re, _real_arc_hyperbolic_sine(emit, _cross(emit, plus, minus)))


def arc_hyperbolic_cosine(emit: Emitter, z: Pair) -> Pair:
    """acosh(z)."""
    one = Pair(emit.full(1.0, z.re.shape), emit.full(0.0, z.re.shape))
    below, above = _principal_root(emit, subtract(emit, z, one)), _principal_root(emit, add(emit, z, one))
    product = emit("add", emit("multiply", below.re, above.re), emit("multiply", below.im, above.im))
    return Pair(_real_arc_hyperbolic_sine(emit, product), emit("multiply", emit("atan2", below.im, above.re), 2.0))


def arc_hyperbolic_sine(emit: Emitter, z: Pair) -> Pair:
    """-i asin(iz)."""
    turned = arc_sine(emit, Pair(emit("negate", z.im), z.re))
    return Pair(turned.im, emit("negate", turned.re))


def arc_hyperbolic_tangent(emit: Emitter, z: Pair) -> Pair:
    """log1p(4a / ((1 - a)^2 + b^2)) / 4, on the side where it does not cancel."""
    size = emit("abs", z.re)
    below = emit("subtract", 1.0, size)
    squares = emit("add", emit("multiply", below, below), emit("multiply", z.im, z.im))
    quotient = emit("divide", emit("multiply", size, 4.0), squares)
    re = copy_sign(emit, emit("multiply", emit("log-plus-one", quotient), 0.25), z.re)
    across = emit("subtract", emit("multiply", below, emit("add", size, 1.0)), emit("multiply", z.im, z.im))
    im = emit("multiply", emit("atan2", emit("multiply", z.im, 2.0), across), 0.5)
    return Pair(re, im)


def arc_tangent(emit: Emitter, z: Pair) -> Pair:
    """-i atanh(iz)."""
    turned = arc_hyperbolic_tangent(emit, Pair(emit("negate", z.im), z.re))
    return Pair(turned.im, emit("negate", turned.re))


UNARY: dict[str, Callable[[Emitter, Pair], Pair]] = {
    "acos": arc_cosine,
    "acosh": arc_hyperbolic_cosine,
    "asin": arc_sine,
    "asinh": arc_hyperbolic_sine,
    "atan": arc_tangent,
    "atanh": arc_hyperbolic_tangent,
    "cbrt": cube_root,
    "cosh": hyperbolic_cosine,
    "cosine": cosine,
    "exponential": exponential,
    "exponential-minus-one": exponential_minus_one,
    "log": log,
    "log-plus-one": log_plus_one,
    "logistic": logistic,
    "negate": negate,
    "rsqrt": reciprocal_root,
    "sign": sign,
    "sine": sine,
    "sinh": hyperbolic_sine,
    "sqrt": square_root,
    "tan": tangent,
    "tanh": hyperbolic_tangent,
}
BINARY: dict[str, Callable[[Emitter, Pair, Pair], Pair]] = {
    "add": add,
    "atan2": arc_tangent_2,
    "divide": divide,
    "maximum": maximum,
    "minimum": minimum,
    "multiply": multiply,
    "power": power,
    "subtract": subtract,
}
