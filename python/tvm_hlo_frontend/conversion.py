"""The driver: walks computations in dependency order and calls one converter per instruction. No recursion on the
graph, no type inference: HLO carries every shape."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import numpy as np

from .dialects.interface import Dialect
from .emission import ObservedDialect
from .errors import ConversionError, Refusal, UnsupportedInstruction
from .hlo.module import HloComputation, HloInstruction
from .hlo.scalar_expression import ScalarExpression, elementwise_expression
from .hlo.shape import BY_NAME, Shape
from .input_names import VariableNames
from .kernels.spec import KernelSpec
from .patterns.arithmetic import exact_arithmetic
from .patterns.fusion import fusion_boundaries
from .registry import CUSTOM_CALL_PREFIX, Converter
from .values import Tensor, Token, Value, array_shapes, broadcast_dimensions, flatten, is_value, unflatten

# constants of more elements become parameters of main, so that printed modules stay readable and weights are shared
LARGE_CONSTANT_ELEMENTS = 64
# where complex numbers are left they stand around an instruction that is refused itself
PAIR_JOINTS = frozenset({"complex", "real", "imag"})


@dataclass
class ConversionContext:
    """What a converter may use. One per `from_hlo` call.

    Attributes
    ----------
    dialect : Dialect
        What it is asked for is counted per instruction.
    converters : mapping of str to Converter
    freeze_params : bool
        Keep large constants inline.
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
    counts : Counter
        (opcode, what became of it) of everything converted.
    host_functions : set of str
        Packed functions that the module calls and that the process which runs it must have.
    """

    dialect: Dialect
    converters: Mapping[str, Converter]
    freeze_params: bool = False
    params: dict[str, np.ndarray] = field(default_factory=dict)
    param_tensors: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)
    declared: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    host_functions: set[str] = field(default_factory=set)
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
        return self.dialect.kernel(KernelSpec("map", body=expression), operands, [result])[0]

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
        self.exact |= exact_arithmetic(computation)
        boundaries = fusion_boundaries(computation)
        values: dict[HloInstruction, Value] = {}
        for instruction in computation.instructions:
            if instruction.opcode == "parameter":
                value = arguments[instruction.attributes.number]  # type: ignore[union-attr]
            else:
                value = self._convert(computation, instruction, [values[o] for o in instruction.operands])
                if instruction in boundaries and isinstance(value, Tensor):
                    value = self.dialect.fusion_barrier(value)
            values[instruction] = value
        root = values[computation.root]
        return self.settle(root, computation.root.shape)

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

    def _convert(self, computation: HloComputation, instruction: HloInstruction, operands: list[Value]) -> Value:
        found = self.converters.get(converter_key(instruction))
        if has_no_elements(instruction.shape):
            return self.dialect.constant(np.zeros(instruction.shape.sizes, instruction.shape.numpy_dtype))
        if found is None:  # already among the refusals, which are collected before the walk
            return self.placeholder(instruction.shape)
        lacking = self.lacking_type(instruction)
        if lacking is not None:
            if instruction.opcode not in PAIR_JOINTS:
                reason = f"TVM tensors do not carry {lacking}, and no rewrite takes this opcode apart for it"
                self.refusals.append(refusal_of(computation, instruction, reason))
            return self.placeholder(instruction.shape)
        try:
            if not found.broadcasting:
                operands = [self.settle(v, o.shape) for v, o in zip(operands, instruction.operands)]
            value, how = self._observed(found, instruction, operands)
        except UnsupportedInstruction as refusal:
            self.refusals.append(refusal_of(computation, instruction, str(refusal)))
            return self.placeholder(instruction.shape)
        check_result(instruction, value, found.broadcasting)
        self.counts[instruction.opcode, how] += 1
        return value

    def _observed(self, found: Converter, instruction: HloInstruction, operands: list[Value]) -> tuple[Value, str]:
        """What a converter makes of an instruction, and what kind of thing that is; computations that it converts on
        the way are counted for themselves."""
        outer = self.observed.start()
        try:
            value = found.convert(self, instruction, *operands)
            if not is_value(value):
                raise ConversionError(f"the converter of {instruction!r} returned {value!r}, which is no value")
            return value, self.observed.outcome(found.how, value, operands)
        finally:
            self.observed.restore(outer)

    def lacking_type(self, instruction: HloInstruction) -> str | None:
        """Element type of the result or of an operand that the dialect does not carry."""
        shapes = [array for value in (instruction, *instruction.operands) for array in array_shapes(value.shape)]
        types = (shape.element_type for shape in shapes if shape.is_array)
        return next((name for name in types if not self.dialect.carries(name)), None)

    def placeholder(self, shape: Shape) -> Value:
        """Stands for a refused result so that the walk can go on and find the other refusals; never reaches a user."""
        tensors = [
            Tensor(None, array.element_type, array.dimensions)
            if not self.dialect.carries(array.element_type)
            else self.dialect.parameter("refused", array)
            for array in array_shapes(shape)
        ]
        return unflatten(shape, tensors)


def has_no_elements(shape: Shape) -> bool:
    """Whether `shape` is an array without elements: no converter needs to know of those (rule 47)."""
    return shape.is_array and 0 in shape.dimensions


def converter_key(instruction: HloInstruction) -> str:
    """Key of the registry for an instruction."""
    if instruction.opcode == "custom-call":
        return CUSTOM_CALL_PREFIX + instruction.attributes.target  # type: ignore[union-attr]
    return instruction.opcode


def refusal_of(computation: HloComputation, instruction: HloInstruction, reason: str) -> Refusal:
    """Refusal of one instruction, with where it came from."""
    opcode = instruction.opcode
    if opcode == "custom-call":
        opcode = f"custom-call({instruction.attributes.target})"  # type: ignore[union-attr]
    return Refusal(instruction.name, opcode, computation.name, reason, str(instruction.metadata))


def check_result(instruction: HloInstruction, value: Value, broadcasting: bool) -> None:
    """ConversionError unless a converter's result has the element types and dimensions that HLO says."""
    wanted = array_shapes(instruction.shape)
    got = flatten(value)
    fits = len(wanted) == len(got) and all(
        tensor.element_type == shape.element_type and _dimensions_fit(tensor, shape, broadcasting)
        for tensor, shape in zip(got, wanted)
    )
    if not fits:
        made = ", ".join(str(tensor.shape) for tensor in got)
        raise ConversionError(f"the converter of {instruction!r} made ({made}) instead of {instruction.shape}")


def _dimensions_fit(tensor: Tensor, shape: Shape, broadcasting: bool) -> bool:
    if tensor.dimensions == shape.dimensions:
        return True
    if tensor.rank == 0:
        return broadcasting
    return (
        broadcasting
        and tensor.rank == shape.rank
        and all(have in (1, want) for have, want in zip(tensor.dimensions, shape.dimensions))
    )
