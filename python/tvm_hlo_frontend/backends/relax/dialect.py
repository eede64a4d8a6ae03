"""Relax behind the dialect interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

from ...hlo.ir.shape import Dimension, Shape, Symbol, element_type_of
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.library import host_functions
from ...kernels.spec import KernelSpec
from ..errors import UnsupportedHloError
from ..loops import call_once, while_loop
from ..results import concatenated_dimensions, convolved_dimensions, sliced_dimensions, taken_dimensions
from ..values import Tensor, broadcast_dimensions
from .functions import RelaxFunctions, called_apart
from .kernels import KernelFunctions

# TVM's simplifiers reach these only through their operands, see analysis/arithmetic
_ARITHMETIC = {"add": relax.op.add, "subtract": relax.op.subtract, "multiply": relax.op.multiply}
_NATIVE_FLOATS = frozenset({"f32", "f64"})


class RelaxDialect:
    """Today's graph language of TVM. See `backends.base.Dialect` for the contract of the methods.

    One object per conversion: it gathers the module's functions. Expressions are variables and constants; what they are
    bound to is in the scope that was innermost when they were made.
    """

    name = "relax"
    freezes_params = True
    weights_come_last = True  # where `num_input` and `params` tell of them
    unsupported_error = UnsupportedHloError

    def __init__(self) -> None:
        self._builder = relax.BlockBuilder()
        self.kernels_emitted = 0
        self.host_functions: set[str] = set()
        self._functions = RelaxFunctions(self._builder, self._type)
        self._kernels = KernelFunctions(self._builder)
        self._symbols: dict[Symbol, Any] = {}

    def carries(self, element_type: str) -> bool:
        return element_type in TVM_DTYPES

    # leaves
    def parameter(self, name: str, shape: Shape) -> Tensor:
        return Tensor(relax.Var(name, self._type(shape)), shape.element_type, shape.dimensions)

    def constant(self, array: np.ndarray) -> Tensor:
        shape = self.constant_shape(array)
        if array.size == 0:  # TVM cannot load an executable with an empty constant, and would fold any other operator
            sizes, kind = relax.ShapeExpr(shape.sizes), TVM_DTYPES[shape.element_type]
            return self._emit(relax.op.builtin.alloc_tensor(sizes, kind, 0), shape.element_type, shape.dimensions)
        expr = relax.const(np.asarray(array, order="C"), str(array.dtype))
        return Tensor(expr, shape.element_type, shape.dimensions)

    def constant_shape(self, array: np.ndarray) -> Shape:
        return Shape(element_type_of(array.dtype), tuple(int(size) for size in array.shape))

    # movement
    def reshape(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        if tuple(dimensions) == x.dimensions:
            return x
        return self._emit(relax.op.reshape(x.expr, self._sizes(dimensions)), x.element_type, dimensions)

    def transpose(self, x: Tensor, permutation: Sequence[int]) -> Tensor:
        if list(permutation) == sorted(permutation):
            return x
        dimensions = tuple(x.dimensions[axis] for axis in permutation)
        return self._emit(relax.op.permute_dims(x.expr, list(permutation)), x.element_type, dimensions)

    def broadcast_to(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        if tuple(dimensions) == x.dimensions:
            return x
        return self._emit(relax.op.broadcast_to(x.expr, self._sizes(dimensions)), x.element_type, dimensions)

    def slice(self, x: Tensor, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> Tensor:
        dimensions = sliced_dimensions(starts, limits, strides)
        if dimensions == x.dimensions:
            return x
        axes = list(range(x.rank))
        expr = relax.op.strided_slice(x.expr, axes, list(starts), list(limits), list(strides))
        return self._emit(expr, x.element_type, dimensions)

    def concatenate(self, tensors: Sequence[Tensor], dimension: int) -> Tensor:
        expr = relax.op.concat([tensor.expr for tensor in tensors], axis=dimension)
        return self._emit(expr, tensors[0].element_type, concatenated_dimensions(tensors, dimension))

    def reverse(self, x: Tensor, dimensions: Sequence[int]) -> Tensor:
        for dimension in dimensions:
            x = self._emit(relax.op.flip(x.expr, axis=dimension), x.element_type, x.dimensions)
        return x

    def take(self, x: Tensor, indices: Tensor, dimension: int) -> Tensor:
        dimensions = taken_dimensions(x, indices, dimension)
        return self._emit(relax.op.take(x.expr, indices.expr, dimension), x.element_type, dimensions)

    # element-wise
    def map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple = ()) -> Tensor | None:
        if result_type not in _NATIVE_FLOATS or opcode not in _ARITHMETIC:
            return None
        dimensions = broadcast_dimensions(*(operand.dimensions for operand in operands))
        return self._emit(_ARITHMETIC[opcode](*(operand.expr for operand in operands)), result_type, dimensions)

    def cast(self, x: Tensor, element_type: str) -> Tensor:
        if element_type == x.element_type:
            return x
        return self._emit(relax.op.astype(x.expr, TVM_DTYPES[element_type]), element_type, x.dimensions)

    # linear algebra: kernels, because TVM has no schedules of its own operators for a CPU
    def has_fast_dense(self, rows: int, columns: int, depth: int) -> bool:
        return False  # it is the kernel, after a transpose

    def dense(self, x: Tensor, weight: Tensor, result_type: str) -> Tensor:
        spec = KernelSpec("dot", {"lhs": "MK", "rhs": "NK", "accumulator": TVM_DTYPES[result_type]})
        dimensions = (x.dimensions[0], weight.dimensions[0])
        if isinstance(x.dimensions[0], Symbol):  # the kernel is made for one size
            product = relax.op.matmul(x.expr, self.transpose(weight, (1, 0)).expr, TVM_DTYPES[result_type])
            return self._emit(product, result_type, dimensions)
        lhs, rhs = (self.reshape(tensor, (1, *tensor.dimensions)) for tensor in (x, weight))
        (product,) = self.kernel(spec, [lhs, rhs], [Shape(result_type, (1, *dimensions))])
        return self.reshape(product, dimensions)

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
        parameters = {
            "stride": list(strides),
            "low": [low for low, _ in padding],
            "window_dilation": list(dilation),
            "base_dilation": [1] * len(strides),
            "groups": groups,
            "accumulator": TVM_DTYPES[result_type],
        }
        result = Shape(result_type, convolved_dimensions(data, kernel, strides, padding, dilation))
        return self.kernel(KernelSpec("convolution", parameters), [data, kernel], [result])[0]

    def reduce(self, kind: str, x: Tensor, dimensions: Sequence[int]) -> Tensor | None:
        return None

    # kernels
    def kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> tuple[Tensor, ...]:
        self.kernels_emitted += 1
        self.host_functions |= host_functions(spec)
        types = [self._type(shape) for shape in results]
        call = self._kernels.call(spec, operands, results, types)
        value = self._functions.scopes[-1].emit(call)
        if len(results) == 1:
            return (Tensor(value, results[0].element_type, results[0].dimensions),)
        return self._functions.unpack(value, results)

    def fusion_barrier(self, x: Tensor) -> Tensor:
        return x  # the passes that fuse keep every operator in a block of its own

    # control flow
    def conditional(
        self, predicate: Tensor, on_true: Callable[[], Sequence[Tensor]], on_false: Callable[[], Sequence[Tensor]]
    ) -> tuple[Tensor, ...]:
        branches, results = [], []
        for branch in (on_true, on_false):
            scope = self._functions.enter()
            results = list(branch())
            value = scope.emit(relax.Tuple([tensor.expr for tensor in results]))
            self._functions.scopes.pop()
            branches.append(called_apart(self._builder, self._functions.name("branch"), scope.close(value), value.ty))
        value = self._functions.scopes[-1].emit(relax.If(predicate.expr, *branches))
        return self._functions.unpack(value, [tensor.shape for tensor in results])

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
        (scope,) = self._functions.scopes
        exprs = [result.expr for result in results]
        # a function must not return its parameter or a constant as such: callers may free both
        value = scope.emit(exprs[0] if flat else relax.Tuple(exprs))
        function = relax.Function([parameter.expr for parameter in parameters], scope.close(value), value.ty)
        self._builder.add_func(function.with_attrs({"global_symbol": "main", **attributes}), "main")
        # passes fuse operators in dataflow blocks only
        return relax.transform.ConvertToDataflow()(relax.transform.Normalize()(self._builder.get()))

    def finished(self, mod: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        """The module alone; values of parameters are in main's attribute `params`, in the order of the last ones."""
        main = mod["main"]
        inputs = [variable for variable in main.params if variable.name not in arrays]
        main = main.with_attr("num_input", len(inputs))
        if arrays:
            main = main.with_attr("params", [tvm.runtime.tensor(array) for array in arrays.values()])
        mod.update_func(mod.get_global_var("main"), main)
        return mod

    # helpers
    def _emit(self, expr: Any, element_type: str, dimensions: Sequence[Dimension]) -> Tensor:
        return Tensor(self._functions.scopes[-1].emit(expr), element_type, tuple(dimensions))

    def _sizes(self, dimensions: Sequence[Dimension]) -> list[Any]:
        return [size if isinstance(size, int) else self._variable(size) for size in dimensions]

    def _variable(self, symbol: Symbol) -> Any:
        return self._symbols.setdefault(symbol, tirx.Var("".join(filter(str.isalnum, symbol.name)) or "n", "int64"))

    def _type(self, shape: Shape) -> Any:
        return relax.TensorType(self._sizes(shape.dimensions), TVM_DTYPES[shape.element_type])
