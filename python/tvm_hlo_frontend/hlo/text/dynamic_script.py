"""StableHLO with unknown dimensions to HLO that has custom calls for what computes shapes, in a process of its own.

``parsers.py`` runs the text of this file. Standard input is MLIR, standard output a serialized HloModuleProto. XLA
translates operations on unknown dimensions, but none whose shape is an operand; each of these becomes a custom call
``shape.NAME`` with the same operands, and its attributes as JSON in the backend_config; so do custom calls that mean
such operations, ``stablehlo.dynamic_top_k`` and its like, and functions of CHLO that HLO has opcodes for.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
from typing import Any

from jaxlib.mlir import ir, passmanager
from jaxlib.mlir._mlir_libs import _jax_mlir_ext
from jaxlib.mlir.dialects import chlo, mhlo, sdy, stablehlo

REFUSED = 3
PREFIX = "shape."
# custom calls that mean operations; XLA's translation drops their attributes
CUSTOM_CALLS = ("dynamic_reduce_window", "dynamic_rng_bit_generator", "dynamic_top_k", "dynamic_approx_top_k")
# what JAX calls the operands that say the shapes of a custom call's results, and what stands before its target then
SHAPE_OPERANDS = "indices_of_shape_operands"
SIZED = PREFIX + "sized."
APPROXIMATE_TOP_K = "ApproxTopK"
# what XLA's translation begins with, where it leaves shapes to passes that it does not have
LEGALIZATION = (
    "builtin.module(func.func(chlo-legalize-to-stablehlo,stablehlo-complex-math-expander,"
    "chlo-legalize-to-stablehlo,shape-legalize-to-stablehlo))"
)


def nothing(operation: Any) -> dict[str, Any]:
    """An operation without attributes."""
    return {}


def broadcast(operation: Any) -> dict[str, Any]:
    """dynamic_broadcast_in_dim."""
    return {"dimensions": list(operation.broadcast_dimensions)}


def iota(operation: Any) -> dict[str, Any]:
    """dynamic_iota."""
    return {"dimension": operation.iota_dimension.value}


def gather(operation: Any) -> dict[str, Any]:
    """dynamic_gather."""
    numbers = stablehlo.GatherDimensionNumbers(operation.dimension_numbers)
    lists = (
        *("offset_dims", "collapsed_slice_dims", "start_index_map"),
        *("operand_batching_dims", "start_indices_batching_dims"),
    )
    is_sorted = operation.indices_are_sorted
    return {
        **{name: list(getattr(numbers, name)) for name in lists},
        "index_vector_dim": numbers.index_vector_dim,
        "indices_are_sorted": is_sorted is not None and is_sorted.value,
    }


def convolution(operation: Any) -> dict[str, Any]:
    """dynamic_conv."""
    numbers = stablehlo.ConvDimensionNumbers(operation.dimension_numbers)
    spatial = len(numbers.input_spatial_dimensions)
    names = {
        "input_batch": numbers.input_batch_dimension,
        "input_feature": numbers.input_feature_dimension,
        "input_spatial": list(numbers.input_spatial_dimensions),
        "kernel_input_feature": numbers.kernel_input_feature_dimension,
        "kernel_output_feature": numbers.kernel_output_feature_dimension,
        "kernel_spatial": list(numbers.kernel_spatial_dimensions),
        "output_batch": numbers.output_batch_dimension,
        "output_feature": numbers.output_feature_dimension,
        "output_spatial": list(numbers.output_spatial_dimensions),
    }
    attributes = operation.operation.attributes

    def window(name: str, otherwise: Any) -> list[Any]:
        return list(attributes[name]) if name in attributes else [otherwise] * spatial

    return {
        "dimension_numbers": names,
        "strides": window("window_strides", 1),
        "base_dilation": window("lhs_dilation", 1),
        "window_dilation": window("rhs_dilation", 1),
        "reversal": [bool(each) for each in window("window_reversal", False)],
        "feature_group_count": operation.feature_group_count.value,
        "batch_group_count": operation.batch_group_count.value,
    }


def top_k(operation: Any) -> dict[str, Any]:
    """chlo.top_k: XLA's translation compares k with the number that stands for unknown sizes."""
    return {"k": operation.k.value}


