"""Products and convolutions with constant weights, by this package's kernels with channels last.

Converted modules hold Relay's own operators, which TVM's passes and tools know. What `build` compiles holds the
kernels: their register tiles follow the target, their weights are laid out at build, and what follows is computed in
the tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import relay

from ...analysis.convolution_layouts import CHANNELS, STREAMED_ROWS, TILE_ROWS, panel_lanes
from ...hlo.ir.attributes import Window, WindowDimension
from ...kernels.spec import KernelSpec, convolution_spec
from .ops import CHANNELS_FIRST, CONTRACTION, call_contraction, result_of
from .weights import rebuild

# what products are summed in
FLOATS = ("float32", "float64")
# weights of other types whose numbers are all f32s
NARROW = ("int8", "uint8", "float16")

# TVM warns of convolutions whose layout is not said
LAYOUTS = {CONTRACTION: ["NHWC", "default"], "nn.conv2d": ["NCHW", "OIHW"], "nn.conv3d": ["NCDHW", "OIDHW"]}

# of a call whose operands have been rebuilt
Make = Callable[[Any], Any]


def with_panels(mod: Any, target: Any) -> Any:
    """`mod` with kernels in the place of convolutions and dense layers of constants.

    Parameters
    ----------
    mod : tvm.IRModule
        With its weights bound.
    target : str or tvm.target.Target

    Returns
    -------
    tvm.IRModule
        `mod` itself if its main holds none of them or `target` has no vectors.
    """
    if tvm.target.Target(target).kind.name != "llvm":
        return mod
    mod = relay.transform.FoldConstant()(relay.transform.InferType()(mod))
    main, order = mod["main"], list[Any]()
    relay.analysis.post_order_visit(main.body, order.append)
    found = {node: make for node in order if (make := _replacement(node)) is not None}
    if all(node.op.name == "reshape" for node in found):
        return mod
    body = rebuild(order, {}, main.body, found)
    mod.update_func(mod.get_global_var("main"), relay.Function(main.params, body, None, None, main.attrs))
    return relay.transform.ConvertLayout(LAYOUTS)(relay.transform.InferType()(mod))


def _replacement(node: Any) -> Make | None:
    """How a node is made again; None if it stays."""
    if not isinstance(node, relay.Call) or not isinstance(node.op, tvm.ir.Op):
        return None
    find = _FINDERS.get(node.op.name)
    return None if find is None or not _is_static(node) else find(node)


def _is_static(call: Any) -> bool:
    """Whether all sizes of a call's tensors are numbers, none of them 0."""
    types = [call.checked_type, *(argument.checked_type for argument in call.args)]
    tensors = [field for kind in types for field in getattr(kind, "fields", [kind])]
    return all(isinstance(size, tvm.tir.IntImm) and size.value > 0 for tensor in tensors for size in tensor.shape)


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in node.checked_type.shape)


def _weight(node: Any, dtype: str) -> np.ndarray | None:
    """A constant in the type in which products are summed."""
    if not isinstance(node, relay.Constant) or dtype not in FLOATS:
        return None
    return node.data.numpy().astype(dtype) if node.checked_type.dtype in (dtype, *NARROW) else None


