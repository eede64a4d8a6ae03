"""Rules 86 to 92: random numbers, several devices, run-time shapes, new opcodes, annotations."""

from __future__ import annotations

from .integers import case
from .model import Break, Rule


def bits(name: str) -> tuple[str, ...]:
    return (f"test_random.py::test_rule_86_rule_87_bits_on_xla[{name}]",)


RULES = (
    Rule(86, "rng-bit-generator, ThreeFry: halves along the first even dimension; the counter grows by the pairs", (
        Break(
            "_halved",
            "    axis = even[0] if even else int(np.argmax(sizes))",
            "    axis = int(np.argmax(sizes))",
            bits("RNG_THREE_FRY-2-u32"),
        ),
        Break(
            "_threefry_bits",
            "new_state = _vector(emit, key, _plus(emit, counter, numbers))",
            "new_state = _vector(emit, key, _plus(emit, counter, math.prod(sizes)))",
            bits("RNG_THREE_FRY-2-u32"),
        ),
        Break(
            "_threefry_rounds",
            'y = emit("add", emit("add", y, schedule[(group + 2) % 3]), group + 1)',
            'y = emit("add", emit("add", y, schedule[(group + 2) % 3]), group)',
            ("test_random.py::test_rule_86_known_numbers",),
        ),
    )),
    Rule(87, "rng-bit-generator, Philox: the key is the high half of a short state's counter; carries reach it", (
        Break(
            "_philox_bits",
            "    high = _word(emit, state, 2) if long else key",
            '    high = _word(emit, state, 2) if long else emit.constant(0, "u64")',
            ("test_random.py::test_rule_87_known_numbers",),
        ),
        Break(
            "_philox_body",
            'carried = emit("add", high, emit.convert(emit.compare("LT", total, low), "u64"))',
            "carried = high",
            bits("RNG_PHILOX-3-u32"),
        ),
        Break(
            "_philox_bits",
            "    blocks = -(-count // 4)",
            "    blocks = count // 4 + 1",
            bits("RNG_PHILOX-2-u32"),
        ),
        Break(
            "random_bits._expand",
            'generate = _threefry_bits if algorithm == "RNG_THREE_FRY" else _philox_bits',
            'generate = _philox_bits if algorithm == "RNG_PHILOX" else _threefry_bits',
            bits("RNG_DEFAULT-2-u32"),
        ),
    )),
    Rule(88, "rng is stateful, so it needs a seed; uniform numbers lie in a half-open interval", (
        Break(
            "_draw",
            'emit("subtract", high, low)',
            'emit("add", emit("subtract", high, low), 1)',
            ("test_random.py::test_rule_88_uniform_is_half_open_and_seeded[s64]",),
        ),
        Break(
            "seed_stateful_random",
            "    if seed is None or not any(",
            "    seed = seed or 0\n    if not any(",
            ("test_random.py::test_rule_88_without_a_seed_it_is_refused",),
        ),
        Break(
            "_draw",
            "_normal(emit, shape, generator), second), first)",
            "_normal(emit, shape, generator), first), second)",
            ("test_random.py::test_rule_88_normal_has_mean_and_deviation[f32]",),
        ),
        Break(
            "_Seeding.__call__",
            'emit("add", count, 1) if is_body else count',
            "count",
            ("test_random.py::test_rule_88_every_trip_draws_other_numbers[in the body]",),
        ),
    )),
    Rule(89, "collectives on one device hand their operands over; from nobody come zeros; several are refused", (
        Break(
            "collectives.permuted",
            "    if (0, 0) in attributes.source_target_pairs:\n        return operand\n",
            "    if attributes is not None:\n        return operand\n",
            ("test_collectives.py::test_rule_89_collective_permute",),
        ),
        Break(
            "require_one_device",
            "if any(len(group) > 1 for group in attributes.replica_groups) or",
            "if",
            ("test_collectives.py::test_rule_89_groups_of_several_devices_are_refused[all-reduce]",),
        ),
    )),
    Rule(90, "a bound is never taken for the size of a dimension", (
        Break(
            "sets_full_size",
            "    return known_integer(size) == at_bounds(operand.shape).dimensions[dimension]",
            "    return True",
            ("test_dynamic_sizes.py::test_rule_90_a_size_is_refused_though_its_shape_is_declared_static",),
        ),
        Break(
            "_cut",
            "    if size == limits[dimension]:",
            "    if size <= limits[dimension]:",
            ("test_structure.py::test_rule_90_a_size_below_the_bound_is_the_size",),
        ),
        Break(
            "_cut",
            "    if size is None or not 0 <= size <= limits[dimension]:\n        return None",
            "    if size is None or size > limits[dimension]:\n        return operand",
            ("test_bounded_movement.py::test_rule_90_only_elements_before_the_sizes_count[elementwise]",),
        ),
        Break(
            "numbers.held",
            '    return emit("minimum", emit("maximum", size, 0), bound)',
            "    return size",
            ("test_carry.py::test_rule_90_sizes_out_of_bounds_are_held[-3-0]",),
        ),
        Break(
            "numbers.merged",
            '    return emit.select(emit.compare("EQ", less, 1), more, less)',
            "    return less",
            ("test_bounded_movement.py::test_rule_90_only_elements_before_the_sizes_count[smaller]",),
        ),
        Break(
            "reshaping._stays",
            "    if set(given) <= set(group.before[:1]) and set(made) <= set(group.after[:1]):",
            "    if given or made:",
            ("test_bounded_reshaping.py::test_rule_90_elements_before_the_sizes_stay_in_order[columns]",),
        ),
        Break(
            "contraction._dot",
            "        right = masked(emit, right, {b: size}, zero_of(emit, right))",
            "        right = masked(emit, right, {}, zero_of(emit, right))",
            ("test_bounded_contraction.py::test_rule_90_what_is_behind_the_sizes_counts_for_nothing[contracted_with_static]",),
        ),
        Break(
            "_behind_others",
            'before = emit("and", emit("not", first), second)',
            'before = emit("and", first, emit("not", second))',
            ("test_bounded_contraction.py::test_rule_90_what_is_behind_the_sizes_counts_for_nothing[sort]",),
        ),
    )),
    Rule(91, "new opcodes: mulhi is the high word; erf is exact; scan, ragged-dot and scaled-dot", (
        Break(
            "multiply_high",
            "            high = wrapping_subtract(scope, high, excess)",
            "            high = opaque(high)",
            ("test_elementwise.py::test_rule_91_mulhi_is_the_high_word_of_the_product",),
        ),
        Break(
            "_WRITTEN_OUT",
            '"erf": polynomials.erf,',
            '"erf": polynomials.tanh,',
            case("rule_91-erf-f32-f32"),
        ),
        Break(
            "_Loop._loop_body",
            "if self.attributes.is_reverse else step",
            "if self.attributes.is_reverse is None else step",
            ("test_scan.py::test_rule_91_scans[dot in the body, reverse]",),
        ),
        Break(
            "_ragged_rows",
            "rhs[g, b, k, j + c]",
            "rhs[0, b, k, j + c]",
            ("test_ragged_dot.py::test_rule_91_dimensions[rows, batch]",),
        ),
        Break(
            "scaled_dot._scaled",
            'return emit("multiply", emit.convert(operand, kind), emit.reshape(spread, operand.shape.dimensions))',
            "return emit.convert(operand, kind)",
            ("test_scaled_dot.py::test_rule_91_dimensions[matrix]",),
        ),
    )),
    Rule(
        92,
        "sharding, frontend attributes and metadata never affect values",
        nothing="no code reads them but for names and messages",
    ),
)  # fmt: skip
