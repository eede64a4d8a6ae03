"""The order in which the nodes of an array program run, such that arrays are updated in place without copies."""

from __future__ import annotations

import heapq
from collections import Counter

from .array_program import ArrayProgram

# they write over an operand: whoever reads its old value should have done so
WRITERS = frozenset({"dynamic-update-slice", "scatter", "while"})


def emission_order(program: ArrayProgram) -> list[int]:
    """Nodes in an order in which operands come first, and writers as late as their readers allow.

    A `dynamic-update-slice` or `scatter` changes its operand's memory. All that reads the memory before, and does not
    depend on the update itself, then finds the old elements; only what is left has to be copied.
    """
    users: dict[int, list[int]] = {}
    missing = Counter[int]()
    for index, node in enumerate(program.nodes):
        for operand in set(node.operands):
            users.setdefault(operand, []).append(index)
            missing[index] += 1
    ready = [(node.opcode in WRITERS, index) for index, node in enumerate(program.nodes) if not missing[index]]
    heapq.heapify(ready)
    order = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for user in users.get(index, ()):
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, (program.nodes[user].opcode in WRITERS, user))
    return order