def composite_top_k(operation: Any) -> dict[str, Any]:
    """chlo.top_k as exports of JAX have it."""
    return {"k": operation.composite_attributes["k"].value}


OPERATIONS = {
    "dynamic_broadcast_in_dim": broadcast,
    "dynamic_reshape": nothing,
    "dynamic_iota": iota,
    "dynamic_pad": nothing,
    "real_dynamic_slice": nothing,
    "dynamic_gather": gather,
    "dynamic_conv": convolution,
    "dynamic_update_slice": nothing,  # XLA compares the update's sizes with the number that stands for unknown ones
}


def plain(attribute: Any) -> Any:
    """An attribute as JSON knows it; its text if it is nothing that JSON knows."""
    if isinstance(attribute, (ir.BoolAttr, ir.IntegerAttr, ir.FloatAttr, ir.StringAttr)):
        return attribute.value
    return str(attribute)


def replace(operation: Any, name: str, attributes: dict[str, Any]) -> None:
    """Put another operation of the same operands and types in the place of one."""
    with ir.InsertionPoint(operation), operation.location:
        made = ir.Operation.create(
            name,
            results=[result.type for result in operation.operation.results],
            operands=list(operation.operation.operands),
            attributes=attributes,
        )
    for old, new in zip(operation.operation.results, made.results):
        old.replace_all_uses_with(new)
    operation.operation.erase()


def custom_call(operation: Any, target: str, given: dict[str, Any]) -> None:
    """Put a custom call in the place of an operation."""
    attributes = {
        "call_target_name": ir.StringAttr.get(target),
        "backend_config": ir.StringAttr.get(json.dumps(given)),
    }
    replace(operation, "stablehlo.custom_call", attributes)


def prepare_function(operation: Any) -> None:
    """Functions of CHLO: what HLO has becomes a custom call, others an operation that the passes below take apart."""
    name = operation.operation.name
    if name == "stablehlo.composite":
        name = operation.operation.attributes["name"].value
        if name == "chlo.top_k":
            custom_call(operation, PREFIX + "top_k", composite_top_k(operation))
        elif name == "chlo.erf":
            custom_call(operation, PREFIX + "erf", {})
        elif name.startswith("chlo."):
            replace(operation, name, {})
    elif name == "chlo.erf":
        custom_call(operation, PREFIX + "erf", {})
    elif name == "chlo.top_k":
        custom_call(operation, PREFIX + "top_k", top_k(operation))


def prepare(operation: Any) -> None:
    """Make a custom call of an operation whose shape is computed."""
    name = operation.operation.name.removeprefix("stablehlo.")
    if name in OPERATIONS:
        custom_call(operation, PREFIX + name, OPERATIONS[name](operation))
    elif name == "custom_call":
        prepare_custom_call(operation)
    elif name == "scatter":
        prepare_scatter(operation)


def prepare_scatter(operation: Any) -> None:
    """Let the operands have sizes of numbers, because XLA compares those of the updates with them."""
    count = len(operation.operation.results)
    inputs, updates = list(operation.operation.operands)[:count], operation.operation.operands[count + 1]
    if all(each.type.has_static_shape for each in inputs):
        return
    size = max([1, *(extent for extent in updates.type.shape if extent > 0)])
    with ir.InsertionPoint(operation), operation.location:
        for index, each in enumerate(inputs):
            extents = [
                size if each.type.is_dynamic_dim(axis) else extent for axis, extent in enumerate(each.type.shape)
            ]
            operation.operation.operands[index] = cast(each, ir.RankedTensorType.get(extents, each.type.element_type))
    kinds = [result.type for result in operation.operation.results]
    for result, operand in zip(operation.operation.results, list(operation.operation.operands)):
        result.set_type(operand.type)
    with ir.InsertionPoint.after(operation.operation), operation.location:
        for result, kind in zip(operation.operation.results, kinds):
            uses = list(result.uses)
            made = cast(result, kind)
            for use in uses:
                use.owner.operation.operands[use.operand_number] = made


