"""f32 functions without a branch or a call, so that they vectorise.

Coefficients are those of Cephes (expf, logf, tanhf) and of N. Juffa (erf). The tests hold the errors.
"""

from __future__ import annotations

from typing import Any

from ....tensor_ir import primitives as p
from ....tensor_ir.compat import tir
from ....tensor_ir.primitives import Scope, compare_numbers, fma, horner, integer, is_nan, real

F32 = "float32"
U32 = "uint32"

_LOG2_E = 1.44269504088896341
_LN2_HIGH = 0.693359375  # nine bits: products with small integers are exact
_LN2_LOW = -2.12194440e-4
# the least f32 whose power of e is a normal number
_LEAST_EXPONENT = -87.33654022216797
# (exp(r) - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2]
_EXP = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
)  # fmt: skip
# (log(1 + m) - m + m^2 / 2) / m^3 on [sqrt(1/2) - 1, sqrt(2) - 1]
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
# (tanh(x) - x) / x^3 in x^2 for |x| < 0.625
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_TANH_SMALL = 0.625
# (erf(x) - x) / x in x^2 for |x| < 475 / 512
_ERF = (
    -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1,
)  # fmt: skip
_ERF_SMALL = 0.927734375
# (log(1 - erf(x)) + x) / x above
_ERF_TAIL = (
    -1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
)  # fmt: skip


def _constant(value: float) -> Any:
    return tir.const(value, F32)


def _within(x: Any, low: float, high: float) -> Any:
    """`x` (bound) clamped; NaN may become anything."""
    return tir.Select(compare_numbers("GT", x, real(high, F32)), real(high, F32), _at_least(x, low))


def _at_least(x: Any, low: float) -> Any:
    return tir.Select(compare_numbers("LT", x, real(low, F32)), real(low, F32), x)


def _reduce(scope: Scope, x: Any) -> tuple[Any, Any, Any]:
    """x = n ln 2 + r with |r| <= ln 2 / 2: r, n as float, n + 254 as uint32 (whatever it is for NaN)."""
    # adding 1.5 * 2^23 leaves the nearest integer in the low bits of the mantissa
    shift = float(3 << 22) + 254.0
    shifted = scope.bind(fma(x, _constant(_LOG2_E), _constant(shift)))
    n = scope.bind(p.subtract(shifted, _constant(shift)))
    r = scope.bind(fma(n, _constant(-_LN2_LOW), fma(n, _constant(-_LN2_HIGH), x)))
    return r, n, scope.bind(p.to_bits(shifted) & integer(0x1FF, U32))


def _exp_minus_one_of(scope: Scope, r: Any) -> Any:
    """exp(r) - 1 for |r| <= ln 2 / 2."""
    square = p.multiply(r, r)
    return fma(square, horner(r, _EXP), r)


def _power_of_two(exponent_bits: Any) -> Any:
    """2^(e - 127) from the biased exponent."""
    return p.from_bits(exponent_bits << integer(23, U32))


def exponential(scope: Scope, x: Any) -> Any:
    """exp(x), to infinity above 88.72, zero where it is no normal number, as XLA has it: processors take a hundred
    cycles for a vector of denormals, here and in what follows."""
    x = scope.bind(x)
    r, _, power = _reduce(scope, _within_bound(scope, x, _LEAST_EXPONENT, 89.0))
    mantissa = p.add(_exp_minus_one_of(scope, r), _constant(1.0))
    # in two factors: 2^128 is no number
    half = scope.bind(power >> integer(1, U32))
    result = p.multiply(p.multiply(mantissa, _power_of_two(half)), _power_of_two(power - half))
    result = tir.Select(compare_numbers("LT", x, real(_LEAST_EXPONENT, F32)), real(0.0, F32), result)
    return tir.Select(is_nan(x), x, result)


def _within_bound(scope: Scope, x: Any, low: float, high: float) -> Any:
    return scope.bind(_within(x, low, high))


def exponential_minus_one(scope: Scope, x: Any) -> Any:
    """exp(x) - 1 without cancellation."""
    x = scope.bind(x)
    r, _, power = _reduce(scope, _within_bound(scope, x, -20.0, 89.0))
    # half of 2^n, as 2^128 does not exist; power - 254 + 127 - 1 is its biased exponent
    scale = scope.bind(_power_of_two(power - integer(128, U32)))
    half = fma(_exp_minus_one_of(scope, r), scale, p.subtract(scale, _constant(0.5)))
    result = p.add(scope.bind(half), half)
    return tir.Select(tir.Or(p.is_zero(x), is_nan(x)), x, result)


