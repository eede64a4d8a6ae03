"""Relay modules whose main calls functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import tvm
from tvm import relay

from ...errors import SignatureError
from ...hlo.ir.shape import Shape
from ..program import Converted, Pool
from ..values import Tensor
from .dialect import RelayDialect
from .functions import INLINE, tensor_type, tuple_type


class FunctionDialect(RelayDialect):
    """What one HLO module is converted with: its main is a function of a module that is being made."""

    def __init__(self, functions: Any, name: str) -> None:
        super().__init__(functions)
        self._function_name = name

    def main(
        self, parameters: Sequence[Tensor], results: Sequence[Tensor], flat: bool, attributes: dict[str, str]
    ) -> Any:
        exprs, shapes = [result.expr for result in results], [result.shape for result in results]
        body, kind = (exprs[0], tensor_type(shapes[0])) if flat else (relay.Tuple(exprs), tuple_type(shapes))
        made = relay.Function([parameter.expr for parameter in parameters], body, kind).with_attr(attributes)
        function = relay.GlobalVar(self._function_name)
        self._functions.functions[function] = made.with_attr(INLINE, tvm.tir.IntImm("int32", 1))
        return function, flat, attributes

    def finished(self, mod: Any, arrays: Mapping[str, np.ndarray]) -> Any:
        function, flat, attributes = mod
        return Converted((function, flat), dict(arrays), attributes)


class RelayProgram(RelayDialect):
    """Relay as `program.ProgramDialect`."""

    def function_dialect(self, name: str) -> FunctionDialect:
        return FunctionDialect(self._functions, name)

    def call_function(self, converted: Converted, operands: Sequence[Tensor], results: Sequence[Shape]) -> list[Tensor]:
        function, flat = converted.function
        value = relay.Call(function, [tensor.expr for tensor in operands])
        if not flat:
            return list(self._functions.unpack(value, list(results)))
        (shape,) = results
        return [Tensor(value, shape.element_type, shape.dimensions)]

    def call_host(self, name: str, operands: Sequence[Tensor], results: Sequence[Shape], effect: bool) -> NoReturn:
        raise SignatureError(f"Relay has no call of {name}")

    def relu(self, x: Tensor) -> Tensor:
        # relay.nn.relu makes 0 of NaN; the maximum in this order keeps it, and makes -0 of -0
        zero = relay.const(0.0, "float32")
        return Tensor(relay.abs(relay.maximum(zero, x.expr)), x.element_type, x.dimensions)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        return self.dense(x, self.transpose(y, (1, 0)), x.element_type)

    def average_pool(self, x: Tensor, pool: Pool) -> Tensor:
        (top, left), (bottom, right) = zip(*pool.padding)
        value = relay.nn.avg_pool2d(
            x.expr, pool.sizes, pool.strides, padding=(top, left, bottom, right), count_include_pad=False
        )
        return Tensor(value, x.element_type, (*x.dimensions[:2], *pool.dimensions))

    def batch_norm(self, x: Tensor, statistics: Sequence[Tensor], epsilon: float, axis: int) -> Tensor:
        triple = relay.nn.batch_norm(x.expr, *(tensor.expr for tensor in statistics), axis=axis, epsilon=epsilon)
        return Tensor(triple[0], x.element_type, x.dimensions)

    def softmax(self, x: Tensor) -> Tensor:
        return Tensor(relay.nn.softmax(x.expr, axis=-1), x.element_type, x.dimensions)

    def resize_nearest(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        value = relay.image.resize2d(
            x.expr,
            tuple(sizes),
            layout="NHWC",
            method="nearest_neighbor",
            coordinate_transformation_mode="tf_half_pixel_for_nn",
            rounding_method="floor",
        )
        return Tensor(value, x.element_type, (x.dimensions[0], *sizes, x.dimensions[3]))
