"""from_tensorflow and lower_tensorflow: every kind of program, and TVM's own signature. Read it first."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import LoweringError, SignatureError
from ...oracle.check import Check, Checked, Reference, chosen
from ..lowered import LoweredModule, convert_lowered
from .functions import concrete_program, function_program, is_keras_model, keras_program
from .graph_def import graph_def_program, read_graph_def, without_weights
from .lowering import lower_program
from .program import Program
from .reference import tensorflow_reference
from .saved_model import SAVED_MODEL_FILES, is_saved_model, is_version_1, saved_model_program, version_1_program
from .specialized import specialized

KERAS_FILES = frozenset({".keras", ".h5", ".hdf5"})
GRAPH_FILES = frozenset({".pb", ".pbtxt"})


def from_tensorflow(
    program: Any,
    *input_specs: Any,
    shape: Any = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
    dialect: str | None = None,
    freeze_params: bool | None = None,
    custom_converters: Mapping[str, Any] | None = None,
    rng_seed: int | None = None,
    specialize: bool = False,
    check: bool | Check | None = None,
) -> Any:
    """Convert a TensorFlow program to a TVM module.

    Parameters
    ----------
    program : GraphDef, str, pathlib.Path, keras.Model, tf.function, callable or ConcreteFunction
        What to convert: a frozen GraphDef or its .pb (.pbtxt) file, a SavedModel directory of either version, a Keras
        model (in inference mode) or its .keras (.h5) file, a function. A signature of a loaded SavedModel is a
        ConcreteFunction.
    *input_specs : tf.TensorSpec or array
        One per argument, with static shapes (for all but Python functions, tf.functions and Keras models: one per flat
        input). Of arrays only shape and dtype count, but for `check`. May be left out where the program, or `shape`,
        fixes all shapes.
    shape : mapping of str to dimensions, or sequence of dimensions, optional
        Dimensions by input name, or one entry per input, for what the program leaves open. Of a GraphDef, a mapping
        may name any tensor: it becomes an input, and what comes before it is cut off. With `specialize` a dimension
        may stay open: None, or a name, which makes it equal to others of that name.
    outputs : sequence of str, optional
        Of a GraphDef: the nodes to return, with or without ``:0``, in order; by default what no node consumes.
    signature : str, optional
        Of a SavedModel: which signature, or function of the saved object; by default ``serving_default``, or the only
        signature.
    dialect : str, optional
        ``"relay"`` or ``"relax"``; by default what the installed TVM has.
    freeze_params, custom_converters, rng_seed
        As for `from_hlo`.
    specialize : bool
        Give an executable that is lowered and built for each shape that it is called with. Its signature has the
        outputs that TensorFlow declares; new values of variables come behind them.
    check : bool or Check, optional
        Whether TensorFlow, XLA on the HLO and TVM run the example inputs and are compared, each with the next. What has
        only a shape gets numbers of a fixed seed. Variables stay as they were. A warning says why a program cannot be
        compared.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray), tvm.IRModule or SpecializedExecutable
        As `from_hlo`: in Relax the module alone, with weights as constants by default.
        Inputs have TensorFlow's names: placeholders, arguments, keys of a signature. `params` holds
        variables and captured constants under the names of the variables (of a Keras model their paths), and the
        constant arrays of a GraphDef under the names of their nodes. The results are a flat tuple of the program's
        outputs in the order of `tf.nest.flatten`, or one array if there is just one; a program that assigns variables
        returns their new values behind its own outputs. ``report_of(mod).notes`` names every result.

    Raises
    ------
    LoweringError
        If XLA cannot compile the program; the message names all operations that it has no kernel for, with their
        nodes. If something cannot be computed beside sizes known only at run time, or a graph is not frozen.
    SignatureError
        If specs, shapes or names do not fit, or leave a shape open.
    UnsupportedHloError
        If some instructions cannot be converted.
    CheckError
        If two that are compared differ.

    Examples
    --------
    >>> mod, params = from_tensorflow(keras.applications.ResNet50(), shape=[(1, 224, 224, 3)])
    >>> logits = tvm_hlo_frontend.build(mod, params)(image)
    >>> run = from_tensorflow(model, shape=[("batch", 224, 224, 3)], specialize=True)
    >>> mod, params = from_tensorflow("frozen.pb", shape={"image": (1, 224, 224, 3)}, outputs=["logits"])
    """
    make = program_maker(program, input_specs, shape, outputs, signature)
    options: dict[str, Any] = {
        "dialect": dialect,
        "freeze_params": freeze_params,
        "custom_converters": custom_converters,
        "rng_seed": rng_seed,
    }
    how = chosen(check)
    if specialize:
        if how is not None:
            warnings.warn("not checked on example inputs: it is lowered anew for the sizes of each call", stacklevel=2)
        return specialized(make, shape, options)
    lowered, made = without_weights(make, lambda each: (lower_program(each), each))

    def reference() -> Reference:
        own = program_maker(program, input_specs, shape, outputs, signature, for_xla=False)(False)
        return tensorflow_reference(own, made, lowered, input_specs)

    return convert_lowered(lowered, **options, checked=Checked.of(how, reference))


def from_tensorflow_graph(
    graph: Any,
    layout: str | None = "NHWC",
    shape: Any = None,
    outputs: Sequence[str] | None = None,
    convert_config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """`from_tensorflow` behind the signature of `tvm.relay.frontend.from_tensorflow`.

    Parameters
    ----------
    graph, shape, outputs
        `program`, `shape` and `outputs` of `from_tensorflow`.
    layout : str, optional
        ``"NHWC"``: HLO has no layouts to choose from, results keep TensorFlow's dimensions.
    convert_config : mapping, optional
        Must be empty: its options choose between operators of TVM's own importer.
    **options
        Other options of `from_tensorflow`.

    Raises
    ------
    SignatureError
        If `layout` or `convert_config` ask for what has no meaning here; otherwise as for `from_tensorflow`.
    """
    refuse_importer_options(layout, convert_config, "hlo")
    return from_tensorflow(graph, shape=shape, outputs=outputs, **options)


def refuse_importer_options(layout: str | None, convert_config: Mapping[str, Any] | None, via: str) -> None:
    """SignatureError if options of TVM's own importer ask for what has no meaning here."""
    if layout not in (None, "NHWC"):
        raise SignatureError(
            f'layout={layout!r} has no meaning with via="{via}": results keep TensorFlow\'s dimensions, and '
            'convolutions are laid out for the target anyway; leave it at "NHWC"'
        )
    if convert_config:
        raise SignatureError(
            f'convert_config={dict(convert_config)} has no meaning with via="{via}": it chooses between operators of '
            "TVM's own importer; leave it out"
        )


