"""Convex clusters of a graph: no path leaves one and comes back.

Every node has a level that never falls along an edge and rises on each from a node that stays to one that does not.
Nodes that are neighbours, may be clustered and have one level are a cluster: a path that leaves it comes to a node that
stays, and goes on only to higher levels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

# for each node the nodes that it depends on, which come before it
Graph = Sequence[Collection[int]]


def convex_clusters(graph: Graph, may: Sequence[bool]) -> list[list[int]]:
    """Clusters of the nodes that `may` be in one, in an order in which they can run; nodes in theirs.

    Parameters
    ----------
    graph : sequence of collections of int
        For each node the nodes that it depends on, all of them smaller numbers.
    may : sequence of bool

    Returns
    -------
    list of list of int
        Each node that may is in one of them, maybe alone.
    """
    levels = _raised(graph, may, _lowest(graph, may))
    leaders = list(range(len(graph)))

    def leader(node: int) -> int:
        while leaders[node] != node:
            leaders[node] = leaders[leaders[node]]
            node = leaders[node]
        return node

    for node, before in enumerate(graph):
        for other in before:
            if may[node] and may[other] and levels[node] == levels[other]:
                leaders[leader(node)] = leader(other)
    found: dict[int, list[int]] = {}
    for node in range(len(graph)):
        if may[node]:
            found.setdefault(leader(node), []).append(node)
    return sorted(found.values(), key=lambda nodes: (levels[nodes[0]], nodes[0]))


def _lowest(graph: Graph, may: Sequence[bool]) -> list[int]:
    """The lowest levels that there can be."""
    levels: list[int] = []
    for node, before in enumerate(graph):
        own = [levels[other] + (may[node] and not may[other]) for other in before]
        levels.append(max(own, default=0))
    return levels


def _raised(graph: Graph, may: Sequence[bool], levels: list[int]) -> list[int]:
    """The same, with nodes that may be clustered as high as the first that needs them, so as to go with it."""
    levels = list(levels)
    needed: list[list[int]] = [[] for _ in graph]
    for node, before in enumerate(graph):
        for other in before:
            needed[other].append(node)
    for node in reversed(range(len(graph))):
        if may[node] and needed[node]:
            levels[node] = min(levels[after] for after in needed[node])
    return levels
