"""Which parts of a TensorFlow program TVM computes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LoweringError, UnsupportedHloError
from ..frameworks.tensorflow.graph_def import cut_function
from ..frameworks.tensorflow.lowering import lower_program
from ..frameworks.tensorflow.program import Program
from .clusters import convex_clusters
from .eligible import CONSTANT, EDGE, Eligibility, estimated_flops
from .plan import Cluster, Plan, Stay
from .source import Source, program_of, source_of
from .tensors import tensors_between

MIN_CLUSTER_SIZE = 4
UNNEEDED = "nothing needs it"
IN_VERSION_1 = "it is in a branch of version 1"


@dataclass(frozen=True)
class Division:
    """A plan, and the graph that it is about."""

    source: Source
    plan: Plan


def partition(
    program: Any,
    *input_specs: Any,
    shape: Any = None,
    signature: str | None = None,
    outputs: Sequence[str] | None = None,
    freeze: bool = False,
    min_cluster_size: int = MIN_CLUSTER_SIZE,
    min_flops: int = 0,
) -> Plan:
    """Divide a TensorFlow program: clusters of nodes that TVM can compute, and the rest, which stays in TensorFlow.

    Nodes of a cluster have an XLA kernel for their types, static shapes, no state and no effect, and their HLO has been
    made. No path leads out of a cluster and back into it.

    Parameters
    ----------
    program, *input_specs, shape, signature, outputs
        As for `from_tensorflow`.
    freeze : bool
        Whether variables are constants of the clusters, as they are now; else clusters take them as inputs.
    min_cluster_size : int
        Number of nodes below which a cluster is not worth a call.
    min_flops : int
        The same of estimated floating point operations.

    Returns
    -------
    Plan

    Raises
    ------
    SignatureError, LoweringError
        If the program cannot be traced, or an input has an open dimension.
    """
    made = program_of(program, input_specs, shape, outputs, signature)
    return divided(source_of(made, freeze=freeze), min_cluster_size, min_flops).plan


def divided(
    source: Source,
    min_cluster_size: int = MIN_CLUSTER_SIZE,
    min_flops: int = 0,
    given_up: Mapping[str, str] | None = None,
) -> Division:
    """`partition` of a program that is a graph already; `given_up` are nodes that stay, with the reason."""
    reasons = obstacles(source) | dict(given_up or {})
    notes: list[str] = []
    while True:
        clusters = _clusters(source, reasons, min_cluster_size, min_flops)
        lowered: list[Cluster] = []
        for cluster in clusters:
            try:
                lowered.append(replace(cluster, lowered=lower_cluster(source, cluster)))
            except LoweringError as error:
                blamed = _blamed(cluster, str(error))
                reasons.update(dict.fromkeys(blamed, _first_line(error)))
                notes.append(f"{cluster.name}: {', '.join(blamed[:4])} given up: {_first_line(error)}")
                break
        else:
            stays = _stays(source, reasons, lowered)
            return Division(source, Plan(tuple(lowered), stays, tuple(notes), tensors_between(source, lowered, stays)))


def obstacles(source: Source) -> dict[str, str]:
    """Nodes that stay, and why."""
    eligibility = Eligibility(source.graph, source.outputs)
    reasons = {}
    needed = needed_nodes(source)
    for operation in source.graph.get_operations():
        reason = eligibility.obstacle(operation) if operation.name in needed else UNNEEDED
        if reason is not None:
            reasons[operation.name] = reason
    for name in _in_version_1(source.graph):
        reasons.setdefault(name, IN_VERSION_1)
    return reasons


def needed_nodes(source: Source) -> set[str]:
    """Nodes that outputs and effects need."""
    graph = source.graph
    waiting = [graph.get_tensor_by_name(name).op for name in source.outputs]
    waiting += [graph.get_operation_by_name(name) for name in source.effects]
    found: set[str] = set()
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            waiting += _before(operation)
    return found


def _in_version_1(graph: Any) -> set[str]:
    """Nodes between those that open and close branches of version 1."""
    found: set[str] = set()
    waiting = [operation for operation in graph.get_operations() if operation.type == "Switch"]
    while waiting:
        operation = waiting.pop()
        for tensor in operation.outputs:
            for consumer in tensor.consumers():
                if consumer.type != "Merge" and consumer.name not in found:
                    found.add(consumer.name)
                    waiting.append(consumer)
    return found


def _before(operation: Any) -> list[Any]:
    """Operations that one depends on."""
    return [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)


def _clusters(source: Source, reasons: dict[str, str], min_cluster_size: int, min_flops: int) -> list[Cluster]:
    """Convex clusters of nodes without a reason to stay; those that are too small get one."""
    graph = source.graph
    # TensorFlow imports a node behind those that it depends on
    operations = [each for each in graph.get_operations() if reasons.get(each.name) not in (CONSTANT, UNNEEDED)]
    number = {operation.name: place for place, operation in enumerate(operations)}
    edges = [{number[each.name] for each in _before(operation) if each.name in number} for operation in operations]
    may = [operation.name not in reasons for operation in operations]
    found: list[Cluster] = []
    prefix = "cluster_"
    while any(operation.name.startswith(prefix) for operation in graph.get_operations()):
        prefix = f"tvm_{prefix}"
    for members in convex_clusters(edges, may):
        names = tuple(operations[member].name for member in members)
        flops = sum(estimated_flops(graph, operations[member]) for member in members)
        if len(names) < min_cluster_size or flops < min_flops:
            reason = f"its cluster would have {len(names)} nodes and {flops} floating point operations"
            reasons.update(dict.fromkeys(names, reason))
            continue
        inputs, outputs = boundary(source, names, reasons)
        if outputs:
            kinds = tuple(operations[member].type for member in members)
            found.append(Cluster(f"{prefix}{len(found)}", names, inputs, outputs, flops, kinds))
    return found


def boundary(
    source: Source, names: Sequence[str], reasons: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tensors that a cluster takes from outside, and those of it that are taken; constants are its own."""
    inside, wanted = set(names), set(source.outputs)
    inputs: dict[str, None] = {}
    outputs = []
    for name in names:
        operation = source.graph.get_operation_by_name(name)
        for tensor in operation.inputs:
            if tensor.op.name not in inside and reasons.get(tensor.op.name) != CONSTANT:
                inputs[tensor.name] = None
        for tensor in operation.outputs:
            if tensor.name in wanted or any(each.name not in inside for each in tensor.consumers()):
                outputs.append(tensor.name)
    return tuple(inputs), tuple(outputs)


