"""scan: an element-wise body carried along a dimension, in one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import PARALLEL_WORK, Loops, extern, static
from ..control.statements import statement_values
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

# elements carried side by side: the inner loop runs over them
TILE = 512


@table.kernel("scan", "extern")
def scan(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Outputs of every step and the last carries (rule 91; XLA's ScanExpander).

    Inputs are arrays [O, T, I] and initial carries [O, I], results are outputs [O, T, I] and carries [O, I]. The body
    takes an element of each array and of each carry, and returns outputs and new carries. Parameters: ``carries``, how
    many of the inputs and of the results are carries; ``steps``; ``reverse``, whether the last step comes first.
    """
    body, carries, steps = spec.body, int(spec.parameters["carries"]), int(spec.parameters["steps"])
    assert body is not None
    arrays, stacked = len(inputs) - carries, len(results) - carries
    dimensions = static(inputs[-1].shape if inputs else results[-1][0])
    outer, inner = dimensions[0], dimensions[-1]
    tile = min(inner, TILE)
    tiles = -(-inner // tile)

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        with loops.loop(outer * tiles, "tile", outer * steps * inner >= PARALLEL_WORK) as item:
            o, begin = loops.values([tir.indexdiv(item, tiles), tir.indexmod(item, tiles) * tile], "place")
            extent = tile if inner % tile == 0 else tir.min(tile, inner - begin)
            kinds = [dtype for _, dtype in results[stacked:]]
            state = [loops.scratch(tile, "int8" if kind == "bool" else kind, "carry") for kind in kinds]
            with loops.loop(extent, "element") as e:
                for memory, init in zip(state, ins[arrays:]):
                    memory[e] = _as_memory(init[o, begin + e])
            with loops.loop(steps, "step") as step:
                t = steps - 1 - step if spec.parameters["reverse"] else step
                with loops.loop(extent, "element") as e:
                    elements = [array[o, t, begin + e] for array in ins[:arrays]]
                    carried = [_as_value(memory[e], kind) for memory, kind in zip(state, kinds)]
                    # all loaded before anything is stored
                    values = statement_values(loops, body, loops.values([*elements, *carried], "operand"))
                    for out, value in zip(outs, values[:stacked]):
                        out[o, t, begin + e] = value
                    for memory, value in zip(state, values[stacked:]):
                        memory[e] = _as_memory(value)
            with loops.loop(extent, "element") as e:
                for out, memory, kind in zip(outs[stacked:], state, kinds):
                    out[o, begin + e] = _as_value(memory[e], kind)

    return extern(inputs, results, generate, "hlo_scan")


def _as_memory(value: Any) -> Any:
    return value.astype("int8") if dtype_of(value) == "bool" else value


def _as_value(stored: Any, kind: str) -> Any:
    return tir.NE(stored, tir.const(0, "int8")) if kind == "bool" else stored
