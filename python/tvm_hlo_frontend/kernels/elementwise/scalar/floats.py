"""Float arithmetic, rounding, sign and precision."""

from __future__ import annotations

from typing import Any

from ....analysis.scalar_expression import ScalarNode
from ....tensor_ir import primitives as p
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import MANTISSA_BITS, Scope, bits_of, compare_numbers, integer, is_nan, opaque, real
from . import extremes
from .table import ScalarTable

table = ScalarTable()

_FLOAT = ("float",)


@table.scalar("add", kinds=_FLOAT)
def add(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Sum."""
    return p.add(x, y)


@table.scalar("subtract", kinds=_FLOAT)
def subtract(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Difference.

    LLVM folds x - x to 0 (see `compare_numbers`), so a node whose operands are one value is written without it.
    """
    if node.operands[0] != node.operands[1]:
        return p.subtract(x, y)
    finite = tir.Not(p.equal(p.to_bits(x) & p.exponent_mask(x), p.exponent_mask(x)))
    return tir.Select(finite, real(0.0, dtype_of(x)), real(float("nan"), dtype_of(x)))


@table.scalar("multiply", kinds=_FLOAT)
def multiply(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Product."""
    return p.multiply(x, y)


@table.scalar("divide", kinds=_FLOAT)
def divide(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Quotient."""
    return p.divide(x, y)


@table.scalar("remainder", kinds=_FLOAT)
def remainder(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """C's fmod: exact, sign of the dividend; x - y * trunc(x / y) would be wrong for large quotients."""
    return tir.call_pure_extern(dtype_of(x), "fmodf" if bits_of(dtype_of(x)) == 32 else "fmod", x, y)


@table.scalar("negate", kinds=_FLOAT)
def negate(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Flips the sign bit."""
    return p.negate(x)


@table.scalar("abs", kinds=_FLOAT)
def absolute(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Clears the sign bit."""
    return p.absolute(x)


@table.scalar("sign", kinds=_FLOAT)
def sign(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """NaN for NaN and the same zero for a zero (HloEvaluator HandleSign)."""
    x = scope.bind(x)
    one = p.copy_sign(real(1.0, dtype_of(x)), x)
    return p.select(tir.Or(p.is_zero(x), is_nan(x)), x, one)


@table.scalar("maximum", kinds=_FLOAT)
def maximum(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """NaN if either is; 0 is above -0."""
    return extremes.maximum(x, y)


@table.scalar("minimum", kinds=_FLOAT)
def minimum(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """NaN if either is; 0 is above -0."""
    return extremes.minimum(x, y)


@table.scalar("clamp", kinds=_FLOAT)
def clamp(scope: Scope, node: ScalarNode, low: Any, x: Any, high: Any) -> Any:
    """min(high, max(x, low)), NaN if any is (HloEvaluator HandleClamp)."""
    return extremes.minimum(high, extremes.maximum(low, x))


@table.scalar("ceil", kinds=_FLOAT)
def ceil(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Towards positive infinity."""
    return tir.ceil(p.hide(x))


@table.scalar("floor", kinds=_FLOAT)
def floor(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Towards negative infinity."""
    return tir.floor(p.hide(x))


@table.scalar("sqrt", kinds=_FLOAT)
def square_root(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """NaN below zero."""
    return tir.sqrt(p.hide(x))


@table.scalar("rsqrt", kinds=_FLOAT)
def reciprocal_square_root(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """1 / sqrt(x)."""
    return p.divide(real(1.0, dtype_of(x)), tir.sqrt(p.hide(x)))


@table.scalar("round-nearest-even", kinds=_FLOAT)
def round_nearest_even(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Adding and subtracting 2^mantissa rounds to even; tir.nearbyint does not vectorise."""
    x = scope.bind(x)
    magnitude = scope.bind(p.absolute(x))
    limit = float(1 << MANTISSA_BITS[bits_of(dtype_of(x))])
    rounded = p.subtract(p.add(magnitude, tir.const(limit, dtype_of(x))), tir.const(limit, dtype_of(x)))
    is_small = compare_numbers("LT", magnitude, real(limit, dtype_of(x)))
    return tir.Select(is_small, p.copy_sign(rounded, x), x)


@table.scalar("round-nearest-afz", kinds=_FLOAT)
def round_nearest_away(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Halves away from zero; floor(x + 0.5) would round 0.49999997 up and shift 8388609."""
    x = scope.bind(x)
    magnitude = scope.bind(p.absolute(x))
    whole = scope.bind(tir.floor(magnitude))
    is_half = compare_numbers("GE", p.subtract(magnitude, whole), real(0.5, dtype_of(x)))
    return p.copy_sign(p.add(whole, tir.Select(is_half, real(1.0, dtype_of(x)), real(0.0, dtype_of(x)))), x)


@table.scalar("reduce-precision", kinds=_FLOAT)
def reduce_precision(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Rounds to fewer mantissa bits (to even), then to the range of fewer exponent bits: too large becomes infinity,
    too small and denormal zero (ElementalIrEmitter EmitReducePrecision)."""
    exponent_bits, mantissa_bits = (int(bits) for bits in node.attributes)
    x = scope.bind(x)
    width = bits_of(dtype_of(x))
    source_mantissa = MANTISSA_BITS[width]
    source_exponent = width - 1 - source_mantissa
    word = f"uint{width}"
    # NaN comes in again at the end, with it the sums could carry out
    bits = scope.bind(opaque(tir.Select(is_nan(x), integer(0, word), p.to_bits(x))))
    if mantissa_bits < source_mantissa:
        bits = scope.bind(_round_mantissa(bits, source_mantissa - mantissa_bits, word))
    if exponent_bits < source_exponent:
        bits = _clip_exponent(bits, x, source_mantissa, source_exponent, exponent_bits)
    # XLA:CPU keeps NaN also where no mantissa bit is left to tell it from infinity
    return p.select(is_nan(x), x, p.from_bits(bits))


def _round_mantissa(bits: Any, dropped: int, word: str) -> Any:
    """Round to nearest, ties to even, at bit `dropped`."""
    width = int(word[4:])
    last_kept = (bits >> integer(dropped, word)) & integer(1, word)
    # the largest finite value rounds up to infinity without a carry into the sign
    rounded = bits + last_kept + integer((1 << (dropped - 1)) - 1, word)
    return opaque(rounded) & integer(((1 << width) - 1) ^ ((1 << dropped) - 1), word)


def _clip_exponent(bits: Any, x: Any, source_mantissa: int, source_exponent: int, exponent_bits: int) -> Any:
    bias = (1 << (source_exponent - 1)) - 1
    reduced_bias = (1 << (exponent_bits - 1)) - 1
    word = dtype_of(bits)
    exponent = bits & p.exponent_mask(x)
    sign = bits & p.sign_mask(x)
    overflows = exponent > integer((bias + reduced_bias) << source_mantissa, word)
    underflows = exponent <= integer((bias - reduced_bias) << source_mantissa, word)
    clipped = tir.Select(overflows, sign | p.exponent_mask(x), bits)
    return tir.Select(underflows, sign, clipped)
