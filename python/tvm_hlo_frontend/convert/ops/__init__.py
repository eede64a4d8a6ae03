"""One module per opcode family; each declares a table, and `TABLE` is all of them."""

from ..rules import ConverterTable
from . import (
    collectives,
    control_flow,
    convolution,
    dot,
    elementwise,
    indexing,
    linalg,
    movement,
    ragged_dot,
    reduce,
    rows,
    sort,
    structure,
)

TABLE = ConverterTable.of(
    collectives.table,
    control_flow.table,
    convolution.table,
    dot.table,
    elementwise.table,
    indexing.table,
    linalg.table,
    movement.table,
    ragged_dot.table,
    reduce.table,
    rows.table,
    sort.table,
    structure.table,
)
