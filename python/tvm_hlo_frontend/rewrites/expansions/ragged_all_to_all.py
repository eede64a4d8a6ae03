"""ragged-all-to-all on one device: pieces of one array copied into another (rule 89; JAX's lax.ragged_all_to_all)."""

from __future__ import annotations

from ...hlo.ir.attributes import CollectiveAttributes, DimensionsAttributes, GatherAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import array_shape
from ..emit import Emitter
from ..expansion import Expansion

# pieces, each of which becomes instructions of its own; there is one for each device
MAX_PIECES = 4096


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Rows input_offsets[i] … of the operand, send_sizes[i] of them, at output_offsets[i] of the output, in order;
    stays among several devices."""
    attributes = instruction.attributes_as(CollectiveAttributes)
    if any(len(group) > 1 for group in attributes.replica_groups) or operands[2].shape.rank != 1:
        return None
    emit = Emitter(builder, instruction.metadata)
    source, output, *numbers, _ = operands
    if numbers[0].shape.sizes[0] > MAX_PIECES:
        return None
    if 0 in (source.shape.sizes[0], output.shape.sizes[0]):
        return output
    rows = emit("iota", shape=array_shape("s64", output.shape.dimensions[:1]), attributes=DimensionsAttributes((0,)))
    for piece in range(numbers[0].shape.sizes[0]):
        read, count, write = (emit.along(_element(emit, number, piece), rows.shape, ()) for number in numbers)
        inside = emit("subtract", rows, write)
        taken = emit("and", emit.compare("GE", inside, 0), emit.compare("LT", inside, count))
        copied = _rows(emit, source, emit("add", inside, read))
        output = emit.select(emit.along(taken, output.shape, (0,)), copied, output)
    return output


def _element(emit: Emitter, numbers: HloInstruction, index: int) -> HloInstruction:
    return emit.reshape(emit.convert(emit.slice(numbers, 0, index, index + 1), "s64"), ())


def _rows(emit: Emitter, source: HloInstruction, indices: HloInstruction) -> HloInstruction:
    """Rows of `source`; an index outside is cut to the ends (rule 54)."""
    rank = source.shape.rank
    numbers = GatherAttributes(tuple(range(1, rank)), (0,), (0,), 1, (1, *source.shape.sizes[1:]))
    return emit("gather", source, emit.reshape(indices, (*indices.shape.sizes, 1)), attributes=numbers)


EXPANSIONS = {"ragged-all-to-all": Expansion(_expand)}
