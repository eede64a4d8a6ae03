"""A group of rows as one program: what becomes of one row, as an array program."""

from __future__ import annotations

from dataclasses import dataclass

from ..hlo.ir.attributes import DimensionsAttributes
from ..hlo.ir.builder import ComputationBuilder, clone
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import Shape
from .array_body import array_programs
from .array_loops import Computes, is_defined
from .array_program import ArrayProgram
from .row_groups import Rows, is_of_rows, reduced_rows


@dataclass(frozen=True)
class RowProgram:
    """What a computation does with each row.

    Attributes
    ----------
    rows : Rows
    program : ArrayProgram
        Its parameters are those of the computation: arrays of one dimension for rows, of none for numbers of rows.
    """

    rows: Rows
    program: ArrayProgram


def match_row_program(computation: HloComputation, computes: Computes) -> RowProgram | None:
    """The program of a computation that is one group of rows (see `steps_by_rows`); None if it is none, or kernels do
    not define a part of it."""
    reductions = {reduced_rows(each) for each in computation.instructions if each.opcode == "reduce"}
    (rows,) = reductions if len(reductions) == 1 else (None,)
    one = None if rows is None else _of_one_row(computation, rows)
    matched = None if one is None else array_programs([one])
    if rows is None or matched is None or matched[1]:
        return None
    (program,), _ = matched
    return RowProgram(rows, program) if is_defined(program, computes) else None


def _of_one_row(computation: HloComputation, rows: Rows) -> HloComputation | None:
    """The computation, all of whose reductions are along `rows`, on one row."""
    builder = ComputationBuilder(computation.name)
    new: dict[HloInstruction, HloInstruction] = {}
    for instruction in computation.instructions:
        shape = _shape_in_row(instruction.shape, rows)
        operands = [new[operand] for operand in instruction.operands]
        if instruction.opcode == "tuple":
            new[instruction] = builder.add("tuple", operands)
        elif shape is None:
            return None
        elif instruction.opcode in ("parameter", "constant"):
            new[instruction] = builder.copy(clone(instruction, shape=shape), ())
        elif instruction.opcode == "broadcast" and instruction.operands[0].shape.rank == 0:
            new[instruction] = _spread(builder, operands[0], shape)
        elif instruction.opcode == "reduce":
            along, called = DimensionsAttributes((0,)), instruction.called_computations
            new[instruction] = builder.add("reduce", operands, shape, along, called)
        elif not is_of_rows(instruction, rows):
            return None
        elif instruction.opcode == "broadcast":
            new[instruction] = _spread(builder, operands[0], shape)
        elif instruction.opcode == "reshape":
            new[instruction] = operands[0]
        else:
            new[instruction] = builder.copy(clone(instruction, shape=shape), operands)
    return builder.build(new[computation.root])


def _spread(builder: ComputationBuilder, number: HloInstruction, shape: Shape) -> HloInstruction:
    """A number at all elements of a row; itself if there shall be one."""
    return builder.add("broadcast", [number], shape, DimensionsAttributes(())) if shape.rank else number


def _shape_in_row(shape: Shape, rows: Rows) -> Shape | None:
    if not shape.is_array:
        return None
    if shape.sizes == rows.sizes:
        return Shape(shape.element_type, (rows.length,))
    return Shape(shape.element_type, ()) if shape.rank == 0 or rows.is_number(shape.sizes) else None
