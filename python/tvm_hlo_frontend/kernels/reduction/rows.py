"""rows: a program on each row before the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...analysis.array_program import ArrayProgram
from ...tensor_ir.compat import tir
from ...tensor_ir.loops import Loops, extern_with_workspace, static, worth_threads
from .. import plans
from ..arrays.program import Frame
from ..arrays.value import Storage, Value, number, unravel
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

# operations that cost less than to store an element and to load it
RECOMPUTED = 4


@table.kernel("rows", "extern")
def rows(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Results of a program for all rows.

    The last dimension of inputs and results has the elements of a row, or one for all of it; the others count rows.
    Those of an input may be 1 where it is the same for all.
    Parameters ``outer``: dimensions that count rows; ``length`` of a row; ``program``: an array program on a row of
    each input, as JSON; ``types``: their element types.
    """
    parameters = spec.parameters
    outer, program = parameters["outer"], ArrayProgram.from_json(parameters["program"])
    count = math.prod(outer)
    share = -(-count // plans.ENOUGH_TASKS) if worth_threads(count, parameters["length"], len(program.nodes)) else count

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        tasks = -(-count // share)
        with loops.loop(tasks, "task", parallel=tasks > 1) as task:
            loops.place_workspace()
            with loops.loop(tir.min(share, count - task * share) if count % share else share, "step") as step:
                storage = Storage(loops, several_threads=False, recomputed=RECOMPUTED)
                row = task * share + step
                index = unravel(row, outer)
                given = [
                    _given(storage, array, kind, static(tensor.shape), outer, index, row)
                    for array, kind, tensor in zip(ins, parameters["types"], inputs)
                ]
                for out, value in zip(outs, Frame(storage, [], program).run(given)):
                    storage.fill(storage.memory(out, row * value.size), value)

    return extern_with_workspace(inputs, results, generate, "hlo_rows", in_front=False)


def _given(
    storage: Storage, array: Any, kind: str, sizes: Sequence[int], outer: Sequence[int], index: list[Any], row: Any
) -> Value:
    """What the program reads of an input."""
    *counted, length = sizes
    place: Any = row
    if list(counted) != list(outer):
        place = 0
        for size, position in zip(counted, index):
            place = place * size + (position if size > 1 else 0)
    memory = storage.memory(array, place * length)
    if length == 1:
        return number(kind, storage.loops.values([memory.load(0, kind)], "given")[0])
    return storage.whole(memory, kind, (length,), owned=False)