def logarithm(scope: Scope, x: Any) -> Any:
    """log(x): -inf for zeros, NaN below, denormals as they are."""
    x = scope.bind(x)
    is_small = compare_numbers("LT", x, real(2.0**-126, F32))
    normal = scope.bind(tir.Select(is_small, p.multiply(x, _constant(2.0**25)), x))
    bits = scope.bind(p.to_bits(normal))
    # exponent such that the mantissa is in [sqrt(1/2), sqrt(2)); the shift of bits is Cephes' comparison without one
    offset = scope.bind((bits & integer(0x7FFFFFFF, U32)) + integer(0x3F800000 - 0x3F3504F3, U32))
    exponent = p.subtract(
        tir.Cast(F32, p.to_signed(offset >> integer(23, U32))),
        tir.Select(is_small, real(127.0 + 25.0, F32), real(127.0, F32)),
    )
    mantissa_bits = (offset & integer(0x007FFFFF, U32)) + integer(0x3F3504F3, U32)
    result = _log_of(scope, scope.bind(p.subtract(p.from_bits(mantissa_bits), _constant(1.0))), scope.bind(exponent))
    bits_of_x = scope.bind(p.to_bits(x))
    result = tir.Select(p.opaque(bits_of_x) >= integer(0x80000000, U32), real(float("nan"), F32), result)
    result = tir.Select(p.is_zero(x), real(float("-inf"), F32), result)
    is_top = p.equal(bits_of_x, integer(0x7F800000, U32))
    return tir.Select(tir.Or(is_top, is_nan(x)), x, result)


def _log_of(scope: Scope, m: Any, exponent: Any) -> Any:
    """log(1 + m) + exponent * ln 2."""
    square = scope.bind(p.multiply(m, m))
    tail = fma(p.multiply(square, m), horner(m, _LOG), p.multiply(exponent, _constant(_LN2_LOW)))
    tail = fma(square, _constant(-0.5), tail)
    return fma(exponent, _constant(_LN2_HIGH), p.add(m, tail))


def logarithm_plus_one(scope: Scope, x: Any) -> Any:
    """log(1 + x) without cancellation: log(u) x / (u - 1) for u = 1 + x as rounded (Kahan)."""
    x = scope.bind(x)
    u = scope.bind(p.add(x, _constant(1.0)))
    distance = scope.bind(p.subtract(u, _constant(1.0)))
    is_tiny = compare_numbers("EQ", distance, _constant(0.0))
    is_top = compare_numbers("EQ", u, real(float("inf"), F32))
    # where u is 1 or infinite the quotient has no value
    divisor = tir.Select(tir.Or(is_tiny, is_top), real(1.0, F32), distance)
    quotient = p.divide(x, divisor)
    result = p.multiply(logarithm(scope, u), quotient)
    return tir.Select(tir.Or(is_tiny, is_top), x, result)


def _bounded_exponential(scope: Scope, x: Any) -> Any:
    """exp(x) for -80 < x < 80."""
    r, _, power = _reduce(scope, scope.bind(x))
    return p.multiply(p.add(_exp_minus_one_of(scope, r), _constant(1.0)), _power_of_two(power - integer(127, U32)))


def tanh(scope: Scope, x: Any) -> Any:
    """A polynomial near zero, else 1 - 2 / (exp(2 x) + 1)."""
    x = scope.bind(x)
    magnitude = scope.bind(p.absolute(x))
    square = scope.bind(p.multiply(x, x))
    small = fma(p.multiply(horner(square, _TANH), square), magnitude, magnitude)
    inside = scope.bind(tir.Select(compare_numbers("GT", magnitude, real(10.0, F32)), real(10.0, F32), magnitude))
    growth = _bounded_exponential(scope, p.add(inside, inside))
    quotient = p.divide(real(2.0, F32), p.add(growth, _constant(1.0)))
    large = p.subtract(_constant(1.0), quotient)
    result = tir.Select(compare_numbers("LT", magnitude, real(_TANH_SMALL, F32)), small, large)
    return tir.Select(is_nan(x), x, p.copy_sign(result, x))


def logistic(scope: Scope, x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return p.divide(real(1.0, F32), p.add(exponential(scope, p.negate(x)), _constant(1.0)))


def erf(scope: Scope, x: Any) -> Any:
    """A polynomial near zero, else 1 - exp(polynomial) (N. Juffa's minimax approximations)."""
    x = scope.bind(x)
    magnitude = scope.bind(p.absolute(x))
    square = scope.bind(p.multiply(x, x))
    small = fma(horner(square, _ERF), x, x)
    # from 4 on erf is 1 in f32
    inside = scope.bind(tir.Select(compare_numbers("GT", magnitude, real(4.0, F32)), real(4.0, F32), magnitude))
    exponent = fma(horner(inside, _ERF_TAIL), inside, p.negate(inside))
    large = p.copy_sign(p.subtract(_constant(1.0), _bounded_exponential(scope, exponent)), x)
    result = tir.Select(compare_numbers("LT", magnitude, real(_ERF_SMALL, F32)), small, large)
    return tir.Select(is_nan(x), x, result)
