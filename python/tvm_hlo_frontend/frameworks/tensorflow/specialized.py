"""A TensorFlow program with open dimensions as an executable for many shapes.

TensorFlow's XLA bridge compiles for shapes that are numbers, so each variant is lowered by TensorFlow itself."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...backends.signature import Parameter, Signature, printable
from ...errors import LoweringError, SignatureError
from ...hlo.ir.shape import array_shape, element_type_of
from ..lowered import LoweredModule, convert_lowered, unique_identifiers
from .graph_def import without_weights
from .lowering import lower_program
from .program import Program
from .specs import shapes_by_name

Make = Callable[[bool], Program]


def specialized(make: Make, shape: Any, options: Mapping[str, Any]) -> Any:
    """A `SpecializedExecutable` of a program.

    Parameters
    ----------
    make : callable
        The program, whose constants are weights if the argument is true.
    shape : mapping or sequence, optional
        `shape` of `from_tensorflow`: its names are unknown sizes, which are equal wherever they stand.
    options : mapping
        Of `convert_lowered`.

    Raises
    ------
    SignatureError
        If the rank of an input is unknown, a name in `shape` is no size, or nothing tells one of them.
    """
    from ...deploy.executable import build, mod_and_params
    from ...deploy.open_sizes import open_sizes
    from ...deploy.specialized import SpecializedExecutable
    from ...deploy.targets import cpu_target
    from ...hlo.ir.sizes import Size, variables

    make, target = functools.cache(make), cpu_target()
    dimensions = input_dimensions(make(True), shape)
    signature = signature_of_program(make(True), dimensions)
    unknown = {name for each in dimensions for size in each if isinstance(size, Size) for name in variables(size)}
    sizes = open_sizes(signature.parameters, {}, (), unknown)

    def made(numbers: Mapping[str, int]) -> Any:
        lowered = lowered_with(make, dimensions, numbers)
        return build(*mod_and_params(convert_lowered(lowered, **options)), target=target)

    return SpecializedExecutable(signature, sizes, made, limit=8, target=target)


def lowered_with(make: Make, dimensions: Sequence[Sequence[Any]], numbers: Mapping[str, int]) -> LoweredModule:
    """HLO of a program for certain sizes; a LoweringError names them."""
    import tensorflow as tf

    from ...hlo.ir.size_numbers import number_of

    known = [[number_of(size, numbers) for size in each] for each in dimensions]

    def at(program: Program) -> Program:
        own = iter(known)
        specs = [
            spec if position in program.weights else tf.TensorSpec(next(own), spec.dtype, spec.name)
            for position, spec in enumerate(program.specs)
        ]
        return replace(program, specs=tuple(specs))

    try:
        return without_weights(lambda weights: at(make(weights)), lower_program)
    except LoweringError as error:
        said = ", ".join(f"{name} = {number}" for name, number in numbers.items())
        raise LoweringError(f"with {said}: {error}" if said else str(error)) from error


def input_dimensions(program: Program, shape: Any) -> list[list[Any]]:
    """Dimensions of the inputs that a call passes; an open one is the `Size` that `shape` names, or one of its own."""
    from ...deploy.open_sizes import size_of_text

    inputs = _inputs(program)
    given = shapes_by_name(shape, [name for name, _ in inputs])
    taken = {size for each in given.values() for size in each if isinstance(size, str)}
    found = []
    for name, spec in inputs:
        if spec.shape.rank is None:
            raise SignatureError(f"the rank of the input {name} is unknown; say its dimensions with shape=")
        said = given.get(name, (None,) * spec.shape.rank)
        texts = [
            known if known is not None else text if isinstance(text, str) else _own_name(f"{name}_{axis}", taken)
            for axis, (known, text) in enumerate(zip(spec.shape.as_list(), said))
        ]
        found.append([size_of_text(text) for text in texts])
    return found


def _inputs(program: Program) -> list[tuple[str, Any]]:
    """Names and specs of the inputs that a call passes."""
    pairs = zip(program.input_names, program.specs)
    return [pair for position, pair in enumerate(pairs) if position not in program.weights]


def _own_name(wanted: str, taken: set[str]) -> str:
    """An identifier that no other size has."""
    name = re.sub(r"\W", "_", wanted if wanted[:1].isalpha() else f"size_{wanted}", flags=re.ASCII)
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def signature_of_program(program: Program, dimensions: Sequence[Sequence[Any]]) -> Signature:
    """Inputs as a call passes them, and TensorFlow's outputs, of whose open dimensions nothing is known."""
    import tensorflow as tf

    from ...deploy.specialization import carrier

    names = unique_identifiers([name for name, _ in _inputs(program)])
    parameters = []
    for name, (_, spec), sizes in zip(names, _inputs(program), dimensions):
        element_type, printed = _element_type(name, spec.dtype), printable(array_shape("pred", sizes))
        parameters.append(Parameter(name, element_type, tuple(printed), carrier(element_type)))
    outputs = [tensor for tensor in program.function.outputs if tensor.dtype != tf.resource]
    results = [
        [_element_type(name, tensor.dtype), ["?" if size is None else size for size in _dimensions(tensor)]]
        for name, tensor in zip(program.result_names, outputs)
    ]
    return Signature(tuple(parameters), results[0] if len(results) == 1 else {"tuple": results}, "tensorflow")


def _dimensions(tensor: Any) -> list[int | None]:
    return tensor.shape.as_list() if tensor.shape.rank is not None else [None]


def _element_type(name: str, dtype: Any) -> str:
    try:
        return element_type_of(dtype.as_numpy_dtype)
    except TypeError as error:
        raise SignatureError(f"`{name}` holds {dtype.name}, which XLA has no element type for") from error