def _convolution(call: Any) -> Make | None:
    """nn.conv1d, nn.conv2d and nn.conv3d with channels first."""
    attributes, (data, kernel) = call.attrs, call.args
    rank, dtype = len(_shape(call)), call.checked_type.dtype
    weight = _weight(kernel, dtype)
    if weight is None or data.checked_type.dtype != dtype or attributes.data_layout != CHANNELS_FIRST[rank]:
        return None
    groups, outputs = int(attributes.groups), weight.shape[0]
    is_depthwise = groups > 1 and (weight.shape[1], outputs) == (1, groups)
    if (outputs if is_depthwise else outputs // groups) % CHANNELS:
        return None
    sizes, spatial = weight.shape[2:], rank - 2
    rows = zip(sizes, attributes.strides, attributes.padding, attributes.padding[spatial:], attributes.dilation)
    window = Window(
        tuple(
            WindowDimension(size, int(stride), int(low), int(high), int(dilation))
            for size, stride, low, high, dilation in rows
        )
    )
    parameters = convolution_spec(window, groups, dtype).parameters
    weight = weight.transpose(*range(2, rank), 1, 0)
    name = "depthwise_channels_last" if is_depthwise else "convolution_channels_last"
    operand = weight if is_depthwise else panels(weight, outputs // groups)
    constant = relay.const(np.ascontiguousarray(operand), dtype)
    spec, result = KernelSpec(name, parameters), (_shape(call), dtype)

    def make(rebuilt: Any) -> Any:
        return call_contraction(spec, [rebuilt.args[0], constant], result, CHANNELS_FIRST[rank])

    return make


def _dense(call: Any) -> Make | None:
    """nn.dense of x[M, K] and weight[N, K]; of more dimensions of rows where x is a reshape of some."""
    x, kernel = call.args
    dtype = call.checked_type.dtype
    weight = _weight(kernel, dtype)
    if weight is None or x.checked_type.dtype != dtype:
        return None
    rows = _rows(x)

    def of_rows(operand: Any) -> Any:
        return operand.args[0] if len(rows) > 1 else operand

    return _product(call, weight.T, rows, of_rows, dtype)


def _rows(x: Any) -> tuple[int, ...]:
    """Dimensions of rows of x[M, K]: those that were reshaped to M, if the last one is worth a tile."""
    if isinstance(x, relay.Call) and x.op == relay.op.get("reshape"):
        *rows, depth = _shape(x.args[0])
        if len(rows) > 1 and depth == _shape(x)[-1] and rows[-1] >= TILE_ROWS:
            return tuple(rows)
    return _shape(x)[:1]


def _kernel(call: Any) -> Make | None:
    """The kernel `dot` of one matrix lhs[1, M, K] and a constant."""
    spec = KernelSpec.from_json(str(call.attrs["spec"]))
    if spec.name != "dot" or spec.parameters["lhs"] != "MK":
        return None
    lhs, rhs = call.args[0].fields
    dtype = spec.parameters["accumulator"]
    weight = _weight(rhs, dtype)
    if weight is None or weight.shape[0] != 1 or lhs.checked_type.dtype not in (dtype, *NARROW):
        return None
    matrix = weight[0] if spec.parameters["rhs"] == "KN" else weight[0].T
    return _product(call, matrix, _shape(call)[:-1], lambda operands: operands.fields[0], dtype)


def _product(
    call: Any, weight: np.ndarray, rows: tuple[int, ...], of_rows: Callable[[Any], Any], accumulator: str
) -> Make | None:
    """A product of ``of_rows(operand)``, of these dimensions of rows, with weight[K, N], in the shape of `call`."""
    columns, dtype, shape = weight.shape[1], call.checked_type.dtype, _shape(call)
    if columns % CHANNELS or np.prod(rows) <= STREAMED_ROWS:
        return None
    constant = relay.const(panels(weight, columns), accumulator)
    result = ((*rows, columns), dtype)

    def make(rebuilt: Any) -> Any:
        product = call_contraction(KernelSpec("dot_of_panels"), [of_rows(rebuilt.args[0]), constant], result)
        return product if result[0] == shape else relay.reshape(product, shape)

    return make


def panels(weight: np.ndarray, outputs: int) -> np.ndarray:
    """weight[..., K, N] as [N / lanes, ..., K, lanes]; `outputs` of N are a group."""
    *rest, columns = weight.shape
    lanes = panel_lanes(outputs)
    return np.ascontiguousarray(np.moveaxis(weight.reshape(*rest, columns // lanes, lanes), -2, 0))


def _reshape(call: Any) -> Make | None:
    """A reshape to the dimensions that a product has before it is reshaped to a matrix."""
    shape = _shape(call)

    def make(rebuilt: Any) -> Any:
        operand = rebuilt.args[0]
        inner = operand.args[0] if isinstance(operand, relay.Call) and operand.op == rebuilt.op else None
        return inner if result_of(inner) == shape else rebuilt

    return make


_FINDERS: dict[str, Callable[[Any], Make | None]] = {
    "nn.conv1d": _convolution,
    "nn.conv2d": _convolution,
    "nn.conv3d": _convolution,
    "nn.dense": _dense,
    "hlo.kernel": _kernel,
    "reshape": _reshape,
}
