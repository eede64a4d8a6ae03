"""What XLA made of a TensorFlow function's results: assigned variables, and shapes known only at run time."""

from __future__ import annotations

from typing import Any

from ...errors import LoweringError
from ...hlo.ir.module import Metadata

MAX_LINES = 40
# results whose number of elements depends on the data, and what has a static shape instead
STATIC_ALTERNATIVES = {
    "Where": "tf.where(condition, a, b) with all three arguments, or multiply by the mask (tf.boolean_mask is a "
    "tf.where too)",
    "Unique": "tf.sort and a comparison of neighbours",
    "UniqueV2": "tf.sort and a comparison of neighbours",
    "ListDiff": "a comparison of all pairs",
    "DynamicPartition": "tf.where(partitions == i, data, 0) for each partition",
    "NonMaxSuppressionV3": "tf.image.non_max_suppression_padded with pad_to_max_output_size=True",
    "NonMaxSuppressionV4": "tf.image.non_max_suppression_padded with pad_to_max_output_size=True",
    "TopKV2": "a k that is a Python number",
    "StridedSlice": "slices with Python numbers as bounds, or tf.slice with a fixed size",
    "Slice": "a size of Python numbers",
    "XlaSetDynamicDimensionSize": "no dynamic sizes",
    "XlaSetBound": "a Python number",
    "If": "branches of equal shapes, or a condition that is a Python value",
    "StatelessIf": "branches of equal shapes, or a condition that is a Python value",
    "Case": "branches of equal shapes, or an index that is a Python number",
    "StatelessCase": "branches of equal shapes, or an index that is a Python number",
}


def assigned_parameters(hlo: bytes, own: int) -> list[int]:
    """Parameter numbers of the variables whose new values are the results behind the `own` first ones."""
    from ...hlo.proto.reader import parse_module_proto

    entries = parse_module_proto(hlo).input_output_alias.entries
    by_result = {(tuple(entry.output_shape_index) or (0,))[0]: entry.parameter_number for entry in entries}
    return [by_result[result] for result in sorted(by_result) if result >= own]


def settled_shapes(hlo: bytes) -> Any:
    """`hlo` itself if all its shapes are static, else an HloModule with the shapes that follow from known sizes.

    Raises
    ------
    LoweringError
        If shapes are known only at run time; names the TensorFlow operations that make them. A bound is never taken
        for the size (rule 90).
    """
    from ...hlo.proto.reader import module_from_proto, parse_module_proto
    from ...rewrites import Capabilities, settle_known_dimensions

    proto = parse_module_proto(hlo)
    if not any(_is_dynamic(each.shape) for computation in proto.computations for each in computation.instructions):
        return hlo
    module = settle_known_dimensions(module_from_proto(proto), Capabilities(frozenset()))
    dynamic = {
        _origin(module, computation, instruction): None
        for computation in module.computations
        for instruction in computation.instructions
        if not instruction.shape.is_static
    }
    if not dynamic:
        return module
    named = [origin for origin in dynamic if origin.op_type in STATIC_ALTERNATIVES] or list(dynamic)
    lines = [_described(origin) for origin in named[:MAX_LINES]]
    lines += [f"  and {len(named) - MAX_LINES} more"] if len(named) > MAX_LINES else []
    raise LoweringError(
        "HLO is static, but the number of elements of these results is known only at run time:\n" + "\n".join(lines)
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


def _described(origin: Metadata) -> str:
    node = f"{origin.op_name} ({origin.op_type})" if origin.op_type else origin.op_name
    place = f" (from {origin.source_file}:{origin.source_line})" if origin.source_file else ""
    return f"  {node}: {_advice(origin.op_type)}{place}"


def _advice(op: str) -> str:
    return f"use {STATIC_ALTERNATIVES[op]}" if op in STATIC_ALTERNATIVES else "give it a static shape"


def _is_dynamic(shape: Any) -> bool:
    return any(shape.is_dynamic_dimension) or any(_is_dynamic(part) for part in shape.tuple_shapes)
