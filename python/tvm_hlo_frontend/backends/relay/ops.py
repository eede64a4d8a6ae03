"""The Relay operators `hlo.map`, `hlo.injective`, `hlo.reduction`, `hlo.contraction`, `hlo.kernel` and `hlo.empty`:
what Relay cannot say is still HLO.

A call carries its KernelSpec as the attribute `spec`, so saved modules are self-contained. The hooks import this module
while TVM is imported, maybe by a module of this package: kernels and schedules are imported when they are needed.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import tvm
from tvm import relay, te
from tvm.relay.op import op as relay_op
from tvm.relay.transform.mixed_precision import MIXED_PRECISION_FOLLOW, MIXED_PRECISION_NEVER

from ...errors import ConversionError
from ...kernels.spec import KernelSpec
from ...tensor_ir.registration import registered_whole
from .calls import call, operator

_registering = threading.Lock()  # `cache` alone lets two threads in

# operators `hlo.map1` … take so many operands one by one: conv2d and dense fuse with no operator that takes a tuple
MAX_SEPARATE_OPERANDS = 6

# calls whose types are remembered, for each operator
MAX_REMEMBERED = 4096

OPERATOR_OF_CLASS = {
    "map": "hlo.map",
    "injective": "hlo.injective",
    "reduction": "hlo.reduction",
    "contraction": "hlo.kernel",
    "extern": "hlo.kernel",
}

# sums of products of two operands, with which element-wise operators that follow are fused
CONTRACTION = "hlo.contraction"
# TVM's names of layouts of convolutions, by rank
CHANNELS_FIRST = {3: "NCW", 4: "NCHW", 5: "NCDHW"}
CHANNELS_LAST = {3: "NWC", 4: "NHWC", 5: "NDHWC"}


def call_kernel(spec: KernelSpec, operands: Sequence[Any], results: Sequence[tuple[tuple[Any, ...], str]]) -> Any:
    """Relay call of a kernel; a tuple-typed call if there are several results.

    Parameters
    ----------
    spec : KernelSpec
    operands : sequence of relay.Expr
    results : sequence of (dimensions, TVM dtype)

    Raises
    ------
    UnsupportedInstruction
        If the body holds an operation that no kernel can compute: now, not when the module is compiled.
    """
    kernel_class = _definition(spec).kernel_class
    name, attributes, is_separate = _operator_of(spec, kernel_class, len(operands), tuple(results))
    return call(operator(name), operands if is_separate else [relay.Tuple(list(operands))], attributes)


@lru_cache(MAX_REMEMBERED)
def _operator_of(
    spec: KernelSpec, kernel_class: str, count: int, results: tuple[tuple[tuple[Any, ...], str], ...]
) -> tuple[str, Any, bool]:
    """The operator of a kernel of `count` operands, its attributes, and whether it takes them one by one."""
    from ...kernels.elementwise.scalar import check_supported

    if spec.body is not None:
        check_supported(spec.body)
    attributes = {"spec": spec.to_json()}
    if kernel_class == "map":
        attributes["dtype"] = results[0][1]
    else:
        attributes["results"] = json.dumps([[list(dimensions), dtype] for dimensions, dtype in results])
    name, is_separate = OPERATOR_OF_CLASS[kernel_class], False
    if kernel_class == "map" and 1 <= count <= MAX_SEPARATE_OPERANDS:
        name, is_separate = f"hlo.map{count}", True
    elif kernel_class == "reduction":  # one operand; producers are not fused through a tuple
        is_separate = True
    return name, tvm.ir.make_node("DictAttrs", **attributes), is_separate


def call_contraction(
    spec: KernelSpec, operands: Sequence[Any], result: tuple[tuple[int, ...], str], layout: str = ""
) -> Any:
    """Relay call of a kernel of two operands that computes sums of products.

    Parameters
    ----------
    spec : KernelSpec
    operands : sequence of relay.Expr
    result : (dimensions, TVM dtype)
    layout : str
        Of the first operand and the result where the kernel has channels last; the call may have them first, and can be
        compiled when ConvertLayout has put them last.
    """
    attributes = {"spec": spec.to_json(), "results": json.dumps([result]), "layout": layout}
    return relay.Call(relay.op.get(CONTRACTION), list(operands), tvm.ir.make_node("DictAttrs", **attributes))


def result_of(node: Any) -> tuple[int, ...] | None:
    """Dimensions of what `call_contraction` returned; None for other expressions."""
    if not isinstance(node, relay.Call) or node.op != relay.op.get(CONTRACTION):
        return None
    return _results_of(node.attrs)[0][0]


def call_empty(dimensions: tuple[int, ...], dtype: str) -> Any:
    """Relay call that gives a tensor without elements.

    A library with an empty constant cannot be loaded again, and FoldConstant would make one of `zeros` or `full`.
    """
    return relay.Call(
        relay.op.get("hlo.empty"), [], tvm.ir.make_node("DictAttrs", results=json.dumps([[list(dimensions), dtype]]))
    )


def _results_of(attributes: Any) -> list[tuple[tuple[int, ...], str]]:
    return [(tuple(dimensions), dtype) for dimensions, dtype in json.loads(str(attributes["results"]))]


def _operand_types(argument_types: Sequence[Any]) -> list[Any] | None:
    """Types of the operands, given one by one or as a tuple."""
    fields = list(argument_types)
    if len(fields) == 1 and isinstance(fields[0], relay.TupleType):
        fields = list(fields[0].fields)
    return fields if all(isinstance(field, relay.TensorType) for field in fields) else None


def _remembered(relation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`relation` that computes the type of a call once: TVM asks again in every pass that infers types."""
    # by address of the call's attributes, which the answer keeps alive
    known: dict[int, tuple[Any, Any, Any]] = {}

    def ask(types: Any, attributes: Any) -> Any:
        address = attributes.handle.value
        answer = known.get(address)
        if answer is not None and tvm.ir.structural_equal(answer[1], types):
            return answer[0]
        result = relation(types, attributes)
        if result is not None:
            if len(known) >= MAX_REMEMBERED:
                known.clear()
            known[address] = (result, types, attributes)
        return result

    return ask


