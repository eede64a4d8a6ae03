"""Clusters are convex: no path leaves one and comes back."""

import numpy as np
import pytest

from tvm_hlo_frontend.hybrid.clusters import convex_clusters


def test_a_node_that_stays_parts_those_before_and_behind_it():
    assert convex_clusters([[], [0], [1], [2]], [True, True, False, True]) == [[0, 1], [3]]


def test_what_only_a_later_cluster_needs_goes_with_it():
    # 0 -> 1 stays -> 3, and 2 -> 3
    assert convex_clusters([[], [0], [], [1, 2]], [True, False, True, True]) == [[0], [2, 3]]


def test_two_ways_of_which_one_stays():
    # 0 -> 1 -> 3 and 0 -> 2 stays -> 3: 3 may not be with 0
    assert convex_clusters([[], [0], [0], [1, 2]], [True, True, False, True]) == [[0], [1, 3]]


def test_nothing_may():
    assert convex_clusters([[], [0]], [False, False]) == []


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 40))
    graph = [
        sorted({int(generator.integers(0, node)) for _ in range(int(generator.integers(0, 4)))}) if node else []
        for node in range(count)
    ]
    may = [bool(generator.random() < 0.7) for _ in range(count)]
    clusters = convex_clusters(graph, may)
    assert sorted(node for nodes in clusters for node in nodes) == [node for node in range(count) if may[node]]
    home = {node: number for number, nodes in enumerate(clusters) for node in nodes}
    # of clusters and nodes that stay as nodes, none comes back to itself; clusters stand in an order that can run
    names = [home.get(node, -1 - node) for node in range(count)]
    edges = {(names[other], names[node]) for node in range(count) for other in graph[node]} - {(n, n) for n in names}
    assert is_acyclic(set(names), edges)
    assert all(first < second for first, second in reachable_pairs(set(names), edges) if first >= 0 and second >= 0)


def is_acyclic(nodes, edges):
    while nodes:
        free = {node for node in nodes if not any(end == node for _, end in edges)}
        if not free:
            return False
        nodes, edges = nodes - free, {edge for edge in edges if edge[0] not in free}
    return True


def reachable_pairs(nodes, edges):
    pairs = set(edges)
    while True:
        more = {(a, d) for a, b in pairs for c, d in edges if b == c} - pairs
        if not more:
            return pairs
        pairs |= more
