"""SavedModel directories as programs: a signature, its variables and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import LoweringError, SignatureError
from .functions import concrete_program, function_program
from .graph_def import graph_def_program
from .program import Program
from .specs import Input, settled_specs

DEFAULT_SIGNATURE = "serving_default"
SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


def is_saved_model(path: Path) -> bool:
    """Whether `path` is a SavedModel directory."""
    return any((path / name).is_file() for name in SAVED_MODEL_FILES)


def is_version_1(path: Path) -> bool:
    """Whether TensorFlow 1 (or its compatibility API) wrote the SavedModel: variables in collections, no objects."""
    from tensorflow.python.saved_model import loader_impl

    metagraphs = loader_impl.parse_saved_model(str(path)).meta_graphs
    return not any(metagraph.HasField("object_graph_def") for metagraph in metagraphs)


def saved_model_program(path: Path, input_specs: Sequence[Any], shape: Any, signature: str | None) -> Program:
    """Program of a signature of a version 2 SavedModel.

    Parameters
    ----------
    path : pathlib.Path
    input_specs, shape
        As for `settled_specs`.
    signature : str, optional
        Name of a signature, or of a function of the saved object; by default ``serving_default``, or the only
        signature.

    Raises
    ------
    SignatureError
        If there is no such signature; lists those that there are.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signatures = dict(loaded.signatures)
    if signature is not None and signature not in signatures and callable(getattr(loaded, signature, None)):
        return replace(function_program(getattr(loaded, signature), input_specs, shape), owner=loaded)
    name = choose(signature, list(signatures), path)
    return concrete_program(signatures[name], list(input_specs) or None, shape, owner=loaded)


def choose(signature: str | None, names: Sequence[str], path: Path) -> str:
    """Name of the signature to convert; errors as for `saved_model_program`."""
    wanted = signature or (DEFAULT_SIGNATURE if len(names) != 1 else names[0])
    if wanted not in names:
        known = ", ".join(sorted(names)) or "none"
        raise SignatureError(f"{path} has no signature {wanted}; signatures: {known}. Choose one with signature=")
    return wanted


def version_1_program(
    path: Path, input_specs: Sequence[Any], shape: Any, signature: str | None, weights: bool
) -> Program:
    """Program of a signature of a version 1 SavedModel: its graph is frozen first, since reference variables have no
    value outside of a session. Parameters and errors as for `saved_model_program`."""
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    tf1 = tf.compat.v1
    graph = tf1.Graph()
    with graph.as_default(), tf1.Session(graph=graph) as session:
        metagraph = tf1.saved_model.load(session, _tags(path), str(path))
        definition = metagraph.signature_def[choose(signature, list(metagraph.signature_def), path)]
        outputs = {key: info.name for key, info in sorted(definition.outputs.items())}
        try:
            frozen = convert_to_constants.convert_variables_to_constants_from_session_graph(
                session, graph.as_graph_def(), [name.partition(":")[0] for name in outputs.values()]
            )
        except (ValueError, tf.errors.OpError) as error:
            raise LoweringError(f"TensorFlow cannot freeze the variables of {path}: {error}") from error
        inputs = {key: graph.get_tensor_by_name(info.name) for key, info in sorted(definition.inputs.items())}
    return _named_by_signature(frozen, inputs, outputs, input_specs, shape, weights)


def _named_by_signature(
    frozen: Any, inputs: dict[str, Any], outputs: dict[str, str], input_specs: Sequence[Any], shape: Any, weights: bool
) -> Program:
    """Program of a frozen graph with the inputs and outputs of a signature, under the signature's names."""
    kept = {node.name for node in frozen.node}  # freezing drops inputs that the outputs do not need
    inputs = {key: info for key, info in inputs.items() if info.name.partition(":")[0] in kept}
    declared = [Input(key, info.dtype, info.shape) for key, info in inputs.items()]
    specs = settled_specs(declared, list(input_specs) or None, shape)
    tensors = [info.name for info in inputs.values()]
    program = graph_def_program(
        frozen, inputs=tensors, outputs=list(outputs.values()), input_specs=specs, weights=weights
    )
    names = (*inputs, *program.input_names[len(inputs) :])
    return replace(program, input_names=names, result_names=tuple(outputs))


def _tags(path: Path) -> list[str]:
    """The tags of the metagraph for serving, or of the only one."""
    from tensorflow.python.saved_model import loader_impl

    sets = [list(graph.meta_info_def.tags) for graph in loader_impl.parse_saved_model(str(path)).meta_graphs]
    if len(sets) == 1:
        return sets[0]
    if ["serve"] not in sets:
        raise SignatureError(f"{path} holds the graphs {sets}, none of them for serving alone")
    return ["serve"]
