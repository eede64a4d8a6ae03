"""What XLA made of a TensorFlow function's results: assigned variables, and shapes known only at run time."""

from __future__ import annotations

from typing import Any

from ...errors import LoweringError, Refusal
from ...hlo.ir.module import Metadata

MAX_LINES = 40


def assigned_parameters(hlo: bytes, own: int) -> list[int]:
    """Parameter numbers of the variables whose new values are the results behind the `own` first ones."""
    from ...hlo.proto.reader import parse_module_proto

    entries = parse_module_proto(hlo).input_output_alias.entries
    by_result = {(tuple(entry.output_shape_index) or (0,))[0]: entry.parameter_number for entry in entries}
    return [by_result[result] for result in sorted(by_result) if result >= own]


def refuse_sizes(hlo: bytes) -> None:
    """LoweringError if something cannot be computed beside sizes that are known only at run time, as those of
    ``tf.where``, ``tf.boolean_mask`` and ``tf.unique`` are; names the TensorFlow operations."""
    from ...hlo.proto.reader import module_from_proto, parse_module_proto
    from ...rewrites import Capabilities
    from ...rewrites.bounded.carry import carry_sizes

    proto = parse_module_proto(hlo)
    if not any(_is_dynamic(each.shape) for computation in proto.computations for each in computation.instructions):
        return
    carried = carry_sizes(module_from_proto(proto), Capabilities(frozenset()))
    refusals, flat = carried.refusals, carried.flat
    if not refusals:
        return
    holders = {each.name: (holder, each) for holder in flat.computations for each in holder.instructions}
    lines = [_described(_origin(flat, *holders[refusal.instruction]), refusal) for refusal in refusals[:MAX_LINES]]
    lines += [f"  and {len(refusals) - MAX_LINES} more"] if len(refusals) > MAX_LINES else []
    raise LoweringError(
        "the number of elements of some arrays is known only at run time, and these operations cannot be computed "
        "beside it:\n" + "\n".join(lines)
    )


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


def _described(origin: Metadata, refusal: Refusal) -> str:
    node = f"{origin.op_name} ({origin.op_type})" if origin.op_type else origin.op_name
    place = f" (from {origin.source_file}:{origin.source_line})" if origin.source_file else ""
    return f"  {node}: {refusal.opcode}: {refusal.reason}{place}"


def _is_dynamic(shape: Any) -> bool:
    return any(shape.is_dynamic_dimension) or any(_is_dynamic(part) for part in shape.tuple_shapes)
