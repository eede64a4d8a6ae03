"""Relax behind the dialect interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import relax

from ...hlo.ir.attributes import Window
from ...hlo.ir.shape import Dimension, Shape, Symbol
from ...kernels.dtypes import TVM_DTYPES
from ...kernels.spec import KernelSpec, convolution_spec
from ..base_dialect import BaseDialect
from ..results import sliced_dimensions
from ..values import Tensor
from .functions import RelaxFunctions
from .kernels import KernelFunctions
from .sizes import SizeVariables

# TVM's simplifiers reach these only through their operands, see analysis/arithmetic
_ARITHMETIC = {"add": relax.op.add, "subtract": relax.op.subtract, "multiply": relax.op.multiply}
# what of a constant is one
_MOVED = frozenset(tvm.ir.Op.get(f"relax.{name}") for name in ("astype", "permute_dims", "reshape"))
# attribute of main where dimensions are computed from others
COMPUTES_SIZES = "hlo.computes_sizes"
# lists of numbers that are remembered
MAX_REMEMBERED = 4096
_NATIVE_FLOATS = frozenset({"f32", "f64"})


class RelaxDialect(BaseDialect):
    """Today's graph language of TVM. See `backends.base.Dialect` for the contract of the methods.

    Expressions are variables and constants; what they are
    bound to is in the scope that was innermost when they were made.

    Parameters
    ----------
    builder : relax.BlockBuilder, optional
        Of the module that gets the functions; by default a new one.
    """

    name = "relax"
    freezes_params = True
    leaves_sizes_open = True
    keeps_memory = True
    convolves_channels_last = True
    weights_come_last = True  # where `num_input` and `params` tell of them

    def __init__(self, builder: Any = None) -> None:
        self._builder = relax.BlockBuilder() if builder is None else builder
        self._size_variables = SizeVariables()
        self._functions = RelaxFunctions(self._builder, self._type, self._size_variables)
        super().__init__(self._functions)
        self._kernels = KernelFunctions(self._builder)
        self._passed: list[Any] = []
        self._types: dict[Shape, Any] = {}
        # variables that are constants in another order
        self._constants: set[Any] = set()
        # by parameter the variable that main takes: another one where dimensions are computed
        self._taken: dict[Any, Any] = {}

    # leaves
    def pass_sizes(self, names: Sequence[str], highest: Mapping[str, int]) -> None:
        self._size_variables.highest = highest
        variables = [self._size_variables.unknown(name) for name in names]
        self._passed = [relax.Var("sizes", relax.ShapeType(variables))] if names else []

    def parameter(self, name: str, shape: Shape) -> Tensor:
        taken = relax.Var(name, self._written_type(shape))
        variable = self._with_sizes(taken, shape)
        self._taken[variable] = taken
        return Tensor(variable, shape.element_type, shape.dimensions)

    def _constant(self, array: np.ndarray) -> Any:
        return relax.const(array, str(array.dtype))

    def _empty(self, shape: Shape) -> Any:
        # TVM cannot load an executable with an empty constant, and would fold any other operator
        return relax.op.builtin.alloc_tensor(relax.ShapeExpr(shape.sizes), TVM_DTYPES[shape.element_type], 0)

    def is_constant(self, x: Tensor) -> bool:
        return self._is_constant(x.expr)

    # movement
    def reshape(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        kept = [size for size in x.dimensions if size != 1]
        if x.shape.is_static or kept != [size for size in dimensions if size != 1]:
            return super().reshape(x, dimensions)
        # TVM fuses these without the divisions by unknown sizes that a reshape is to it
        ones = [axis for axis, size in enumerate(x.dimensions) if size == 1]
        squeezed = self._tensor(relax.op.squeeze(x.expr, ones), x.element_type, kept) if ones else x
        ones = [axis for axis, size in enumerate(dimensions) if size == 1]
        if not ones:
            return squeezed
        return self._tensor(relax.op.expand_dims(squeezed.expr, ones), x.element_type, dimensions)

    def _constant_array(self, expr: Any) -> np.ndarray | None:
        return expr.value.numpy() if isinstance(expr, tvm.ir.GenericConst) else None

    def _reshape(self, expr: Any, dimensions: Sequence[Dimension]) -> Any:
        return relax.op.reshape(expr, self._sizes(dimensions))

    def _transpose(self, expr: Any, permutation: list[int]) -> Any:
        return relax.op.permute_dims(expr, permutation)

    def _broadcast_to(self, expr: Any, dimensions: Sequence[Dimension]) -> Any:
        return relax.op.broadcast_to(expr, self._sizes(dimensions))

    def _slice(self, expr: Any, starts: list[int], limits: list[int], strides: list[int]) -> Any:
        return relax.op.strided_slice(expr, *map(_numbers, (range(len(starts)), starts, limits, strides)))

    def slice(self, x: Tensor, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> Tensor:
        if all(isinstance(size, int) for size in (*x.dimensions, *starts, *limits)):
            return super().slice(x, starts, limits, strides)
        # of a dimension that stays TVM would make another size, max(b, 0)
        rows = list(zip(starts, limits, strides))
        cut = [axis for axis, row in enumerate(rows) if row != (0, x.dimensions[axis], 1)]
        if not cut:
            return x
        columns = [self._sizes([row[axis] for axis in cut]) for row in (starts, limits, strides)]
        dimensions = sliced_dimensions(starts, limits, strides)
        # elsewhere TVM looks for ends beyond the array, and its passes end the process where starts are arguments
        value = relax.op.strided_slice(x.expr, cut, *columns, assume_inbound=True)
        return self._tensor(value, x.element_type, dimensions)

    def _concatenate(self, exprs: list[Any], dimension: int) -> Any:
        return relax.op.concat(exprs, axis=dimension)

    def _reverse(self, expr: Any, dimension: int) -> Any:
        return relax.op.flip(expr, axis=dimension)

    def _take(self, expr: Any, indices: Any, dimension: int) -> Any:
        return relax.op.take(expr, indices, dimension)

    # element-wise
    def _map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple) -> Any | None:
        if result_type not in _NATIVE_FLOATS or opcode not in _ARITHMETIC:
            return None
        if not all(operand.shape.is_static for operand in operands):
            return None  # TVM does not fuse operators of its own with kernels where a size is a product of others
        return _ARITHMETIC[opcode](*(operand.expr for operand in operands))

    def _cast(self, expr: Any, dtype: str) -> Any:
        return relax.op.astype(expr, dtype)

    # linear algebra: kernels, because TVM has no schedules of its own operators for a CPU
    def has_fast_dense(self, rows: int, columns: int, depth: int) -> bool:
        return False  # it is the kernel, after a transpose

    def dense(self, x: Tensor, weight: Tensor, result_type: str) -> Tensor:
        spec = KernelSpec("dot", {"lhs": "MK", "rhs": "NK", "accumulator": TVM_DTYPES[result_type]})
        dimensions = (x.dimensions[0], weight.dimensions[0])
        lhs, rhs = (self.reshape(tensor, (1, *tensor.dimensions)) for tensor in (x, weight))
        (product,) = self.kernel(spec, [lhs, rhs], [Shape(result_type, (1, *dimensions))])
        return self.reshape(product, dimensions)

    def _convolution(self, data: Tensor, kernel: Tensor, window: Window, groups: int, result: Shape) -> Tensor:
        spec = convolution_spec(window, groups, TVM_DTYPES[result.element_type])
        return self.kernel(spec, [data, kernel], [result])[0]

    def reduce(self, kind: str, x: Tensor, dimensions: Sequence[int]) -> Tensor | None:
        return None

    # kernels
    def _kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> Any:
        return self._kernels.call(spec, operands, results, [self._type(shape) for shape in results])

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
            branches.append(self._functions.called_apart(scope.close(value), value.ty))
        shapes = [tensor.shape for tensor in results]
        kind = relax.TupleType([self._type(shape) for shape in shapes])
        value = self._functions.scopes[-1].choose(predicate.expr, branches[0], branches[1], kind)
        return self._functions.unpack(value, shapes)

    # structure
    def main(
        self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool, attributes: dict[str, str]
    ) -> Any:
        function = self._whole(parameters, results, flat).with_attrs({"global_symbol": "main", **attributes})
        if self._size_variables.computed:
            function = function.with_attr(COMPUTES_SIZES, "true")
        return self._module(function)

    def _module(self, main: Any) -> Any:
        """The module of everything that was made so far."""
        mod = self._builder.get()
        mod["main"] = main  # the builder would look for an equal function
        # passes fuse operators in dataflow blocks only
        return relax.transform.ConvertToDataflow()(relax.transform.Normalize()(mod))

    def _whole(self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool) -> Any:
        """The function of everything that was made so far."""
        (scope,) = self._functions.scopes
        exprs = [result.expr for result in results]
        # a function must not return its parameter or a constant as such: callers may free both
        value = scope.emit(exprs[0] if flat else relax.Tuple(exprs))
        kinds = [self._written_type(result.shape) for result in results]
        value = scope.known_as(value, kinds[0] if flat else relax.TupleType(kinds))
        taken = [*self._passed, *(self._taken[parameter.expr] for parameter in parameters)]
        return self._functions.closed(taken, scope.close(value), value.ty)

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
    def _bound(self, expr: Any) -> Any:
        value = self._functions.scopes[-1].emit(expr)
        if isinstance(expr, relax.Call) and expr.op in _MOVED and self._is_constant(expr.args[0]):
            self._constants.add(value)
        return value

    def _is_constant(self, expr: Any) -> bool:
        return isinstance(expr, tvm.ir.Constant) or expr in self._constants

    def _tensor(self, expr: Any, element_type: str, dimensions: Sequence[Dimension]) -> Tensor:
        shape = Shape(element_type, tuple(dimensions))
        value = self._bound(expr)
        return Tensor(value if shape.is_static else self._with_sizes(value, shape), element_type, shape.dimensions)

    def _with_sizes(self, value: Any, shape: Shape) -> Any:
        """`value`, whose sizes TVM has written as it computes them, with our variables: by a reshape, as TVM would put
        what it learns from a MatchCast in the place of the variables."""
        if tvm_ffi.structural_equal(value.ty, self._type(shape)):
            return value
        return self._bound(relax.op.reshape(value, self._sizes(shape.dimensions)))

    def _sizes(self, dimensions: Sequence[Dimension]) -> list[Any]:
        return [self._size_variables.of(size) if isinstance(size, Symbol) else size for size in dimensions]

    def _type(self, shape: Shape) -> Any:
        known = self._types.get(shape)
        if known is None:
            known = relax.TensorType(self._sizes(shape.dimensions), TVM_DTYPES[shape.element_type])
            self._types[shape] = known
        return known

    def _written_type(self, shape: Shape) -> Any:
        """The type of what callers of main see: computed sizes as they are computed."""
        sizes = [self._size_variables.written(size) if isinstance(size, Symbol) else size for size in shape.dimensions]
        return relax.TensorType(sizes, TVM_DTYPES[shape.element_type])


def _numbers(values: Sequence[int]) -> Any:
    return _numbers_of(tuple(values))


@lru_cache(MAX_REMEMBERED)
def _numbers_of(values: tuple[int, ...]) -> Any:
    """Numbers as an expression, which is made in Python one by one: modules have few such lists."""
    return relax.utils.convert_to_expr(values)
