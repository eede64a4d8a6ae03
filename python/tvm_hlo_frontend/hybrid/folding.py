"""Which nodes that stay a picture shows as one."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping, Sequence

from .clusters import convex_clusters
from .plan import Plan, Stay

# of nodes that stay: up to so many each has a box of its own, and up to so many boxes no others are folded than those
# that hand on what they get and those that are alike
FEW = 12
MANY = 24

Groups = list[tuple[Stay, ...]]


def folded_stays(plan: Plan, few: int = FEW, many: int = MANY) -> Groups:
    """Nodes that stay, cut into groups; no path leaves a group and comes back.

    Parameters
    ----------
    plan : Plan
    few : int
        Number of nodes up to which each is a group.
    many : int
        Number of groups above which neighbours become one.
    """
    groups: Groups = [(stay,) for stay in plan.stays]
    for fold in (_with_what_they_read, _alike):
        if len(groups) > few:
            groups = fold(plan, groups)
    return _neighbours(plan, groups) if len(groups) > many else groups


def part_of(groups: Groups) -> dict[str, str]:
    """The name of the group, its first node's, of each node."""
    return {stay.name: group[0].name for group in groups for stay in group}


def before_each(plan: Plan, part: Mapping[str, str]) -> dict[str, dict[str, None]]:
    """What each part depends on, where `part` tells which one stands for a node."""
    before: dict[str, dict[str, None]] = {name: {} for name in part.values()}
    before |= {cluster.name: {} for cluster in plan.clusters}
    for tensor in plan.tensors:
        source = part.get(tensor.source, tensor.source)
        for target in (part.get(each, each) for each in tensor.targets):
            if target != source:
                before[target][source] = None
    return before


def _with_what_they_read(plan: Plan, groups: Groups) -> Groups:
    """Identities go to the node that stays and that they read."""
    part = part_of(groups)
    before = before_each(plan, part)
    for group in groups:
        sources = list(before[group[0].name])
        if group[0].op == "Identity" and len(sources) == 1 and sources[0] in part:
            part[group[0].name] = sources[0]
    return _joined(groups, [_end(part, group[0].name) for group in groups])


def _end(part: Mapping[str, str], name: str) -> str:
    while part[name] != name:
        name = part[name]
    return name


def _alike(plan: Plan, groups: Groups) -> Groups:
    """Nodes of one operation that are between the same others become one."""
    part = part_of(groups)
    before = before_each(plan, part)
    after: dict[str, list[str]] = {name: [] for name in part.values()}
    for target, sources in before.items():
        for source in sources:
            after.setdefault(source, []).append(target)
    gives = {part[each.source] for each in plan.tensors if each.results and each.source in part}
    keys = []
    for group in groups:
        name = group[0].name
        keys.append((group[0].op, frozenset(before[name]), frozenset(after[name]), name in gives))
    return _joined(groups, keys)


def _neighbours(plan: Plan, groups: Groups) -> Groups:
    """What hangs together between two clusters becomes one."""
    own = {group[0].name: group for group in groups}
    before = before_each(plan, part_of(groups))
    order = [name for name in graphlib.TopologicalSorter(before).static_order() if name in before]
    number = {name: place for place, name in enumerate(order)}
    edges = [{number[each] for each in before[name] if each in number} for name in order]
    found = convex_clusters(edges, [name in own for name in order])
    return [tuple(stay for member in members for stay in own[order[member]]) for members in found]


def _joined(groups: Groups, keys: Sequence[object]) -> Groups:
    """Groups of the same key as one."""
    found: dict[object, list[Stay]] = {}
    for key, group in zip(keys, groups):
        found.setdefault(key, []).extend(group)
    return [tuple(members) for members in found.values()]
