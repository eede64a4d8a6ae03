"""loop: a whole loop on one thread, its state in memory that lives as long as it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...analysis.array_program import ArrayProgram
from ...tensor_ir.loops import Loops, extern_with_workspace
from ..arrays.program import Frame, run_loop
from ..arrays.value import Storage
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()


@table.kernel("loop", "extern")
def loop(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """State when the condition is first false (XLA operation semantics: While; rule 78).

    Inputs are the leaves of the state, then the constant arrays; results are the leaves that change. Scalars have a
    dimension of size 1.
    Parameters ``condition`` and ``body``: array programs on the leaves, as JSON; ``dimensions``: of the inputs;
    ``types``: their element types.
    """
    parameters = spec.parameters
    condition, body = (ArrayProgram.from_json(parameters[name]) for name in ("condition", "body"))
    changed, count = body.changed_leaves, len(body.results)

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        storage = Storage(loops)
        given = [
            storage.whole(storage.memory(array), kind, tuple(dimensions), owned=False)
            for array, kind, dimensions in zip(ins, parameters["types"], parameters["dimensions"])
        ]
        memories = {leaf: storage.memory(out) for leaf, out in zip(changed, outs)}
        for leaf, memory in memories.items():
            with loops.when(loops.apart(ins[leaf], memory.array)):
                storage.fill(memory, given[leaf])
        run_loop(Frame(storage, given[count:], body), condition, body, given[:count], memories)

    return extern_with_workspace(inputs, results, generate, "hlo_loop")
