"""Relay behind the dialect interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relay

from ...errors import UnsupportedInstruction
from ...hlo.ir.shape import Dimension, Shape, element_type_of
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.library import host_functions
from ...kernels.spec import KernelSpec
from ..errors import UnsupportedHloError
from ..loops import call_once, while_loop
from ..results import concatenated_dimensions, convolved_dimensions, sliced_dimensions, taken_dimensions
from ..values import Tensor, broadcast_dimensions
from .functions import RelayFunctions, variable
from .map import native_map
from .ops import call_empty, call_kernel, register_operators

# sizes that TVM's schedule of dense has tiles for
DENSE_COLUMNS = 32
DENSE_ROWS = 4
FEW_ROWS = 16
# products that take microseconds anyway: quantization and external code generators know dense layers
LITTLE_WORK = 1 << 18


class RelayDialect:
    """TVM <= 0.19's graph language. See `backends.base.Dialect` for the contract of the methods.

    One object per conversion: it gathers the module's functions.
    """

    name = "relay"
    freezes_params = False
    weights_come_last = False
    unsupported_error = UnsupportedHloError

    def __init__(self) -> None:
        register_operators()
        self._functions = RelayFunctions()
        self.kernels_emitted = 0
        self.host_functions: set[str] = set()

    def carries(self, element_type: str) -> bool:
        return element_type in TVM_DTYPES

    # leaves
    def parameter(self, name: str, shape: Shape) -> Tensor:
        return variable(name, shape)

    def constant(self, array: np.ndarray) -> Tensor:
        shape = self.constant_shape(array)
        if array.size == 0:
            return Tensor(call_empty(shape.sizes, str(array.dtype)), shape.element_type, shape.dimensions)
        # relay.const turns 64-bit scalars into 32-bit ones unless told their dtype
        expr = relay.const(np.asarray(array, order="C"), str(array.dtype))
        return Tensor(expr, shape.element_type, shape.dimensions)

    def constant_shape(self, array: np.ndarray) -> Shape:
        return Shape(element_type_of(array.dtype), tuple(int(size) for size in array.shape))

    # movement
    def reshape(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        if tuple(dimensions) == x.dimensions:
            return x
        return Tensor(relay.reshape(x.expr, newshape=_new_shape(dimensions)), x.element_type, tuple(dimensions))

    def transpose(self, x: Tensor, permutation: Sequence[int]) -> Tensor:
        if list(permutation) == sorted(permutation):
            return x
        dimensions = tuple(x.dimensions[axis] for axis in permutation)
        return Tensor(relay.transpose(x.expr, axes=list(permutation)), x.element_type, dimensions)

    def broadcast_to(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        if tuple(dimensions) == x.dimensions:
            return x
        return Tensor(relay.broadcast_to(x.expr, _static(dimensions)), x.element_type, tuple(dimensions))

    def slice(self, x: Tensor, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> Tensor:
        dimensions = sliced_dimensions(starts, limits, strides)
        if dimensions == x.dimensions:
            return x
        expr = relay.strided_slice(x.expr, begin=list(starts), end=list(limits), strides=list(strides))
        return Tensor(expr, x.element_type, dimensions)

    def concatenate(self, tensors: Sequence[Tensor], dimension: int) -> Tensor:
        expr = relay.concatenate([tensor.expr for tensor in tensors], axis=dimension)
        return Tensor(expr, tensors[0].element_type, concatenated_dimensions(tensors, dimension))

    def reverse(self, x: Tensor, dimensions: Sequence[int]) -> Tensor:
        expr = x.expr
        for dimension in dimensions:
            expr = relay.reverse(expr, axis=dimension)
        return Tensor(expr, x.element_type, x.dimensions)

    def take(self, x: Tensor, indices: Tensor, dimension: int) -> Tensor:
        dimensions = taken_dimensions(x, indices, dimension)
        return Tensor(relay.take(x.expr, indices.expr, axis=dimension, mode="fast"), x.element_type, dimensions)

    # element-wise
    def map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple = ()) -> Tensor | None:
        expr = native_map(opcode, result_type, operands, attributes)
        if expr is None:
            return None
        return Tensor(expr, result_type, broadcast_dimensions(*(operand.dimensions for operand in operands)))

    def cast(self, x: Tensor, element_type: str) -> Tensor:
        if element_type == x.element_type:
            return x
        return Tensor(relay.cast(x.expr, TVM_DTYPES[element_type]), element_type, x.dimensions)

    # linear algebra
    def has_fast_dense(self, rows: int, columns: int, depth: int) -> bool:
        # TVM's default tiles are the largest divisors, which for other sizes are no vectors: up to 25 times slower
        has_tiles = columns % DENSE_COLUMNS == 0 and (rows % DENSE_ROWS == 0 or rows <= FEW_ROWS)
        return has_tiles or rows * columns * depth < LITTLE_WORK

    def dense(self, x: Tensor, weight: Tensor, result_type: str) -> Tensor:
        units = weight.dimensions[0]
        expr = relay.nn.dense(x.expr, weight.expr, units=units, out_dtype=TVM_DTYPES[result_type])
        return Tensor(expr, result_type, (x.dimensions[0], units))

    def convolution(
        self,
        data: Tensor,
        kernel: Tensor,
        *,
        strides: Sequence[int],
        padding: Sequence[tuple[int, int]],
        dilation: Sequence[int],
        groups: int,
        result_type: str,
    ) -> Tensor:
        operator = {1: relay.nn.conv1d, 2: relay.nn.conv2d, 3: relay.nn.conv3d}[len(strides)]
        # conv2d without channels and kernel_size fails in a Winograd check at opt_level 3
        expr = operator(
            data.expr,
            kernel.expr,
            strides=tuple(strides),
            padding=(*(low for low, _ in padding), *(high for _, high in padding)),
            dilation=tuple(dilation),
            groups=groups,
            channels=kernel.dimensions[0],
            kernel_size=tuple(kernel.dimensions[2:]),
            out_dtype=TVM_DTYPES[result_type],
        )
        return Tensor(expr, result_type, convolved_dimensions(data, kernel, strides, padding, dilation))

    def reduce(self, kind: str, x: Tensor, dimensions: Sequence[int]) -> Tensor | None:
        # relay.max and relay.min drop NaN, so they serve integers only
        exact = {"sum": relay.sum, "product": relay.prod, "any": relay.any, "all": relay.all}
        if x.shape.kind in ("signed", "unsigned"):
            exact |= {"max": relay.max, "min": relay.min}
        if kind not in exact:
            return None
        kept = tuple(size for axis, size in enumerate(x.dimensions) if axis not in dimensions)
        return Tensor(exact[kind](x.expr, axis=list(dimensions)), x.element_type, kept)

    # kernels
    def kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> tuple[Tensor, ...]:
        self.kernels_emitted += 1
        self.host_functions |= host_functions(spec)
        types = [(shape.dimensions, TVM_DTYPES[shape.element_type]) for shape in results]
        expr = call_kernel(spec, [operand.expr for operand in operands], types)
        parts = [expr] if len(results) == 1 else list(relay.TupleWrapper(expr, len(results)))
        return tuple(Tensor(part, shape.element_type, shape.dimensions) for part, shape in zip(parts, results))

    def fusion_barrier(self, x: Tensor) -> Tensor:
        return Tensor(relay.annotation.stop_fusion(x.expr), x.element_type, x.dimensions)

    # control flow
    def conditional(
        self, predicate: Tensor, on_true: Callable[[], Sequence[Tensor]], on_false: Callable[[], Sequence[Tensor]]
    ) -> tuple[Tensor, ...]:
        first, second = list(on_true()), list(on_false())
        branches = [relay.Tuple([tensor.expr for tensor in branch]) for branch in (first, second)]
        return self._functions.unpack(relay.If(predicate.expr, *branches), [tensor.shape for tensor in first])

    def call(
        self, name: str, operands: Sequence[Tensor], body: Callable[[Sequence[Tensor]], Sequence[Tensor]]
    ) -> tuple[Tensor, ...]:
        return call_once(self._functions, name, operands, body)

    def while_loop(
        self,
        name: str,
        state: Sequence[Tensor],
        condition: Callable[[Sequence[Tensor]], Tensor],
        body: Callable[[Sequence[Tensor]], Sequence[Tensor]],
        trips: int | None = None,
    ) -> tuple[Tensor, ...]:
        return while_loop(self._functions, name, state, condition, body, trips)

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


def _new_shape(dimensions: Sequence[Dimension]) -> list[int]:
    """Target of a reshape, in which one dimension may be a symbol."""
    if sum(not isinstance(size, int) for size in dimensions) > 1:
        raise UnsupportedInstruction("a reshape to several dimensions that are known only at run time")
    return [size if isinstance(size, int) else -1 for size in dimensions]


def _static(dimensions: Sequence[Dimension]) -> list[int]:
    if not all(isinstance(size, int) for size in dimensions):
        raise UnsupportedInstruction("a copy to dimensions that are known only at run time")
    return [int(size) for size in dimensions]  # type: ignore[arg-type]
