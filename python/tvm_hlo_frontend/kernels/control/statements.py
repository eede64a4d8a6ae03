"""Scalar programs as statements: one store per operation, so that long programs compile in linear time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...analysis.scalar_expression import ScalarExpression, elementwise_expression
from ...tensor_ir.loops import PARALLEL_WORK, Loops, extents, extern
from ..elementwise.scalar.evaluate import evaluate
from ..spec import KernelSpec
from ..table import KernelTable

table = KernelTable()

# elements that one thread takes at a time
CHUNK = 4096


def statement_values(loops: Loops, body: ScalarExpression, operands: Sequence[Any]) -> list[Any]:
    """The results of `body`, computed by the statements written here."""
    values: list[Any] = []
    for node in body.nodes:
        if node.opcode == "parameter":
            values.append(operands[int(node.attributes[0])])
        elif node.opcode == "constant":
            values += evaluate(ScalarExpression((node,), (0,)), [])
        else:
            kinds = tuple(body.nodes[index].element_type for index in node.operands)
            single = elementwise_expression(node.opcode, node.element_type, kinds, node.attributes)
            (result,) = evaluate(single, [values[index] for index in node.operands])
            values.append(loops.in_memory(result))
    return [values[index] for index in body.results]


@table.kernel("elementwise", "extern")
def elementwise(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """A long scalar body at every index (XLA operation semantics: Map; rule 70).

    Inputs are flat, scalars of shape (1,) belong to every element; results are flat as well.
    """
    body = spec.body
    assert body is not None
    length = math.prod(extents(results[0][0]))
    scalar = [all(isinstance(size, int) and size == 1 for size in extents(tensor.shape)) for tensor in inputs]

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        whole, rest = divmod(length, CHUNK) if isinstance(length, int) else (0, length)

        def elements(begin: Any, count: Any) -> None:
            with loops.loop(count, "element") as step:
                index = begin + step
                scalars = [array[0 if single else index] for array, single in zip(ins, scalar)]
                for out, value in zip(outs, statement_values(loops, body, loops.values(scalars, "operand"))):
                    out[index] = value

        if whole:
            with loops.loop(whole, "chunk", parallel=length >= PARALLEL_WORK) as chunk:
                elements(chunk * CHUNK, CHUNK)
        if not isinstance(rest, int) or rest:
            elements(whole * CHUNK, rest)

    return extern(inputs, results, generate, "hlo_elementwise")
