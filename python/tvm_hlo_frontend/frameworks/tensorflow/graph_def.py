"""GraphDefs as programs: inputs are placeholders, large constants are weights, outputs are the nodes asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LoweringError, SignatureError
from ...hlo.ir.names import Names
from .program import Program
from .specs import Input, settled_specs, without_index

VARIABLE_OPS = frozenset({"Variable", "VariableV2", "AutoReloadVariable", "TemporaryVariable", "VarHandleOp"})
# what nobody consumes is an output, but for these
NEVER_OUTPUTS = frozenset({"Placeholder", "PlaceholderWithDefault", "Const", "NoOp", "Assert", *VARIABLE_OPS})
FREEZE_ADVICE = (
    "a GraphDef does not hold their values: freeze it (tf.compat.v1.graph_util.convert_variables_to_constants, "
    "convert_variables_to_constants_v2), or pass the SavedModel directory"
)


def read_graph_def(path: Path) -> Any:
    """GraphDef of a .pb file (binary) or .pbtxt file (text).

    Raises
    ------
    LoweringError
        If the file holds no GraphDef.
    """
    import tensorflow as tf
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    try:
        if path.suffix == ".pbtxt":
            graph_def = text_format.Parse(path.read_text(encoding="utf-8"), tf.compat.v1.GraphDef())
        else:
            graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise LoweringError(f"{path} holds no GraphDef: {error}") from error
    if not graph_def.node:
        raise LoweringError(f"{path} holds no GraphDef: it has no nodes")
    return graph_def


def graph_def_program(
    graph_def: Any,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    shape: Any = None,
    input_specs: Sequence[Any] | None = None,
    weights: bool = True,
) -> Program:
    """Program of a GraphDef.

    Parameters
    ----------
    graph_def : GraphDef
    inputs : sequence of str, optional
        Tensors that are the inputs, in order; by default the placeholders that the outputs need, in the graph's order,
        and behind them what else a mapping `shape` names.
    outputs : sequence of str, optional
        Names of nodes (their first outputs) or tensors (``split:1``), in the wanted order; by default every output of
        the nodes that no node consumes.
    shape : mapping of str to dimensions, or sequence of dimensions, optional
        Dimensions of inputs. Any tensor may be an input: what comes before it is cut off.
    input_specs : sequence of tf.TensorSpec, optional
        One per input.
    weights : bool
        Whether constants become weights of the program rather than constants of the HLO module.

    Raises
    ------
    LoweringError
        If the graph holds operations that this TensorFlow does not know, or variables.
    SignatureError
        If names or shapes do not fit.
    """
    graph_def = normalized(graph_def)
    graph = imported(graph_def)
    fetches = _output_tensors(graph, graph_def, outputs)
    named = list(inputs) if inputs is not None else list(shape) if isinstance(shape, Mapping) else []
    feeds = {without_index(name): _tensor(graph, name, "shape=") for name in named}
    needed = _needed_nodes(graph_def, fetches, feeds.values())
    _refuse_variables(needed)
    if inputs is None:
        wanted = feeds.keys() | {node.name for node in needed}
        placeholders = [node.name for node in graph_def.node if node.op == "Placeholder" and node.name in wanted]
        feeds = {name: graph.get_tensor_by_name(f"{name}:0") for name in placeholders} | feeds
    specs = settled_specs([Input(n, t.dtype, t.shape) for n, t in feeds.items()], input_specs, shape)
    constants = _weights(node for node in needed if node.name not in feeds) if weights else {}
    feeds |= {name: graph.get_tensor_by_name(f"{name}:0") for name in constants}
    return Program(
        cut_function(graph_def, list(feeds.values()), fetches),
        tuple(feeds),
        (*specs, *map(_spec_of, constants.values())),
        tuple(without_index(tensor.name) for tensor in fetches),
        weights={len(specs) + number: value for number, value in enumerate(constants.values())},
    )


def normalized(graph_def: Any) -> Any:
    """A copy of a GraphDef without devices and colocations, which may name what is not there.

    Raises
    ------
    LoweringError
        If some operations are not registered in this TensorFlow; lists all of them.
    """
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    copy = tf.compat.v1.GraphDef()
    copy.CopyFrom(graph_def)
    functions = {function.signature.name for function in copy.library.function}
    unknown = []
    for node in [*copy.node, *(node for function in copy.library.function for node in function.node_def)]:
        node.device = ""
        node.attr.pop("_class", None)
        if node.op not in functions and op_def_registry.get(node.op) is None:
            unknown.append(f"{node.name} ({node.op})")
    if unknown:
        raise LoweringError(f"this TensorFlow does not know the operations of {', '.join(unknown)}")
    return copy


def imported(graph_def: Any, resources: Mapping[str, Any] | None = None) -> Any:
    """tf.Graph of a GraphDef.

    Parameters
    ----------
    graph_def : GraphDef
    resources : mapping of str to tensor, optional
        What placeholders of resources stand for: a GraphDef does not say what shapes variables have. What is before a
        slash in their names must be the name of no node.

    Raises
    ------
    LoweringError
        If the graph contradicts itself.
    """
    import tensorflow as tf
    from tensorflow.python.ops import handle_data_util

    graph = tf.Graph()
    taken = {without_index(name) for node in graph_def.node for name in node.input}
    resources = {name: tensor for name, tensor in (resources or {}).items() if name in taken}
    part = tf.compat.v1.GraphDef(library=graph_def.library, versions=graph_def.versions)
    part.node.extend(node for node in graph_def.node if node.name not in resources)
    try:
        with graph.as_default():
            known = {}
            for name, tensor in resources.items():
                known[name] = tf.compat.v1.placeholder(tensor.dtype, tensor.shape, name)
                handle_data_util.copy_handle_data(tensor, known[name])
            tf.compat.v1.import_graph_def(part, input_map=known, name="")
    except ValueError as error:
        raise LoweringError(f"TensorFlow cannot import the graph: {error}") from error
    return graph


def cut_function(graph_def: Any, feeds: Sequence[Any], fetches: Sequence[Any]) -> Any:
    """ConcreteFunction of the part of a GraphDef between tensors."""
    import tensorflow as tf

    part, names = _with_placeholders(graph_def, feeds, fetches)
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(part, name=""), [])
    tensor = wrapped.graph.get_tensor_by_name
    # prune alone would keep what comes before a feed, and XLA has no kernel for the placeholders there
    return wrapped.prune([tensor(names[each.name]) for each in feeds], [tensor(names[each.name]) for each in fetches])


def _with_placeholders(graph_def: Any, feeds: Sequence[Any], fetches: Sequence[Any]) -> tuple[Any, dict[str, str]]:
    """GraphDef of what `fetches` need, with a placeholder for each feed, and the names of both in it."""
    import tensorflow as tf

    part = tf.compat.v1.GraphDef(library=graph_def.library, versions=graph_def.versions)
    needed = _needed_nodes(graph_def, fetches, feeds)
    taken = Names(node.name for node in graph_def.node)
    names = {each.name: each.name for each in fetches}
    for each in feeds:
        name = taken.take(f"{each.op.name}_input")
        node = part.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = each.dtype.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(each.shape.as_proto())
        names[each.name] = f"{name}:0"
    kept = {node.name for node in needed}
    for node in needed:
        copy = part.node.add()
        copy.CopyFrom(node)
        wanted = [names.get(_tensor_name(name), name) for name in node.input if not _is_cut_control(name, kept)]
        copy.input[:] = wanted
    return part, names


def _tensor_name(name: str) -> str:
    """Name of the tensor that an input of a node stands for; control inputs stand for none."""
    return name if ":" in name or name.startswith("^") else f"{name}:0"


def _is_cut_control(name: str, kept: set[str]) -> bool:
    return name.startswith("^") and name[1:] not in kept


def _output_tensors(graph: Any, graph_def: Any, outputs: Sequence[str] | None) -> list[Any]:
    if outputs is None:
        return _unconsumed(graph, graph_def)
    names = [outputs] if isinstance(outputs, str) else list(outputs)
    if not names:
        raise SignatureError("outputs= is empty")
    return [_tensor(graph, name, "outputs=") for name in names]


def _unconsumed(graph: Any, graph_def: Any) -> list[Any]:
    consumed = {name.removeprefix("^").partition(":")[0] for node in graph_def.node for name in node.input}
    ends = [node.name for node in graph_def.node if node.name not in consumed and node.op not in NEVER_OUTPUTS]
    tensors = [tensor for name in ends for tensor in graph.get_operation_by_name(name).outputs]
    if not tensors:
        raise SignatureError("every node of the graph is consumed by another one; pass outputs=[name, ...]")
    return tensors


def _tensor(graph: Any, name: str, where: str) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError) as error:
        raise SignatureError(f"{where} names {name!r}: {error}") from error


def _needed_nodes(graph_def: Any, fetches: Iterable[Any], cuts: Iterable[Any]) -> list[Any]:
    """Nodes that the outputs depend on, in the graph's order; nothing before the tensors that are cut."""
    nodes = {node.name: node for node in graph_def.node}
    cut = {tensor.name for tensor in cuts}
    found: set[str] = set()
    waiting = [tensor.name for tensor in fetches]
    while waiting:
        wanted = _tensor_name(waiting.pop())
        name = wanted.removeprefix("^").partition(":")[0]
        if wanted in cut or name in found:
            continue
        found.add(name)
        waiting += nodes[name].input
    return [node for node in graph_def.node if node.name in found]


def _refuse_variables(nodes: Iterable[Any]) -> None:
    variables = [node.name for node in nodes if node.op in VARIABLE_OPS]
    if variables:
        raise LoweringError(f"the graph is not frozen, it reads the variables {', '.join(variables)}; {FREEZE_ADVICE}")


def _weights(nodes: Iterable[Any]) -> dict[str, np.ndarray]:
    """Values of the constants that become weights, by node name: arrays of floats, since integers may decide shapes."""
    import tensorflow as tf

    found = {}
    for node in nodes:
        if node.op != "Const":
            continue
        dtype = tf.dtypes.as_dtype(node.attr["dtype"].type)
        proto = node.attr["value"].tensor
        if (dtype.is_floating or dtype.is_complex) and proto.tensor_shape.dim:
            found[node.name] = tf.make_ndarray(proto)
    return found


def _spec_of(value: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.TensorSpec(value.shape, value.dtype)


def without_weights(make: Callable[[bool], Program], lower: Callable[[Program], Any]) -> Any:
    """`lower` of the program that `make` makes; large constants stay constants where XLA must know them."""
    program = make(True)
    try:
        return lower(program)
    except LoweringError as error:
        if not program.weights or "compile-time constant" not in str(error):
            raise
        return lower(make(False))
