"""Plans as pictures: what TVM computes, what stays in TensorFlow, and the tensors between them."""

from __future__ import annotations

import graphlib
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from ..drawing.elements import Cluster as Frame
from ..drawing.elements import Node
from ..drawing.quantities import quantity
from ..drawing.svg import svg_text
from .eligible import MOVES
from .folding import FEW, MANY, before_each, folded_stays, part_of
from .plan import Cluster, Plan, Stay, Tensor

LINE = 44  # characters
MAX_LINES = 3  # of one reason
WORD = 26  # in reasons
MAX_OPERATIONS = 4
MAX_REASONS = 2
MAX_TYPES = 4
MAX_DETAILS = 60
_UNBROKEN = "\N{NO-BREAK SPACE}"
# part of the floating point operations from which a node that stays is worth a look
COSTLY = 0.01
KINDS = {
    "tvm": ("in TVM", "#d3f9d8", "#2b8a3e"),
    "stays": ("stays in TensorFlow", "#f1f3f5", "#868e96"),
    "costly": (f"stays with {100 * COSTLY:.0f} % of the operations or more", "#ffe3e3", "#c92a2a"),
    "ends": ("input, result", "#ffffff", "#adb5bd"),
}


def picture(plan: Plan, title: str = "plan", *, full: bool = False) -> str:
    """Draw a plan: a box for each cluster, for what stays, and for inputs and results, with the tensors between them.

    Boxes have the reasons why nodes stay, and all their nodes as the text that viewers show when pointed at. Nodes that
    stay and are neighbours share a box if there are many. Constants, variables and tables, and what only orders
    nodes, are not drawn.

    Parameters
    ----------
    plan : Plan
    title : str
    full : bool
        Whether each node that stays has a box of its own, however many there are.

    Returns
    -------
    str
        An SVG document.
    """
    count = len(plan.stays)
    return svg_text(title, [frame_of(plan, title, *((count, count) if full else (FEW, MANY)))], KINDS)


def frame_of(plan: Plan, title: str, few: int = FEW, many: int = MANY) -> Frame:
    """The boxes of a plan and the edges between them; `few` and `many` as for `folded_stays`."""
    groups = folded_stays(plan, few, many)
    part = part_of(groups)
    boxes = {cluster.name: _of_cluster(cluster, plan) for cluster in plan.clusters}
    boxes |= {group[0].name: _of_stays(group, plan) for group in groups}
    ends = {tensor.source: tensor for tensor in plan.tensors if part.get(tensor.source, tensor.source) not in boxes}
    boxes |= {name: _box(name, [tensor.type], "ends") for name, tensor in ends.items()}
    handed: dict[tuple[str, frozenset[str]], list[Tensor]] = {}
    results: dict[str, list[Tensor]] = {}
    for tensor in plan.tensors:
        source = part.get(tensor.source, tensor.source)
        targets = frozenset(part.get(each, each) for each in tensor.targets) - {source}
        if targets:
            handed.setdefault((source, targets), []).append(tensor)
        if tensor.results:
            results.setdefault(source, []).append(tensor)
    order = [name for name in graphlib.TopologicalSorter(before_each(plan, part)).static_order() if name in boxes]
    order += [name for name in boxes if name not in order]
    return Frame(title, _caption(plan), *_drawn(order, boxes, handed, results), is_entry=True)


def _drawn(
    order: Sequence[str],
    boxes: dict[str, Node],
    handed: dict[tuple[str, frozenset[str]], list[Tensor]],
    results: dict[str, list[Tensor]],
) -> tuple[tuple[Node, ...], tuple[tuple[int, int], ...]]:
    """Nodes in an order in which operands come before users, and edges; tensors between boxes are labels on them."""
    nodes: list[Node] = []
    edges: dict[tuple[int, int], None] = {}
    waiting: dict[str, list[int]] = {}  # of a box that is not yet there: what leads to it
    for name in order:
        place = len(nodes)
        nodes.append(boxes[name])
        edges |= dict.fromkeys((before, place) for before in waiting.pop(name, ()))
        for (source, targets), tensors in handed.items():
            if source != name:
                continue
            start = place
            if boxes[name].kind != "ends":  # an input says its type itself
                start = len(nodes)
                nodes.append(_label(tensors))
                edges[place, start] = None
            for target in targets:
                waiting.setdefault(target, []).append(start)
        if name in results:
            edges[place, len(nodes)] = None
            nodes.append(_of_results(results[name]))
    return tuple(nodes), tuple(edges)


