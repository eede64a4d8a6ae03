"""Integer arithmetic in two's complement."""

from __future__ import annotations

from typing import Any

from ....analysis.scalar_expression import ScalarNode
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import (
    Scope,
    bits_of,
    compare_words,
    equal,
    integer,
    is_signed,
    low_bits,
    opaque,
    same_sign_as,
    to_bits,
    to_signed,
    to_unsigned,
)
from .table import ScalarTable

table = ScalarTable()

_INTEGER = ("integer",)


def _wider(dtype: str) -> str:
    """Signed type in which one addition, subtraction or multiplication of `dtype` cannot overflow."""
    return "int64" if bits_of(dtype) == 32 else "int32"


def _narrow(wide: Any, dtype: str) -> Any:
    """The low bits of a wider integer; LLVM narrows the operation itself, without overflow flags."""
    return same_sign_as(low_bits(wide, f"uint{bits_of(dtype)}"), dtype)


def _all_ones(dtype: str) -> Any:
    return integer((1 << bits_of(dtype)) - 1, dtype) if dtype.startswith("uint") else integer(-1, dtype)


def _top_bit(bits: int) -> Any:
    return integer(1 << (bits - 1), f"uint{bits}")


def wrapping_add(scope: Scope, x: Any, y: Any) -> Any:
    """x + y modulo 2^bits (HloEvaluator ToArithmeticSafeType)."""
    dtype = dtype_of(x)
    if bits_of(dtype) < 64:
        wide = _wider(dtype)
        return _narrow(tir.Cast(wide, x) + tir.Cast(wide, y), dtype)
    # no wider type: add without the top bits, which then cannot carry out, and put these in
    a, b = scope.bind(to_unsigned(x)), scope.bind(to_unsigned(y))
    top = _top_bit(64)
    low = integer((1 << 63) - 1, "uint64")
    return same_sign_as(((a & low) + (b & low)) ^ ((a ^ b) & top), dtype)


def wrapping_subtract(scope: Scope, x: Any, y: Any) -> Any:
    """x - y modulo 2^bits."""
    dtype = dtype_of(x)
    if bits_of(dtype) < 64:
        wide = _wider(dtype)
        return _narrow(tir.Cast(wide, x) - tir.Cast(wide, y), dtype)
    a, b = scope.bind(to_unsigned(x)), scope.bind(to_unsigned(y))
    top = _top_bit(64)
    low = integer((1 << 63) - 1, "uint64")
    return same_sign_as(((a | top) - (b & low)) ^ ((a ^ b ^ _all_ones("uint64")) & top), dtype)


def wrapping_multiply(scope: Scope, x: Any, y: Any) -> Any:
    """x * y modulo 2^bits."""
    dtype = dtype_of(x)
    if bits_of(dtype) < 64:
        wide = _wider(dtype)
        # as signed: the product of two u32 would not fit int64
        return _narrow(tir.Cast(wide, to_signed(x)) * tir.Cast(wide, to_signed(y)), dtype)
    a_low, a_high = _halves(scope, x)
    b_low, b_high = _halves(scope, y)
    half = integer((1 << 32) - 1, "uint64")
    low = scope.bind(a_low * b_low)
    high = _shift_down(low) + ((a_low * b_high) & half) + ((a_high * b_low) & half)
    return same_sign_as((low & half) | (opaque(high) << integer(32, "uint64")), dtype)


def _shift_down(x: Any) -> Any:
    return opaque(x) >> integer(32, "uint64")


def _halves(scope: Scope, x: Any) -> tuple[Any, Any]:
    value = scope.bind(to_unsigned(x))
    return scope.bind(value & integer((1 << 32) - 1, "uint64")), scope.bind(_shift_down(value))


