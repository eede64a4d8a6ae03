"""StableHLO of networks of dense layers with dynamic batch sizes to HLO with symbolic dimensions.

XLA refuses to translate operations whose shapes are computed, such as ``dynamic_broadcast_in_dim`` by the result of
``get_dimension_size``; here they are read from MLIR. What jax.export makes of such networks is supported, everything
else is refused by name.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from ..analysis.symbolic import ELEMENTWISE
from ..errors import LoweringError
from ..hlo.ir.attributes import DimensionsAttributes, DotAttributes, DotDimensionNumbers, ParameterAttributes
from ..hlo.ir.builder import ComputationBuilder, module
from ..hlo.ir.module import HloInstruction, HloModule, Metadata
from ..hlo.ir.shape import Dimension, Symbol, array_shape
from ..hlo.proto.newer_xla import older_artifact

ELEMENT_TYPES = {"f32": "f32", "f64": "f64"}
# a check of jax.export; calls of the compiled module check the shapes of their arguments themselves
ASSERTION = "shape_assertion"


@dataclass(frozen=True)
class Sizes:
    """An integer array that is made of sizes of shapes alone."""

    values: tuple[Dimension, ...]


# what an MLIR value stands for; None for what was refused
Value = Union[HloInstruction, np.ndarray, Sizes, None]


class _Refused(Exception):
    """The operation at hand is not supported."""


def read_dynamic(mlir: bytes) -> HloModule:
    """HLO with symbolic dimensions of a StableHLO module.

    Parameters
    ----------
    mlir : bytes
        Text, bytecode or portable artifact that XLA's own parser has accepted before.

    Returns
    -------
    HloModule
        Each dynamic dimension of an argument of ``main`` is a symbol of its own.

    Raises
    ------
    LoweringError
        If the module holds operations or computed sizes that are not supported; the message names all of them.
    """
    from jax.interpreters import mlir as contexts
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import stablehlo

    with contexts.make_ir_context() as context:
        is_text = not mlir.startswith(b"ML\xefR")
        read = ir.Module.parse if is_text else functools.partial(stablehlo.deserialize_portable_artifact, context)
        parsed = read(older_artifact(mlir))
        reader = _Reader({function.sym_name.value: function for function in parsed.body.operations})  # type: ignore[attr-defined]
        arguments = reader.functions["main"].arguments
        names = argument_names(reader.functions)
        results = reader.call("main", [reader.parameter(*item) for item in zip(range(len(names)), names, arguments)])
        results = [reader.data(result) for result in results]
        if reader.refused:
            unknown = [
                f"{name}: {argument.type}" for name, argument in zip(names, arguments) if "?" in str(argument.type)
            ]
            raise LoweringError(
                "with dynamic shapes only networks of dense layers are supported, and this module has "
                f"{', '.join(sorted(reader.refused))}; export it with static shapes in place of the unknown dimensions "
                f"of {', '.join(unknown) or 'its operations'}"
            )
        return reader.finished(results)


@dataclass
class _Reader:
    """Computes what depends on sizes alone, and emits the rest."""

    functions: dict[str, Any]
    builder: ComputationBuilder = field(default_factory=lambda: ComputationBuilder("main"))
    refused: set[str] = field(default_factory=set)

    def parameter(self, number: int, name: str, argument: Any) -> Value:
        """A parameter; every dynamic dimension of it is a symbol."""
        try:
            sizes = (Symbol(f"{name}.{axis}") if size is None else size for axis, size in enumerate(_sizes(argument)))
            shape = array_shape(_element_type(argument), tuple(sizes))
        except _Refused as refusal:
            self.refused.add(str(refusal))
            return None
        return self.builder.add("parameter", (), shape, ParameterAttributes(number), metadata=Metadata(op_name=name))

    def call(self, name: str, arguments: Sequence[Value]) -> list[Value]:
        """Values that a function returns."""
        function = self.functions[name]
        values: dict[Any, Value] = dict(zip(function.arguments, arguments))
        for operation in function.entry_block.operations:
            operands = [values[operand] for operand in operation.operands]
            kind = operation.operation.name
            if kind == "func.return":
                return operands
            if kind == "func.call":
                results = self.call(operation.callee.value, operands)
            else:
                results = self.evaluate(kind.removeprefix("stablehlo."), operation, operands)
            values.update(zip(operation.results, results))
        raise LoweringError(f"the function {name} returns nothing")

    def evaluate(self, kind: str, operation: Any, operands: list[Value]) -> list[Value]:
        """Values of the results of one operation."""
        if kind == "custom_call" and operation.call_target_name.value == ASSERTION:
            return []
        evaluate = COMPUTED.get(kind) or EMITTED.get(kind.replace("_", "-"))
        try:
            if evaluate is None:
                raise _Refused(kind)
            if any(operand is None for operand in operands):
                return [None] * len(operation.results)
            if kind not in COMPUTED:
                operands = [self.instruction(operand) for operand in operands]
            return [evaluate(self.builder, operation, operands)]
        except _Refused as refusal:
            self.refused.add(str(refusal))
            return [None] * len(operation.results)

    def instruction(self, value: Value) -> Any:
        """The instruction of a value; a constant becomes one where data need it."""
        if isinstance(value, np.ndarray):
            return self.builder.constant(value)
        if isinstance(value, Sizes):
            raise _Refused("sizes as data")
        return value

    def data(self, value: Value) -> Value:
        """A result as an instruction; None for what is refused."""
        try:
            return None if value is None else self.instruction(value)
        except _Refused as refusal:
            self.refused.add(str(refusal))
            return None

    def finished(self, roots: list[Any]) -> HloModule:
        """The module with these results."""
        root = roots[0] if len(roots) == 1 else self.builder.add("tuple", roots)
        return module("dynamic", self.builder.build(root))


def argument_names(functions: dict[str, Any]) -> list[str]:
    """What the module calls main's arguments: jax.export names those of a function that main calls with them."""
    names = [_location(argument) for argument in functions["main"].arguments]
    for operation in functions["main"].entry_block.operations:
        if operation.operation.name != "func.call":
            continue
        for operand, argument in zip(operation.operands, functions[operation.callee.value].arguments):
            for number, own in enumerate(functions["main"].arguments):
                if operand == own and not names[number]:
                    names[number] = _location(argument)
    return [name or f"arg{number}" for number, name in enumerate(names)]


