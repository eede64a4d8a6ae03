"""Rules 54 to 63: gather and scatter."""

from __future__ import annotations

from .model import Break, Rule

# what dynamic-update-slice would do
CLAMPED = (
    "_Scatter._over_scatter",
    "        origin: dict[int, Any] = {\n"
    '            axis: tir.Cast("int32" if isinstance(self.operand[axis], int) else "int64", start)\n'
    "            for axis, start in zip(mapped, starts)\n"
    "        }",
    "        extents = {axis: self.sizes[dim] for axis, dim in self.window_of.items()}\n"
    "        last = {axis: self.operand[axis] - extents.get(axis, 1) for axis in mapped}\n"
    "        origin: dict[int, Any] = {axis: clamped(start, last[axis]) for axis, start in zip(mapped, starts)}\n"
    "        inside = []",
)
CLAMPED_IMPORT = (("from .gather import within", "from .gather import clamped, within"),)


def gather(name: str) -> tuple[str, ...]:
    return (f"test_gather_scatter.py::test_gather[{name}]",)


def scatter(name: str) -> tuple[str, ...]:
    return (f"test_gather_scatter.py::test_scatter[{name}]",)


RULES = (
    Rule(54, "gather: starts are clamped so that the slice fits, negative ones never count from the end", (
        Break(
            "clamped",
            "        value = tir.max(value, tir.const(0, dtype_of(value)))",
            "        zero = tir.const(0, dtype_of(value))\n"
            "        value = tir.max(tir.Select(value < zero, value + highest, value), zero)",
            gather("rule_54 clamped, never wrapped"),
        ),
        Break(
            "_clamped",
            "    return ctx.map_expression(ScalarExpression(nodes, (3,)), [indices])",
            '    return ctx.map_expression(ScalarExpression(nodes, (3,)), [ctx.map("abs", kind, [indices])])',
            gather("rule_54 clamped, never wrapped"),
        ),
    )),
    Rule(55, "an index_vector_dim beyond the indices' dimensions is a last one of size 1", (
        Break(
            "_index_vectors",
            "return ctx.dialect.reshape(indices, (*indices.dimensions, 1))",
            "indices = ctx.dialect.transpose(indices, range(indices.rank)[::-1])\n"
            "        return ctx.dialect.reshape(indices, (*indices.dimensions, 1))",
            gather("rule_55 index_vector_dim is the rank"),
        ),
    )),
    Rule(56, "gather: any order of start_index_map; batching dimensions skip the index vector's", (
        Break(
            "convert_gather",
            '"batch_positions": [batch_dims.index(axis) for axis in numbers.start_indices_batching_dims],',
            '"batch_positions": list(numbers.start_indices_batching_dims),',
            gather("rule_56 dimension numbers"),
        ),
        Break(
            "gather.gather",
            'start = inputs[1](*batch, numbers["start_index_map"].index(axis))',
            'start = inputs[1](*batch, sorted(numbers["start_index_map"]).index(axis))',
            gather("rule_56 dimension numbers"),
        ),
    )),
    Rule(57, "gather of nothing, or from nothing", (
        Break(
            "convert_gather",
            "    if 0 in operand.dimensions or 0 in numbers.slice_sizes:\n",
            "    if False:\n",
            ("test_gather_scatter.py::test_rule_57_slices_without_elements_that_collapse",),
        ),
    )),
    Rule(58, "indices of every integer type are compared as they are, not in a narrower type", (
        Break(
            "clamped",
            "    highest = tir.const(min(limit, np.iinfo(dtype_of(value)).max), dtype_of(value))\n    value = tir.min",
            '    value = tir.Cast("int32", value)\n'
            "    highest = tir.const(min(limit, np.iinfo(dtype_of(value)).max), dtype_of(value))\n    value = tir.min",
            gather("rule_58 index types"),
        ),
        Break(
            "within",
            "    if limit >= np.iinfo(dtype).max:\n",
            '    value = tir.Cast("int32", value) if dtype == "int64" else value\n'
            "    dtype = dtype_of(value)\n    if limit >= np.iinfo(dtype).max:\n",
            ("test_gather_scatter.py::test_rule_58_scatter_with_any_index_type",),
        ),
    )),
    Rule(59, "JAX's modes of indexing are arithmetic around gather and scatter; mode drop is what scatter does", (
        Break(*CLAMPED, ("test_gather_scatter.py::test_rule_59_jax_modes_are_around_the_operations",), CLAMPED_IMPORT),
    )),
    Rule(60, "scatter drops the whole window if any part of it is outside", (
        Break(
            "_Scatter._over_scatter",
            "        with loops.when(tir.all(*inside)):\n"
            "            self._over_window(loops, place, part, origin, updates, outs)",
            "        self._over_window(loops, place, part, origin, updates, outs)",
            scatter("rule_60 a window is dropped whole"),
            (
                (
                    "        for out, value in zip(outs, values):\n            out[target] = value\n\n    def _target",
                    "        inside = [tir.all(t >= 0, t < size) for t, size in zip(target, self.operand)]\n"
                    "        with loops.when(tir.all(*inside)):\n"
                    "            for out, value in zip(outs, values):\n"
                    "                out[target] = value\n\n    def _target",
                ),
            ),
        ),
    )),
    Rule(61, "scatter: body(current, update), duplicates in row-major order of the updates", (
        Break(
            "_Scatter._over_scatter",
            "                place = {**place, remaining[0]: position}\n                self._over_scatter",
            "                place = {**place, remaining[0]: self.sizes[remaining[0]] - 1 - position}\n"
            "                self._over_scatter",
            scatter("rule_61 duplicates in order"),
        ),
        Break(
            "_Scatter._over_window",
            "[*current, *(update[source] for update in updates)]",
            "[*(update[source] for update in updates), *current]",
            scatter("rule_61 duplicates in order"),
        ),
        Break(
            "_Scatter._choose_parallel",
            "sizes = {dim: self.sizes[dim] for axis, dim in self.window_of.items() if axis not in indexed}",
            "sizes = {dim: self.sizes[dim] for dim in self.scatter_dims}",
            ("test_gather_scatter.py::test_rule_61_threads_keep_the_order_of_duplicates",),
        ),
    )),
    Rule(62, "scatter: several operands, batching dimensions, scalars; uniqueness and order are hints", (
        Break(
            "convert_scatter",
            '"batch_positions": [scatter_dims.index(axis) for axis in numbers.scatter_indices_batching_dims],',
            '"batch_positions": list(numbers.scatter_indices_batching_dims),',
            scatter("rule_62 forms"),
        ),
        Break(
            "_Scatter._over_window",
            "[*current, *(update[source] for update in updates)]",
            "[x for pair in zip(current, (update[source] for update in updates)) for x in pair]",
            ("test_gather_scatter.py::test_rule_62_variadic_scatter",),
        ),
    )),
    Rule(63, "a scatter of one window is no dynamic-update-slice, which would move it inside", (
        Break(*CLAMPED, scatter("rule_63 dropped where a dynamic-update-slice would move"), CLAMPED_IMPORT),
    )),
)  # fmt: skip
