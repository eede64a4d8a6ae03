"""Layered layout of a graph, after Sugiyama: layers, order within each, coordinates."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

NODE_GAP = 18.0
EDGE_GAP = 9.0
LAYER_GAP = 30.0
ORDER_SWEEPS = 8
COORDINATE_SWEEPS = 10
# edges through several layers shall be straight
BEND_WEIGHT = 6.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where things are; y grows downwards.

    Attributes
    ----------
    centers : list of (float, float)
        Of the nodes.
    routes : list of list of (float, float)
        Points of each edge, from the bottom of its source to the top of its target.
    width, height : float
    """

    centers: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


@dataclass
class _Graph:
    """Nodes and the bends of long edges, by number; every edge joins neighbouring layers.

    `chains` are the edges of the picture: source, bends, target.
    """

    widths: list[float]
    count: int
    layers: list[list[int]] = field(default_factory=list)
    above: list[list[int]] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)
    chains: list[list[int]] = field(default_factory=list)


def layered_layout(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay out a directed acyclic graph from top to bottom.

    Parameters
    ----------
    sizes : sequence of (float, float)
        Width and height of each node.
    edges : sequence of (int, int)
        From a node to one with a higher number.

    Returns
    -------
    Layout
    """
    if not sizes:
        return Layout([], [], 0.0, 0.0)
    ranks = _ranks(len(sizes), edges)
    graph = _with_bends(sizes, edges, ranks)
    _order(graph)
    x = _coordinates(graph)
    left = min(x[i] - graph.widths[i] / 2 for i in range(len(x)))
    x = [value - left for value in x]
    tops, bottoms = _bands(graph, sizes)
    y = [(top + bottom) / 2 for top, bottom in zip(tops, bottoms)]
    routes = [_route(chain, x, tops, bottoms) for chain in graph.chains]
    for route, (source, target) in zip(routes, edges):
        route.insert(0, (x[source], y[source] + sizes[source][1] / 2))
        route.append((x[target], y[target] - sizes[target][1] / 2))
    width = max(x[i] + graph.widths[i] / 2 for i in range(len(x)))
    height = max(bottoms)
    return Layout([(x[i], y[i]) for i in range(graph.count)], routes, width, height)


def _route(chain: Sequence[int], x: Sequence[float], tops: Sequence[float], bottoms: Sequence[float]) -> list[Point]:
    """Points of an edge: straight down through every layer, so that it meets no box beside it."""
    points = [(x[chain[0]], bottoms[chain[0]])]
    for bend in chain[1:-1]:
        points += [(x[bend], tops[bend]), (x[bend], bottoms[bend])]
    return [*points, (x[chain[-1]], tops[chain[-1]])]


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Layer of each node: as low as its users allow, so that weights stand where they are used; then as high as its
    operands allow where that makes edges shorter, so that results of a loss's gradient stand where they are made."""
    operands: list[list[int]] = [[] for _ in range(count)]
    users: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        operands[target].append(source)
        users[source].append(target)
    ranks = [0] * count
    for node in reversed(range(count)):
        ranks[node] = min((ranks[user] for user in users[node]), default=1) - 1
    for node in range(count):
        if len(operands[node]) > len(users[node]):
            ranks[node] = 1 + max(ranks[operand] for operand in operands[node])
    first = min(ranks)
    return [rank - first for rank in ranks]


def _with_bends(sizes: Sequence[Point], edges: Sequence[tuple[int, int]], ranks: Sequence[int]) -> _Graph:
    graph = _Graph([width + NODE_GAP for width, _ in sizes], len(sizes))
    graph.layers = [[] for _ in range(max(ranks) + 1)]
    for node, rank in enumerate(ranks):
        graph.layers[rank].append(node)
    for source, target in edges:
        bends = range(len(graph.widths), len(graph.widths) + ranks[target] - ranks[source] - 1)
        for rank, bend in enumerate(bends, ranks[source] + 1):
            graph.layers[rank].append(bend)
        graph.widths += [EDGE_GAP] * len(bends)
        graph.chains.append([source, *bends, target])
    graph.above = [[] for _ in graph.widths]
    graph.below = [[] for _ in graph.widths]
    for chain in graph.chains:
        for first, second in pairwise(chain):
            graph.below[first].append(second)
            graph.above[second].append(first)
    return graph


def _order(graph: _Graph) -> None:
    """Order within the layers by barycentres, down and up in turns; the order with the fewest crossings stays."""
    best, fewest = [list(layer) for layer in graph.layers], _crossings(graph)
    for sweep in range(ORDER_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        neighbours = graph.above if down else graph.below
        layers = range(1, len(graph.layers)) if down else range(len(graph.layers) - 2, -1, -1)
        for rank in layers:
            _sort_layer(graph.layers[rank], graph.layers[rank - 1 if down else rank + 1], neighbours)
        crossings = _crossings(graph)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in graph.layers], crossings
    graph.layers = best


def _sort_layer(layer: list[int], fixed: Sequence[int], neighbours: Sequence[Sequence[int]]) -> None:
    place = {node: float(index) for index, node in enumerate(fixed)}
    keys = {}
    for index, node in enumerate(layer):
        near = [place[other] for other in neighbours[node]]
        keys[node] = sum(near) / len(near) if near else float(index)
    layer.sort(key=keys.__getitem__)


def _crossings(graph: _Graph) -> int:
    total = 0
    for upper, lower in pairwise(graph.layers):
        place = {node: index for index, node in enumerate(lower)}
        seen: list[int] = []
        for node in upper:
            ends = sorted(place[other] for other in graph.below[node])
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _coordinates(graph: _Graph) -> list[float]:
    """Horizontal centres: every node goes where its neighbours are on average, as far as its layer has room."""
    x = [0.0] * len(graph.widths)
    for layer in graph.layers:
        _place(layer, graph.widths, [0.0] * len(layer), [1.0] * len(layer), x)
    for sweep in range(COORDINATE_SWEEPS):
        down = sweep % 2 == 0
        last = sweep >= COORDINATE_SWEEPS - 2
        for layer in graph.layers if down else reversed(graph.layers):
            wishes, weights = [], []
            for node in layer:
                one_side = graph.above[node] if down else graph.below[node]
                near = graph.above[node] + graph.below[node] if last or not one_side else one_side
                pulls = [BEND_WEIGHT if node >= graph.count or other >= graph.count else 1.0 for other in near]
                total = sum(pulls)
                wishes.append(sum(x[other] * pull for other, pull in zip(near, pulls)) / total if near else x[node])
                weights.append(total or 0.1)
            _place(layer, graph.widths, wishes, weights, x)
    return x


def _place(
    layer: Sequence[int], widths: Sequence[float], wishes: Sequence[float], weights: Sequence[float], x: list[float]
) -> None:
    """Centres in the order of `layer`, closest to `wishes` in weighted least squares, without overlaps: isotonic
    regression, by pooling neighbours that are in each other's way."""
    offsets, offset = [], 0.0
    for index, node in enumerate(layer):
        offset += (widths[layer[index - 1]] + widths[node]) / 2 if index else 0.0
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []  # sum of wishes, sum of weights, number of nodes
    for wish, weight, shift in zip(wishes, weights, offsets):
        block = ((wish - shift) * weight, weight, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] >= block[0] / block[1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    index = 0
    for total, weight, count in blocks:
        for _ in range(count):
            x[layer[index]] = total / weight + offsets[index]
            index += 1


def _bands(graph: _Graph, sizes: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Top and bottom of the layer of each node; layers with many edges between them stand further apart."""
    tops, bottoms = [0.0] * len(graph.widths), [0.0] * len(graph.widths)
    top = 0.0
    for layer in graph.layers:
        height = max((sizes[node][1] for node in layer if node < graph.count), default=0.0)
        for node in layer:
            tops[node], bottoms[node] = top, top + height
        crowded = max((len(graph.below[node]) for node in layer), default=0)
        top += height + LAYER_GAP + min(3.0 * crowded, 40.0)
    return tops, bottoms
