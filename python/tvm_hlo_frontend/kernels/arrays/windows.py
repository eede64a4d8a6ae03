"""reduce-window, on one thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...analysis.array_program import ArrayNode
from ...analysis.reducers import match_reducer
from ...analysis.windows import match_cumulative
from ...hlo.ir.attributes import Window, WindowDimension
from ..reduction.fold import evaluate_body
from ..reduction.window import Windows
from .value import Places, Storage, Value


def reduce_window(storage: Storage, node: ArrayNode, operands: Sequence[Value]) -> list[Value]:
    """reduce-window: padding and holes are skipped, init is applied once per window (rule 68)."""
    assert node.body is not None
    count = len(operands) // 2
    dimensions, sizes = node.attributes
    window = Window(tuple(WindowDimension(*each) for each in dimensions))
    given = [Places(storage.loaded(x)) for x in operands[:count]]
    inits = [storage.loops.in_memory(init.scalar(), "init") for init in operands[count:]]
    kinds = [x.element_type for x in operands[:count]]
    results = [storage.whole(storage.new(math.prod(sizes), kind), kind, sizes) for kind in kinds]
    outs = [Places(result) for result in results]
    running = match_cumulative(window, operands[0].dimensions)
    if running is not None and (not running.reverse or (count == 1 and match_reducer(node.body) is not None)):
        _running(storage, node, (given, inits, outs), running.dimension, running.reverse)
        return results
    taps = [(d.size, d.stride, d.padding_low, d.window_dilation, d.base_dilation) for d in window.dimensions]
    windows = Windows(taps, operands[0].dimensions, node.body)
    for index in storage.indices(sizes):
        windows.fold_one(storage.loops, given, inits, outs, index)
    return results


def _running(
    storage: Storage,
    node: ArrayNode,
    arrays: tuple[list[Places], list[Any], list[Places]],
    axis: int,
    reverse: bool,
) -> None:
    """What a window has in common with the one before is the result there; in reverse that is another order."""
    assert node.body is not None
    given, inits, outs = arrays
    _, sizes = node.attributes
    length = sizes[axis]

    def step(index: list[Any], before: Sequence[Any]) -> None:
        assert node.body is not None
        values = evaluate_body(storage.loops, node.body, [*before, *(x[index] for x in given)])
        for out, value in zip(outs, values):
            out[index] = value

    for before in storage.indices(sizes[:axis]):
        for behind in storage.indices(sizes[axis + 1 :]):
            step([*before, length - 1 if reverse else 0, *behind], inits)
        with storage.loops.loop(length - 1, "step") as number:
            here, last = (length - 2 - number, length - 1 - number) if reverse else (number + 1, number)
            for behind in storage.indices(sizes[axis + 1 :]):
                step([*before, here, *behind], [out[[*before, last, *behind]] for out in outs])
