"""Rules 26 to 34: conversions and reinterpretations."""

from __future__ import annotations

from .integers import case
from .model import Break, Rule

CONVERT = "kernels/scalar/convert.py"
FLOATS = "kernels/scalar/floats.py"
NARROW_FLOATS = "rewrites/narrow/floats.py"
STOCHASTIC = "rewrites/stochastic_convert.py"

RULES = (
    Rule(26, "floats to integers: towards zero, saturating, NaN gives 0", (
        Break(
            CONVERT,
            "low = scope.bind(tir.Select(is_nan(x), real(0.0, dtype_of(x)), low))",
            "low = scope.bind(low)",
            case("rule_26-convert-f32-s32", "rule_26-convert-f32-s64"),
        ),
        Break(
            CONVERT,
            'inside = tir.Select(compare_numbers("LT", low, real(above, dtype_of(x))), low, real(above, dtype_of(x)))',
            "inside = low",
            case("rule_26-convert-f32-s8", "rule_26-convert-f32-u8"),
        ),
        Break(
            CONVERT,
            "low = tir.Select(compare_numbers(\"GT\", x, real(below, dtype_of(x))), x, real(below, dtype_of(x)))",
            "low = x",
            case("rule_26-convert-f32-u8", "rule_26-convert-f32-s8"),
        ),
        Break(
            "rewrites/narrow/integers.py",
            "return emit.convert(limited, \"s8\" if signed else \"u8\")",
            "return wrapped(emit, emit.convert(x, \"s8\" if signed else \"u8\"), element_type)",
            ("test_narrow_types.py::test_convert_to_narrow_integers_and_floats[rule_26-from-f32]",),
        ),
    )),
    Rule(27, "integers to integers wrap", (
        Break(
            CONVERT,
            'return same_sign_as(low_bits(x, f"uint{target}"), dtype)',
            "return tir.Cast(dtype, tir.min(opaque(x), tir.const((1 << (target - 1)) - 1, dtype_of(x))))",
            case("rule_27-convert-s32-s8"),
        ),
    )),
    Rule(28, "anything to pred is x != 0: NaN and 0.5 are true, -0 is false", (
        Break(
            CONVERT,
            "return tir.Not(p.is_zero(x))",
            "return tir.Not(tir.Or(p.is_zero(x), is_nan(x)))",
            case("rule_28-convert-f32-pred"),
        ),
        Break(
            CONVERT,
            "return tir.Not(p.is_zero(x))",
            'return tir.NE(opaque(tir.Cast("int32", x)), integer(0, "int32"))',
            case("rule_28-convert-f32-pred"),
        ),
    )),
    Rule(29, "floats to narrower floats: to nearest even, once, beyond the range infinite", (
        Break(
            CONVERT,
            '    if dtype == "float16":\n        return p.to_half(scope, x)',
            '    if dtype == "float16":\n'
            '        return p.to_half(scope, p.from_bits(p.to_bits(x) & integer(0xFFFFE000, "uint32")))',
            case("rule_29-convert-f32-f16"),
        ),
        Break(
            CONVERT,
            "return p.to_half(scope, _round_to_odd(scope, x))",
            'return p.to_half(scope, tir.Cast("float32", x))',
            ("test_elementwise.py::test_rule_29_f64_to_f16_rounds_once",),
        ),
    )),
    Rule(30, "floats to 8-bit floats: to nearest even, beyond the range infinite, or NaN where there is no infinity", (
        Break(
            NARROW_FLOATS,
            "beyond = np.inf if form.infinity is not None else np.nan",
            "beyond = np.inf if form.infinity is not None else form.greatest",
            ("test_narrow_types.py::test_convert_to_narrow_floats[rule_30-from-f32]",),
        ),
        Break(
            NARROW_FLOATS,
            'units = emit("round-nearest-even", _in_units(emit, x, exponent, form))',
            'units = emit("round-nearest-afz", _in_units(emit, x, exponent, form))',
            ("test_narrow_types.py::test_convert_to_narrow_floats[rule_30-from-f32]",),
        ),
        Break(
            "rewrites/narrow_types.py",
            'through = "f64" if source == "f64" and target != "bf16" else "f32"',
            'through = "f32"',
            ("test_narrow_types.py::test_convert_to_narrow_floats[rule_30-from-f64]",),
        ),
    )),
    Rule(31, "complex to real drops the imaginary part, real to complex has none", (
        Break(
            "rewrites/complex.py",
            "        return Pair(real, emit.full(0, plain(real.shape)))\n    assert",
            "        return Pair(real, real)\n    assert",
            ("test_complex.py::test_opcodes_on_pairs[rule_31-convert]",),
        ),
        Break(
            "rewrites/complex.py",
            "        return emit.convert(x.re, target)",
            "        return emit.convert(magnitude(emit, x), target)",
            ("test_complex.py::test_rule_31_complex_to_real",),
        ),
    )),
    Rule(32, "bitcast-convert: a last dimension of parts, the lowest first; bitcast: the buffer in another layout", (
        Break(
            "converters/elementwise.py",
            'shifted = ctx.map("shift-right-logical", x.element_type, [x, _amount(ctx, position * bits, x)])',
            "amount = BY_NAME[x.element_type].bits - bits - position * bits\n"
            '        shifted = ctx.map("shift-right-logical", x.element_type, [x, _amount(ctx, amount, x)])',
            case("rule_32-bitcast-convert-u32-u8", "rule_32-bitcast-convert-u32-f16"),
        ),
        Break(
            "converters/elementwise.py",
            'shifted = ctx.map("shift-left", word, [wide, _amount(ctx, position * (bits // count), wide)])',
            "amount = (count - 1 - position) * (bits // count)\n"
            '        shifted = ctx.map("shift-left", word, [wide, _amount(ctx, amount, wide)])',
            case("rule_32-bitcast-convert-u8-u32"),
        ),
        Break(
            "rewrites/narrow/bitcasts.py",
            'part = emit("shift-left", part, index * bits)',
            'part = emit("shift-left", part, (groups - 1 - index) * bits)',
            ("test_narrow_types.py::test_bitcast_convert[rule_32-u4[6,2]-rule_32-u8[6]]",),
        ),
        Break(
            "rewrites/bitcast.py",
            "    return list(layout[::-1])",
            "    return list(range(shape.rank))",
            ("test_bitcast.py::test_rule_32_buffer_in_another_layout[three dimensions]",),
        ),
    )),
    Rule(33, "reduce-precision: to nearest even, too large is infinite, too small and denormal is zero, NaN stays", (
        Break(
            FLOATS,
            "underflows = exponent <= integer((bias - reduced_bias) << source_mantissa, word)",
            "underflows = exponent < integer((bias - reduced_bias) << source_mantissa, word)",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
        Break(
            FLOATS,
            "rounded = bits + last_kept + integer((1 << (dropped - 1)) - 1, word)",
            "rounded = bits + integer(1 << (dropped - 1), word)",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
        Break(
            FLOATS,
            "return p.select(is_nan(x), x, p.from_bits(bits))",
            "return p.from_bits(bits)",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
        Break(
            FLOATS,
            "clipped = tir.Select(overflows, sign | p.exponent_mask(x), bits)",
            "clipped = bits",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
    )),
    Rule(34, "stochastic-convert rounds up where the random number is below the fraction, and saturates", (
        Break(
            STOCHASTIC,
            'emit.compare("LT", random, threshold)',
            'emit.compare("GE", random, threshold)',
            ("test_stochastic_convert.py::test_rule_34_rounds_up_below_the_fraction[f32-u32]",),
        ),
        Break(
            STOCHASTIC,
            'rounded = emit.select(emit.compare("LT", random, threshold), emit("add", below, 1), below)',
            "rounded = below",
            ("test_stochastic_convert.py::test_rule_34_expectation_is_the_number",),
        ),
        Break(
            STOCHASTIC,
            '    return emit.select(emit.compare("GE", x, high), high, signed)',
            "    return signed",
            ("test_stochastic_convert.py::test_rule_34_rounds_up_below_the_fraction[f32-u32]",),
        ),
    )),
)  # fmt: skip