def _caption(plan: Plan) -> str:
    inside = sum(len(cluster.nodes) for cluster in plan.clusters)
    whole = inside + len(plan.stays)
    return f"{inside} of {whole} nodes, {100 * plan.share:.1f} % of {quantity(plan.flops, 'FLOP')} in TVM"


def _of_cluster(cluster: Cluster, plan: Plan) -> Node:
    share = f" ({100 * cluster.flops / plan.flops:.1f} %)" if plan.flops else ""
    operations = _wrapped(_operations(cluster.operations), ", ")
    lines = [f"{_nodes(cluster.nodes)}, {quantity(cluster.flops, 'FLOP')}{share}", *operations]
    nodes = (f"{name} ({op})" for name, op in zip(cluster.nodes, cluster.operations))
    return _box(cluster.name, lines, "tvm", nodes)


def _of_stays(group: Sequence[Stay], plan: Plan) -> Node:
    first, flops = group[0], sum(stay.flops for stay in group)
    reasons = list(dict.fromkeys(stay.reason for stay in group))
    title = _operations([stay.op for stay in group])
    named = _end_of(first.name) if len(group) == 1 else _nodes(group)
    lines = [] if title == named else [named]
    lines += [line for reason in reasons[:MAX_REASONS] for line in _wrapped(reason)]
    if len(reasons) > MAX_REASONS:
        lines.append(f"… {len(reasons) - MAX_REASONS} more reasons")
    share = flops / plan.flops if plan.flops else 0.0
    if share >= COSTLY:
        lines.append(f"{quantity(flops, 'FLOP')} ({100 * share:.1f} %)")
    details = (f"{stay.name} ({stay.op}): {stay.reason}" for stay in group)
    return _box(title, lines, "costly" if share >= COSTLY else "stays", details)


def _of_results(tensors: Sequence[Tensor]) -> Node:
    numbers = sorted(number for tensor in tensors for number in tensor.results)
    title = f"result{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
    return _box(title, _types(tensors), "ends", (f"{tensor.name} {tensor.type}" for tensor in tensors))


def _label(tensors: Sequence[Tensor]) -> Node:
    first, *rest = _types(tensors)
    details = "\n".join(_cut_short([f"{tensor.name} {tensor.type}" for tensor in tensors], MAX_DETAILS))
    return Node(first, tuple(rest), "ends", details, is_label=True)


def _box(title: str, lines: Sequence[str], kind: str, details: Iterable[str] = ()) -> Node:
    text = "\n".join(_cut_short(list(details), MAX_DETAILS))
    return Node(_short(title), tuple(map(_short, lines)), kind, text)


def _types(tensors: Sequence[Tensor]) -> list[str]:
    return _cut_short(_counted(tensor.type for tensor in tensors), MAX_TYPES)


def _operations(operations: Iterable[str]) -> str:
    return ", ".join(_cut_short(_counted(operations), MAX_OPERATIONS))


def _counted(words: Iterable[str]) -> list[str]:
    """Each word once, the most frequent first, with its number; operations that only move data last."""
    counts = sorted(Counter(words).most_common(), key=lambda pair: pair[0] in MOVES)
    return [word if count == 1 else f"{word} ×{count}" for word, count in counts]


def _cut_short(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"… {len(lines) - most} more"]


def _nodes(nodes: Sequence[object]) -> str:
    return f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"


def _wrapped(text: str, between: str = " ") -> list[str]:
    """Lines that end between words, or between what else `between` parts."""
    words = [_end_of(word, WORD).replace(" ", _UNBROKEN) for word in text.split(between)]
    lines = textwrap.wrap(f"{between.strip()} ".join(words), LINE, max_lines=MAX_LINES, placeholder=" …")
    return [line.replace(_UNBROKEN, " ") for line in lines]


def _end_of(name: str, most: int = LINE) -> str:
    """The last part of a long name says more than its first one."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _short(text: str) -> str:
    return text if len(text) <= LINE else text[: LINE - 1] + "…"