@table.scalar("add", kinds=_INTEGER)
def add(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Wraps."""
    return wrapping_add(scope, x, y)


@table.scalar("subtract", kinds=_INTEGER)
def subtract(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Wraps."""
    return wrapping_subtract(scope, x, y)


@table.scalar("multiply", kinds=_INTEGER)
def multiply(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Wraps."""
    return wrapping_multiply(scope, x, y)


@table.scalar("negate", kinds=_INTEGER)
def negate(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Wraps: the negative of the lowest integer is itself."""
    return wrapping_subtract(scope, integer(0, dtype_of(x)), x)


@table.scalar("abs", kinds=_INTEGER)
def absolute(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """The lowest integer has no positive counterpart and stays."""
    if not is_signed(x):
        return x
    x = scope.bind(x)
    return opaque(tir.Select(opaque(x) < integer(0, dtype_of(x)), negate(scope, node, x), x))


@table.scalar("sign", kinds=_INTEGER)
def sign(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """-1, 0 or 1."""
    x = scope.bind(x)
    zero, one = integer(0, dtype_of(x)), integer(1, dtype_of(x))
    positive = tir.Select(opaque(x) > zero, one, zero)
    return tir.Select(opaque(x) < zero, integer(-1, dtype_of(x)), positive) if is_signed(x) else positive


def _larger(scope: Scope, x: Any, y: Any) -> Any:
    x, y = scope.bind(x), scope.bind(y)
    return tir.Select(compare_words("GT", x, y), x, y)


def _smaller(scope: Scope, x: Any, y: Any) -> Any:
    x, y = scope.bind(x), scope.bind(y)
    return tir.Select(compare_words("LT", x, y), x, y)


@table.scalar("maximum", kinds=_INTEGER)
def maximum(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """The larger."""
    return _larger(scope, x, y)


@table.scalar("minimum", kinds=_INTEGER)
def minimum(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """The smaller."""
    return _smaller(scope, x, y)


@table.scalar("clamp", kinds=_INTEGER)
def clamp(scope: Scope, node: ScalarNode, low: Any, x: Any, high: Any) -> Any:
    """min(high, max(x, low)) (HloEvaluator HandleClamp)."""
    return _smaller(scope, high, _larger(scope, x, low))


def _safe_division(scope: Scope, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Dividend, a divisor that never traps (1 instead of 0 and of -1 under the lowest integer), and y == 0.

    The condition is on an opaque copy of `y` and must not guard the division itself: TVM would then know it inside and
    drop the guard of the divisor, and a Select evaluates both of its branches.
    """
    x, y = scope.bind(x), scope.bind(opaque(y))
    is_zero = equal(y, integer(0, dtype_of(y)))
    traps = is_zero
    if is_signed(x):
        is_lowest = equal(to_unsigned(x), _top_bit(bits_of(dtype_of(x))))
        traps = tir.Or(traps, tir.And(is_lowest, equal(y, integer(-1, dtype_of(y)))))
    divisor = opaque(tir.Select(traps, integer(1, dtype_of(y)), y))
    return x, divisor, is_zero


@table.scalar("divide", kinds=_INTEGER)
def divide(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Truncates; x / 0 has all bits set, the lowest integer / -1 is itself (HloEvaluator HandleDivide)."""
    x, divisor, is_zero = _safe_division(scope, x, y)
    quotient = opaque(tir.truncdiv(opaque(x), divisor))
    return quotient | tir.Select(is_zero, _all_ones(dtype_of(x)), integer(0, dtype_of(x)))


@table.scalar("remainder", kinds=_INTEGER)
def remainder(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Sign of the dividend; x % 0 is x, the lowest integer % -1 is 0."""
    x, divisor, is_zero = _safe_division(scope, x, y)
    rest = opaque(tir.truncmod(opaque(x), divisor))
    return rest | tir.Select(is_zero, x, integer(0, dtype_of(x)))


def _shift_amount(scope: Scope, x: Any, y: Any) -> tuple[Any, Any]:
    """The amount as unsigned, and whether it is below the width."""
    amount = scope.bind(opaque(to_unsigned(y)))
    return amount, opaque(amount) < integer(bits_of(dtype_of(x)), dtype_of(amount))


@table.scalar("shift-left", kinds=_INTEGER)
def shift_left(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """0 for amounts out of range, as unsigned (HloEvaluator IsShiftOutOfBounds)."""
    amount, in_range = _shift_amount(scope, x, y)
    shifted = opaque(to_unsigned(x)) << (amount & integer(bits_of(dtype_of(x)) - 1, dtype_of(amount)))
    return same_sign_as(tir.Select(in_range, shifted, integer(0, dtype_of(amount))), dtype_of(x))


@table.scalar("shift-right-logical", kinds=_INTEGER)
def shift_right_logical(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """0 for amounts out of range."""
    amount, in_range = _shift_amount(scope, x, y)
    shifted = opaque(to_unsigned(x)) >> (amount & integer(bits_of(dtype_of(x)) - 1, dtype_of(amount)))
    return same_sign_as(tir.Select(in_range, shifted, integer(0, dtype_of(amount))), dtype_of(x))


@table.scalar("shift-right-arithmetic", kinds=_INTEGER)
def shift_right_arithmetic(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """Copies of the sign bit for amounts out of range, for unsigned types too."""
    amount, in_range = _shift_amount(scope, x, y)
    clamped = tir.Select(in_range, amount, integer(bits_of(dtype_of(x)) - 1, dtype_of(amount)))
    shifted = opaque(to_signed(x)) >> to_signed(clamped)
    return shifted if is_signed(x) else to_unsigned(shifted)


@table.scalar("mulhi", kinds=_INTEGER)
def multiply_high(scope: Scope, node: ScalarNode, x: Any, y: Any) -> Any:
    """The high word of the product."""
    dtype, bits = dtype_of(x), bits_of(dtype_of(x))
    if bits < 64:
        wide = "int64" if is_signed(x) else "uint64"
        product = opaque(tir.Cast(wide, x) * tir.Cast(wide, y))
        return _narrow(product >> integer(bits, wide), dtype)
    x, y = scope.bind(x), scope.bind(y)
    high = _unsigned_high(scope, x, y)
    if is_signed(x):
        # the unsigned reading of a negative factor is too large by 2^64
        zero = integer(0, "uint64")
        for factor, other in ((x, y), (y, x)):
            excess = tir.Select(opaque(factor) < integer(0, "int64"), to_unsigned(other), zero)
            high = wrapping_subtract(scope, high, excess)
    return same_sign_as(high, dtype)


def _unsigned_high(scope: Scope, x: Any, y: Any) -> Any:
    a_low, a_high = _halves(scope, x)
    b_low, b_high = _halves(scope, y)
    half = integer((1 << 32) - 1, "uint64")
    first = scope.bind(a_high * b_low + _shift_down(a_low * b_low))
    second = scope.bind(a_low * b_high + (first & half))
    return a_high * b_high + _shift_down(first) + _shift_down(second)


@table.scalar("popcnt", kinds=_INTEGER)
def population_count(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """Number of set bits."""
    return _from_count(_count_ones(scope, _widened(x)), dtype_of(x))


@table.scalar("count-leading-zeros", kinds=_INTEGER)
def count_leading_zeros(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """The width for 0."""
    value, bits = scope.bind(_widened(x)), bits_of(dtype_of(x))
    if bits < 64:
        return _from_count(_leading_zeros(scope, value) - integer(32 - bits, "uint32"), dtype_of(x))
    high = scope.bind(tir.Cast("uint32", _shift_down(value)))
    low = tir.Cast("uint32", value & integer((1 << 32) - 1, "uint64"))
    of_low = _leading_zeros(scope, scope.bind(low)) + integer(32, "uint32")
    of_high = _leading_zeros(scope, high)
    return _from_count(tir.Select(equal(high, integer(0, "uint32")), of_low, of_high), dtype_of(x))


def _leading_zeros(scope: Scope, word: Any) -> Any:
    """Leading zeros of a uint32 (bound), from the exponent of its exact f64."""
    # TVM has clz on LLVM targets only, and does not vectorise it
    exponent = tir.Cast("uint32", to_bits(tir.Cast("float64", word)) >> integer(52, "uint64"))
    zero = equal(word, integer(0, "uint32"))
    return integer(1023 + 31, "uint32") - tir.Select(zero, integer(1023 - 1, "uint32"), exponent)


def _widened(x: Any) -> Any:
    """The bits as uint32, or uint64 where they need it."""
    unsigned = opaque(to_unsigned(x))
    return unsigned if bits_of(dtype_of(x)) >= 32 else opaque(tir.Cast("uint32", unsigned))


def _from_count(count: Any, dtype: str) -> Any:
    return same_sign_as(tir.Cast(f"uint{bits_of(dtype)}", count), dtype)


def _count_ones(scope: Scope, value: Any) -> Any:
    """Set bits by adding neighbouring groups; TVM has popcount on LLVM targets only, and does not vectorise it."""
    bits, dtype = bits_of(dtype_of(value)), dtype_of(value)
    for distance, mask in ((1, 0x55), (2, 0x33), (4, 0x0F)):
        repeated = integer(int.from_bytes(bytes([mask]) * (bits // 8), "little"), dtype)
        value = scope.bind(value)
        value = (value & repeated) + ((value >> integer(distance, dtype)) & repeated)
    for distance in (8, 16, 32):
        if distance < bits:
            value = scope.bind(value)
            value = value + (opaque(value) >> integer(distance, dtype))
    return value & integer(0x7F, dtype)
