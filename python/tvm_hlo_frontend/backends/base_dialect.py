"""What is the same in every graph language: what is no operation, dimensions of results, element types, counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..analysis.array_program import ArrayNode, ArrayProgram
from ..hlo.ir.attributes import Window, WindowDimension
from ..hlo.ir.shape import Dimension, Shape, element_type_of
from ..kernels.arrays.definitions import computes
from ..kernels.dtypes import TVM_DTYPES
from ..kernels.library import definition
from ..kernels.spec import KernelSpec
from .errors import UnsupportedHloError
from .loops import LoopLanguage, call_once, while_loop
from .results import concatenated_dimensions, convolved_dimensions, sliced_dimensions, taken_dimensions
from .values import Body, Condition, Tensor, broadcast_dimensions

# elements of a constant that is reshaped as it is made: TVM compiles a module for each one that it folds
MAX_RESHAPED = 1024


class BaseDialect(ABC):
    """`Dialect` over a language that makes expressions only.

    One object per conversion: it gathers the module's functions.

    Parameters
    ----------
    functions : LoopLanguage
        The language's functions and tuples.
    """

    unsupported_error = UnsupportedHloError

    def __init__(self, functions: LoopLanguage) -> None:
        self._language = functions
        self.kernels_emitted = 0
        self.host_functions = list[str]()

    def carries(self, element_type: str) -> bool:
        return element_type in TVM_DTYPES

    def computes(self, node: ArrayNode, program: ArrayProgram) -> bool:
        return computes(node, program)

    def is_constant(self, x: Tensor) -> bool:
        return False

    # leaves
    def pass_sizes(self, names: Sequence[str], highest: Mapping[str, int]) -> None:
        if names:
            raise ValueError(f"unknown sizes are no arguments here: {', '.join(names)}")

    def constant(self, array: np.ndarray) -> Tensor:
        shape = self.constant_shape(array)
        if array.size == 0:
            return self._tensor(self._empty(shape), shape.element_type, shape.dimensions)
        return Tensor(self._constant(np.asarray(array, order="C")), shape.element_type, shape.dimensions)

    def constant_shape(self, array: np.ndarray) -> Shape:
        return Shape(element_type_of(array.dtype), tuple(int(size) for size in array.shape))

    # movement
    def reshape(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        if tuple(dimensions) == x.dimensions:
            return x
        array, sizes = self._constant_array(x.expr), [size for size in dimensions if isinstance(size, int)]
        if array is not None and 0 < array.size <= MAX_RESHAPED and len(sizes) == len(dimensions):
            return Tensor(self._constant(array.reshape(sizes)), x.element_type, tuple(sizes))
        return self._tensor(self._reshape(x.expr, dimensions), x.element_type, dimensions)

    def transpose(self, x: Tensor, permutation: Sequence[int]) -> Tensor:
        if list(permutation) == sorted(permutation):
            return x
        dimensions = [x.dimensions[axis] for axis in permutation]
        return self._tensor(self._transpose(x.expr, list(permutation)), x.element_type, dimensions)

    def broadcast_to(self, x: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
        if tuple(dimensions) == x.dimensions:
            return x
        return self._tensor(self._broadcast_to(x.expr, dimensions), x.element_type, dimensions)

    def slice(self, x: Tensor, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> Tensor:
        dimensions = sliced_dimensions(starts, limits, strides)
        if dimensions == x.dimensions:
            return x
        return self._tensor(self._slice(x.expr, list(starts), list(limits), list(strides)), x.element_type, dimensions)

    def concatenate(self, tensors: Sequence[Tensor], dimension: int) -> Tensor:
        expr = self._concatenate([tensor.expr for tensor in tensors], dimension)
        return self._tensor(expr, tensors[0].element_type, concatenated_dimensions(tensors, dimension))

    def reverse(self, x: Tensor, dimensions: Sequence[int]) -> Tensor:
        for dimension in dimensions:
            x = self._tensor(self._reverse(x.expr, dimension), x.element_type, x.dimensions)
        return x

    def take(self, x: Tensor, indices: Tensor, dimension: int) -> Tensor:
        expr = self._take(x.expr, indices.expr, dimension)
        return self._tensor(expr, x.element_type, taken_dimensions(x, indices, dimension))

    # element-wise
    def map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple = ()) -> Tensor | None:
        expr = self._map(opcode, result_type, operands, attributes)
        if expr is None:
            return None
        return self._tensor(expr, result_type, broadcast_dimensions(*(operand.dimensions for operand in operands)))

    def cast(self, x: Tensor, element_type: str) -> Tensor:
        if element_type == x.element_type:
            return x
        return self._tensor(self._cast(x.expr, TVM_DTYPES[element_type]), element_type, x.dimensions)

    # linear algebra
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
        sizes: list[int] = [int(size) for size in kernel.dimensions[2:]]  # type: ignore[arg-type]
        window = Window(
            tuple(
                WindowDimension(size, stride, low, high, gap)
                for size, stride, (low, high), gap in zip(sizes, strides, padding, dilation)
            )
        )
        result = Shape(result_type, convolved_dimensions(data, kernel, window))
        return self._convolution(data, kernel, window, groups, result)

    # kernels
    def kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> tuple[Tensor, ...]:
        self.kernels_emitted += 1
        host_function = definition(spec).host_function
        if host_function is not None:
            self.host_functions.append(host_function)
        value = self._bound(self._kernel(spec, operands, results))
        if len(results) == 1:
            return (Tensor(value, results[0].element_type, results[0].dimensions),)
        return self._language.unpack(value, results, 0)

    # control flow
    def call(self, name: str, operands: Sequence[Tensor], body: Body) -> tuple[Tensor, ...]:
        return call_once(self._language, name, operands, body)

    def while_loop(
        self,
        name: str,
        state: Sequence[Tensor],
        condition: Condition,
        body: Body,
        trips: int | None = None,
        kept: Sequence[int] = (),
    ) -> tuple[Tensor, ...]:
        return while_loop(self._language, name, state, condition, body, trips, kept)

    def _tensor(self, expr: Any, element_type: str, dimensions: Sequence[Dimension]) -> Tensor:
        return Tensor(self._bound(expr), element_type, tuple(dimensions))

    # what a language says: expressions alone
    def _bound(self, expr: Any) -> Any:
        """`expr` as others may use it: languages in which operands are variables bind it to one."""
        return expr

    @abstractmethod
    def _empty(self, shape: Shape) -> Any: ...

    @abstractmethod
    def _constant(self, array: np.ndarray) -> Any: ...

    @abstractmethod
    def _constant_array(self, expr: Any) -> np.ndarray | None:
        """Elements of a constant; None for all else."""

    @abstractmethod
    def _reshape(self, expr: Any, dimensions: Sequence[Dimension]) -> Any: ...

    @abstractmethod
    def _transpose(self, expr: Any, permutation: list[int]) -> Any: ...

    @abstractmethod
    def _broadcast_to(self, expr: Any, dimensions: Sequence[Dimension]) -> Any: ...

    @abstractmethod
    def _slice(self, expr: Any, starts: list[int], limits: list[int], strides: list[int]) -> Any: ...

    @abstractmethod
    def _concatenate(self, exprs: list[Any], dimension: int) -> Any: ...

    @abstractmethod
    def _reverse(self, expr: Any, dimension: int) -> Any: ...

    @abstractmethod
    def _take(self, expr: Any, indices: Any, dimension: int) -> Any: ...

    @abstractmethod
    def _map(self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple) -> Any | None: ...

    @abstractmethod
    def _cast(self, expr: Any, dtype: str) -> Any: ...

    @abstractmethod
    def _convolution(self, data: Tensor, kernel: Tensor, window: Window, groups: int, result: Shape) -> Tensor: ...

    @abstractmethod
    def _kernel(self, spec: KernelSpec, operands: Sequence[Tensor], results: Sequence[Shape]) -> Any: ...