def _map_relation(argument_types: Sequence[Any], attributes: Any) -> Any:
    fields = _operand_types(argument_types)
    if fields is None:
        return None
    shape: list[Any] = []
    for field in fields:
        own = list(field.shape)
        shape = _broadcast(shape, own)
    return relay.TensorType(shape, str(attributes["dtype"]))


def _broadcast(left: list[Any], right: list[Any]) -> list[Any]:
    """numpy broadcasting of two Relay shapes."""
    if len(left) < len(right):
        left, right = right, left
    padded = [tvm.tir.IntImm("int32", 1)] * (len(left) - len(right)) + right
    return [b if getattr(a, "value", None) == 1 else a for a, b in zip(left, padded)]


def _result_relation(argument_types: Sequence[Any], attributes: Any) -> Any:
    if _operand_types(argument_types) is None:
        return None
    types = [relay.TensorType(dimensions, dtype) for dimensions, dtype in _results_of(attributes)]
    return types[0] if len(types) == 1 else relay.TupleType(types)


def _definition(spec: KernelSpec) -> Any:
    from ...kernels.library import definition

    return definition(spec)


def _compute(attributes: Any, inputs: Sequence[Any], out_type: Any) -> list[Any]:
    spec = KernelSpec.from_json(str(attributes["spec"]))
    types = list(out_type.fields) if isinstance(out_type, relay.TupleType) else [out_type]
    results = [(tuple(t.shape), str(t.dtype)) for t in types]
    return _definition(spec).compute(spec, list(inputs), results)


def _compute_empty(attributes: Any, inputs: Sequence[Any], out_type: Any) -> list[Any]:
    dtype = str(out_type.dtype)
    return [te.compute(out_type.shape, lambda *_: tvm.tir.const(0, dtype), name="empty")]


def _map_shape(attributes: Any, shapes: Sequence[Any], ranks: Sequence[Any]) -> list[Any]:
    """Shape of a broadcast result, computed by the virtual machine from those of the operands."""
    rank = int(ranks[0])
    one = tvm.tir.const(1, "int64")

    def size(axis: Any) -> Any:
        result = one
        for shape in shapes:
            if shape.shape:  # a scalar has none
                before = rank - int(shape.shape[0])
                own = tvm.tir.if_then_else(axis >= before, shape[tvm.te.max(axis - before, 0)], one)
                result = tvm.tir.Select(result == one, own, result)
        return result

    return [te.compute((rank,), size, name="shape")]


