"""Rules 1 to 12: integers, bits and predicates."""

from __future__ import annotations

from .model import Break, Rule


def case(*names: str) -> tuple[str, ...]:
    """Node ids of element-wise cases."""
    return tuple(f"test_elementwise.py::test_rule[{name}]" for name in names)


RULES = (
    Rule(1, "integer division by zero gives all bits set: -1, or the greatest unsigned number", (
        Break(
            "integers.divide",
            "return quotient | tir.Select(is_zero, _all_ones(dtype_of(x)), integer(0, dtype_of(x)))",
            "return quotient",
            case("rule_1-divide-s32-s32", "rule_1-divide-u8-u8"),
        ),
        Break(
            "_safe_division",
            "divisor = opaque(tir.Select(traps, integer(1, dtype_of(y)), y))",
            "divisor = opaque(y)",
            case("rule_1-divide-s32-s32"),
        ),
    )),
    Rule(2, "the lowest integer divided by -1 is itself", (
        Break(
            "_safe_division",
            "traps = tir.Or(traps, tir.And(is_lowest, equal(y, integer(-1, dtype_of(y)))))",
            "is_zero = tir.Or(is_zero, tir.And(is_lowest, equal(y, integer(-1, dtype_of(y)))))",
            case("rule_2-divide-s32-s32", "rule_2-divide-s64-s64"),
        ),
    )),
    Rule(3, "integer division truncates towards zero", (
        Break(
            "integers.divide",
            "quotient = opaque(tir.truncdiv(opaque(x), divisor))",
            "quotient = opaque(tir.floordiv(opaque(x), divisor))",
            case("rule_3-divide-s32-s32"),
        ),
    )),
    Rule(4, "integer remainder: x % 0 is x, the sign is the dividend's", (
        Break(
            "integers.remainder",
            "return rest | tir.Select(is_zero, x, integer(0, dtype_of(x)))",
            "return rest",
            case("rule_4-remainder-s32-s32"),
        ),
        Break(
            "integers.remainder",
            "rest = opaque(tir.truncmod(opaque(x), divisor))",
            "rest = opaque(tir.floormod(opaque(x), divisor))",
            case("rule_4-remainder-s64-s64"),
        ),
    )),
    Rule(5, "float remainder is C's fmod, exact for large quotients", (
        Break(
            "floats.remainder",
            'return tir.call_pure_extern(dtype_of(x), "fmodf" if bits_of(dtype_of(x)) == 32 else "fmod", x, y)',
            "return p.subtract(x, p.multiply(y, tir.trunc(p.divide(x, y))))",
            case("rule_5-remainder-f32-f32-2"),
        ),
    )),
    Rule(6, "shift amounts are unsigned; from the width on nothing is left but the sign", (
        Break(
            "_shift_amount",
            "return amount, opaque(amount) < integer(bits_of(dtype_of(x)), dtype_of(amount))",
            "return amount, equal(amount, amount)",
            case("rule_6-shift-left-s32-s32", "rule_6-shift-right-logical-s8-s8"),
        ),
        Break(
            "scalar.integers.shift_right_arithmetic",
            "clamped = tir.Select(in_range, amount, integer(bits_of(dtype_of(x)) - 1, dtype_of(amount)))",
            "clamped = tir.Select(in_range, amount, integer(0, dtype_of(amount)))",
            case("rule_6-shift-right-arithmetic-s32-s32"),
        ),
    )),
    Rule(7, "integer sums, differences and products wrap", (
        Break(
            "wrapping_add",
            "return _narrow(tir.Cast(wide, x) + tir.Cast(wide, y), dtype)",
            "total = tir.Cast(wide, x) + tir.Cast(wide, y)\n"
            "        return tir.Cast(dtype, tir.min(tir.max(total, tir.min_value(dtype).value), 2**31 - 1))",
            case("rule_7-add-s32-s32"),
        ),
        Break(
            "wrapping_add",
            "return same_sign_as(((a & low) + (b & low)) ^ ((a ^ b) & top), dtype)",
            "return same_sign_as((a & low) + (b & low), dtype)",
            case("rule_7-add-s64-s64", "rule_7-add-u64-u64"),
        ),
        Break(
            "wrapping_multiply",
            "high = _shift_down(low) + ((a_low * b_high) & half) + ((a_high * b_low) & half)",
            "high = _shift_down(low)",
            case("rule_7-multiply-s64-s64"),
        ),
    )),
    Rule(8, "abs of the lowest integer is itself; negate of an unsigned number wraps", (
        Break(
            "integers.absolute",
            "return opaque(tir.Select(opaque(x) < integer(0, dtype_of(x)), negate(scope, node, x), x))",
            "above_lowest = tir.max(opaque(x), integer(1 - (1 << (bits_of(dtype_of(x)) - 1)), dtype_of(x)))\n"
            "    return opaque(tir.Select(opaque(x) < integer(0, dtype_of(x)), negate(scope, node, above_lowest), x))",
            case("rule_8-abs-s8-s8", "rule_8-abs-s32-s32"),
        ),
        Break(
            "integers.negate",
            "return wrapping_subtract(scope, integer(0, dtype_of(x)), x)",
            "return wrapping_subtract(scope, integer(0, dtype_of(x)), x) if is_signed(x) else x",
            case("rule_8-negate-u8-u8"),
        ),
    )),
    Rule(9, "integer powers with negative exponents: 0, but for the bases 1 and -1", (
        Break(
            "_signed_result",
            "return tir.Select(exponent < zero, inverse, power)",
            "return power",
            case("rule_9-power-s32-s32"),
        ),
        Break(
            "_signed_result",
            "of_minus_one = tir.Select(tir.NE(exponent & one, zero), minus_one, one)",
            "of_minus_one = one",
            case("rule_9-power-s32-s32"),
        ),
    )),
    Rule(10, "leading zeros and set bits are counted in the type's own width", (
        Break(
            "count_leading_zeros",
            "return _from_count(_leading_zeros(scope, value) - integer(32 - bits, \"uint32\"), dtype_of(x))",
            "return _from_count(_leading_zeros(scope, value), dtype_of(x))",
            case("rule_10-count-leading-zeros-s8-s8"),
        ),
        Break(
            "integers._widened",
            "    unsigned = opaque(to_unsigned(x))\n",
            "    unsigned = opaque(x)\n",
            case("rule_10-popcnt-s8-s8"),
        ),
        Break(
            "narrow.integers.population_count",
            'return wrapped(emit, emit("popcnt", low_bits(emit, x, element_type)), element_type)',
            'return wrapped(emit, emit("popcnt", x), element_type)',
            ("test_narrow_types.py::test_popcnt_counts_the_bits_of_the_type_rule_10",),
        ),
    )),
    Rule(11, "and, or, xor, not: logical on pred, bitwise on integers", (
        Break(
            "bitwise_and",
            "return opaque(opaque(x) & opaque(y))",
            "return opaque(tir.Cast(dtype_of(x), tir.And(truth(x), truth(y))))",
            case("rule_11-and-s32-s32"),
        ),
        Break(
            "bitwise_not",
            "return opaque(x) ^ tir.const(-1 if signed else (1 << bits_of(dtype_of(x))) - 1, dtype_of(x))",
            "return opaque(tir.Cast(dtype_of(x), tir.Not(truth(x))))",
            case("rule_11-not-s32-s32", "rule_11-not-u8-u8"),
        ),
    )),
    Rule(12, "multiply and add of pred are and and or", (
        Break(
            "logical_or",
            "    return tir.Or(x, y)",
            '    return tir.NE(opaque(tir.Cast("uint8", x)), opaque(tir.Cast("uint8", y)))',
            case("rule_12-add-pred-pred"),
        ),
        Break(
            "convert_sum",
            'return value != tir.const(0, dtype_of(value)) if dtype == "bool" else value.astype(dtype)',
            'return (value.astype("uint8") & 1).astype("bool") if dtype == "bool" else value.astype(dtype)',
            ("test_dot.py::test_rule_48_rule_12_element_types[build]",),
        ),
    )),
)  # fmt: skip
