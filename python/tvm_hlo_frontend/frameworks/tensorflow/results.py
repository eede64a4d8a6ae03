"""What XLA made of a TensorFlow function's results: assigned variables, and shapes known only at run time."""

from __future__ import annotations

from typing import Any

from ..lowered import LoweringError

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
}


def assigned_parameters(hlo: bytes, own: int) -> list[int]:
    """Parameter numbers of the variables whose new values are the results behind the `own` first ones."""
    from ...hlo.reader import parse_module_proto

    entries = parse_module_proto(hlo).input_output_alias.entries
    by_result = {(tuple(entry.output_shape_index) or (0,))[0]: entry.parameter_number for entry in entries}
    return [by_result[result] for result in sorted(by_result) if result >= own]


def refuse_dynamic_shapes(hlo: bytes) -> None:
    """LoweringError that names the TensorFlow operations whose results have shapes known only at run time; a bound
    is never taken for the size (rule 90)."""
    from ...hlo.reader import module_from_proto, parse_module_proto
    from ...rewrites import Capabilities, settle_known_dimensions

    proto = parse_module_proto(hlo)
    if not any(_is_dynamic(each.shape) for computation in proto.computations for each in computation.instructions):
        return
    module = settle_known_dimensions(module_from_proto(proto), Capabilities(frozenset()))
    dynamic = [instruction for instruction in module.instructions if not instruction.shape.is_static]
    if not dynamic:
        return
    nodes = {each.metadata.op_name: each.metadata.op_type for each in dynamic if each.metadata.op_type}
    causes = {name: kind for name, kind in nodes.items() if kind in STATIC_ALTERNATIVES} or nodes
    lines = [f"  {name} ({kind}): {_advice(kind)}" for name, kind in causes.items()]
    lines = lines or [f"  {each.name}: {_advice('')}" for each in dynamic[:8]]
    raise LoweringError(
        "HLO is static, but the number of elements of these results is known only at run time:\n" + "\n".join(lines)
    )


def _advice(op: str) -> str:
    return f"use {STATIC_ALTERNATIVES[op]}" if op in STATIC_ALTERNATIVES else "give it a static shape"


def _is_dynamic(shape: Any) -> bool:
    return any(shape.is_dynamic_dimension) or any(_is_dynamic(part) for part in shape.tuple_shapes)
