"""What XLA made of a TensorFlow function's results: assigned variables, and shapes known only at run time."""

from __future__ import annotations

from typing import Any

from ...errors import LoweringError
from ...hlo.ir.module import Metadata

MAX_LINES = 40
# what TensorFlow's XLA bridge computes wrong of arrays of bounded dimensions, as TensorFlow without XLA shows
_NOT_BESIDE_SIZES = frozenset({"Diag", "MatrixDiag", "MatrixDiagV2", "MatrixDiagV3", "Where"})
# wrong if exclusive, which then takes a slice
_SUMS = frozenset({"Cumprod", "Cumsum"})
WRONG_IN_XLA = "TensorFlow's XLA computes something else of an array whose size is known only at run time"


def assigned_parameters(hlo: bytes, own: int) -> list[int]:
    """Parameter numbers of the variables whose new values are the results behind the `own` first ones."""
    from ...hlo.proto.reader import parse_module_proto

    entries = parse_module_proto(hlo).input_output_alias.entries
    by_result = {(tuple(entry.output_shape_index) or (0,))[0]: entry.parameter_number for entry in entries}
    return [by_result[result] for result in sorted(by_result) if result >= own]


def refuse_sizes(hlo: bytes, function: Any) -> None:
    """LoweringError if something cannot be computed beside sizes that are known only at run time, as those of
    ``tf.where``, ``tf.boolean_mask`` and ``tf.unique`` are; names the operations of the ConcreteFunction."""
    from ...hlo.proto.reader import module_from_proto, parse_module_proto
    from ...rewrites import Capabilities
    from ...rewrites.bounded.carry import carry_sizes, has_bounded_dimensions

    proto = parse_module_proto(hlo)
    if not any(_is_dynamic(each.shape) for computation in proto.computations for each in computation.instructions):
        return
    carried = carry_sizes(module_from_proto(proto), Capabilities(frozenset()))
    if not has_bounded_dimensions(carried.flat):
        return
    holders = {each.name: (holder, each) for holder in carried.flat.computations for each in holder.instructions}
    lines = [
        _described(_origin(carried.flat, *holders[refusal.instruction]), f"{refusal.opcode}: {refusal.reason}")
        for refusal in carried.refusals
    ]
    lines = list(dict.fromkeys([*lines, *_wrong_instructions(carried.flat), *_slices_to_the_bound(function)]))
    if not lines:
        return
    more = [f"  and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
    raise LoweringError(
        "the number of elements of some arrays is known only at run time, and these operations cannot be computed "
        "beside it:\n" + "\n".join([*lines[:MAX_LINES], *more])
    )


def _wrong_instructions(module: Any) -> list[str]:
    """Lines about instructions of operations that the bridge does not make for such arrays."""
    return [
        _described(instruction.metadata, WRONG_IN_XLA)
        for instruction in module.instructions
        if instruction.metadata.op_type in _NOT_BESIDE_SIZES
        or (instruction.metadata.op_type in _SUMS and instruction.opcode == "slice")
        if any(not operand.shape.is_static for operand in instruction.operands)
    ]


def _slices_to_the_bound(function: Any) -> list[str]:
    """Lines about slices of such arrays that XLA counts from their bounds: what begins at an index from the end, and
    tf.slice to the end."""
    import tensorflow as tf

    found = []
    for operation in function.graph.get_operations():
        if operation.type not in ("Slice", "StridedSlice") or operation.inputs[0].shape.rank is None:
            continue
        unknown = [size is None for size in operation.inputs[0].shape]
        if operation.type == "Slice":
            negative, skipped = tf.get_static_value(operation.inputs[2]), 0
        else:
            negative, skipped = tf.get_static_value(operation.inputs[1]), operation.get_attr("begin_mask")
            if operation.get_attr("ellipsis_mask") or operation.get_attr("new_axis_mask"):
                unknown = [any(unknown)] * len(() if negative is None else negative)
        pairs = enumerate(zip(() if negative is None else negative, unknown))
        if any(value < 0 and open_ and not skipped >> axis & 1 for axis, (value, open_) in pairs):
            reason = f"{[int(value) for value in negative]}: XLA counts such a number from the bound of the size"
            found.append(_described(Metadata(op_type=operation.type, op_name=operation.name), reason))
    return found


def _origin(module: Any, computation: Any, instruction: Any) -> Metadata:
    """Where an instruction came from; what XLA adds itself came from what runs its computation."""
    callers = {
        callee: (holder, caller)
        for holder in module.computations
        for caller in holder.instructions
        for callee in caller.called_computations
    }
    while not instruction.metadata.op_type and computation in callers:
        computation, instruction = callers[computation]
    return instruction.metadata if instruction.metadata.op_type else Metadata(op_name=instruction.name)


def _described(origin: Metadata, reason: str) -> str:
    node = f"{origin.op_name} ({origin.op_type})" if origin.op_type else origin.op_name
    place = f" (from {origin.source_file}:{origin.source_line})" if origin.source_file else ""
    return f"  {node}: {reason}{place}"


def _is_dynamic(shape: Any) -> bool:
    return any(shape.is_dynamic_dimension) or any(_is_dynamic(part) for part in shape.tuple_shapes)
