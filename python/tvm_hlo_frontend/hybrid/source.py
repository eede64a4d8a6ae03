"""A TensorFlow program as one flat graph of static shapes: what is divided."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LoweringError
from ..frameworks.tensorflow.frontend import program_maker
from ..frameworks.tensorflow.graph_def import imported, normalized
from ..frameworks.tensorflow.nodes import all_nodes
from ..frameworks.tensorflow.program import Program
from ..frameworks.tensorflow.specs import refuse_open, without_index
from ..hlo.ir.names import Names

# within a program only those of version 1 are made
_TABLES = frozenset({"HashTable", "HashTableV2", "MutableHashTable", "MutableHashTableV2", "MutableDenseHashTableV2"})
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# they have a state, and no effect
READS = frozenset({"ReadVariableOp", "ResourceGather", "VarHandleOp", "LookupTableFindV2"})


@dataclass(frozen=True)
class Source:
    """A program as a graph.

    Attributes
    ----------
    program : Program
    definition : GraphDef
        Calls of functions are in place, but for branches and loops.
    graph : tf.Graph
        Of it, with the static shapes of the inputs.
    inputs : tuple of str
        Names of the placeholders of the inputs.
    captured : mapping of str to tensor
        What the program takes from around it, by the name of its placeholder.
    outputs : tuple of str
        Tensors, ``node:number``.
    effects : tuple of str
        Nodes that must run although no output needs them.
    """

    program: Program
    definition: Any
    graph: Any
    inputs: tuple[str, ...]
    captured: Mapping[str, Any]
    outputs: tuple[str, ...]
    effects: tuple[str, ...]

    @property
    def structure(self) -> Any:
        """What the program returns, with tensors at the leaves."""
        return self.program.function.structured_outputs


def source_of(program: Program, *, freeze: bool = False) -> Source:
    """The graph of a program.

    Parameters
    ----------
    program : Program
    freeze : bool
        Whether variables that the program only reads become constants.

    Raises
    ------
    SignatureError
        If a dimension of an input is open.
    LoweringError
        If TensorFlow cannot make one graph of it.
    """
    import tensorflow as tf

    refuse_open(program.input_names, program.specs)
    function = program.function
    definition = normalized(_flat(function))
    _refuse_version_1(definition)
    count = len(program.specs)
    placeholders = [tensor.op.name for tensor in function.inputs]
    captured = _apart(definition, dict(zip(placeholders[count:], function.captured_inputs)))
    shapes = dict(zip(placeholders, (spec.shape for spec in program.specs)))
    for node in definition.node:
        if node.name in shapes:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(shapes[node.name]).as_proto())
    kept = {tensor.op.name for tensor in function.outputs}
    take_directly(definition, captured, kept)
    if freeze:
        freeze_variables(definition, captured, kept)
    return Source(
        program,
        definition,
        imported(definition, resources_of(captured)),
        tuple(placeholders[:count]),
        captured,
        tuple(tensor.name for tensor in function.outputs),
        tuple(_effects(function, definition)),
    )


def _refuse_version_1(definition: Any) -> None:
    loops = [node.name for node in definition.node if node.op == "Enter"]
    if loops:
        raise LoweringError(
            f"loops of version 1 ({', '.join(loops[:4])} …) cannot be divided; use tf.while_loop of TensorFlow 2"
        )
    tables = [node.name for node in definition.node if node.op in _TABLES]
    if tables:
        raise LoweringError(
            f"tables of version 1 ({', '.join(tables[:4])}) are filled by an initializer that is not part of the "
            "program; load the SavedModel with TensorFlow 2 and save it again"
        )


def resources_of(captured: Mapping[str, Any]) -> dict[str, Any]:
    """Variables and tables among what a program takes from around it."""
    import tensorflow as tf

    return {name: tensor for name, tensor in captured.items() if tensor.dtype == tf.resource}


def _apart(definition: Any, captured: Mapping[str, Any]) -> dict[str, Any]:
    """What is captured, under names that do not begin with those of nodes (``assign/ref`` of ``assign``), also in
    `definition`: TensorFlow cannot import such nodes apart."""
    names = Names(node.name for node in definition.node)
    nodes = {node.name for node in definition.node}
    renamed = {}
    for name in captured:
        parents = itertools.accumulate(name.split("/")[:-1], "{}/{}".format)
        if any(parent in nodes for parent in parents):
            renamed[name] = names.take(name.replace("/", "_"))
    for node in definition.node:
        node.name = renamed.get(node.name, node.name)
        node.input[:] = [renamed.get(without_index(name), name) for name in node.input]
    return {renamed.get(name, name): tensor for name, tensor in captured.items()}


def program_of(
    program: Any,
    input_specs: Sequence[Any],
    shape: Any = None,
    outputs: Sequence[str] | None = None,
    signature: str | None = None,
) -> Program:
    """The program of anything that `from_tensorflow` takes, for the shapes of `input_specs`; what has an effect keeps
    its order."""
    made = program_maker(program, input_specs, shape, outputs, signature)(False)
    if sum(_has_effect(each.node) for each in all_nodes(made.function)) > 1:
        made = program_maker(program, input_specs, shape, outputs, signature, for_xla=False)(False)
    return of_specs(made, input_specs)


def _has_effect(node: Any) -> bool:
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(node.op)
    return known is not None and known.is_stateful and node.op not in READS


def of_specs(program: Program, specs: Sequence[Any]) -> Program:
    """A program for the shapes of `specs`, one per flat input, where it leaves dimensions open."""
    import tensorflow as tf

    flat = tf.nest.flatten(list(specs), expand_composites=True)
    if len(flat) != len(program.specs) or not all(isinstance(each, tf.TensorSpec) for each in flat):
        return program
    pairs = list(zip(program.specs, flat))
    fits = all(own.shape.is_compatible_with(given.shape) and own.dtype == given.dtype for own, given in pairs)
    return replace(program, specs=tuple(given for _, given in pairs)) if fits else program


def is_stateful(op: str) -> bool:
    """Whether operations of a type have a state or an effect; those that TensorFlow does not know may."""
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(op)
    return known is None or known.is_stateful


def _effects(function: Any, definition: Any) -> list[str]:
    """Nodes that must run although no output may need them; of calls that are in place now those with an effect."""
    there = {node.name for node in definition.node}
    wanted = [each.name for each in function.graph.control_outputs]
    gone = tuple(f"{name}/" for name in wanted if name not in there)
    found = [name for name in wanted if name in there]
    for node in definition.node:
        if node.name.startswith(gone) and node.name not in found and is_stateful(node.op):
            found.append(node.name)
    return found


def _flat(function: Any) -> Any:
    """GraphDef with the bodies of called functions in place, and with the shapes that Python has set: those of what a
    table gives follow from nothing else."""
    from tensorflow.python.framework.convert_to_constants import _run_inline_graph_optimization

    definition = function.graph.as_graph_def()
    library = {each.signature.name for each in definition.library.function}
    called = {*_CALLS, *library}
    if any(node.op in called for node in definition.node):  # TensorFlow has no public way to put calls in place
        definition = _run_inline_graph_optimization(function, False, True)
    # as_graph_def(add_shapes=True) changes the library too, and TensorFlow takes no second function of a name
    shapes = _shapes(function.graph)
    for node in definition.node:
        if shapes.get(node.name):
            del node.attr["_output_shapes"].list.shape[:]
            node.attr["_output_shapes"].list.shape.extend(shape.as_proto() for shape in shapes[node.name])
    wanted = {tensor.op.name for tensor in (*function.inputs, *function.outputs)}
    lost = wanted - {node.name for node in definition.node}
    if lost:
        raise LoweringError(f"TensorFlow drops {', '.join(sorted(lost))} where it puts calls in place")
    return definition


def _shapes(graph: Any, prefix: str = "") -> dict[str, list[Any]]:
    """Shapes of the outputs of each node, by the name that it has where calls are in place."""
    found: dict[str, list[Any]] = {}
    for operation in graph.get_operations():
        found[prefix + operation.name] = [tensor.shape for tensor in operation.outputs]
        if operation.type in _CALLS:
            body = getattr(graph._get_function(operation.get_attr("f").name), "graph", None)
            if body is not None:
                found |= _shapes(body, f"{prefix}{operation.name}/")
    return found


def take_directly(definition: Any, captured: Mapping[str, Any], kept: Collection[str]) -> None:
    """Let nodes take variables and tables themselves, not from what hands these over to called functions; and let nodes
    wait, not the constants that they take, for what bodies of called functions wait for.

    Parameters
    ----------
    definition : GraphDef
        Changed.
    captured : mapping of str to tensor
        By the name of their placeholder.
    kept : collection of str
        Nodes that must stay under their name.
    """
    import tensorflow as tf

    nodes = {node.name: node for node in definition.node}
    behind: dict[str, str] = {}  # of what hands on: the placeholder
    waits = {node.name: list(node.input) for node in definition.node if node.op == "Const" and node.name not in kept}

    def placeholder(name: str) -> str | None:
        node = nodes.get(name)
        if name in captured or node is None or node.op != "Identity" or name in kept:
            return name if name in captured else None
        before = node.input[0].partition(":")[0]
        source = placeholder(before)
        if source is not None and node.attr["T"].type == tf.resource.as_datatype_enum:
            behind[name] = source
            waits[name] = [*node.input[1:], *([f"^{before}"] if before in waits else [])]
        return behind.get(name)

    for name in nodes:
        placeholder(name)
    left = [node for node in definition.node if node.name not in behind]
    for node in left:
        taken = [name.partition(":")[0] for name in node.input]
        data = [behind.get(own, name) for own, name in zip(taken, node.input) if not name.startswith("^")]
        controls = [f"^{own}" if own in waits else own for own in taken if own.startswith("^") or own in waits]
        node.input[:] = [*data, *_settled(controls, waits)] if node.name not in waits else []
    del definition.node[:]
    definition.node.extend(left)


def frozen_name(handle: str) -> str:
    """Name of the constant that has the value of a variable."""
    return f"{handle}/frozen"


def freeze_variables(definition: Any, captured: Mapping[str, Any], kept: Collection[str]) -> None:
    """Put the values of variables that a GraphDef only reads in the place of what reads them.

    Parameters
    ----------
    definition : GraphDef
        Changed.
    captured : mapping of str to tensor
        Handles of variables among them, by the name of their placeholder.
    kept : collection of str
        Nodes that must stay under their name.
    """
    import tensorflow as tf

    readers: dict[str, list[Any]] = {}
    for node in definition.node:
        for handle in {name.partition(":")[0] for name in node.input} & captured.keys():
            readers.setdefault(handle, []).append(node)
    constants: dict[str, str] = {}
    waits: dict[str, list[str]] = {}
    for handle, nodes in readers.items():
        if any(node.op not in ("ReadVariableOp", "ResourceGather") for node in nodes):
            continue
        dtype = tf.dtypes.as_dtype(nodes[0].attr["dtype"].type)
        _add_constant(
            definition, frozen_name(handle), tf.raw_ops.ReadVariableOp(resource=captured[handle], dtype=dtype)
        )
        for node in nodes:
            waits[node.name] = [name for name in node.input if name.startswith("^")]
            _read_constant(definition, node, frozen_name(handle))
            if node.op == "Identity" and node.name not in kept:
                constants[node.name] = frozen_name(handle)
    for node in definition.node:  # nothing needs to run before or behind what reads a constant
        controls = [name for name in node.input if name.startswith("^")]
        if any(name[1:] in waits for name in controls):
            data = [name for name in node.input if not name.startswith("^")]
            node.input[:] = [*data, *_settled(controls, waits)]
    _replace(definition, constants)


def _settled(controls: Sequence[str], waits: Mapping[str, Sequence[str]]) -> list[str]:
    """Control inputs where those in `waits` stand for what they wait for."""
    found: dict[str, None] = {}
    waiting, seen = list(reversed(controls)), set()
    while waiting:
        name = waiting.pop()
        if name[1:] in waits:
            waiting += [] if name in seen else reversed(waits[name[1:]])
            seen.add(name)
        else:
            found[name] = None
    return list(found)


def _replace(definition: Any, constants: Mapping[str, str]) -> None:
    """Let nodes read constants themselves, not what hands these over."""
    left = [node for node in definition.node if node.name not in constants]
    for node in left:
        inputs = [name for name in node.input if name[1:] not in constants or not name.startswith("^")]
        node.input[:] = [constants.get(name.partition(":")[0], name) for name in inputs]
    del definition.node[:]
    definition.node.extend(left)


def _add_constant(definition: Any, name: str, value: Any) -> None:
    make_constant(definition.node.add(name=name), value)


def make_constant(node: Any, value: Any) -> None:
    """Make a NodeDef a constant, of the value of an eager tensor."""
    import tensorflow as tf

    node.op = "Const"
    for name in list(node.attr):
        del node.attr[name]
    node.attr["dtype"].type = value.dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.numpy(), dtype=value.dtype))


def _read_constant(definition: Any, node: Any, constant: str) -> None:
    """Make a node that reads a variable one that reads a constant; control inputs stay."""
    import tensorflow as tf

    controls = [name for name in node.input if name.startswith("^")]
    indices = [name for name in node.input[1:] if not name.startswith("^")]
    old = tf.compat.v1.NodeDef()
    old.CopyFrom(node)
    for name in list(node.attr):
        if name != "_output_shapes":
            del node.attr[name]
    if old.op == "ReadVariableOp":
        node.op = "Identity"
        node.attr["T"].type = old.attr["dtype"].type
        node.input[:] = [constant, *controls]
        return
    axis, batch = f"{node.name}/axis", old.attr["batch_dims"].i
    _add_constant(definition, axis, tf.constant(batch))
    node.op = "GatherV2"
    node.attr["Tparams"].type, node.attr["Tindices"].type = old.attr["dtype"].type, old.attr["Tindices"].type
    node.attr["Taxis"].type, node.attr["batch_dims"].i = tf.int32.as_datatype_enum, batch
    node.input[:] = [constant, *indices, axis, *controls]
