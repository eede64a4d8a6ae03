"""Rules 35 to 47: movement, selection, sizes, constants."""

from __future__ import annotations

from .model import Break, Rule


def case(name: str) -> tuple[str, ...]:
    return (f"test_movement.py::test_movement[{name}]",)


RULES = (
    Rule(35, "broadcast: operand dimension i becomes dimension dimensions[i]", (
        Break(
            "convert_broadcast",
            "    operand = ctx.dialect.transpose(operand, order)\n    carried",
            "    carried",
            case("rule_35 broadcast"),
        ),
    )),
    Rule(36, "reshape keeps the row-major order of the elements, whatever the layouts", (
        Break(
            "convert_reshape",
            "    return ctx.dialect.reshape(operand, instruction.shape.dimensions)",
            "    layout = instruction.operands[0].shape.minor_to_major\n"
            "    operand = ctx.dialect.transpose(operand, layout[::-1]) if layout else operand\n"
            "    return ctx.dialect.reshape(operand, instruction.shape.dimensions)",
            ("test_movement.py::test_rule_36_layouts_play_no_part",),
        ),
    )),
    Rule(37, "transpose: result dimension i is operand dimension permutation[i], not the other way round", (
        Break(
            "convert_transpose",
            "return ctx.dialect.transpose(operand, instruction.attributes_as(DimensionsAttributes).dimensions)",
            "permutation = np.argsort(instruction.attributes_as(DimensionsAttributes).dimensions)\n"
            "    return ctx.dialect.transpose(operand, permutation.tolist())",
            case("rule_37 transpose of a cube"),
        ),
    )),
    Rule(38, "pad: holes first, then the edges; negative edges crop what the holes have made", (
        Break(
            "movement.pad",
            "offset, step = position - low[axis], interior[axis] + 1",
            "offset, step = position - low[axis] * (interior[axis] + 1 if low[axis] < 0 else 1), interior[axis] + 1",
            case("rule_38 pad"),
        ),
    )),
    Rule(39, "slice: the limit is exclusive, steps are counted from the start", (
        Break(
            "convert_slice",
            "    return ctx.dialect.slice(operand, attributes.starts, attributes.limits, attributes.strides)",
            "    parts = zip(attributes.limits, attributes.strides, instruction.shape.sizes)\n"
            "    starts = [limit - 1 - stride * (size - 1) for limit, stride, size in parts]\n"
            "    return ctx.dialect.slice(operand, starts, attributes.limits, attributes.strides)",
            case("rule_39 slice"),
        ),
    )),
    Rule(40, "starts of dynamic slices are clamped so that the slice fits, of any integer type", (
        Break(
            "clamped",
            "        value = tir.max(value, tir.const(0, dtype_of(value)))",
            "        zero = tir.const(0, dtype_of(value))\n"
            "        value = tir.max(tir.Select(value < zero, value + highest, value), zero)",
            ("test_dynamic_slices.py::test_rule_40_starts_are_clamped[signed]",),
        ),
        Break(
            "clamped",
            "    highest = tir.const(min(limit, np.iinfo(dtype_of(value)).max), dtype_of(value))\n    value = tir.min",
            '    value = tir.Cast("int32", value)\n'
            "    highest = tir.const(min(limit, np.iinfo(dtype_of(value)).max), dtype_of(value))\n    value = tir.min",
            ("test_dynamic_slices.py::test_rule_40_starts_are_clamped[extreme]",),
        ),
        Break(
            "_slice_at",
            "begin = [min(max(0, start), room) for start, room in zip(starts, rooms) if room is not None]",
            "begin = [min(start % size, room) for size, start, room in zip(operand.shape.sizes, starts, rooms)]",
            ("test_dynamic_slices.py::test_rule_40_constant_starts_are_a_plain_slice",),
        ),
    )),
    Rule(41, "reverse takes several dimensions", (
        Break(
            "convert_reverse",
            "return ctx.dialect.reverse(operand, instruction.attributes_as(DimensionsAttributes).dimensions)",
            "return ctx.dialect.reverse(operand, instruction.attributes_as(DimensionsAttributes).dimensions[:1])",
            case("rule_41 reverse"),
        ),
    )),
    Rule(42, "iota counts along its dimension, in any type", (
        Break(
            "convert_iota",
            "    dimensions[dimension] = size\n",
            "    dimensions[-1 - dimension] = size\n",
            case("rule_42 iota of a square"),
        ),
        Break(
            "types._iota",
            'return Pair(emit("iota", shape=shape, attributes=old.attributes), emit.full(0, shape))',
            'return Pair(*[emit("iota", shape=shape, attributes=old.attributes)] * 2)',
            ("test_movement.py::test_rule_42_iota_of_types_that_tvm_lacks[c64]",),
        ),
    )),
    Rule(43, "concatenate: one operand after the other; those without elements add nothing", (
        Break(
            "convert_concatenate",
            "parts = [operand for operand in operands if 0 not in operand.dimensions]",
            "parts = [operand for operand in operands if 0 not in operand.dimensions][::-1]",
            case("rule_43 concatenate"),
        ),
    )),
    Rule(44, "select: a scalar pred chooses the whole tensor", (
        Break(
            "logical.select",
            "    return select_value(condition, on_true, on_false)",
            "    return select_value(condition, on_false, on_true)",
            ("test_elementwise.py::test_rule_13_rule_14_rule_44_scalars_and_pending_broadcasts",),
        ),
    )),
    Rule(45, "get-dimension-size is the size of one dimension", (
        Break(
            "convert_get_dimension_size",
            "size = instruction.operands[0].shape.dimensions[dimension]",
            "size = instruction.operands[0].shape.dimensions[-1 - dimension]",
            ("test_refusals.py::test_rule_45_size_of_a_static_dimension",),
        ),
    )),
    Rule(46, "a constant's elements are in the order of its layout; narrow ones are the low bits of a byte each", (
        Break(
            "_logical",
            "return np.ascontiguousarray(stored.transpose(np.argsort(major_to_minor)))",
            "return flat.reshape(dimensions)",
            ("test_hlo_literal.py::test_rule_46_layout_of_three_dimensions",),
        ),
        Break(
            "_unpack_sub_byte",
            "low = raw & np.uint8((1 << row.bits) - 1)",
            "low = raw >> np.uint8(8 - row.bits)",
            ("test_hlo_literal.py::test_rule_46_round_trip_of_every_element_type[s4]",),
        ),
    )),
    Rule(47, "a reduction of nothing is its init value; tensors without elements are everywhere", (
        Break(
            "convert_reduce",
            "    if any(sizes[axis] == 0 for axis in dimensions):\n"
            "        return _unwrap(instruction, [_filled(ctx, init, shape) for init, shape in zip(inits, results)])",
            "    if any(sizes[axis] == 0 for axis in dimensions):\n"
            "        return _unwrap(instruction, [_filled(ctx, ctx.scalar(0, s.element_type), s) for s in results])",
            ("test_reduce.py::test_reduce[rule_47-empty-dimension-gives-init]",),
        ),
        Break(
            "convert_dot",
            "    if 0 in shape.dimensions or 0 in lhs.dimensions:\n        return ctx.zeros(shape)",
            "    if 0 in shape.dimensions or 0 in lhs.dimensions:\n"
            "        return ctx.dialect.broadcast_to(ctx.scalar(1, shape.element_type), shape.sizes)",
            ("test_dot.py::test_rule_47_no_products",),
        ),
    )),
)  # fmt: skip
