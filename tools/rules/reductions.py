"""Rules 64 to 72: reductions, windows, sorting."""

from __future__ import annotations

from .model import Break, Rule

FOLD = "kernels/fold.py"
PATTERNS = "patterns/reducers.py"
REDUCE = "converters/reduce.py"
REDUCE_KERNEL = "kernels/reduce.py"
SCATTER = "kernels/scatter.py"
SORT = "kernels/sort.py"
WINDOW = "kernels/window.py"


def reduction(name: str) -> tuple[str, ...]:
    return (f"test_reduce.py::test_reduce[{name}]",)


def window(name: str) -> tuple[str, ...]:
    return (f"test_reduce_window.py::test_reduce_window[{name}]",)


RULES = (
    Rule(64, "reduce: init once per result, whatever it is; any body, in row-major order if it is not commutative", (
        Break(
            REDUCE,
            "        reduced = ctx.map(reducer.opcode, reduced.element_type, [start, reduced], (), True)\n",
            "        for _ in range(2):\n"
            "            reduced = ctx.map(reducer.opcode, reduced.element_type, [start, reduced], (), True)\n",
            reduction("rule_64-init-sum-is-applied-once"),
        ),
        Break(
            REDUCE,
            "    if not _is_identity(instruction.operands[1], reducer):",
            "    if False:",
            reduction("rule_64-init-sum-is-applied-once"),
        ),
        Break(
            FOLD,
            "[*(array[position] for array in accumulators), *elements]",
            "[*elements, *(array[position] for array in accumulators)]",
            reduction("rule_64-not-commutative-rows"),
        ),
        Break(
            FOLD,
            "                accumulator[0] = init\n",
            "                accumulator[0] = tir.const(0, dtype_of(accumulator))\n",
            reduction("rule_64-not-commutative-rows"),
        ),
        Break(
            PATTERNS,
            '_NUMERIC = {"add": "sum", ',
            '_NUMERIC = {"add": "sum", "subtract": "sum", ',
            reduction("rule_64-not-commutative-columns"),
        ),
    )),
    Rule(65, "sums of floats are accumulated in no less than f32; in which order is open", (
        Break(
            REDUCE,
            '    if wanted == "f16" and reducer.kind in ("sum", "product"):\n        wanted = "f32"\n',
            "",
            reduction("rule_65-sum-of-halves"),
        ),
    )),
    Rule(66, "argmax and argmin: NaN wins, the lowest index of equal values", (
        Break(
            FOLD,
            "    return tir.any(better, tir.all(tie, index < best_index))",
            "    return tir.any(better, tir.all(tie, index > best_index))",
            reduction("rule_66-argmax-whole-1"),
        ),
        Break(
            FOLD,
            "better = tir.any(tir.all(better, tir.Not(nan), tir.Not(best_nan)), tir.all(nan, tir.Not(best_nan)))",
            "better = tir.all(better, tir.Not(nan), tir.Not(best_nan))",
            reduction("rule_66-argmax-nan-1"),
        ),
    )),
    Rule(67, "reduce by and and or: logical on pred, bitwise on integers", (
        Break(
            REDUCE_KERNEL,
            '        "and": lambda a, b: a & b,',
            '        "and": tir.min,',
            reduction("rule_67-and-int32"),
        ),
        Break(
            REDUCE_KERNEL,
            '        "any": tir.Or,',
            '        "any": lambda a, b: a != b,',
            reduction("rule_67-pred-or-False-1"),
        ),
    )),
    Rule(68, "reduce-window: padding and holes are no elements; init once per window; windows and data dilated", (
        Break(
            WINDOW,
            "                        totals[first + edge] = identity(self.kind, dtype_of(operand))",
            "                        totals[first + edge] = tir.const(0, dtype_of(operand))",
            window("rule_68-one-dimension"),
        ),
        Break(
            WINDOW,
            "        valid.append(tir.indexmod(position, hole) == 0)\n",
            "",
            window("rule_68-base-dilation-any-body"),
        ),
        Break(
            WINDOW,
            "    position = output * stride + tap * step - low",
            "    position = output * stride + tap - low",
            window("rule_68-window-dilation-any-body"),
        ),
        Break(
            WINDOW,
            "                total[0] = init[0]\n",
            "                total[0] = tir.const(0, dtype_of(total))\n",
            window("rule_68-any-body-in-order"),
        ),
        Break(
            WINDOW,
            "            return length - 1 - step if reverse else step",
            "            return step",
            window("rule_68-running-add-float32-reverse-1"),
        ),
    )),
    Rule(69, "select-and-scatter: windows in row-major order; an element stays if select(it, the next one)", (
        Break(
            SCATTER,
            "at, valid = window_source(place[axis], tap, stride, low, step, hole, self.operand[axis])",
            "at, valid = window_source(place[axis], size - 1 - tap, stride, low, step, hole, self.operand[axis])",
            ("test_select_and_scatter.py::test_rule_69_select_and_scatter[CASES]",),
        ),
        Break(
            SCATTER,
            'call_body(loops, self.select, [best[0], candidate], ["bool"])',
            'call_body(loops, self.select, [candidate, best[0]], ["bool"])',
            ("test_select_and_scatter.py::test_rule_69_select_and_scatter[NANS]",),
        ),
        Break(
            SCATTER,
            "            out[element] = start\n",
            "            out[element] = tir.const(0, dtype_of(start))\n",
            ("test_select_and_scatter.py::test_rule_69_select_and_scatter[CASES]",),
        ),
    )),
    Rule(70, "map: the body at every index of all operands", (
        Break(
            REDUCE,
            "return ctx.map(last.opcode, last.element_type, operands, last.attributes, exact)",
            "return ctx.map(last.opcode, last.element_type, operands[::-1], last.attributes, exact)",
            ("test_reduce.py::test_rule_70_map",),
        ),
    )),
    Rule(71, "sort is stable, also descending; comparators take l0, r0, l1, r1 …; zeros differ in total order", (
        Break(
            SORT,
            "            wins = before(right, left)",
            "            wins = tir.Not(before(left, right))",
            ("test_sort.py::test_rule_71_any_comparator[crosswise]",),
        ),
        Break(
            SORT,
            "            arguments[2 * number], arguments[2 * number + 1] = left, right",
            "            arguments[2 * number], arguments[2 * number + 1] = right, left",
            ("test_sort.py::test_rule_71_any_comparator[crosswise]",),
        ),
        Break(
            SORT,
            '        if order != "TOTALORDER":',
            "        if False:",
            ("test_sort.py::test_rule_71_zeros_are_equal_in_float_comparisons[LT]",),
        ),
        Break(
            "patterns/comparators.py",
            'return SortKey(expression, str(order), (direction == "GT") == (first == LEFT))',
            'return SortKey(expression, str(order), direction == "GT")',
            ("test_sort.py::test_rule_71_any_comparator[swapped]",),
        ),
    )),
    Rule(72, "topk: in total order, NaN first; of equal values the lowest position", (
        Break(
            SORT,
            '    order = "TOTALORDER" if kind.startswith("float") else',
            '    order = "FLOAT" if kind.startswith("float") else',
            ("test_sort.py::test_rule_72_topk[True]",),
        ),
        Break(
            SORT,
            '                (number,) = loops.values([packed(bits, element)], "number")',
            '                (number,) = loops.values([packed(bits, length - 1 - element)], "number")',
            ("test_sort.py::test_rule_72_topk[True]",),
            (
                (
                    "                outs[0][[row, slot]] = ins[0][[row, position]]\n"
                    "                outs[1][[row, slot]] = position",
                    "                outs[0][[row, slot]] = ins[0][[row, length - 1 - position]]\n"
                    "                outs[1][[row, slot]] = length - 1 - position",
                ),
            ),
        ),
        Break(
            "converters/sort.py",
            '("GT" if largest else "LT", order)',
            '("GT", order)',
            ("test_sort.py::test_rule_72_topk[False]",),
        ),
    )),
)  # fmt: skip
