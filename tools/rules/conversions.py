"""Rules 26 to 34: conversions and reinterpretations."""

from __future__ import annotations

from .integers import case
from .model import Break, Rule

RULES = (
    Rule(26, "floats to integers: towards zero, saturating, NaN gives 0", (
        Break(
            "_saturate",
            "low = scope.bind(tir.Select(is_nan(x), real(0.0, dtype_of(x)), low))",
            "low = scope.bind(low)",
            case("rule_26-convert-f32-s32", "rule_26-convert-f32-s64"),
        ),
        Break(
            "_saturate",
            'inside = tir.Select(compare_numbers("LT", low, real(above, dtype_of(x))), low, real(above, dtype_of(x)))',
            "inside = low",
            case("rule_26-convert-f32-s8", "rule_26-convert-f32-u8"),
        ),
        Break(
            "_saturate",
            "low = tir.Select(compare_numbers(\"GT\", x, real(below, dtype_of(x))), x, real(below, dtype_of(x)))",
            "low = x",
            case("rule_26-convert-f32-u8", "rule_26-convert-f32-s8"),
        ),
        Break(
            "saturated",
            "return emit.convert(limited, \"s8\" if signed else \"u8\")",
            "return wrapped(emit, emit.convert(x, \"s8\" if signed else \"u8\"), element_type)",
            ("test_narrow_types.py::test_convert_to_narrow_integers_and_floats[rule_26-from-f32]",),
        ),
    )),
    Rule(27, "integers to integers wrap", (
        Break(
            "resize",
            'return same_sign_as(low_bits(x, f"uint{target}"), dtype)',
            "return tir.Cast(dtype, tir.min(opaque(x), tir.const((1 << (target - 1)) - 1, dtype_of(x))))",
            case("rule_27-convert-s32-s8"),
        ),
    )),
    Rule(28, "anything to pred is x != 0: NaN and 0.5 are true, -0 is false", (
        Break(
            "convert_float",
            "return tir.Not(p.is_zero(x))",
            "return tir.Not(tir.Or(p.is_zero(x), is_nan(x)))",
            case("rule_28-convert-f32-pred"),
        ),
        Break(
            "convert_float",
            "return tir.Not(p.is_zero(x))",
            'return tir.NE(opaque(tir.Cast("int32", x)), integer(0, "int32"))',
            case("rule_28-convert-f32-pred"),
        ),
    )),
    Rule(29, "floats to narrower floats: to nearest even, once, beyond the range infinite", (
        Break(
            "convert_float",
            '    if dtype == "float16":\n        return p.to_half(scope, x)',
            '    if dtype == "float16":\n'
            '        return p.to_half(scope, p.from_bits(p.to_bits(x) & integer(0xFFFFE000, "uint32")))',
            case("rule_29-convert-f32-f16"),
        ),
        Break(
            "convert_float",
            "return p.to_half(scope, _round_to_odd(scope, x))",
            'return p.to_half(scope, tir.Cast("float32", x))',
            ("test_elementwise.py::test_rule_29_f64_to_f16_rounds_once",),
        ),
    )),
    Rule(30, "floats to 8-bit floats: to nearest even, beyond the range infinite, or NaN where there is no infinity", (
        Break(
            "_rounded_to",
            "beyond = np.inf if form.infinity is not None else np.nan",
            "beyond = np.inf if form.infinity is not None else form.greatest",
            ("test_narrow_types.py::test_convert_to_narrow_floats[rule_30-from-f32]",),
        ),
        Break(
            "_rounded_to",
            'units = emit("round-nearest-even", _in_units(emit, x, exponent, form))',
            'units = emit("round-nearest-afz", _in_units(emit, x, exponent, form))',
            ("test_narrow_types.py::test_convert_to_narrow_floats[rule_30-from-f32]",),
        ),
        Break(
            "narrow.types._convert",
            'through = "f64" if source == "f64" and target != "bf16" else "f32"',
            'through = "f32"',
            ("test_narrow_types.py::test_convert_to_narrow_floats[rule_30-from-f64]",),
        ),
    )),
    Rule(31, "complex to real drops the imaginary part, real to complex has none", (
        Break(
            "complex.types._convert",
            "        return Pair(real, emit.full(0, plain(real.shape)))\n    assert",
            "        return Pair(real, real)\n    assert",
            ("test_complex.py::test_opcodes_on_pairs[rule_31-convert]",),
        ),
        Break(
            "complex.types._convert",
            "        return emit.convert(x.re, target)",
            "        return emit.convert(magnitude(emit, x), target)",
            ("test_complex.py::test_rule_31_complex_to_real",),
        ),
    )),
    Rule(32, "bitcast-convert: a last dimension of parts, the lowest first; bitcast: the buffer in another layout", (
        Break(
            "elementwise._split",
            'shifted = ctx.map("shift-right-logical", x.element_type, [x, _amount(ctx, position * bits, x)])',
            "amount = BY_NAME[x.element_type].bits - bits - position * bits\n"
            '        shifted = ctx.map("shift-right-logical", x.element_type, [x, _amount(ctx, amount, x)])',
            case("rule_32-bitcast-convert-u32-u8", "rule_32-bitcast-convert-u32-f16"),
        ),
        Break(
            "elementwise._join",
            'shifted = ctx.map("shift-left", word, [wide, _amount(ctx, position * (bits // count), wide)])',
            "amount = (count - 1 - position) * (bits // count)\n"
            '        shifted = ctx.map("shift-left", word, [wide, _amount(ctx, amount, wide)])',
            case("rule_32-bitcast-convert-u8-u32"),
        ),
        Break(
            "bitcasts._join",
            'part = emit("shift-left", part, index * bits)',
            'part = emit("shift-left", part, (groups - 1 - index) * bits)',
            ("test_narrow_types.py::test_bitcast_convert[rule_32-u4[6,2]-rule_32-u8[6]]",),
        ),
        Break(
            "_major_to_minor",
            "    return list(layout[::-1])",
            "    return list(range(shape.rank))",
            ("test_bitcast.py::test_rule_32_buffer_in_another_layout[three dimensions]",),
        ),
    )),
    Rule(33, "reduce-precision: to nearest even, too large is infinite, too small and denormal is zero, NaN stays", (
        Break(
            "_clip_exponent",
            "underflows = exponent <= integer((bias - reduced_bias) << source_mantissa, word)",
            "underflows = exponent < integer((bias - reduced_bias) << source_mantissa, word)",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
        Break(
            "_round_mantissa",
            "rounded = bits + last_kept + integer((1 << (dropped - 1)) - 1, word)",
            "rounded = bits + integer(1 << (dropped - 1), word)",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
        Break(
            "reduce_precision",
            "return p.select(is_nan(x), x, p.from_bits(bits))",
            "return p.from_bits(bits)",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
        Break(
            "_clip_exponent",
            "clipped = tir.Select(overflows, sign | p.exponent_mask(x), bits)",
            "clipped = bits",
            case("rule_33-reduce-precision5-f32-f32"),
        ),
    )),
    Rule(34, "stochastic-convert rounds up where the random number is below the fraction, and saturates", (
        Break(
            "stochastic_convert._expand",
            'emit.compare("LT", random, threshold)',
            'emit.compare("GE", random, threshold)',
            ("test_stochastic_convert.py::test_rule_34_rounds_up_below_the_fraction[f32-u32]",),
        ),
        Break(
            "stochastic_convert._expand",
            'rounded = emit.select(emit.compare("LT", random, threshold), emit("add", below, 1), below)',
            "rounded = below",
            ("test_stochastic_convert.py::test_rule_34_expectation_is_the_number",),
        ),
        Break(
            "stochastic_convert._expand",
            '    return emit.select(emit.compare("GE", x, high), high, signed)',
            "    return signed",
            ("test_stochastic_convert.py::test_rule_34_rounds_up_below_the_fraction[f32-u32]",),
        ),
    )),
)  # fmt: skip
