"""TensorFlow functions and Keras models to HLO and to TVM, through TensorFlow's own XLA bridge."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import SignatureError
from .lowered import LoweredModule, LoweringError, convert_lowered, parameter_shapes, result_shapes, unique_identifiers


def from_tensorflow(
    program: Any,
    *input_specs: Any,
    dialect: str | None = None,
    freeze_params: bool = False,
    custom_converters: Mapping[str, Any] | None = None,
) -> Any:
    """Convert a TensorFlow function or a Keras model (inference mode) to a TVM module.

    Parameters
    ----------
    program : keras.Model, tf.function, callable or ConcreteFunction
        What to convert; a signature of a loaded SavedModel is a ConcreteFunction.
    *input_specs : tf.TensorSpec or array
        One per argument, with static shapes (for a ConcreteFunction one per flat input). Of arrays only shape and dtype
        count. May be left out where the program fixes all its input shapes itself.
    dialect, freeze_params, custom_converters
        As for `from_hlo`.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray)
        As `from_hlo`; `params` holds the variables and captured constants, named after the variables (for a Keras model
        after their paths). Inputs are named after the function's arguments. The results are a flat tuple of the
        function's outputs, or one array if there is just one. A function that assigns variables returns their new
        values after its own outputs.

    Raises
    ------
    LoweringError
        If XLA cannot compile the function; the message names the operations.
    SignatureError
        If the specs do not fit, or leave a shape open.
    UnsupportedHloError
        If some instructions cannot be converted.

    Examples
    --------
    >>> mod, params = from_tensorflow(keras.applications.ResNet50(), tf.TensorSpec((1, 224, 224, 3)))
    >>> logits = tvm_hlo_frontend.build(mod, params)(image)
    """
    lowered = lower_tensorflow(program, *input_specs)
    return convert_lowered(lowered, dialect=dialect, freeze_params=freeze_params, custom_converters=custom_converters)


def from_concrete_function(
    concrete_function: Any,
    *,
    input_specs: Sequence[Any] | None = None,
    dialect: str | None = None,
    freeze_params: bool = False,
    custom_converters: Mapping[str, Any] | None = None,
) -> Any:
    """Convert a ConcreteFunction to a TVM module.

    Parameters
    ----------
    concrete_function : tf.types.experimental.ConcreteFunction
    input_specs : sequence of tf.TensorSpec, optional
        One per flat input, with static shapes; by default the function's own.
    dialect, freeze_params, custom_converters
        As for `from_hlo`.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray)
        As for `from_tensorflow`; errors as there.
    """
    lowered = lower_concrete_function(concrete_function, input_specs=input_specs)
    return convert_lowered(lowered, dialect=dialect, freeze_params=freeze_params, custom_converters=custom_converters)


def lower_tensorflow(program: Any, *input_specs: Any) -> LoweredModule:
    """HLO of a TensorFlow function or Keras model; needs no TVM. Parameters and errors as for `from_tensorflow`."""
    import tensorflow as tf

    specs = [_spec(value) for value in input_specs]
    if isinstance(program, tf.types.experimental.ConcreteFunction):
        return lower_concrete_function(program, input_specs=specs or None)
    if _is_keras_model(program):
        return _lower_keras(program, specs)
    function = program if hasattr(program, "get_concrete_function") else tf.function(program, autograph=False)
    return lower_concrete_function(function.get_concrete_function(*specs))


def lower_concrete_function(
    concrete_function: Any,
    *,
    input_specs: Sequence[Any] | None = None,
    variable_names: Mapping[int, str] | None = None,
) -> LoweredModule:
    """HLO of a ConcreteFunction; needs no TVM.

    Parameters
    ----------
    concrete_function, input_specs
        As for `from_concrete_function`.
    variable_names : mapping of int to str, optional
        Better names for variables, by ``id`` of their handle.

    Raises
    ------
    LoweringError
        If XLA cannot compile the function, or makes results of other shapes than TensorFlow says.
    SignatureError
        If the specs do not fit the inputs, or leave a shape open.
    """
    captured = list(concrete_function.captured_inputs)
    inputs = concrete_function.inputs[: len(concrete_function.inputs) - len(captured)]
    specs = _flat_specs(inputs, input_specs)
    _refuse_growing_arrays(concrete_function)
    hlo = _compile(concrete_function, specs)
    _check_shapes(hlo, specs, captured, concrete_function)
    names = _variable_names(concrete_function) | dict(variable_names or {})
    wanted = [tensor.op.name for tensor in inputs]
    wanted += [names.get(id(tensor), f"captured_{number}") for number, tensor in enumerate(captured)]
    values = {len(inputs) + number: _captured_value(tensor) for number, tensor in enumerate(captured)}
    return LoweredModule(hlo, unique_identifiers(wanted), values, "tensorflow")


def _spec(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, tf.TypeSpec):
        return value
    return tf.nest.map_structure(
        lambda leaf: leaf if isinstance(leaf, tf.TypeSpec) else tf.TensorSpec(np.shape(leaf), np.asarray(leaf).dtype),
        value,
    )


def _is_keras_model(program: Any) -> bool:
    """Whether `program` is a Keras model; Keras is not imported for it."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(program, keras.Model)


