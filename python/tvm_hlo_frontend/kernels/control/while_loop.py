"""while_loop: a whole loop over scalars and arrays of one shape, changed element by element, in one kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...analysis.scalar_body import canonical
from ...analysis.scalar_expression import ScalarExpression
from ...tensor_ir.loops import Loops, extern, static
from ..elementwise.scalar import evaluate
from ..spec import KernelSpec
from ..table import KernelTable
from .statements import statement_values

table = KernelTable()


@table.kernel("while_loop", "extern")
def while_loop(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """State when the condition is first false (XLA operation semantics: While; rule 78).

    Inputs are the leaves of the state: scalars as shape (1,), arrays flattened. Body: new leaves from old ones.
    Parameter ``condition``: the ScalarExpression of the condition, as JSON.
    """
    body, condition = spec.body, ScalarExpression.from_json(spec.parameters["condition"])
    assert body is not None
    (length,) = {static(tensor.shape)[0] for tensor in inputs} - {1} or {1}
    arrays = [number for number, tensor in enumerate(inputs) if static(tensor.shape)[0] != 1]
    scalars = [number for number in range(len(inputs)) if number not in arrays]

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        going = loops.scratch(1, "int32", "going")

        def look() -> None:
            going[0] = evaluate(condition, [out[0] for out in outs])[0].astype("int32")

        for source, out, tensor in zip(ins, outs, inputs):
            with loops.when(loops.apart(source, out)), loops.loop(tensor.shape[0], "start") as index:
                out[index] = source[index]
        look()
        with loops.repeat(going[0] != 0):
            # the scalars' new values come from the old ones, and so do the arrays'
            old = loops.values([outs[number][0] for number in scalars], "scalar")
            if arrays:
                with loops.loop(length, "element") as index:
                    _step(loops, body, arrays, outs, index, dict(zip(scalars, old)))
            _step(loops, body, scalars, outs, 0, dict(zip(scalars, old)))
            look()

    return extern(inputs, results, generate, "hlo_while")


def _step(
    loops: Loops, body: ScalarExpression, changed: list[int], outs: list[Any], index: Any, scalars: dict[int, Any]
) -> None:
    """Store the new values of the leaves `changed` at `index`, all computed before the first store."""
    state = [scalars[number] if number in scalars else outs[number][index] for number in range(len(outs))]
    arrays = [number for number in changed if number not in scalars]
    for number, value in zip(arrays, loops.values([state[number] for number in arrays], "old")):
        state[number] = value
    results = canonical(ScalarExpression(body.nodes, tuple(body.results[number] for number in changed)))
    for number, value in zip(changed, statement_values(loops, results, state)):
        outs[number][index] = value