def _location(value: Any) -> str:
    return getattr(value.location, "name_str", "")


def _element_type(value: Any) -> str:
    name = str(getattr(value.type, "element_type", value.type))
    if name not in ELEMENT_TYPES:
        raise _Refused(f"elements of type {name}")
    return ELEMENT_TYPES[name]


def _sizes(value: Any) -> list[int | None]:
    """Sizes of an MLIR tensor, None where they are dynamic."""
    kind = value.type
    if not getattr(kind, "has_rank", False):
        raise _Refused(f"values of type {kind}")
    return [None if kind.is_dynamic_dim(axis) else kind.get_dim_size(axis) for axis in range(kind.rank)]


def _constant(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    return np.array(operation.value)


def _dimension_size(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    return Sizes((operands[0].shape.dimensions[operation.dimension.value],))


def _same(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    """reshape or convert of sizes."""
    (operand,) = operands
    if isinstance(operand, Sizes):
        return operand
    if isinstance(operand, np.ndarray):
        operand = builder.constant(operand)
    if operation.operation.name != "stablehlo.reshape" or not operand.shape.is_static:
        raise _Refused(operation.operation.name.removeprefix("stablehlo."))
    return builder.add("reshape", [operand], array_shape(operand.shape.element_type, _sizes(operation.results[0])))  # type: ignore[arg-type]


def _concatenate(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    if any(isinstance(operand, HloInstruction) for operand in operands):
        raise _Refused("concatenate")
    return Sizes(tuple(size for operand in operands for size in sizes_of(operand)))


def sizes_of(value: Sizes | np.ndarray) -> tuple[Dimension, ...]:
    """Sizes in a vector of them."""
    return value.values if isinstance(value, Sizes) else tuple(int(size) for size in value.reshape(-1))


def _check(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    """compare of sizes: what an assertion is about."""
    if any(isinstance(operand, HloInstruction) for operand in operands):
        raise _Refused("compare")
    return Sizes(())


def _dynamic_broadcast(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    operand, sizes = operands
    if isinstance(operand, np.ndarray):
        operand = builder.constant(operand)
    if not isinstance(operand, HloInstruction) or isinstance(sizes, HloInstruction):
        raise _Refused("a dynamic_broadcast_in_dim by sizes that are data")
    return broadcast(builder, operand, sizes_of(sizes), tuple(operation.broadcast_dimensions))


def _broadcast(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    sizes = _sizes(operation.results[0])
    if None in sizes:
        raise _Refused("broadcast_in_dim to a dynamic shape")
    return broadcast(builder, operands[0], tuple(sizes), tuple(operation.broadcast_dimensions))  # type: ignore[arg-type]


def broadcast(
    builder: ComputationBuilder, operand: HloInstruction, dimensions: tuple[Dimension, ...], places: tuple[int, ...]
) -> HloInstruction:
    """StableHLO's broadcast, which also repeats dimensions of size 1: HLO drops these before."""
    shape = operand.shape
    kept = [axis for axis, place in enumerate(places) if shape.dimensions[axis] == dimensions[place]]
    if len(kept) < shape.rank:
        if not shape.is_static or any(shape.sizes[axis] != 1 for axis in range(shape.rank) if axis not in kept):
            raise _Refused("a broadcast of a dynamic shape along one of its dimensions")
        operand = builder.add("reshape", [operand], array_shape(shape.element_type, [shape.sizes[a] for a in kept]))
    attributes = DimensionsAttributes(tuple(places[axis] for axis in kept))
    return builder.add("broadcast", [operand], array_shape(shape.element_type, dimensions), attributes)


def _dot(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    from jaxlib.mlir.dialects import stablehlo

    numbers = stablehlo.DotDimensionNumbers(operation.dot_dimension_numbers)
    if list(numbers.lhs_batching_dimensions):
        raise _Refused("dot_general in batches")
    left, right = tuple(numbers.lhs_contracting_dimensions), tuple(numbers.rhs_contracting_dimensions)
    free = [
        size
        for operand, contracted in zip(operands, (left, right))
        for axis, size in enumerate(operand.shape.dimensions)
        if axis not in contracted
    ]
    attributes = DotAttributes(DotDimensionNumbers(left, right, (), ()))
    return builder.add("dot", operands, array_shape(_element_type(operation.results[0]), free), attributes)


def _elementwise(builder: ComputationBuilder, operation: Any, operands: list[Any]) -> Value:
    kind, shape = operation.operation.name.removeprefix("stablehlo."), operands[0].shape
    if any(operand.shape.dimensions != shape.dimensions for operand in operands):
        raise _Refused(f"{kind} of operands whose dynamic dimensions nothing says to be equal")
    result = array_shape(_element_type(operation.results[0]), shape.dimensions)
    return builder.add(kind.replace("_", "-"), operands, result)


# operations that may be about sizes
COMPUTED = {
    "constant": _constant,
    "get_dimension_size": _dimension_size,
    "reshape": _same,
    "convert": _same,
    "concatenate": _concatenate,
    "compare": _check,
    "dynamic_broadcast_in_dim": _dynamic_broadcast,
}
# operations on data
EMITTED = {"dot-general": _dot, "broadcast-in-dim": _broadcast, **dict.fromkeys(ELEMENTWISE, _elementwise)}
