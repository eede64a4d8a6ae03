"""Relax modules whose main calls functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tvm import relax

from ...hlo.ir.attributes import Window
from ...hlo.ir.shape import Shape
from ...kernels.dtypes import TVM_DTYPES
from ..program import Converted, Pool
from ..values import Tensor
from .dialect import RelaxDialect


class FunctionDialect(RelaxDialect):
    """What one HLO module is converted with: its main is a function of a module that is being made."""

    def __init__(self, builder: Any, name: str) -> None:
        super().__init__(builder)
        self._function_name = name

    def main(
        self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool, attributes: dict[str, str]
    ) -> Any:
        function = self._whole(parameters, results, flat)
        function = function.with_attrs({"global_symbol": self._function_name, **attributes})
        return self._builder.add_func(function, self._function_name), attributes

    def finished(self, mod: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        function, attributes = mod
        return Converted(function, dict(arrays), attributes)


class RelaxProgram(RelaxDialect):
    """Relax as `program.ProgramDialect`; convolutions and products of matrices are operators, not kernels."""

    def __init__(self) -> None:
        super().__init__()
        self._effects = False

    def function_dialect(self, name: str) -> FunctionDialect:
        return FunctionDialect(self._builder, name)

    def call_function(self, converted: Converted, operands: Sequence[Tensor], results: Sequence[Shape]) -> list[Tensor]:
        value = self._bound(relax.Call(converted.function, [tensor.expr for tensor in operands]))
        return self._unpacked(value, results)

    def call_host(self, name: str, operands: Sequence[Tensor], results: Sequence[Shape], effect: bool) -> list[Tensor]:
        types = [self._type(shape) for shape in results]
        kind = types[0] if len(types) == 1 else relax.TupleType(types)
        exprs = [tensor.expr for tensor in operands]
        if effect:
            self._effects = True
            value = self._bound(relax.Call(relax.ExternFunc(name), exprs, None, [kind]))
        else:
            value = self._bound(relax.call_pure_packed(name, *exprs, ty_args=kind))
        return self._unpacked(value, results)

    def _unpacked(self, value: Any, results: Sequence[Shape]) -> list[Tensor]:
        if isinstance(value.ty, relax.TupleType):
            return list(self._functions.unpack(value, list(results)))
        (shape,) = results
        return [Tensor(value, shape.element_type, shape.dimensions)]

    def main(
        self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool, attributes: dict[str, str]
    ) -> Any:
        function = self._whole(parameters, results, flat)
        if self._effects:
            function = relax.Function(function.params, function.body, function.ret_ty, False, function.attrs)
        return self._module(function.with_attrs({"global_symbol": "main", **attributes}))

    # operators
    def _convolution(self, data: Tensor, kernel: Tensor, window: Window, groups: int, result: Shape) -> Tensor:
        if len(window.dimensions) != 2:
            return super()._convolution(data, kernel, window, groups, result)
        (top, left), (bottom, right) = zip(*((w.padding_low, w.padding_high) for w in window.dimensions))
        value = relax.op.nn.conv2d(
            data.expr,
            kernel.expr,
            strides=[w.stride for w in window.dimensions],
            padding=[top, left, bottom, right],
            dilation=[w.window_dilation for w in window.dimensions],
            groups=groups,
            out_dtype=TVM_DTYPES[result.element_type],
        )
        return self._tensor(value, result.element_type, result.dimensions)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        dimensions = (x.dimensions[0], y.dimensions[1])
        return self._tensor(relax.op.matmul(x.expr, y.expr), x.element_type, dimensions)

    def relu(self, x: Tensor) -> Tensor:
        # relax.nn.relu makes 0 of NaN; the maximum in this order keeps it, and makes -0 of -0
        zero = relax.const(0, TVM_DTYPES[x.element_type])
        largest = self._bound(relax.op.maximum(zero, x.expr))
        return self._tensor(relax.op.abs(largest), x.element_type, x.dimensions)

    def average_pool(self, x: Tensor, pool: Pool) -> Tensor:
        (top, left), (bottom, right) = zip(*pool.padding)
        value = relax.op.nn.avg_pool2d(
            x.expr, list(pool.sizes), list(pool.strides), [top, left, bottom, right], count_include_pad=False
        )
        return self._tensor(value, x.element_type, (*x.dimensions[:2], *pool.dimensions))

    def batch_norm(self, x: Tensor, statistics: Sequence[Tensor], epsilon: float, axis: int) -> Tensor:
        exprs = [tensor.expr for tensor in statistics]
        triple = self._bound(relax.op.nn.batch_norm(x.expr, *exprs, axis=axis, epsilon=epsilon, training=False))
        return self._tensor(relax.TupleGetItem(triple, 0), x.element_type, x.dimensions)

    def softmax(self, x: Tensor) -> Tensor:
        return self._tensor(relax.op.nn.softmax(x.expr, axis=-1), x.element_type, x.dimensions)

    def resize_nearest(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        value = relax.op.image.resize2d(
            x.expr,
            tuple(sizes),
            layout="NHWC",
            method="nearest_neighbor",
            coordinate_transformation_mode="tf_half_pixel_for_nn",
            rounding_method="floor",
        )
        return self._tensor(value, x.element_type, (x.dimensions[0], *sizes, x.dimensions[3]))