def _map_layouts(attributes: Any, new_layouts: Any, old_layouts: Any, old_types: Any) -> Any:
    """Element-wise operators follow the layout of their first operand that has one, as Relay's own do."""
    from tvm.relay.transform.infer_layout_utils import InferCorrectLayoutOutput

    layouts = list(new_layouts) if new_layouts else list(old_layouts)
    shapes = [list(field.shape) for kind in old_types for field in getattr(kind, "fields", [kind])]
    rank = max((len(shape) for shape in shapes), default=0)
    full = [layout for layout, shape in zip(layouts, shapes) if not _is_undefined(layout) and len(shape) == rank]
    # a split dimension (C in NCHW16c) must be split in the result too: the first operand that has it whole decides
    chosen = max(full, key=lambda layout: len(layout.name), default=None)
    if chosen is None or any(len(shape) not in (0, rank) for shape in shapes):
        undefined = tvm.tir.layout("__undef__")
        return InferCorrectLayoutOutput([undefined] * len(layouts), [undefined], attributes)
    return InferCorrectLayoutOutput([_layout_of(shape, chosen) for shape in shapes], [chosen], attributes)


def _put_channels_last(attributes: Any, inputs: Sequence[Any], types: Any, layouts: Any) -> Any:
    """The call as it can be compiled, for ConvertLayout; the kernel has one layout, whatever is asked for."""
    spec, layout = KernelSpec.from_json(str(attributes["spec"])), str(attributes["layout"])
    ((dimensions, dtype),) = _results_of(attributes)
    rank = len(dimensions)
    if layout != CHANNELS_FIRST.get(rank):
        return call_contraction(spec, inputs, (dimensions, dtype), layout)
    batch, channels, *spatial = dimensions
    return call_contraction(spec, inputs, ((batch, *spatial, channels), dtype), CHANNELS_LAST[rank])


def _contraction_layouts(attributes: Any, new_layouts: Any, old_layouts: Any, old_types: Any) -> Any:
    """Data and results have the layout that the call says, weights any."""
    from tvm.relay.transform.infer_layout_utils import InferCorrectLayoutOutput

    name = str(attributes["layout"])
    if not name:
        undefined = tvm.tir.layout("__undef__")
        return InferCorrectLayoutOutput([undefined] * 2, [undefined], attributes)
    weight = old_types[1].shape
    window = "".join(axis for axis in name if axis not in "NC")
    is_panels = len(weight) > len(name)
    layout, kernel = tvm.tir.layout(name), tvm.tir.layout(f"O{window}I{weight[-1]}o" if is_panels else f"{window}IO")
    return InferCorrectLayoutOutput([layout, kernel], [layout], attributes)


def _layout_of(shape: Sequence[Any], layout: Any) -> Any:
    """`layout` for an operand that broadcasts: dimensions of size 1 are split by 1, scalars have none."""
    if not shape:
        return tvm.tir.layout("")
    primal = [axis for axis in re.findall(r"\d*[A-Za-z]", layout.name) if axis.isupper()]
    ones = {axis.lower() for axis, size in zip(primal, shape) if getattr(size, "value", None) == 1}
    return tvm.tir.layout(
        re.sub(r"\d+([a-z])", lambda match: f"1{match[1]}" if match[1] in ones else match[0], layout.name)
    )


def _operand_precision(call: Any, mixed_type: str) -> list[Any]:
    """ToMixedPrecision computes the operator in the type that its operand has."""
    return [MIXED_PRECISION_FOLLOW, mixed_type, mixed_type]


def _full_precision(call: Any, mixed_type: str) -> list[Any]:
    """ToMixedPrecision leaves the operator in its types. It would cast all its floats to f32: others are refused."""
    for argument in call.args:
        kind = relay.transform.InferTypeLocal(argument)
        for field in getattr(kind, "fields", [kind]):
            if str(field.dtype).startswith("float") and field.dtype != "float32":
                raise ConversionError(
                    f"ToMixedPrecision casts {field.dtype} operands to float32, but {call.op.name} is exact for the "
                    "types it was converted for; apply the pass to modules whose floats are float32"
                )
    return [MIXED_PRECISION_NEVER, "float32", "float32"]


