"""update_slice: dynamic-update-slice in the memory of its operand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...tensor_ir.loops import Loops, difference, extents, extern, worth_threads
from ..spec import KernelSpec
from ..table import KernelTable
from .gather import clamped
from .scatter import copy_all

table = KernelTable()


@table.kernel("update_slice", "extern")
def update_slice(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """XLA operation semantics: DynamicUpdateSlice; rule 40: starts are clamped so that the update fits.

    Inputs are the operand, the update and the starts, either one of shape (1,) per dimension or one vector. No
    parameters. Where the result is the memory of the operand it takes as long as the update is large.
    """
    lengths, sizes = extents(results[0][0]), extents(inputs[1].shape)

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        operand, update, *starts = ins
        (out,) = outs
        copy_all(loops, operand, out, math.prod(lengths))
        given = (
            [starts[0][axis] for axis in range(len(lengths))] if len(starts) != len(lengths) else [s[0] for s in starts]
        )
        first = loops.values(
            [clamped(start, difference(length, size)) for start, length, size in zip(given, lengths, sizes)], "start"
        )

        def store(index: list[Any]) -> None:
            if len(index) == len(sizes):
                out[[start + place for start, place in zip(first, index)]] = update[index]
                return
            parallel = not index and worth_threads(*sizes)
            with loops.loop(sizes[len(index)], "place", parallel=parallel) as place:
                store([*index, place])

        store([])

    return extern(inputs, results, generate, "hlo_update_slice")