def from_concrete_function(
    concrete_function: Any, *, input_specs: Sequence[Any] | None = None, shape: Any = None, **options: Any
) -> Any:
    """Convert a ConcreteFunction to a TVM module.

    Parameters
    ----------
    concrete_function : tf.types.experimental.ConcreteFunction
    input_specs : sequence of tf.TensorSpec, optional
        One per flat input; by default the function's own.
    shape, **options
        `shape`, `dialect`, `freeze_params`, `custom_converters`, `rng_seed`, `specialize` and `check` of
        `from_tensorflow`.

    Returns
    -------
    (tvm.IRModule, dict of str to tvm.nd.NDArray), tvm.IRModule or SpecializedExecutable
        As for `from_tensorflow`; errors as there.
    """
    return from_tensorflow(concrete_function, *input_specs or (), shape=shape, **options)


def lower_tensorflow(
    program: Any,
    *input_specs: Any,
    shape: Any = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
) -> LoweredModule:
    """HLO of a TensorFlow program; needs no TVM. Parameters and errors as for `from_tensorflow`."""
    return without_weights(program_maker(program, input_specs, shape, outputs, signature), lower_program)


def lower_concrete_function(
    concrete_function: Any, *, input_specs: Sequence[Any] | None = None, shape: Any = None
) -> LoweredModule:
    """HLO of a ConcreteFunction; needs no TVM. Parameters and errors as for `from_concrete_function`."""
    return lower_program(concrete_program(concrete_function, input_specs, shape))


def program_maker(
    program: Any,
    input_specs: Sequence[Any],
    shape: Any,
    outputs: Sequence[str] | None,
    signature: str | None,
    for_xla: bool = True,
) -> Callable[[bool], Program]:
    """What makes the program of anything that `from_tensorflow` takes; constants are weights where its argument says so
    and they can be. `for_xla` as of `functions.traced`."""
    import tensorflow as tf

    if isinstance(program, (str, Path)):
        path = Path(program)
        path = path.parent if path.name in SAVED_MODEL_FILES else path
        if is_saved_model(path):
            _refuse_options(outputs=outputs)
            if is_version_1(path):
                return lambda weights: version_1_program(path, input_specs, shape, signature, weights)
            return _always(saved_model_program(path, input_specs, shape, signature))
        program = _load(path)
    _refuse_options(signature=signature)
    if isinstance(program, tf.Graph):
        program = program.as_graph_def()
    if isinstance(program, tf.compat.v1.GraphDef):
        specs = list(input_specs) or None
        return lambda weights: graph_def_program(
            program, outputs=outputs, shape=shape, input_specs=specs, weights=weights
        )
    _refuse_options(outputs=outputs)
    if is_keras_model(program):
        return _always(keras_program(program, input_specs, shape, for_xla))
    if not callable(program):
        raise SignatureError(f"{type(program).__name__} is no kind of program that from_tensorflow knows")
    return _always(function_program(program, input_specs, shape, for_xla))


def _always(program: Program) -> Callable[[bool], Program]:
    """A program without constants that could be weights."""
    return lambda weights: program


def _load(path: Path) -> Any:
    """GraphDef or Keras model of a file."""
    if not path.is_file():
        raise SignatureError(f"{path} is neither a file nor a SavedModel directory (one with saved_model.pb in it)")
    if path.suffix in GRAPH_FILES:
        return read_graph_def(path)
    if path.suffix not in KERAS_FILES:
        known = ", ".join(sorted(KERAS_FILES | GRAPH_FILES))
        raise SignatureError(f"{path}: the suffix says what a file holds, one of {known}")
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise LoweringError(f"Keras cannot load {path}: {error}") from error


def _refuse_options(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            holder = "a GraphDef" if name == "outputs" else "a SavedModel directory"
            raise SignatureError(f"{name}= chooses within {holder}, which the program is not")
