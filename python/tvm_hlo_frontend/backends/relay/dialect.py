"""Relay behind the dialect interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relay

from ...errors import UnsupportedInstruction
from ...hlo.ir.attributes import Window
from ...hlo.ir.shape import Dimension, Shape
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.spec import KernelSpec
from ..base_dialect import BaseDialect
from ..values import Tensor
from .calls import call_alike
from .functions import RelayFunctions, variable
from .map import native_map
from .ops import call_empty, call_kernel, register_operators

# sizes that TVM's schedule of dense has tiles for
DENSE_COLUMNS = 32
DENSE_ROWS = 4
FEW_ROWS = 16
# products that take microseconds anyway: quantization and external code generators know dense layers
LITTLE_WORK = 1 << 18


class RelayDialect(BaseDialect):
    """TVM <= 0.19's graph language. See `backends.base.Dialect` for the contract of the methods."""

    name = "relay"
    freezes_params = False
    leaves_sizes_open = False
    convolves_channels_last = False
    keeps_memory = False
    weights_come_last = False

    def __init__(self, functions: RelayFunctions | None = None) -> None:
        register_operators()
        self._functions = RelayFunctions() if functions is None else functions
        super().__init__(self._functions)

    # leaves
    def parameter(self, name: str, shape: Shape) -> Tensor:
        return variable(name, shape)

    def _constant(self, array: np.ndarray) -> Any:
        # relay.const turns 64-bit scalars into 32-bit ones unless told their dtype
        return relay.const(array, str(array.dtype))

    def _empty(self, shape: Shape) -> Any:
        return call_empty(shape.sizes, TVM_DTYPES[shape.element_type])

    # movement
    def _constant_array(self, expr: Any) -> np.ndarray | None:
        return expr.data.numpy() if isinstance(expr, relay.Constant) else None

    def _reshape(self, expr: Any, dimensions: Sequence[Dimension]) -> Any:
        return call_alike(relay.reshape, expr, newshape=_new_shape(dimensions))

    def _transpose(self, expr: Any, permutation: list[int]) -> Any:
        return call_alike(relay.transpose, expr, axes=tuple(permutation))

    def _broadcast_to(self, expr: Any, dimensions: Sequence[Dimension]) -> Any:
        return call_alike(relay.broadcast_to, expr, shape=_static(dimensions))

    def _slice(self, expr: Any, starts: list[int], limits: list[int], strides: list[int]) -> Any:
        return call_alike(relay.strided_slice, expr, begin=tuple(starts), end=tuple(limits), strides=tuple(strides))

    def _concatenate(self, exprs: list[Any], dimension: int) -> Any:
        return call_alike(relay.concatenate, relay.Tuple(exprs), axis=dimension)

    def _reverse(self, expr: Any, dimension: int) -> Any:
        return call_alike(relay.reverse, expr, axis=dimension)

    def _take(self, expr: Any, indices: Any, dimension: int) -> Any:
        return call_alike(relay.take, expr, indices, axis=dimension, mode="fast")

    # element-wise
    def _map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple) -> Any | None:
        return native_map(opcode, result_type, operands, attributes)

    def _cast(self, expr: Any, dtype: str) -> Any:
        return call_alike(relay.cast, expr, dtype=dtype)

    # linear algebra
    def has_fast_dense(self, rows: int, columns: int, depth: int) -> bool:
        # TVM's default tiles are the largest divisors, which for other sizes are no vectors: up to 25 times slower
        has_tiles = columns % DENSE_COLUMNS == 0 and (rows % DENSE_ROWS == 0 or rows <= FEW_ROWS)
        return has_tiles or rows * columns * depth < LITTLE_WORK

    def dense(self, x: Tensor, weight: Tensor, result_type: str) -> Tensor:
        units = weight.dimensions[0]
        expr = call_alike(relay.nn.dense, x.expr, weight.expr, units=units, out_dtype=TVM_DTYPES[result_type])
        return Tensor(expr, result_type, (x.dimensions[0], units))

    def _convolution(self, data: Tensor, kernel: Tensor, window: Window, groups: int, result: Shape) -> Tensor:
        windows = window.dimensions
        operator = {1: relay.nn.conv1d, 2: relay.nn.conv2d, 3: relay.nn.conv3d}[len(windows)]
        # conv2d without channels and kernel_size fails in a Winograd check at opt_level 3
        expr = call_alike(
            operator,
            data.expr,
            kernel.expr,
            strides=tuple(w.stride for w in windows),
            padding=(*(w.padding_low for w in windows), *(w.padding_high for w in windows)),
            dilation=tuple(w.window_dilation for w in windows),
            groups=groups,
            channels=kernel.dimensions[0],
            kernel_size=tuple(kernel.dimensions[2:]),
            out_dtype=TVM_DTYPES[result.element_type],
        )
        return Tensor(expr, result.element_type, result.dimensions)

    def reduce(self, kind: str, x: Tensor, dimensions: Sequence[int]) -> Tensor | None:
        # relay.max and relay.min drop NaN, so they serve integers only
        exact = {"sum": relay.sum, "product": relay.prod, "any": relay.any, "all": relay.all}
        if x.shape.kind in ("signed", "unsigned"):
            exact |= {"max": relay.max, "min": relay.min}
        if kind not in exact:
            return None
        kept = tuple(size for axis, size in enumerate(x.dimensions) if axis not in dimensions)
        return Tensor(call_alike(exact[kind], x.expr, axis=tuple(dimensions)), x.element_type, kept)

    # kernels
    def _kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> Any:
        types = [(shape.dimensions, TVM_DTYPES[shape.element_type]) for shape in results]
        return call_kernel(spec, [operand.expr for operand in operands], types)

    def fusion_barrier(self, x: Tensor) -> Tensor:
        return Tensor(relay.annotation.stop_fusion(x.expr), x.element_type, x.dimensions)

    # control flow
    def conditional(
        self, predicate: Tensor, on_true: Callable[[], Sequence[Tensor]], on_false: Callable[[], Sequence[Tensor]]
    ) -> tuple[Tensor, ...]:
        first, second = list(on_true()), list(on_false())
        branches = [relay.Tuple([tensor.expr for tensor in branch]) for branch in (first, second)]
        return self._functions.unpack(relay.If(predicate.expr, *branches), [tensor.shape for tensor in first])

    # structure
    def main(
        self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool, attributes: dict[str, str]
    ) -> Any:
        exprs = [result.expr for result in results]
        body = exprs[0] if flat else relay.Tuple(exprs)
        function = relay.Function([parameter.expr for parameter in parameters], body)
        function = function.with_attr(attributes)
        # from_expr would walk free variables recursively; every variable is a parameter here
        return tvm.IRModule({**self._functions.functions, relay.GlobalVar("main"): function})

    def finished(self, mod: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        """The module and its params, as Relay's frontends return them."""
        return mod, {name: tvm.nd.array(array) for name, array in arrays.items()}


def _new_shape(dimensions: Sequence[Dimension]) -> tuple[int, ...]:
    """Target of a reshape, in which one dimension may be a symbol."""
    if sum(not isinstance(size, int) for size in dimensions) > 1:
        raise UnsupportedInstruction("a reshape to several dimensions that are known only at run time")
    return tuple(size if isinstance(size, int) else -1 for size in dimensions)


def _static(dimensions: Sequence[Dimension]) -> tuple[int, ...]:
    if not all(isinstance(size, int) for size in dimensions):
        raise UnsupportedInstruction("a copy to dimensions that are known only at run time")
    return tuple(int(size) for size in dimensions)  # type: ignore[arg-type]
