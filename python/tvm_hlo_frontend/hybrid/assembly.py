"""A divided program as one TensorFlow function again, with a node for each cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..deploy.executable import Executable
from .bridge.interface import Bridge
from .partition import Division
from .plan import Cluster
from .source import Source


def hybrid_definition(
    division: Division, executables: Mapping[str, Executable], bridge: Bridge
) -> tuple[Any, list[str]]:
    """GraphDef in which one node stands for the nodes of each cluster, and its outputs.

    Parameters
    ----------
    division : Division
    executables : mapping of str to Executable
        By the cluster's name.
    bridge : Bridge
    """
    import tensorflow as tf

    source = division.source
    made = tf.compat.v1.GraphDef(library=source.definition.library, versions=source.definition.versions)
    holder = {name: cluster.name for cluster in division.plan.clusters for name in cluster.nodes}
    for cluster in division.plan.clusters:
        node = made.node.add()
        node.CopyFrom(bridge.node(cluster.name, cluster, executables[cluster.name], source))
        node.input.extend(_controls(source, cluster))
        for place, output in enumerate(cluster.outputs):
            _add_shaped(made, cluster.name, place, source.graph.get_tensor_by_name(output))
    for name in bridge.captured:
        made.node.add(name=name, op="Placeholder").attr["dtype"].type = tf.string.as_datatype_enum
    results = {output for cluster in division.plan.clusters for output in cluster.outputs}
    for node in source.definition.node:
        if node.name not in holder:
            copy = made.node.add()
            copy.CopyFrom(node)
    for node in made.node:
        node.input[:] = [_renamed(name, holder, results) for name in node.input]
    effects = [name for name in source.effects if name not in holder]  # reads of frozen variables have none any more
    outputs = [_renamed(name, holder, results) for name in source.outputs]
    return _needed(made, [*outputs, *effects, *source.inputs]), outputs


def _controls(source: Source, cluster: Cluster) -> list[str]:
    """What must run before a cluster without giving it anything."""
    operations = map(source.graph.get_operation_by_name, cluster.nodes)
    inside = set(cluster.nodes)
    found = {each.name: None for operation in operations for each in operation.control_inputs}
    return [f"^{name}" for name in found if name not in inside]


def _add_shaped(definition: Any, name: str, place: int, tensor: Any) -> None:
    """A node that knows the shape of an output of a cluster."""
    node = definition.node.add(name=_shaped_name(tensor.name), op="EnsureShape", input=[f"{name}:{place}"])
    node.attr["T"].type = tensor.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())


def _shaped_name(tensor: str) -> str:
    name, _, place = tensor.partition(":")
    return f"{name}/of_tvm_{place or 0}"


def _renamed(name: str, holder: Mapping[str, str], results: set[str]) -> str:
    """An input or output of a node, where clusters stand for their nodes."""
    if name.startswith("^"):
        return f"^{holder.get(name[1:], name[1:])}"
    tensor = name if ":" in name else f"{name}:0"
    return f"{_shaped_name(tensor)}:0" if tensor in results else name


def _needed(definition: Any, roots: Sequence[str]) -> Any:
    """The nodes that roots need."""
    import tensorflow as tf

    nodes = {node.name: node for node in definition.node}
    waiting = [name.removeprefix("^").partition(":")[0] for name in roots]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [each.removeprefix("^").partition(":")[0] for each in nodes[name].input]
    kept = tf.compat.v1.GraphDef(library=definition.library, versions=definition.versions)
    kept.node.extend(node for node in definition.node if node.name in found)
    return kept


def assembled(division: Division, executables: Mapping[str, Executable], bridge: Bridge) -> Any:
    """ConcreteFunction of flat tensors that runs `hybrid_definition`."""
    import tensorflow as tf

    source = division.source
    definition, outputs = hybrid_definition(division, executables, bridge)
    there = {node.name for node in definition.node}
    paths = {name: asset.asset_path for name, asset in bridge.captured.items()}
    around = {**source.captured, **paths}  # of this, what frozen variables were is needed no more

    def flat(*tensors: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        given = dict(zip(source.inputs, tensors))
        given.update({name: graph.capture(tensor) for name, tensor in around.items() if name in there})
        return tf.graph_util.import_graph_def(definition, input_map=given, return_elements=outputs, name="")

    specs = [tf.TensorSpec(spec.shape, spec.dtype) for spec in source.program.specs]
    function = tf.function(flat, autograph=False).get_concrete_function(*specs)
    function.graph.bridge_of_tvm = bridge  # functions that were traced with this one keep its graph
    return function
