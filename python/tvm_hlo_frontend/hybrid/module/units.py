"""The units that main runs one after another: clusters, operators, and parts that TensorFlow computes."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..clusters import convex_clusters
from ..eligible import CONSTANT
from ..partition import boundary
from ..plan import Cluster
from ..source import Source, is_stateful
from .parts import DIRECT, EXTERN, HLO


@dataclass(frozen=True)
class Unit:
    """Nodes that run together.

    Attributes
    ----------
    name : str
    kind : str
        As of `parts.Part`; empty for what only hands on, or orders others.
    nodes : tuple of str
        Each behind those that it depends on.
    inputs, outputs : tuple of str
        Tensors, ``node:number``; of what is no operator.
    effect : bool
        Whether a node has a state or an effect.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    effect: bool = False


def units_of(
    source: Source,
    operations: Sequence[Any],
    clusters: Sequence[Cluster],
    direct: Collection[str],
    outside: Collection[str],
) -> list[Unit]:
    """Units in an order in which they can run.

    Parameters
    ----------
    source : Source
    operations : sequence of tf.Operation
        That are needed, without constants, each behind those that it depends on.
    clusters : sequence of Cluster
    direct, outside : collection of str
        Nodes that are operators of main, and nodes that TensorFlow must compute. What lies on a way between nodes
        that hand each other more than numbers of known shapes is computed by TensorFlow, too.
    """
    place = {operation.name: number for number, operation in enumerate(operations)}
    edges = [_before(operation, place) for operation in operations]
    groups = list(range(len(operations)))
    for cluster in clusters:
        _put_together(groups, [place[name] for name in cluster.nodes])
    external = {place[name] for name in outside}
    _merge_regions(groups, edges, external)
    for number, operation in enumerate(operations):
        for tensor in operation.inputs:
            source_number = place.get(tensor.op.name)
            if source_number in external and number in external and not crosses(tensor):
                _put_together(groups, [source_number, number])
    external = _absorb(groups, edges, external)
    return _ordered(source, operations, groups, edges, clusters, set(direct), external)


def crosses(tensor: Any) -> bool:
    """Whether TVM can hold a tensor: numbers of a known shape."""
    import numpy as np

    from ...hlo.ir.shape import BY_NAME

    known = {row.numpy_dtype for row in BY_NAME.values() if row.numpy_dtype is not None}
    dtype = tensor.dtype.base_dtype
    if dtype.name in ("string", "resource", "variant") or dtype.is_quantized:
        return False
    return np.dtype(dtype.as_numpy_dtype) in known and tensor.shape.is_fully_defined()


def _before(operation: Any, place: dict[str, int]) -> set[int]:
    before = [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return {place[each.name] for each in before if each.name in place}


def _put_together(groups: list[int], members: Iterable[int]) -> None:
    """Let members, and those of their groups, be one group."""
    old = {groups[member] for member in members}
    new = min(old)
    for number, group in enumerate(groups):
        if group in old:
            groups[number] = new


def _contracted(groups: Sequence[int], edges: Sequence[set[int]]) -> dict[int, set[int]]:
    """For each group the groups that it depends on."""
    found: dict[int, set[int]] = {group: set() for group in groups}
    for number, before in enumerate(edges):
        found[groups[number]] |= {groups[other] for other in before}
    return {group: before - {group} for group, before in found.items()}


def _order(graph: dict[int, set[int]]) -> list[int]:
    """Groups behind those that they depend on, else by number."""
    waiting = {group: len(before) for group, before in graph.items()}
    after: dict[int, list[int]] = {group: [] for group in graph}
    for group, before in graph.items():
        for other in before:
            after[other].append(group)
    ready = [group for group, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        group = heapq.heappop(ready)
        order.append(group)
        for other in after[group]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, other)
    assert len(order) == len(graph), "a unit depends on itself"
    return order


def _merge_regions(groups: list[int], edges: Sequence[set[int]], external: set[int]) -> None:
    """Convex regions of nodes that TensorFlow must compute."""
    graph = _contracted(groups, edges)
    order = _order(graph)
    number = {group: index for index, group in enumerate(order)}
    outside = {groups[node] for node in external}
    numbered = [{number[other] for other in graph[group]} for group in order]
    members: dict[int, list[int]] = {}
    for node, group in enumerate(groups):
        members.setdefault(group, []).append(node)
    for region in convex_clusters(numbered, [group in outside for group in order]):
        _put_together(groups, [members[order[index]][0] for index in region])


def _absorb(groups: list[int], edges: Sequence[set[int]], external: set[int]) -> set[int]:
    """Merge what lies on a way out of a region and back into it with it; the nodes that TensorFlow computes then."""
    while True:
        graph = _contracted(groups, edges)
        after: dict[int, set[int]] = {group: set() for group in graph}
        for group, before in graph.items():
            for other in before:
                after[other].add(group)
        between: set[int] = set()
        for region in sorted({groups[node] for node in external}):
            between = _reached(graph, region) & _reached(after, region) - {region}
            if between:
                _put_together(groups, [region, *(node for node, group in enumerate(groups) if group in between)])
                break
        else:
            return external
        inside = groups[region]
        external = external | {node for node, group in enumerate(groups) if group == inside}


def _reached(graph: dict[int, set[int]], start: int) -> set[int]:
    found: set[int] = set()
    waiting = list(graph[start])
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting += graph[group]
    return found


def _ordered(
    source: Source,
    operations: Sequence[Any],
    groups: Sequence[int],
    edges: Sequence[set[int]],
    clusters: Sequence[Cluster],
    direct: set[str],
    external: set[int],
) -> list[Unit]:
    members: dict[int, list[int]] = {}
    for node, group in enumerate(groups):
        members.setdefault(group, []).append(node)
    constants = {each.name: CONSTANT for each in source.graph.get_operations() if each.type == "Const"}
    by_node = {name: cluster for cluster in clusters for name in cluster.nodes}
    needed = {operation.name for operation in operations}
    units: list[Unit] = []
    for group in _order(_contracted(groups, edges)):
        nodes = tuple(operations[member].name for member in members[group])
        if group in external or members[group][0] in external:
            inputs, outputs = boundary(source, nodes, constants)
            outside = needed.difference(nodes)
            outputs = tuple(name for name in outputs if name in source.outputs or _readers(source, name) & outside)
            inputs = tuple(name for name in inputs if name.partition(":")[0] not in source.captured)
            effect = any(is_stateful(operations[member].type) for member in members[group])
            number = sum(unit.kind == EXTERN for unit in units)
            units.append(Unit(f"tensorflow_{number}", EXTERN, nodes, inputs, outputs, effect))
        elif nodes[0] in by_node:
            cluster = by_node[nodes[0]]
            units.append(Unit(cluster.name, HLO, cluster.nodes, cluster.inputs, cluster.outputs))
        else:
            (name,) = nodes
            units.append(Unit(name, DIRECT if name in direct else "", nodes))
    return units


def _readers(source: Source, tensor: str) -> set[str]:
    return {each.name for each in source.graph.get_tensor_by_name(tensor).consumers()}