def _is_undefined(layout: Any) -> bool:
    return layout is None or not hasattr(layout, "name") or layout.name in ("__undef__", "")


def _kernel_strategy(attributes: Any, inputs: Sequence[Any], out_type: Any, target: Any) -> Any:
    spec = KernelSpec.from_json(str(attributes["spec"]))
    from ...schedules.te.library import TABLE

    schedule = TABLE.get(spec.name) or _definition(spec).schedule or _plain_schedule
    strategy = relay_op.OpStrategy()
    strategy.add_implementation(
        _compute, lambda attributes, outputs, target: schedule(outputs, target), name=f"hlo.kernel.{spec.name}"
    )
    return strategy


def _schedule_injective(attributes: Any, outputs: Any, target: Any) -> Any:
    from ...schedules.te.injective import schedule_injective

    return schedule_injective(attributes, outputs, target)


def _plain_schedule(outputs: Sequence[Any], target: Any) -> Any:
    return te.create_schedule([output.op for output in outputs])


def _register_operator(name: str, summary: str, relation: Any, pattern: int, separate: int | None = None) -> None:
    """Register one operator; it takes a tuple of operands, or `separate` operands."""
    relay_op.register(name, summary)
    operator = relay.op.get(name)
    operator.set_num_inputs(1 if separate is None else separate)
    if separate is None:
        operator.add_argument("operands", "Tuple", "operands of the HLO operation")
    for index in range(separate or 0):
        operator.add_argument(f"operand{index}", "Tensor", "operand of the HLO operation")
    operator.set_attrs_type_key("DictAttrs")
    operator.set_support_level(10)
    operator.add_type_rel(name.replace(".", "_") + "_relation", _remembered(relation))
    relay_op.register_pattern(name, pattern)
    relay_op.register_mixed_precision_conversion(name, _full_precision)


def register_operators() -> None:
    """Register the operators once per process; further calls do nothing."""
    with _registering:
        if not _registered_once.cache_info().currsize:
            registered_whole(_registered_once)


@cache
def _registered_once() -> None:
    pattern = relay_op.OpPattern
    schedule = tvm.target.generic_func(_schedule_injective)
    maps = ["hlo.map", *(f"hlo.map{count}" for count in range(1, MAX_SEPARATE_OPERANDS + 1))]
    for count, name in enumerate(maps):
        _register_operator(name, "element-wise HLO operation", _map_relation, pattern.BROADCAST, count or None)
        relay_op.register_compute(name, _compute)
        relay_op.register_schedule(name, schedule)
        relay_op.register_infer_correct_layout(name, _map_layouts)
        relay_op.register_shape_func(name, False, _map_shape)
    # TVM forgot both of abs, which relu ends with; the level is above what a TVM that has them uses
    relay_op.register_shape_func("abs", False, _map_shape, level=11)
    relay_op.register_mixed_precision_conversion("abs", _operand_precision, level=11)
    _register_operator("hlo.injective", "HLO operation that moves data", _result_relation, pattern.INJECTIVE)
    _register_operator("hlo.reduction", "HLO reduction", _result_relation, pattern.COMM_REDUCE, 1)
    _register_operator(CONTRACTION, "HLO sums of products", _result_relation, pattern.OUT_ELEMWISE_FUSABLE, 2)
    _register_operator("hlo.kernel", "HLO operation with a kernel of its own", _result_relation, pattern.OPAQUE)
    _register_operator("hlo.empty", "tensor without elements", _result_relation, pattern.ELEMWISE, 0)
    # FoldConstant leaves alone what it takes for stateful
    tvm.ir.register_op_attr("hlo.empty", "TOpIsStateful", True)
    relay_op.register_compute("hlo.empty", _compute_empty)
    relay_op.register_schedule("hlo.empty", schedule)
    relay_op.register_compute("hlo.injective", _compute)
    relay_op.register_schedule("hlo.injective", schedule)
    strategy = tvm.target.override_native_generic_func("hlo_kernel_strategy")(_kernel_strategy)
    relay_op.register_convert_op_layout(CONTRACTION, _put_channels_last)
    relay_op.register_infer_correct_layout(CONTRACTION, _contraction_layouts)
    relay_op.register_strategy(CONTRACTION, strategy)
    relay_op.register_strategy("hlo.kernel", strategy)
    relay_op.register_strategy("hlo.reduction", strategy)
