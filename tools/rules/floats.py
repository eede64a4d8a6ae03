"""Rules 13 to 25: floats, element by element."""

from __future__ import annotations

from .integers import case
from .model import Break, Rule

START = "    dtype = dtype_of(operands[0])\n    if bits_of(dtype) == 32:\n"

RULES = (
    Rule(13, "maximum and minimum are NaN if either operand is", (
        Break(
            "_lowering",
            "return scope.close(tir.Select(has_nan, x + y, number))",
            "return scope.close(number)",
            case("rule_13-maximum-f32-f32", "rule_13-minimum-f64-f64"),
        ),
        Break(
            "_lowering",
            "number = tir.Select(wins, tir.reinterpret(dtype, signed), number)",
            "del wins, signed",
            ("test_bits_elementwise.py::test_opcodes_on_special_values[rule_13-f32]",),
        ),
        Break(
            "_maximum",
            "larger = relay.maximum(constant.expr, x.expr)",
            "larger = relay.maximum(x.expr, constant.expr)",
            ("test_elementwise.py::test_rule_13_rule_14_rule_44_scalars_and_pending_broadcasts",),
        ),
    )),
    Rule(14, "clamp is min(high, max(x, low)): high wins over low, NaN of any operand wins over both", (
        Break(
            "floats.clamp",
            "return extremes.minimum(high, extremes.maximum(low, x))",
            "return extremes.maximum(low, extremes.minimum(high, x))",
            case("rule_14-clamp-f32-f32"),
        ),
        Break(
            "integers.clamp",
            "return _smaller(scope, high, _larger(scope, x, low))",
            "return _larger(scope, low, _smaller(scope, x, high))",
            case("rule_14-clamp-s32-s32"),
        ),
    )),
    Rule(15, "sign of a zero is that zero, of NaN is NaN", (
        Break(
            "floats.sign",
            "return p.select(tir.Or(p.is_zero(x), is_nan(x)), x, one)",
            "return one",
            case("rule_15-sign-f32-f32"),
        ),
        Break(
            "floats.sign",
            "return p.select(tir.Or(p.is_zero(x), is_nan(x)), x, one)",
            "return tir.Select(is_nan(x), x, tir.Select(p.is_zero(x), real(0.0, dtype_of(x)), one))",
            case("rule_15-sign-f32-f32"),
        ),
    )),
    Rule(16, "comparisons with NaN are false but for NE; a total order has -NaN below -inf and -0 below 0", (
        Break(
            "ordered",
            "return tir.And(compare_numbers(direction, a, b), tir.Not(tir.Or(is_nan(a), is_nan(b))))",
            "return compare_numbers(direction, a, b)",
            ("test_scalar_hazards.py::test_float_chains_keep_rule_16_and_rule_25[f32-graph]",),
        ),
        Break(
            "_total_order_key",
            "flipped = tir.Select(to_signed(bits) < integer(0, dtype_of(bits)[1:]), bits ^ magnitude_mask(x), bits)",
            "flipped = bits",
            case("rule_16-compareLT-f32-pred-2"),
        ),
        Break(
            "compare_floats",
            'if order == "TOTALORDER":',
            'if order == "TOTAL":',
            case("rule_16-compareLT-f32-pred-2", "rule_16-compareEQ-f32-pred-2"),
        ),
    )),
    Rule(17, "a comparison without a type takes it from its operands", (
        Break(
            "default_comparison_type",
            'return "SIGNED" if operand.kind == "signed" else "UNSIGNED"',
            'return "SIGNED"',
            ("test_hlo_reader.py::test_rule_17_absent_comparison_type",),
        ),
    )),
    Rule(18, "complex numbers: EQ and NE by both components, LT and GT lexicographic, LE and GE by the real parts", (
        Break(
            "order.compare",
            '        return emit("and" if direction == "EQ" else "or", real, imaginary)',
            "        return real",
            ("test_complex.py::test_opcodes_on_pairs[rule_18-compare]",),
        ),
        Break(
            "order.compare",
            '    return emit("or", real, emit("and", emit.compare("EQ", z.re, w.re), imaginary))',
            "    return real",
            ("test_complex_order.py::test_rule_18_comparisons_minimum_maximum_and_clamp",),
        ),
    )),
    Rule(19, "round-nearest-afz takes halves away from zero, round-nearest-even to even; neither adds 0.5", (
        Break(
            "round_nearest_away",
            'is_half = compare_numbers("GE", p.subtract(magnitude, whole), real(0.5, dtype_of(x)))',
            'is_half = compare_numbers("GT", tir.floor(p.add(magnitude, real(0.5, dtype_of(x)))), whole)',
            case("rule_19-round-nearest-afz-f32-f32-2"),
        ),
        Break(
            "round_nearest_away",
            'is_half = compare_numbers("GE", p.subtract(magnitude, whole), real(0.5, dtype_of(x)))',
            'is_half = compare_numbers("GT", p.subtract(magnitude, whole), real(0.5, dtype_of(x)))',
            case("rule_19-round-nearest-afz-f32-f32"),
        ),
        Break(
            "round_nearest_even",
            "rounded = p.subtract(p.add(magnitude, tir.const(limit, dtype_of(x))), tir.const(limit, dtype_of(x)))",
            "rounded = tir.floor(p.add(magnitude, real(0.5, dtype_of(x))))",
            case("rule_19-round-nearest-even-f32-f32"),
        ),
    )),
    Rule(20, "log-plus-one and exponential-minus-one keep small arguments", (
        Break(
            "_WRITTEN_OUT",
            '"log-plus-one": polynomials.logarithm_plus_one,',
            '"log-plus-one": lambda scope, x: polynomials.logarithm(scope, p.add(x, real(1.0, dtype_of(x)))),',
            case("rule_20-log-plus-one-f32-f32"),
        ),
        Break(
            "_WRITTEN_OUT",
            '"exponential-minus-one": polynomials.exponential_minus_one,',
            '"exponential-minus-one": lambda scope, x: p.subtract('
            "polynomials.exponential(scope, x), real(1.0, dtype_of(x))),",
            case("rule_20-exponential-minus-one-f32-f32"),
        ),
    )),
    Rule(21, "x^0 and 1^x are 1 for every x; cbrt of a negative number is negative, its power 1/3 is NaN", (
        Break(
            "transcendental",
            START,
            '    dtype = dtype_of(operands[0])\n    if node.opcode == "power":\n'
            '        product = p.multiply(operands[1], tir.call_pure_extern(dtype, "log", operands[0]))\n'
            '        return tir.call_pure_extern(dtype, "exp", product)\n'
            "    if bits_of(dtype) == 32:\n",
            case("rule_21-power-f64-f64"),
        ),
        Break(
            "transcendental",
            START,
            '    dtype = dtype_of(operands[0])\n    if node.opcode == "cbrt":\n'
            '        return tir.call_pure_extern(dtype, "pow", operands[0], tir.const(1 / 3, dtype))\n'
            "    if bits_of(dtype) == 32:\n",
            case("rule_21-cbrt-f64-f64"),
        ),
    )),
    Rule(22, "logistic is 0 and 1 at the ends, never NaN", (
        Break(
            "transcendental.logistic",
            'return p.divide(one, p.add(one, tir.call_pure_extern(dtype_of(x), "exp", p.negate(x))))',
            'grown = scope.bind(tir.call_pure_extern(dtype_of(x), "exp", x))\n'
            "    return p.divide(grown, p.add(one, grown))",
            case("rule_22-logistic-f64-f64"),
        ),
        Break(
            "polynomials.logistic",
            "return p.divide(real(1.0, F32), p.add(exponential(scope, p.negate(x)), _constant(1.0)))",
            "grown = scope.bind(exponential(scope, x))\n    return p.divide(grown, p.add(grown, _constant(1.0)))",
            case("rule_22-logistic-f32-f32"),
        ),
    )),
    Rule(23, "atan2 knows the quadrant, of zeros by their signs", (
        Break(
            "transcendental",
            START,
            '    dtype = dtype_of(operands[0])\n    if node.opcode == "atan2":\n'
            '        return tir.call_pure_extern(dtype, "atanf", p.divide(*operands))\n'
            "    if bits_of(dtype) == 32:\n",
            case("rule_23-atan2-f32-f32"),
        ),
    )),
    Rule(24, "is-finite is false for infinities and NaN", (
        Break(
            "is_finite",
            "return tir.Not(equal(to_bits(x) & mask, mask))",
            "return tir.Not(equal(to_bits(x) & magnitude_mask(x), mask))",
            case("rule_24-is-finite-f32-pred"),
        ),
    )),
    Rule(25, "16-bit floats are computed in f32, and every result is rounded", (
        Break(
            "evaluate._value",
            "return to_half(scope, result) if is_float(result) else result",
            'return tir.Cast("float16", result) if is_float(result) else result',
            ("test_scalar_hazards.py::test_rule_25_chains_that_xla_reassociates[f16]",),
        ),
        Break(
            "_Rewriter.rounded",
            "        return after_arithmetic(emit, value, element_type)",
            "        return value",
            ("test_narrow_types.py::test_every_value_of_floats_through_elementwise_opcodes[rule_25-bf16]",),
        ),
    )),
)  # fmt: skip