def cast(value: Any, kind: Any) -> Any:
    """A value as another type: a custom call that means nothing but itself."""
    attributes: dict[str, ir.Attribute] = {"call_target_name": ir.StringAttr.get(PREFIX + "cast")}
    return ir.Operation.create(
        "stablehlo.custom_call", results=[kind], operands=[value], attributes=attributes
    ).results[0]


def prepare_custom_call(operation: Any) -> None:
    """Keep what XLA's translation drops: attributes, and that the last operands are the shapes of the results."""
    attributes = operation.operation.attributes
    target = operation.call_target_name.value
    operands, results = len(operation.operation.operands), len(operation.operation.results)
    if SHAPE_OPERANDS in attributes and target != APPROXIMATE_TOP_K:
        indices: Any = ir.DenseIntElementsAttr(attributes[SHAPE_OPERANDS])
        if list(indices) == list(range(operands - results, operands)):
            attributes["call_target_name"] = ir.StringAttr.get(SIZED + target)
        return
    name = "dynamic_approx_top_k" if target == APPROXIMATE_TOP_K else target.removeprefix("stablehlo.")
    if name not in CUSTOM_CALLS:
        return
    given = {key: plain(attributes[key]) for key in attributes}
    for key in ("mhlo.attributes", "mhlo.backend_config"):
        if key in attributes:
            given.update({each.name: plain(each.attr) for each in attributes[key]})
            del attributes[key]
    attributes["call_target_name"] = ir.StringAttr.get(PREFIX + name)
    attributes["backend_config"] = ir.StringAttr.get(json.dumps(given))


def without_casts(module: Any) -> None:
    """Drop the casts that the passes leave between integers and MLIR's index type, there and back."""
    name = "builtin.unrealized_conversion_cast"
    found = [each.operation for each in operations_of(module) if each.operation.name == name]
    for outer in found:
        inner = getattr(outer.operands[0].owner, "operation", None)
        if inner is not None and inner.name == name and inner.operands[0].type == outer.results[0].type:
            outer.results[0].replace_all_uses_with(inner.operands[0])
    for each in reversed(found):
        if not list(each.results[0].uses):
            each.erase()


def operations_of(module: Any) -> list[Any]:
    """All operations."""
    found: list[Any] = []

    def visit(operation: Any) -> Any:
        found.append(operation.opview)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def load_dialects(context: Any) -> None:
    """All dialects that a module may hold."""
    stablehlo.register_stablehlo_passes()
    upstream = ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(upstream)
    context.append_dialect_registry(upstream)
    context.load_all_available_dialects()
    stablehlo.register_dialect(context)
    chlo.register_dialect(context)
    mhlo.register_mhlo_dialect(context)
    sdy.register_dialect(context)
    # nothing in jaxlib loads the dialect of shapes but passes that may make them
    passmanager.PassManager.parse(LEGALIZATION).run(ir.Module.create().operation)


def main(xla: Any, data: bytes) -> bytes:
    """The HloModuleProto."""
    with ir.Context() as context, ir.Location.unknown():
        load_dialects(context)
        if data.startswith(b"ML\xefR"):
            module = stablehlo.deserialize_portable_artifact(context, data)
        else:
            module = ir.Module.parse(data.decode())
        for operation in operations_of(module):
            prepare_function(operation)
        passmanager.PassManager.parse(LEGALIZATION).run(module.operation)
        without_casts(module)
        for operation in operations_of(module):
            prepare(operation)
        bytecode = io.BytesIO()
        module.operation.write_bytecode(bytecode)
    hlo = xla.mlir_module_to_xla_computation(bytecode.getvalue(), use_tuple_args=False, return_tuple=False)
    return hlo.as_serialized_hlo_module_proto()


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(main(importlib.import_module(sys.argv[1]).mlir, sys.stdin.buffer.read()))
    except Exception as error:  # what XLA and MLIR raise has no class of its own
        sys.stdout.write(" ".join(str(error).split()))
        sys.exit(REFUSED)
