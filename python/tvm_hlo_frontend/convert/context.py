"""What a converter may use: the dialect, constants, kernels, and the conversion of the computations that it calls."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn, cast

import numpy as np

from ..analysis.array_loops import Computes, any_node
from ..analysis.scalar_expression import ScalarExpression, elementwise_expression
from ..backends.base import Dialect
from ..backends.signature import HostCall
from ..backends.values import Tensor, Token, Value, broadcast_dimensions, flatten
from ..errors import Refusal, UnsupportedInstruction
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import BY_NAME, Shape
from ..kernels.spec import KernelSpec
from .emission import ObservedDialect
from .input_names import VariableNames
from .rules import Converter

# constants of more elements become parameters of main, so that printed modules stay readable and weights are shared
LARGE_CONSTANT_ELEMENTS = 64
# kernels that are remembered
MAX_REMEMBERED = 4096


@dataclass
class ConversionContext:
    """What a converter may use. One per `from_hlo` call.

    Attributes
    ----------
    dialect : Dialect
        What it is asked for is counted per instruction.
    converters : mapping of str to Converter
    walk : callable
        ``walk(ctx, computation, arguments)`` converts a computation: the driver's.
    freeze_params : bool
        Keep large constants inline.
    computes : callable
        As of `rewrites.Capabilities`.
    aliases : tuple of (int, int)
        As of `Signature`.
    in_place : frozenset of HloInstruction
        What changes a donated argument to a result, see `analysis.donation`.
    params : dict of str to numpy.ndarray
        Large constants that became parameters of main, by name.
    param_tensors : dict of str to Tensor
        The variables of those.
    inputs : dict of str to Tensor
        Variables of the entry parameters, in order.
    declared : dict of str to Shape
        HLO's own shapes of those, where they may have element types that the dialect lacks.
    names : dict of str to str
        The framework's names of those.
    refusals : list of Refusal
    host_calls : list of HostCall
    counts : Counter
        (opcode, what became of it) of everything converted.
    """

    dialect: Dialect
    converters: Mapping[str, Converter]
    walk: Callable[[ConversionContext, HloComputation, Sequence[Value]], Value]
    freeze_params: bool = False
    computes: Computes = any_node
    aliases: tuple[tuple[int, int], ...] = ()
    in_place: frozenset[HloInstruction] = frozenset()
    params: dict[str, np.ndarray] = field(default_factory=dict)
    param_tensors: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)
    declared: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    host_calls: list[HostCall] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    exact: set[HloInstruction] = field(default_factory=set)
    variables: VariableNames = field(default_factory=VariableNames)
    _by_content: dict[tuple, str] = field(default_factory=dict)
    observed: ObservedDialect = field(init=False)

    def __post_init__(self) -> None:
        self.observed = ObservedDialect(self.dialect)
        self.dialect = cast(Dialect, self.observed)

    def refuse(self, reason: str) -> NoReturn:
        """Refuse the instruction at hand; it is listed in the one UnsupportedHloError."""
        raise UnsupportedInstruction(reason)

    def constant(self, array: np.ndarray, name: str = "constant") -> Tensor:
        """Inline constant, or a parameter of main if `array` is large (equal large ones are shared)."""
        if self.freeze_params or array.size <= LARGE_CONSTANT_ELEMENTS:
            return self.dialect.constant(array)
        array = np.asarray(array, order="C")
        key = (array.dtype, array.shape, hashlib.sha256(array.data).digest())
        known = self._by_content.get(key)
        if known is None:
            known = self._by_content[key] = self.variables.take(name)
            self.params[known] = array
            self.param_tensors[known] = self.dialect.parameter(known, self.dialect.constant_shape(array))
        return self.param_tensors[known]

    def scalar(self, value: Any, element_type: str) -> Tensor:
        """Scalar constant."""
        return self.dialect.constant(np.asarray(value, BY_NAME[element_type].numpy_dtype))

    def zeros(self, shape: Shape) -> Tensor:
        """Zeros; what a sum of no products is, and an array without elements."""
        if shape.is_static and 0 in shape.sizes:
            return self.dialect.constant(np.zeros(shape.sizes, shape.numpy_dtype))
        zero = self.dialect.reshape(self.scalar(0, shape.element_type), [1] * shape.rank)
        return self.dialect.broadcast_to(zero, shape.dimensions)

    def map(
        self, opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple = (), exact: bool = False
    ) -> Tensor:
        """Element-wise `opcode` with numpy broadcasting: the dialect's operator where it means exactly the same (and
        `exact` does not forbid it), else a map kernel."""
        if not exact:
            native = self.dialect.map(opcode, result_type, operands, attributes)
            if native is not None:
                return native
        types = tuple(operand.element_type for operand in operands)
        return self.map_expression(elementwise_expression(opcode, result_type, types, attributes), operands)

    def map_expression(self, expression: ScalarExpression, operands: Sequence[Tensor]) -> Tensor:
        """A scalar expression at every index, with numpy broadcasting of the operands."""
        dimensions = broadcast_dimensions(*(operand.dimensions for operand in operands))
        result = Shape(expression.result_types[0], dimensions)
        return self.dialect.kernel(map_spec(expression), operands, [result])[0]

    def reduce(self, kind: str, operand: Tensor, dimensions: Sequence[int]) -> Tensor:
        """Reduction `kind` (sum, product, min, max, any, all) over some dimensions, none of them empty, which are not
        kept: the dialect's operator where it means exactly the same, else a kernel."""
        native = self.dialect.reduce(kind, operand, list(dimensions))
        if native is not None:
            return native
        kept = tuple(size for axis, size in enumerate(operand.dimensions) if axis not in dimensions)
        spec = KernelSpec("reduce", {"kind": kind, "dimensions": list(dimensions)})
        return self.dialect.kernel(spec, [operand], [Shape(operand.element_type, kept)])[0]

    def materialize(self, tensor: Tensor, shape: Shape) -> Tensor:
        """`tensor` without a pending broadcast."""
        if tensor.dimensions == shape.dimensions:
            return tensor
        return self.dialect.broadcast_to(tensor, shape.dimensions)

    def convert_computation(self, computation: HloComputation, arguments: Sequence[Value]) -> Value:
        """Convert the body of `computation` with its parameters bound to `arguments`; the value of its root."""
        return self.walk(self, computation, arguments)

    def convert_closed(self, computation: HloComputation, arguments: Sequence[Value]) -> list[Tensor]:
        """Tensors of the value of `computation`, converted as the body of a function of its own: it cannot see
        main's parameters, so its constants stay inline."""
        with self.closed():
            return flatten(self.convert_computation(computation, arguments))

    @contextmanager
    def closed(self) -> Iterator[None]:
        """What is converted within it becomes a function of its own: constants stay inline."""
        outer, self.freeze_params = self.freeze_params, True
        try:
            yield
        finally:
            self.freeze_params = outer

    def settle(self, value: Value, shape: Shape) -> Value:
        """`value` with no pending broadcast anywhere."""
        if isinstance(value, Tensor):
            return self.materialize(value, shape)
        if isinstance(value, Token):
            return value
        return tuple(self.settle(part, sub) for part, sub in zip(value, shape.tuple_shapes))


@lru_cache(MAX_REMEMBERED)
def map_spec(expression: ScalarExpression) -> KernelSpec:
    """The kernel of a scalar expression at every index: modules have few of them, which many instructions share."""
    return KernelSpec("map", body=expression)