def _lower_keras(model: Any, specs: list[Any]) -> LoweredModule:
    import tensorflow as tf

    if not specs:
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in model.inputs]
        if not all(spec.shape.is_fully_defined() for spec in specs):
            shapes = ", ".join(str(spec.shape) for spec in specs)
            raise SignatureError(f"the model leaves dimensions open ({shapes}); pass a tf.TensorSpec per input")

    elif len(specs) == len(model.inputs) and all(isinstance(spec, tf.TensorSpec) for spec in specs):
        # the names of the placeholders become the names of main's inputs
        specs = [tf.TensorSpec(s.shape, s.dtype, s.name or t.name) for s, t in zip(specs, model.inputs)]

    def infer(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    concrete = tf.function(infer).get_concrete_function(*specs)
    handles = {id(variable.value.handle): variable.path for variable in model.variables}
    return lower_concrete_function(concrete, variable_names=handles)


def _flat_specs(inputs: Sequence[Any], input_specs: Sequence[Any] | None) -> list[Any]:
    """One static spec per flat input."""
    import tensorflow as tf

    if input_specs is None:
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs]
    else:
        specs = [_spec(value) for value in tf.nest.flatten(list(input_specs))]
    if len(specs) != len(inputs):
        raise SignatureError(f"the function takes {len(inputs)} tensors, but there are {len(specs)} specs")
    for tensor, spec in zip(inputs, specs):
        if not (tensor.dtype == spec.dtype and tensor.shape.is_compatible_with(spec.shape)):
            raise SignatureError(f"{spec} does not fit the input {tensor.name} {tensor.dtype.name}{tensor.shape}")
        if not spec.shape.is_fully_defined():
            raise SignatureError(f"HLO is static: the input {tensor.name} needs a static shape, not {spec.shape}")
    return specs


def _compile(concrete_function: Any, specs: list[Any]) -> bytes:
    """Serialized HloModuleProto."""
    import tensorflow as tf
    from tensorflow.python.eager.polymorphic_function import compiler_ir

    try:
        # the specs are always passed: pruned and loaded functions have no signature of their own to take them from
        return compiler_ir.from_concrete_function(concrete_function, specs)(stage="hlo_serialized", platform_name="CPU")
    except (ValueError, TypeError, NotImplementedError, tf.errors.OpError) as error:
        raise LoweringError(f"XLA cannot compile this TensorFlow function: {error}") from error


def _refuse_growing_arrays(concrete_function: Any) -> None:
    """LoweringError if a TensorArray grows: XLA keeps its first size and silently drops what is written beyond it."""
    definition = concrete_function.graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    growing = [
        node.name
        for node in nodes
        if node.op == "TensorListSetItem"
        and "resize_if_index_out_of_bounds" in node.attr
        and node.attr["resize_if_index_out_of_bounds"].b
    ]
    if growing:
        raise LoweringError(
            "XLA silently drops what is written beyond the first size of a TensorArray with dynamic_size=True; give it "
            f"its size and dynamic_size=False ({', '.join(growing[:8])})"
        )


def _check_shapes(hlo: bytes, specs: list[Any], captured: list[Any], concrete_function: Any) -> None:
    """LoweringError unless the HLO has the parameters and results that TensorFlow says."""
    import tensorflow as tf

    have = len(parameter_shapes(hlo))
    if have != len(specs) + len(captured):
        raise LoweringError(
            f"XLA made {have} parameters of {len(specs)} inputs and {len(captured)} captured tensors; resources other "
            "than variables cannot be converted"
        )
    outputs = [tensor for tensor in concrete_function.outputs if tensor.dtype != tf.resource]
    results = result_shapes(hlo)
    if len(results) < len(outputs):
        raise LoweringError(f"XLA made {len(results)} results of {len(outputs)} outputs")
    for tensor, shape in zip(outputs, results):
        dimensions = [size if isinstance(size, int) else None for size in shape.dimensions]
        if not tensor.shape.is_compatible_with(dimensions):
            raise LoweringError(f"XLA made {shape} of the output {tensor.name}, which has the shape {tensor.shape}")


def _variable_names(concrete_function: Any) -> dict[int, str]:
    """Names of the variables by ``id`` of their handle; those whose variable object is gone are left out."""
    alive = [reference() for reference in concrete_function.graph._weak_variables]
    return {id(variable.handle): variable.name.partition(":")[0] for variable in alive if variable is not None}


def _captured_value(tensor: Any) -> np.ndarray:
    """Value of a captured constant, or of the variable behind a captured handle."""
    import tensorflow as tf

    if tensor.dtype != tf.resource:
        return tensor.numpy()
    dtype = tf.dtypes.as_dtype(tensor._handle_data.shape_and_type[0].dtype)
    return tf.raw_ops.ReadVariableOp(resource=tensor, dtype=dtype).numpy()
