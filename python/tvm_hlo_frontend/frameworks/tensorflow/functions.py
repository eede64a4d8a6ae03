"""Python functions, tf.functions, ConcreteFunctions and Keras models as programs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import HloFrontendError, LoweringError, SignatureError
from .program import Program
from .specs import Input, settled_specs, shapes_by_name, to_spec


def function_program(program: Any, input_specs: Sequence[Any], shape: Any, for_xla: bool = True) -> Program:
    """Program of a ConcreteFunction, a tf.function or a Python function; `for_xla` as of `traced`.

    Raises
    ------
    SignatureError
        If the function cannot be traced without more specs, or the specs do not fit it.
    """
    import tensorflow as tf

    specs = [to_spec(value) for value in input_specs]
    if isinstance(program, tf.types.experimental.ConcreteFunction):
        return concrete_program(program, specs or None, shape)
    signature = getattr(program, "input_signature", None)
    if not specs and shape is not None and signature is None:
        raise SignatureError("shape= does not say the dtypes of this function's arguments; pass a tf.TensorSpec each")
    return concrete_program(traced(program, specs, for_xla), None, shape)


def traced(program: Any, specs: Sequence[Any], for_xla: bool = True) -> Any:
    """ConcreteFunction of a tf.function, or of a Python function as tf.function traces it.

    Parameters
    ----------
    program : callable
    specs : sequence
    for_xla : bool
        Whether lists that loops fill have a size, which their gradients need; effects then have no order.

    Raises
    ------
    SignatureError
        If specs are missing.
    LoweringError
        If TensorFlow cannot trace the function.
    """
    import tensorflow as tf
    from tensorflow.python.eager.polymorphic_function import polymorphic_function

    function = program if hasattr(program, "get_concrete_function") else tf.function(program)
    if for_xla and type(function) is polymorphic_function.Function and not function._jit_compile:
        function = function._clone(None)  # the caller's own function keeps its traces
        function._jit_compile = True
    try:
        return function.get_concrete_function(*specs)
    except HloFrontendError:
        raise
    # tracing runs the program's Python, which may raise anything
    except Exception as error:
        if isinstance(error, TypeError) and not specs:
            raise SignatureError(f"pass a tf.TensorSpec or an example array per argument: {error}") from error
        name = getattr(program, "__name__", type(program).__name__)
        raise LoweringError(f"TensorFlow cannot trace {name}: {type(error).__name__}: {error}") from error


def concrete_program(
    function: Any,
    input_specs: Sequence[Any] | None,
    shape: Any,
    *,
    variable_names: Mapping[int, str] | None = None,
    owner: Any = None,
) -> Program:
    """Program of a ConcreteFunction; errors as for `settled_specs`."""
    inputs = function_inputs(function)
    return Program(
        function,
        tuple(each.name for each in inputs),
        tuple(settled_specs(inputs, input_specs, shape)),
        result_names(function),
        variable_names=variable_names or {},
        owner=owner,
    )


def function_inputs(function: Any) -> list[Input]:
    """Flat inputs without the captured tensors. Signatures name theirs by keyword, other functions by argument."""
    tensors = function.inputs[: len(function.inputs) - len(function.captured_inputs)]
    names = [tensor.op.name for tensor in tensors]
    keywords = getattr(function, "_arg_keywords", None)
    if keywords is not None and len(keywords) == len(names):
        names = list(keywords)
    return [Input(name, tensor.dtype, tensor.shape) for name, tensor in zip(names, tensors)]


def result_names(function: Any) -> tuple[str, ...]:
    """Paths of the flat outputs in the structure that the function returns, ``result`` for a lone tensor."""
    import tensorflow as tf

    structure = function.structured_outputs
    if structure is None or not tf.nest.is_nested(structure):
        return ("result",) if function.outputs else ()
    paths = tuple(path for path in tf.nest.flatten(_paths(structure, "")) if path)
    # composite tensors are several outputs under one path
    return paths if len(paths) == len(function.outputs) else tuple(str(i) for i in range(len(function.outputs)))


def _paths(structure: Any, path: str) -> Any:
    """`structure` with the path of every tensor in its place, and empty text for None."""
    if isinstance(structure, Mapping):
        return {key: _paths(value, f"{path}.{key}" if path else str(key)) for key, value in structure.items()}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        fields = zip(structure._fields, structure)
        return tuple(_paths(value, f"{path}.{name}" if path else name) for name, value in fields)
    if isinstance(structure, (list, tuple)):
        return [_paths(value, f"{path}.{index}" if path else str(index)) for index, value in enumerate(structure)]
    return "" if structure is None else path


def is_keras_model(program: Any) -> bool:
    """Whether `program` is a Keras model; Keras is not imported for it."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(program, keras.Model)


def keras_program(model: Any, input_specs: Sequence[Any], shape: Any, for_xla: bool = True) -> Program:
    """Program of a Keras model in inference mode; `for_xla` as of `traced`.

    Raises
    ------
    LoweringError
        If Keras does not run on TensorFlow.
    SignatureError
        If specs do not fit the model's inputs.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise LoweringError(
            f"this Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow, or pass the model's JAX "
            "function to from_jax"
        )
    specs = _keras_specs(model, [to_spec(value) for value in input_specs], shape)

    def infer(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    concrete = traced(infer, specs, for_xla)
    handles = {id(variable.value.handle): variable.path for variable in model.variables}
    return concrete_program(concrete, None, None, variable_names=handles, owner=model)


def _keras_specs(model: Any, specs: list[Any], shape: Any) -> list[Any]:
    """Specs named after the model's inputs, which gives main's inputs their names."""
    import tensorflow as tf

    declared = getattr(model, "inputs", None) or []
    inputs = [Input(each.name, tf.as_dtype(each.dtype), tf.TensorShape(each.shape)) for each in declared]
    if not specs:
        if not inputs:
            raise SignatureError("the model was never built; pass a tf.TensorSpec per input")
        specs = settled_specs(inputs, None, shape)
    elif shape is not None:
        shapes_by_name(shape, [each.name for each in inputs])
        specs = settled_specs(inputs, specs, shape)
    if len(specs) == len(inputs) and all(isinstance(spec, tf.TensorSpec) for spec in specs):
        return [tf.TensorSpec(s.shape, s.dtype, s.name or each.name) for s, each in zip(specs, inputs)]
    return specs