def lower_cluster(source: Source, cluster: Cluster, weights: Mapping[str, Any] | None = None) -> Any:
    """HLO of a cluster; LoweringError if XLA cannot compile it.

    Parameters
    ----------
    source : Source
    cluster : Cluster
    weights : mapping of str to numpy.ndarray, optional
        Values of constants that it takes as weights, by the name of their node.
    """
    import tensorflow as tf

    tensor = source.graph.get_tensor_by_name
    part = tf.compat.v1.GraphDef(library=source.definition.library, versions=source.definition.versions)
    kept = {*cluster.nodes, *constants_of(source, cluster)}
    for node in source.definition.node:
        if node.name in kept:
            copy = part.node.add()
            copy.CopyFrom(node)
            copy.input[:] = [name for name in node.input if not name.startswith("^") or name[1:] in cluster.nodes]
    feeds, fetches = [tensor(name) for name in cluster.inputs], [tensor(name) for name in cluster.outputs]
    values = weights or {}
    feeds += [tensor(f"{name}:0") for name in values]
    specs = tuple(tf.TensorSpec(each.shape, each.dtype) for each in feeds)
    function = cut_function(part, feeds, fetches)
    numbered = {len(cluster.inputs) + number: value for number, value in enumerate(values.values())}
    return lower_program(Program(function, (*cluster.inputs, *values), specs, cluster.outputs, numbered))


def constants_of(source: Source, cluster: Cluster) -> list[str]:
    """Constants that nodes of a cluster take."""
    found: dict[str, None] = {}
    for name in cluster.nodes:
        for tensor in source.graph.get_operation_by_name(name).inputs:
            if tensor.op.type == "Const" and tensor.name not in cluster.inputs:
                found[tensor.op.name] = None
    return list(found)


def _blamed(cluster: Cluster, message: str) -> list[str]:
    """Nodes of a cluster that a message names; all of them if it names none."""
    name = r"[A-Za-z0-9_.\\/>-]+"
    # XLA writes {{node NAME}} and `NAME`, this package NAME (Operation); other words may be names as well
    told = re.findall(rf"node ({name})}}}}|`({name})`|({name}) \([A-Z]", message)
    named, words = {each for row in told for each in row}, set(re.findall(name, message))
    found = ([each for each in cluster.nodes if each in some] for some in (named, words))
    return next(filter(None, found), list(cluster.nodes))


def refused_nodes(cluster: Cluster, error: UnsupportedHloError) -> list[str]:
    """Nodes whose instructions were refused."""
    sources = {refusal.source.split(" ")[0] for refusal in error.refusals}
    return [name for name in cluster.nodes if name in sources]


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _stays(source: Source, reasons: dict[str, str], clusters: Sequence[Cluster]) -> tuple[Stay, ...]:
    inside = {name for cluster in clusters for name in cluster.nodes}
    return tuple(
        Stay(each.name, each.type, reasons.get(each.name, ""), estimated_flops(source.graph, each))
        for each in source.graph.get_operations()
        if each.name not in inside and reasons.get(each.name) not in (CONSTANT, EDGE, UNNEEDED)
    )
