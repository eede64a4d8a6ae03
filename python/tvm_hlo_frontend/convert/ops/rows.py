"""call: what rewrites left together, because one kernel computes it row by row."""

from __future__ import annotations

from ...analysis.row_groups import Rows
from ...analysis.row_program import match_row_program
from ...backends.values import Tensor, Value, unflatten
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from ...kernels.spec import KernelSpec
from ..context import ConversionContext
from ..rules import ConverterTable

table = ConverterTable()


@table.converter("call", broadcasting=True, how="kernel")
def convert_call(ctx: ConversionContext, instruction: HloInstruction, *operands: Value) -> Value:
    """call: the body in place, or for each row before the next (rule 80)."""
    (called,) = instruction.called_computations
    matched = match_row_program(called, ctx.computes)
    if matched is None:
        settled = [ctx.settle(value, each.shape) for value, each in zip(operands, instruction.operands)]
        return ctx.convert_computation(called, settled)
    rows = matched.rows
    ctx.counts.update((each.opcode, "kernel") for each in called.instructions if each.operands)
    given = [_by_rows(ctx, rows, tensor, each.shape) for tensor, each in zip(operands, instruction.operands)]
    spec = KernelSpec(
        "rows", {"outer": list(rows.outer), "length": rows.length, "program": matched.program.to_json(),
                 "types": [tensor.element_type for tensor in given]},
    )  # fmt: skip
    shapes = instruction.shape.arrays()
    kept = [Shape(shape.element_type, _row_sizes(rows, shape.sizes)) for shape in shapes]
    results = ctx.dialect.kernel(spec, given, kept)
    tensors = [ctx.dialect.reshape(result, shape.dimensions) for result, shape in zip(results, shapes)]
    return unflatten(instruction.shape, tensors)


def _row_sizes(rows: Rows, sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (*rows.outer, rows.length if sizes == rows.sizes else 1)


def _by_rows(ctx: ConversionContext, rows: Rows, operand: Value, shape: Shape) -> Tensor:
    """The operand with one dimension for the elements of a row; dimensions of one element stand for all of them."""
    assert isinstance(operand, Tensor)
    count = len(rows.outer)
    if not operand.dimensions:
        return ctx.dialect.reshape(operand, [1] * (count + 1))
    if shape.sizes != rows.sizes:  # a number for each row
        return ctx.dialect.reshape(ctx.materialize(operand, shape), [*rows.outer, 1])
    if operand.dimensions[count:] == rows.row:
        return ctx.dialect.reshape(operand, [*operand.dimensions[:count], rows.length])
    if all(size == 1 for size in operand.dimensions[count:]):
        return ctx.dialect.reshape(operand, [*operand.dimensions[:count], 1])
    return ctx.dialect.reshape(ctx.materialize(operand, shape), [*rows.outer, rows.length])
