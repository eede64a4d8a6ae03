"""Dimensions that HLO wants to be equal: of an instruction's operands, by opcode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..hlo.ir.attributes import (
    BatchNormAttributes,
    ConvolutionAttributes,
    DimensionsAttributes,
    DotAttributes,
    GatherAttributes,
    RaggedDotAttributes,
    ScatterAttributes,
    TriangularSolveAttributes,
    WindowAttributes,
)
from ..hlo.ir.shape import Dimension, Shape
from ..hlo.opcodes import ELEMENTWISE
from ..hlo.shape_inference.reductions import windowed_size

Pair = tuple[Dimension, Dimension]


def equal_sizes(opcode: str, attributes: Any, operands: Sequence[Shape]) -> list[Pair]:
    """Pairs of sizes that must be equal.

    Parameters
    ----------
    opcode : str
    attributes : object
        Of an instruction with that opcode.
    operands : sequence of Shape
        Shapes of its operands.
    """
    if opcode in ELEMENTWISE:
        arrays = [shape for shape in operands if shape.rank]
        return [pair for shape in arrays[1:] for pair in zip(arrays[0].dimensions, shape.dimensions)]
    rule = _RULES.get(opcode)
    return [] if rule is None else list(rule(attributes, operands))


def _dot(attributes: DotAttributes | RaggedDotAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    numbers, (left, right) = attributes.dimension_numbers, operands[:2]
    axes = zip((*numbers.lhs_batch, *numbers.lhs_contracting), (*numbers.rhs_batch, *numbers.rhs_contracting))
    return [(left.dimensions[a], right.dimensions[b]) for a, b in axes]


def _convolution(attributes: ConvolutionAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    data, kernel = operands
    numbers = attributes.dimension_numbers
    features = kernel.dimensions[numbers.kernel_input_feature]
    return [(data.dimensions[numbers.input_feature], features * attributes.feature_group_count)]  # type: ignore[operator]


def _concatenate(attributes: DimensionsAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    (axis,) = attributes.dimensions
    return [
        (mine, first)
        for shape in operands[1:]
        for place, (mine, first) in enumerate(zip(shape.dimensions, operands[0].dimensions))
        if place != axis
    ]


def _alike(attributes: Any, operands: Sequence[Shape]) -> Iterable[Pair]:
    """All arrays that are no scalars are of one shape: those of sort, reduce, reduce-window, map."""
    arrays = [shape for shape in operands if shape.rank]
    return [pair for shape in arrays[1:] for pair in zip(arrays[0].dimensions, shape.dimensions)]


def _first_half(attributes: Any, operands: Sequence[Shape]) -> Iterable[Pair]:
    return _alike(attributes, operands[: len(operands) // 2])


def _scatter(attributes: ScatterAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    count = len(operands) // 2
    indices, updates = operands[count], operands[count + 1]
    places = [size for axis, size in enumerate(indices.dimensions) if axis != attributes.index_vector_dim]
    outer = [size for axis, size in enumerate(updates.dimensions) if axis not in attributes.update_window_dims]
    batches = zip(attributes.input_batching_dims, attributes.scatter_indices_batching_dims)
    return [
        *zip(places, outer),
        *((operands[0].dimensions[mine], indices.dimensions[theirs]) for mine, theirs in batches),
        *_alike(attributes, operands[:count]),
        *_alike(attributes, operands[count + 1 :]),
    ]


def _gather(attributes: GatherAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    operand, indices = operands
    batches = zip(attributes.operand_batching_dims, attributes.start_indices_batching_dims)
    return [(operand.dimensions[mine], indices.dimensions[theirs]) for mine, theirs in batches]


def _triangular_solve(attributes: TriangularSolveAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    matrix, right = operands
    side = -2 if attributes.left_side else -1
    return [
        (matrix.dimensions[-1], matrix.dimensions[-2]),
        (matrix.dimensions[-1], right.dimensions[side]),
        *zip(matrix.dimensions[:-2], right.dimensions[:-2]),
    ]


def _select_and_scatter(attributes: WindowAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    operand, source = operands[:2]
    rows = zip(operand.dimensions, attributes.window.dimensions)
    return zip((windowed_size(size, row) for size, row in rows), source.dimensions)  # type: ignore[arg-type]


def _batch_norm(attributes: BatchNormAttributes, operands: Sequence[Shape]) -> Iterable[Pair]:
    features = operands[0].dimensions[attributes.feature_index]
    return [(features, size) for shape in operands[1:] if shape.rank == 1 for size in shape.dimensions]


def _square(attributes: Any, operands: Sequence[Shape]) -> Iterable[Pair]:
    return [operands[0].dimensions[-2:]]  # type: ignore[list-item]


_RULES: Mapping[str, Callable[[Any, Sequence[Shape]], Iterable[Pair]]] = {
    "dot": _dot,
    "ragged-dot": _dot,
    "convolution": _convolution,
    "concatenate": _concatenate,
    "sort": _alike,
    "map": _alike,
    "reduce": _first_half,
    "reduce-window": _first_half,
    "gather": _gather,
    "scatter": _scatter,
    "select-and-scatter": _select_and_scatter,
    "batch-norm-training": _batch_norm,
    "batch-norm-inference": _batch_norm,
    "batch-norm-grad": _batch_norm,
    "triangular-solve": _triangular_solve,
    "cholesky": _square,
}
