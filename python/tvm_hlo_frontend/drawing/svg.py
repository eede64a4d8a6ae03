"""Clusters as SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from .elements import Cluster, Node
from .kinds import KINDS, Kind
from .layers import Layout, Point, layered_layout

CHARACTER = 6.65  # width of one in pixels, at the font below
# bold ones, also where there is no font of one width
TITLE_CHARACTER = 7.4
HEAD_CHARACTER = 9.4
LINE_HEIGHT = 14.0
PADDING = 8.0
MARGIN = 20.0
HEAD = 42.0
LEGEND = 34.0
MIN_COLUMN = 900.0
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
STYLE = """
text { font: 11px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #212529; }
.title { font-weight: bold; }
.head { font-size: 14px; font-weight: bold; }
.caption, .input, .label { fill: #495057; }
.cluster > rect { fill: #fcfcfd; stroke: #ced4da; }
.entry > rect { stroke: #343a40; stroke-width: 1.5; }
.edge { fill: none; stroke: #868e96; stroke-width: 1.1; }
.root > rect { stroke-width: 2.6; }
.unsupported > rect { stroke: #e03131; stroke-width: 3; stroke-dasharray: 6 3; }
"""


def svg_text(title: str, clusters: Sequence[Cluster], kinds: Mapping[str, Kind] = KINDS) -> str:
    """A picture of all clusters.

    Parameters
    ----------
    title : str
        Of the picture.
    clusters : sequence of Cluster
    kinds : mapping of str to Kind
        Names and colours of the nodes' kinds.

    Returns
    -------
    str
        A complete SVG document: one group of class ``cluster`` per cluster, in it one of class ``node`` per node with
        its details as the title that viewers show when pointed at.
    """
    layouts = [layered_layout([node_size(node) for node in cluster.nodes], cluster.edges) for cluster in clusters]
    boxes = [cluster_size(cluster, layout) for cluster, layout in zip(clusters, layouts)]
    places, width, height = shelves(boxes)
    legend, legend_width = legend_of(clusters, kinds)
    width, height = max(width, legend_width) + MARGIN, height + LEGEND + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">',
        f"<title>{clean(title)}</title><style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#868e96"/></marker></defs>',
        '<rect class="paper" width="100%" height="100%" fill="white"/>',
        legend,
    ]
    for cluster, layout, (x, y), (box_width, box_height) in zip(clusters, layouts, places, boxes):
        parts += cluster_svg(cluster, layout, x, y + LEGEND, box_width, box_height, kinds)
    return "\n".join([*parts, "</svg>"]) + "\n"


def clean(text: str) -> str:
    """`text` escaped, without characters that XML cannot have."""
    return escape(_allowed(text))


def _allowed(text: str) -> str:
    return _FORBIDDEN.sub("�", text)


def node_size(node: Node) -> Point:
    """Width and height of a box."""
    widest = max([len(node.title) * TITLE_CHARACTER, *(len(line) * CHARACTER for line in node.lines)])
    return widest + 2 * PADDING, (1 + len(node.lines)) * LINE_HEIGHT + PADDING


def cluster_size(cluster: Cluster, layout: Layout) -> Point:
    """Width and height of a cluster's frame."""
    heading = max(len(cluster.name) * HEAD_CHARACTER, len(cluster.caption) * CHARACTER) + 2 * MARGIN
    return max(layout.width + 2 * MARGIN, heading), layout.height + HEAD + 2 * MARGIN


def shelves(boxes: Sequence[Point]) -> tuple[list[Point], float, float]:
    """Places of boxes in columns, the first box in the first one; with the width and height of all."""
    limit = max(boxes[0][1], MIN_COLUMN)
    places: list[Point] = []
    left, top, column, lowest = MARGIN, MARGIN, 0.0, 0.0
    for index, (width, height) in enumerate(boxes):
        if index == 1 or (index and top + height > limit + MARGIN):
            left, top, column = left + column + MARGIN, MARGIN, 0.0
        places.append((left, top))
        top += height + MARGIN
        column, lowest = max(column, width), max(lowest, top)
    return places, left + column, lowest


def legend_of(clusters: Sequence[Cluster], kinds: Mapping[str, Kind]) -> tuple[str, float]:
    """The kinds that the picture has, and the width of the row."""
    nodes = [node for cluster in clusters for node in cluster.nodes if not node.is_label]
    used = {node.kind for node in nodes}
    entries = [(name, fill, border, "") for kind, (name, fill, border) in kinds.items() if kind in used]
    if any(node.is_root for node in nodes):
        entries.append(("result", "#ffffff", "#343a40", "root"))
    if any(node.is_unsupported for node in nodes):
        entries.append(("not supported", "#ffffff", "#e03131", "unsupported"))
    parts, x = ['<g class="legend">'], MARGIN
    for name, fill, border, extra in entries:
        parts.append(
            f'<g class="{extra}"><rect x="{x:.0f}" y="12" width="16" height="14" rx="3" fill="{fill}" '
            f'stroke="{border}"/></g><text x="{x + 22:.0f}" y="23">{escape(name)}</text>'
        )
        x += 40 + len(name) * CHARACTER
    return "\n".join([*parts, "</g>"]), x


def cluster_svg(
    cluster: Cluster, layout: Layout, x: float, y: float, width: float, height: float, kinds: Mapping[str, Kind]
) -> list[str]:
    """One computation."""
    kind = "cluster entry" if cluster.is_entry else "cluster"
    parts = [
        f'<g class="{kind}" data-name={quoteattr(_allowed(cluster.name))} transform="translate({x:.1f} {y:.1f})">',
        f'<rect width="{width:.1f}" height="{height:.1f}" rx="8"/>',
        f'<text class="head" x="{MARGIN:.0f}" y="22">{clean(cluster.name)}</text>',
        f'<text class="caption" x="{MARGIN:.0f}" y="38">{clean(cluster.caption)}</text>',
        f'<g transform="translate({(width - layout.width) / 2:.1f} {HEAD + MARGIN:.1f})">',
    ]
    for route, (_, target) in zip(layout.routes, cluster.edges):
        tip = "" if cluster.nodes[target].is_label else ' marker-end="url(#tip)"'
        parts.append(f'<path class="edge" d="{curve(route)}"{tip}/>')
    parts += [node_svg(node, center, kinds) for node, center in zip(cluster.nodes, layout.centers)]
    return [*parts, "</g></g>"]


def curve(points: Sequence[Point]) -> str:
    """A smooth path that leaves and reaches every point vertically."""
    words = [f"M{points[0][0]:.1f},{points[0][1]:.1f}"]
    for (x, y), (next_x, next_y) in pairwise(points):
        if (next_x, next_y) == (x, y):
            continue
        if next_x == x:
            words.append(f"V{next_y:.1f}")
        else:
            middle = (y + next_y) / 2
            words.append(f"C{x:.1f},{middle:.1f} {next_x:.1f},{middle:.1f} {next_x:.1f},{next_y:.1f}")
    return " ".join(words)


def node_svg(node: Node, center: Point, kinds: Mapping[str, Kind]) -> str:
    """One box with its lines, or a label."""
    width, height = node_size(node)
    left, top = center[0] - width / 2, center[1] - height / 2
    if node.is_label:
        return label_svg(node, left, top)
    _, fill, border = kinds[node.kind]
    states = " ".join(["node", *(["root"] if node.is_root else []), *(["unsupported"] if node.is_unsupported else [])])
    lines = [f'<text class="title" x="{left + PADDING:.1f}" y="{top + 15:.1f}">{clean(node.title)}</text>']
    for index, line in enumerate(node.lines, 1):
        style = ' class="input"' if line.startswith("←") else ""
        y = top + 15 + index * LINE_HEIGHT
        lines.append(f'<text{style} x="{left + PADDING:.1f}" y="{y:.1f}">{clean(line)}</text>')
    box = (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" fill="{fill}" '
        f'stroke="{border}"/>'
    )
    return f'<g class="{states}"><title>{clean(node.details)}</title>{box}{"".join(lines)}</g>'


def label_svg(node: Node, left: float, top: float) -> str:
    """Lines without a box."""
    lines = [
        f'<text class="label" x="{left + PADDING:.1f}" y="{top + 15 + index * LINE_HEIGHT:.1f}">{clean(line)}</text>'
        for index, line in enumerate((node.title, *node.lines))
    ]
    return f'<g class="on-edge"><title>{clean(node.details)}</title>{"".join(lines)}</g>'
