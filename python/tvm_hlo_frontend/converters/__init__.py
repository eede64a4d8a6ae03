"""One module per opcode family; importing this package registers them all."""

from . import (  # noqa: F401
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
    sort,
    structure,
)
