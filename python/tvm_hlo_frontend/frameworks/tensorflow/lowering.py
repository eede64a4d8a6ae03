"""Programs to HLO: compiled by TensorFlow's XLA bridge, and held to what TensorFlow says of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import LoweringError
from ..lowered import LoweredModule, parameter_shapes, result_shapes, unique_identifiers
from .control_flow import compilable
from .places import places_of, with_places
from .program import Program
from .results import assigned_parameters, refuse_sizes
from .specs import refuse_open
from .unsupported import explain, refuse_growing_arrays


def lower_program(program: Program) -> LoweredModule:
    """HLO of a program; needs no TVM.

    Raises
    ------
    LoweringError
        If XLA cannot compile the program, or makes results of other shapes than TensorFlow says; or if something cannot
        be computed beside sizes that are known only at run time.
    SignatureError
        If a dimension of an input is open.
    """
    refuse_open(program.input_names, program.specs)
    captured = program.captured
    refuse_growing_arrays(program.function)
    hlo = with_places(compile_program(program), places_of(program.function))
    refuse_sizes(hlo, program.function)
    _check_shapes(hlo, program)
    names = variable_names(program)
    first = len(program.specs)
    wanted = [*program.input_names]
    wanted += [names.get(id(tensor), f"captured_{number}") for number, tensor in enumerate(captured)]
    values = {first + number: _captured_value(tensor) for number, tensor in enumerate(captured)}
    identifiers = unique_identifiers(wanted)
    structure = program.function.structured_outputs
    notes = result_notes(hlo, program, identifiers)
    return LoweredModule(hlo, identifiers, {**program.weights, **values}, "tensorflow", structure, notes)


def compile_program(program: Program) -> bytes:
    """Serialized HloModuleProto; errors as for `lower_program`."""
    import tensorflow as tf
    from tensorflow.python.eager import context

    context.ensure_initialized()
    function = program.function
    try:
        with compilable(function) as name:
            return _compile(name, program)
    except (ValueError, TypeError, NotImplementedError, tf.errors.OpError) as error:
        raise LoweringError(explain(function, str(error))) from error


def _compile(name: str, program: Program) -> bytes:
    from tensorflow.python.eager import context

    return context.context().get_compiler_ir(
        device_name=None,
        platform_name="CPU",
        function_name=name,
        flat_args=list(program.specs),
        captured_inputs=program.function.captured_inputs,
        stage="hlo_serialized",
    )


def result_notes(hlo: bytes, program: Program, identifiers: Sequence[str]) -> tuple[str, ...]:
    """What each result is, where there are several: the program's own outputs, then new values of variables."""
    parameters = assigned_parameters(hlo, len(program.result_names))
    own = [f"result {number}: {name}" for number, name in enumerate(program.result_names)]
    new = [
        f"result {len(own) + number}: new value of the variable {identifiers[parameter]}"
        for number, parameter in enumerate(parameters)
    ]
    return tuple(own + new)


def _check_shapes(hlo: bytes, program: Program) -> None:
    """LoweringError unless the HLO has the parameters and results that TensorFlow says."""
    import tensorflow as tf

    inputs, captured = len(program.specs), len(program.captured)
    have = len(parameter_shapes(hlo))
    if have != inputs + captured:
        raise LoweringError(
            f"XLA made {have} parameters of {inputs} inputs and {captured} captured tensors; resources other than "
            "variables cannot be converted"
        )
    outputs = [tensor for tensor in program.function.outputs if tensor.dtype != tf.resource]
    results = result_shapes(hlo)
    if len(results) < len(outputs):
        raise LoweringError(f"XLA made {len(results)} results of {len(outputs)} outputs")
    for tensor, shape in zip(outputs, results):
        if not tensor.shape.is_compatible_with([size if isinstance(size, int) else None for size in shape.dimensions]):
            raise LoweringError(f"XLA made {shape} of the output {tensor.name}, which has the shape {tensor.shape}")


def variable_names(program: Program) -> dict[int, str]:
    """Names of the variables by ``id`` of their handle; those whose variable object is gone are left out."""
    alive = [reference() for reference in program.function.graph._weak_variables]
    names = {id(variable.handle): variable.name.partition(":")[0] for variable in alive if variable is not None}
    return names | dict(program.variable_names)


def _captured_value(tensor: Any) -> np.ndarray:
    """Value of a captured constant, or of the variable behind a captured handle."""
    import tensorflow as tf

    if tensor.dtype != tf.resource:
        return tensor.numpy()
    dtype = tf.dtypes.as_dtype(tensor._handle_data.shape_and_type[0].dtype)
    try:
        return tf.raw_ops.ReadVariableOp(resource=tensor, dtype=dtype).numpy()
    except tf.errors.OpError as error:
        raise LoweringError(f"a captured variable has no value yet: {error.message}") from error
