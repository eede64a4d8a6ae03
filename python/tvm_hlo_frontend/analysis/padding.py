"""Whether a program is indifferent to padding along an unknown size.

It is if an element of a result is computed only from elements of operands whose indices along dimensions of that size
are among its own: then those below a size stay what they are, however many follow. That holds of a program if it
holds of each instruction of all its computations, as the state of a loop keeps it from trip to trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..hlo.ir.attributes import (
    ConvolutionAttributes,
    DimensionsAttributes,
    DotAttributes,
    DynamicSliceAttributes,
    FftAttributes,
    GatherAttributes,
    PadAttributes,
    ScatterAttributes,
    SliceAttributes,
    SortAttributes,
    WindowAttributes,
)
from ..hlo.ir.builder import callees_of, live_instructions
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.ordering import dependency_order
from ..hlo.ir.shape import Dimension
from ..hlo.ir.sizes import Size, product_of, variable, variables
from ..hlo.opcodes import ELEMENTWISE, MOVES_VALUES


@dataclass(frozen=True)
class _Read:
    """Dimension `axis`, which is of the size, of operand `number` of an instruction."""

    instruction: HloInstruction
    number: int
    axis: int
    size: str

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """Of the operand."""
        return self.instruction.operands[self.number].shape.dimensions


# whether what is read along a dimension has the index of the result along one of its own
Aligned = Callable[[_Read], bool]


def reason_against_padding(module: HloModule, size: str) -> tuple[HloInstruction, str] | None:
    """The first instruction whose result padding may change, and why; None if there is none.

    Parameters
    ----------
    module : HloModule
    size : str
        Name of an unknown size.
    """
    for computation in dependency_order([module.entry], callees_of):
        # sizes that shapes alone were computed from may be left over
        for instruction in live_instructions(computation.instructions, computation.root):
            reason = _reason(instruction, size)
            if reason is not None:
                return instruction, reason
    return None


def _reason(instruction: HloInstruction, size: str) -> str | None:
    shapes = [*instruction.shape.arrays(), *(array for each in instruction.operands for array in each.shape.arrays())]
    sizes = [each for shape in shapes for each in shape.dimensions if size in variables(each)]
    if not sizes:
        return None
    strange = [each for each in sizes if not _is_multiple(each, size)]
    if strange:
        return f"has a dimension {strange[0]}"
    opcode = instruction.opcode
    if opcode in _ANYTHING or opcode in MOVES_VALUES:
        return None
    aligned = _RULES.get(opcode, _always if opcode in ELEMENTWISE else None)
    if aligned is None:
        return "may read or draw elements anywhere"
    if any(size in variables(each) for each in _places(instruction.attributes)):
        return f"begins at a place that {size} tells"
    for number, operand in enumerate(instruction.operands):
        for axis, each in enumerate(operand.shape.dimensions):
            if size in variables(each) and not aligned(_Read(instruction, number, axis, size)):
                return f"reads other elements along dimension {axis} of its operand {number}"
    return None


def _is_multiple(dimension: Dimension, size: str) -> bool:
    """Whether a dimension is so many blocks of some length: what padding adds is behind all else."""
    if not isinstance(dimension, Size):
        return False
    length = dimension // variable(size)
    return size not in variables(length) and length * variable(size) == dimension


def _places(attributes: Any) -> list[Dimension]:
    """Sizes in attributes that say where something begins, and in which steps it goes on."""
    if isinstance(attributes, PadAttributes):
        return [*attributes.low, *attributes.interior]
    return [*attributes.starts, *attributes.strides] if isinstance(attributes, SliceAttributes) else []


def _always(read: _Read) -> bool:
    return True


def _but_for(read: _Read) -> bool:
    """Along all dimensions but those of the attributes."""
    return read.axis not in read.instruction.attributes_as(DimensionsAttributes).dimensions


def _all_but_last(count: int) -> Aligned:
    """Along all dimensions but the last ones of the operand."""
    return lambda read: read.axis < len(read.dimensions) - count


def _reshape(read: _Read) -> bool:
    """Blocks stay blocks, of another length perhaps: as many elements lie outside of them as before."""
    outside, new = product_of(read.dimensions[: read.axis]), read.instruction.shape.dimensions
    return any(read.size in variables(each) and product_of(new[:place]) == outside for place, each in enumerate(new))


def _slice(read: _Read) -> bool:
    attributes, axis = read.instruction.attributes_as(SliceAttributes), read.axis
    row = attributes.starts[axis], attributes.limits[axis], attributes.strides[axis]
    return row == (0, read.dimensions[axis], 1)


def _pad(read: _Read) -> bool:
    attributes = read.instruction.attributes_as(PadAttributes)
    return (attributes.low[read.axis], attributes.high[read.axis], attributes.interior[read.axis]) == (0, 0, 0)


def _window(read: _Read) -> bool:
    window = read.instruction.attributes_as(WindowAttributes).window.dimensions[read.axis]
    taps = window.size, window.stride, window.padding_low, window.padding_high, window.base_dilation
    return taps == (1, 1, 0, 0, 1)


def _dot(read: _Read) -> bool:
    numbers = read.instruction.attributes_as(DotAttributes).dimension_numbers
    return read.axis not in (numbers.rhs_contracting if read.number else numbers.lhs_contracting)


def _convolution(read: _Read) -> bool:
    attributes = read.instruction.attributes_as(ConvolutionAttributes)
    is_batch = read.number == 0 and read.axis == attributes.dimension_numbers.input_batch
    return is_batch and attributes.batch_group_count == 1


def _gather(read: _Read) -> bool:
    numbers, axis = read.instruction.attributes_as(GatherAttributes), read.axis
    if read.number == 1:
        return axis != numbers.index_vector_dim
    is_whole = numbers.slice_sizes[axis] == read.dimensions[axis] and axis not in numbers.collapsed_slice_dims
    return is_whole or axis in numbers.operand_batching_dims


def _scatter(read: _Read) -> bool:
    """Whole windows alone: others may lie beyond the operand, or not."""
    numbers, count = read.instruction.attributes_as(ScatterAttributes), len(read.instruction.operands) // 2
    if read.number >= count:
        return read.number > count and read.axis in numbers.update_window_dims
    gone = sorted((*numbers.inserted_window_dims, *numbers.input_batching_dims))
    if read.axis in gone or read.axis in numbers.scatter_dims_to_operand_dims:
        return False
    place = numbers.update_window_dims[read.axis - sum(each < read.axis for each in gone)]
    return read.instruction.operands[count + 1].shape.dimensions[place] == read.dimensions[read.axis]


def _dynamic_slice(read: _Read) -> bool:
    sizes = read.instruction.attributes_as(DynamicSliceAttributes).sizes
    return read.number == 0 and sizes[read.axis] == read.dimensions[read.axis]


def _update(read: _Read) -> bool:
    """An update of another size would begin elsewhere in a longer operand: its starts are clamped."""
    operand, update = (each.shape.dimensions for each in read.instruction.operands[:2])
    return operand[read.axis] == update[read.axis]


def _sort(read: _Read) -> bool:
    return read.axis != read.instruction.attributes_as(SortAttributes).dimension


def _fft(read: _Read) -> bool:
    return _all_but_last(len(read.instruction.attributes_as(FftAttributes).length))(read)


# what reads nothing, or runs computations, whose instructions are looked at themselves
_ANYTHING = frozenset({"constant", "iota"})
_RULES: Mapping[str, Aligned] = {
    "batch-norm-inference": _always,
    "bitcast-convert": _all_but_last(1),
    "broadcast": _always,
    "cholesky": _all_but_last(2),
    "concatenate": _but_for,
    "convolution": _convolution,
    "copy": _always,
    "dot": _dot,
    "dynamic-slice": _dynamic_slice,
    "dynamic-update-slice": _update,
    "fft": _fft,
    "gather": _gather,
    "get-dimension-size": _but_for,
    "map": _always,
    "pad": _pad,
    "reduce": _but_for,
    "reduce-window": _window,
    "reshape": _reshape,
    "reverse": _but_for,
    "scatter": _scatter,
    "slice": _slice,
    "sort": _sort,
    "topk": _all_but_last(1),
    "transpose": _always,
    "triangular-solve": _all_but_last(2),
}
