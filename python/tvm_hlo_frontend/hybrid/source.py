"""A TensorFlow program as one flat graph of static shapes: what is divided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LoweringError
from ..frameworks.tensorflow.frontend import program_maker
from ..frameworks.tensorflow.graph_def import imported, normalized
from ..frameworks.tensorflow.nodes import all_nodes
from ..frameworks.tensorflow.program import Program
from ..frameworks.tensorflow.specs import refuse_open

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
    loops = [node.name for node in definition.node if node.op == "Enter"]
    if loops:
        raise LoweringError(
            f"loops of version 1 ({', '.join(loops[:4])} …) cannot be divided; use tf.while_loop of TensorFlow 2"
        )
    count = len(program.specs)
    placeholders = [tensor.op.name for tensor in function.inputs]
    captured = dict(zip(placeholders[count:], function.captured_inputs))
    shapes = dict(zip(placeholders, (spec.shape for spec in program.specs)))
    for node in definition.node:
        if node.name in shapes:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(shapes[node.name]).as_proto())
    if freeze:
        freeze_variables(definition, captured, {tensor.op.name for tensor in function.outputs})
    return Source(
        program,
        definition,
        imported(definition),
        tuple(placeholders[:count]),
        captured,
        tuple(tensor.name for tensor in function.outputs),
        tuple(_effects(function, definition)),
    )


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


def _effects(function: Any, definition: Any) -> list[str]:
    """Nodes that must run although no output may need them; of calls that are in place now those with an effect."""
    from tensorflow.python.framework import op_def_registry

    there = {node.name for node in definition.node}
    wanted = [each.name for each in function.graph.control_outputs]
    gone = tuple(f"{name}/" for name in wanted if name not in there)
    found = [name for name in wanted if name in there]
    for node in definition.node:
        known = op_def_registry.get(node.op)
        if node.name.startswith(gone) and node.name not in found and (known is None or known.is_stateful):
            found.append(node.name)
    return found


def _flat(function: Any) -> Any:
    """GraphDef with the bodies of called functions in place, and with the shapes that Python has set: those of what a
    table gives follow from nothing else."""
    from tensorflow.python.framework.convert_to_constants import _run_inline_graph_optimization

    definition = function.graph.as_graph_def()
    library = {each.signature.name for each in definition.library.function}
    called = {"PartitionedCall", "StatefulPartitionedCall", *library}
    if any(node.op in called for node in definition.node):  # TensorFlow has no public way to put calls in place
        definition = _run_inline_graph_optimization(function, False, True)
    # as_graph_def(add_shapes=True) changes the library too, and TensorFlow takes no second function of a name
    shapes = {each.name: [tensor.shape for tensor in each.outputs] for each in function.graph.get_operations()}
    for node in definition.node:
        if shapes.get(node.name):
            node.attr["_output_shapes"].list.shape.extend(shape.as_proto() for shape in shapes[node.name])
    wanted = {tensor.op.name for tensor in (*function.inputs, *function.outputs)}
    lost = wanted - {node.name for node in definition.node}
    if lost:
        raise LoweringError(f"TensorFlow drops {', '.join(sorted(lost))} where it puts calls in place")
    return definition


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
    for handle, nodes in readers.items():
        if any(node.op not in ("ReadVariableOp", "ResourceGather") for node in nodes):
            continue
        dtype = tf.dtypes.as_dtype(nodes[0].attr["dtype"].type)
        _add_constant(
            definition, frozen_name(handle), tf.raw_ops.ReadVariableOp(resource=captured[handle], dtype=dtype)
        )
        for node in nodes:
            _read_constant(definition, node, frozen_name(handle))
            if node.op == "Identity" and node.name not in kept:
                constants[node.name] = frozen_name(handle)
    _replace(definition, constants)


def _replace(definition: Any, constants: Mapping[str, str]) -> None:
    """Let nodes read constants themselves, not what hands these over."""
    left = [node for node in definition.node if node.name not in constants]
    for node in left:
        inputs = [name for name in node.input if name[1:] not in constants or not name.startswith("^")]
        node.input[:] = [constants.get(name.partition(":")[0], name) for name in inputs]
    del definition.node[:]
    definition.node.extend(left)


def _add_constant(definition: Any, name: str, value: Any) -> None:
    import tensorflow as tf

    node = definition.node.add(name=name, op="Const")
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
