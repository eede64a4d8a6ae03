"""Dimensions that HLO wants to be equal: of an instruction's operands, by opcode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..hlo.ir.attributes import (
    ConvolutionAttributes,
    DimensionsAttributes,
    DotAttributes,
    RaggedDotAttributes,
    ScatterAttributes,
)
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Dimension, Shape
from ..hlo.opcodes import ELEMENTWISE

Pair = tuple[Dimension, Dimension]


def equal_sizes(instruction: HloInstruction, operands: Sequence[Shape]) -> list[Pair]:
    """Pairs of sizes that must be equal.

    Parameters
    ----------
    instruction : HloInstruction
    operands : sequence of Shape
        Shapes of its operands.
    """
    if instruction.opcode in ELEMENTWISE:
        arrays = [shape for shape in operands if shape.rank]
        return [pair for shape in arrays[1:] for pair in zip(arrays[0].dimensions, shape.dimensions)]
    rule = _RULES.get(instruction.opcode)
    return [] if rule is None else list(rule(instruction, operands))


def _dot(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    attributes = instruction.attributes
    assert isinstance(attributes, (DotAttributes, RaggedDotAttributes))
    numbers, (left, right) = attributes.dimension_numbers, operands[:2]
    axes = zip((*numbers.lhs_batch, *numbers.lhs_contracting), (*numbers.rhs_batch, *numbers.rhs_contracting))
    return [(left.dimensions[a], right.dimensions[b]) for a, b in axes]


def _convolution(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    attributes, (data, kernel) = instruction.attributes_as(ConvolutionAttributes), operands
    numbers = attributes.dimension_numbers
    features = kernel.dimensions[numbers.kernel_input_feature]
    return [(data.dimensions[numbers.input_feature], features * attributes.feature_group_count)]  # type: ignore[operator]


def _concatenate(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    (axis,) = instruction.attributes_as(DimensionsAttributes).dimensions
    return [
        (mine, first)
        for shape in operands[1:]
        for place, (mine, first) in enumerate(zip(shape.dimensions, operands[0].dimensions))
        if place != axis
    ]


def _alike(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    """All arrays that are no scalars are of one shape: those of sort, reduce, reduce-window, map."""
    arrays = [shape for shape in operands if shape.rank]
    return [pair for shape in arrays[1:] for pair in zip(arrays[0].dimensions, shape.dimensions)]


def _first_half(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    return _alike(instruction, operands[: len(operands) // 2])


def _scatter(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    count = len(operands) // 2
    indices, updates = operands[count], operands[count + 1]
    attributes = instruction.attributes_as(ScatterAttributes)
    places = [size for axis, size in enumerate(indices.dimensions) if axis != attributes.index_vector_dim]
    outer = [size for axis, size in enumerate(updates.dimensions) if axis not in attributes.update_window_dims]
    return [
        *zip(places, outer),
        *_alike(instruction, operands[:count]),
        *_alike(instruction, operands[count + 1 :]),
    ]


def _triangular_solve(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    matrix, right = operands
    return [(matrix.dimensions[-1], matrix.dimensions[-2]), *zip(matrix.dimensions[:-2], right.dimensions[:-2])]


def _square(instruction: HloInstruction, operands: Sequence[Shape]) -> Iterable[Pair]:
    return [operands[0].dimensions[-2:]]  # type: ignore[list-item]


_RULES: Mapping[str, Callable[[HloInstruction, Sequence[Shape]], Iterable[Pair]]] = {
    "dot": _dot,
    "ragged-dot": _dot,
    "convolution": _convolution,
    "concatenate": _concatenate,
    "sort": _alike,
    "map": _alike,
    "reduce": _first_half,
    "reduce-window": _first_half,
    "scatter": _scatter,
    "triangular-solve": _triangular_solve,
    "cholesky": _square,
}
