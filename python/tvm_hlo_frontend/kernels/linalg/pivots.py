"""Permutations of rows from the pivots of an LU factorisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extents, extern, several, worth_threads
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()


@table.kernel("pivots_to_permutation", "extern")
def pivots_to_permutation(
    spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]
) -> list[Any]:
    """pivots s32[B, k] -> permutation s32[B, n]: 0, 1, 2 … with places i and pivots[i] exchanged for each i in turn.

    Pivots count from 0; those outside of the permutation exchange nothing (jaxlib's ``lu_pivots_to_permutation``).
    """
    batch, k = extents(inputs[0].shape)
    n = extents(results[0][0])[1]
    parallel = several(batch) and worth_threads(batch, k + n)

    def generate(loops: Loops, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        with loops.loop(batch, "batch", parallel) as index:
            pivots, order = (num.batch_matrix([array], index, "int32") for array in (ins[0], outs[0]))
            with loops.loop(n, "place") as i:
                order[i] = (i,)
            with loops.loop(min(k, n), "pivot") as i:
                (other,) = pivots.load(loops, i)
                with loops.when(tir.all(other >= 0, other < n)):
                    mine, theirs = order.load(loops, i), order.load(loops, other)
                    order[i] = theirs
                    order[other] = mine

    return extern(inputs, results, generate, "hlo_pivots_to_permutation")
