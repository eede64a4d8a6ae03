"""Rules 64 to 72: reductions, windows, sorting."""

from __future__ import annotations

from .model import Break, Rule


def reduction(name: str) -> tuple[str, ...]:
    return (f"test_reduce.py::test_reduce[{name}]",)


def window(name: str) -> tuple[str, ...]:
    return (f"test_reduce_window.py::test_reduce_window[{name}]",)


RULES = (
    Rule(64, "reduce: init once per result, whatever it is; any body, in row-major order if it is not commutative", (
        Break(
            "_finished",
            "        reduced = ctx.map(reducer.opcode, reduced.element_type, [start, reduced], (), True)\n",
            "        for _ in range(2):\n"
            "            reduced = ctx.map(reducer.opcode, reduced.element_type, [start, reduced], (), True)\n",
            reduction("rule_64-init-sum-is-applied-once"),
        ),
        Break(
            "_finished",
            "    if not _is_identity(instruction.operands[1], reducer):",
            "    if False:",
            reduction("rule_64-init-sum-is-applied-once"),
        ),
        Break(
            "Fold._step",
            "[*(array[position] for array in accumulators), *elements]",
            "[*elements, *(array[position] for array in accumulators)]",
            reduction("rule_64-not-commutative-rows"),
        ),
        Break(
            "Fold.rows",
            "                accumulator[0] = init\n",
            "                accumulator[0] = tir.const(0, dtype_of(accumulator))\n",
            reduction("rule_64-not-commutative-rows"),
        ),
        Break(
            "_NUMERIC",
            '_NUMERIC = {"add": "sum", ',
            '_NUMERIC = {"add": "sum", "subtract": "sum", ',
            reduction("rule_64-not-commutative-columns"),
        ),
    )),
    Rule(65, "sums of floats are accumulated in no less than f32; in which order is open", (
        Break(
            "reduction_type",
            'return "f32" if wanted == "f16" and reducer.kind in ("sum", "product") else wanted',
            "return wanted",
            reduction("rule_65-sum-of-halves"),
        ),
    )),
    Rule(66, "argmax and argmin: NaN wins, the lowest index of equal values", (
        Break(
            "_wins",
            "    return tir.any(better, tir.all(tie, index < best_index))",
            "    return tir.any(better, tir.all(tie, index > best_index))",
            reduction("rule_66-argmax-whole-1"),
        ),
        Break(
            "_wins",
            "better = tir.any(tir.all(better, tir.Not(nan), tir.Not(best_nan)), tir.all(nan, tir.Not(best_nan)))",
            "better = tir.all(better, tir.Not(nan), tir.Not(best_nan))",
            reduction("rule_66-argmax-nan-1"),
        ),
    )),
    Rule(67, "reduce by and and or: logical on pred, bitwise on integers", (
        Break(
            "combine",
            '        "and": lambda a, b: a & b,',
            '        "and": tir.min,',
            reduction("rule_67-and-int32"),
        ),
        Break(
            "combine",
            '        "any": tir.Or,',
            '        "any": lambda a, b: a != b,',
            reduction("rule_67-pred-or-False-1"),
        ),
    )),
    Rule(68, "reduce-window: padding and holes are no elements; init once per window; windows and data dilated", (
        Break(
            "_Line._direct",
            "                        totals[first + edge] = identity(self.kind, dtype_of(operand))",
            "                        totals[first + edge] = tir.const(0, dtype_of(operand))",
            window("rule_68-one-dimension"),
        ),
        Break(
            "window_source",
            "        valid.append(tir.indexmod(position, hole) == 0)\n",
            "",
            window("rule_68-base-dilation-any-body"),
        ),
        Break(
            "window_source",
            "    position = output * stride + tap * step - low",
            "    position = output * stride + tap - low",
            window("rule_68-window-dilation-any-body"),
        ),
        Break(
            "Windows.fold_one",
            "            total[0] = init\n",
            "            total[0] = tir.const(0, dtype_of(total))\n",
            window("rule_68-any-body-in-order"),
        ),
        Break(
            "cumulative",
            "            return length - 1 - step if reverse else step",
            "            return step",
            window("rule_68-running-add-float32-reverse-1"),
        ),
    )),
    Rule(69, "select-and-scatter: windows in row-major order; an element stays if select(it, the next one)", (
        Break(
            "_SelectAndScatter._over_window",
            "at, valid = window_source(place[axis], tap, stride, low, step, hole, self.operand[axis])",
            "at, valid = window_source(place[axis], size - 1 - tap, stride, low, step, hole, self.operand[axis])",
            ("test_select_and_scatter.py::test_rule_69_select_and_scatter[CASES]",),
        ),
        Break(
            "_SelectAndScatter._over_window",
            'call_body(loops, self.select, [best[0], candidate], ["bool"])',
            'call_body(loops, self.select, [candidate, best[0]], ["bool"])',
            ("test_select_and_scatter.py::test_rule_69_select_and_scatter[NANS]",),
        ),
        Break(
            "_SelectAndScatter.generate",
            "            out[element] = start\n",
            "            out[element] = tir.const(0, dtype_of(start))\n",
            ("test_select_and_scatter.py::test_rule_69_select_and_scatter[CASES]",),
        ),
    )),
    Rule(70, "map: the body at every index of all operands", (
        Break(
            "convert_map",
            "return ctx.map(last.opcode, last.element_type, operands, last.attributes, exact)",
            "return ctx.map(last.opcode, last.element_type, operands[::-1], last.attributes, exact)",
            ("test_reduce.py::test_rule_70_map",),
        ),
    )),
    Rule(71, "sort is stable, also descending; comparators take l0, r0, l1, r1 …; zeros differ in total order", (
        Break(
            "_merge",
            "            wins = before(right, left)",
            "            wins = tir.Not(before(left, right))",
            ("test_sort.py::test_rule_71_any_comparator[crosswise]",),
        ),
        Break(
            "sort_by_comparing",
            "            arguments[2 * number], arguments[2 * number + 1] = left, right",
            "            arguments[2 * number], arguments[2 * number + 1] = right, left",
            ("test_sort.py::test_rule_71_any_comparator[crosswise]",),
        ),
        Break(
            "ordered_bits",
            '        if order != "TOTALORDER":',
            "        if False:",
            ("test_sort.py::test_rule_71_zeros_are_equal_in_float_comparisons[LT]",),
        ),
        Break(
            "_strict_key",
            'return SortKey(expression, str(order), (direction == "GT") == (first == LEFT))',
            'return SortKey(expression, str(order), direction == "GT")',
            ("test_sort.py::test_rule_71_any_comparator[swapped]",),
        ),
    )),
    Rule(72, "topk: in total order, NaN first; of equal values the lowest position", (
        Break(
            "first_of_line",
            'order = "TOTALORDER" if kind.startswith("float") else',
            'order = "FLOAT" if kind.startswith("float") else',
            ("test_sort.py::test_rule_72_topk[True]",),
        ),
        Break(
            "first_of_line",
            '        (number,) = loops.values([packed(bits, element)], "number")',
            '        (number,) = loops.values([packed(bits, length - 1 - element)], "number")',
            ("test_sort.py::test_rule_72_topk[True]",),
            (
                (
                    "        targets[0][slot] = operand[position]\n"
                    "        targets[1][slot] = position",
                    "        targets[0][slot] = operand[length - 1 - position]\n"
                    "        targets[1][slot] = length - 1 - position",
                ),
            ),
        ),
        Break(
            "_first_sorted",
            '("GT" if largest else "LT", order)',
            '("GT", order)',
            ("test_sort.py::test_rule_72_topk[False]",),
        ),
    )),
)  # fmt: skip
