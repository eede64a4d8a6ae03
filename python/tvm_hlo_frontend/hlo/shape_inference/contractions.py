"""dot, convolution, FFT, linear algebra and batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.attributes import (
    BatchNormAttributes,
    CholeskyAttributes,
    ConvolutionAttributes,
    DotAttributes,
    DotDimensionNumbers,
    FftAttributes,
    RaggedDotAttributes,
    TriangularSolveAttributes,
)
from ..ir.shape import Dimension, Shape, array_shape, tuple_shape
from ..ir.sizes import Integer, Size, definite_sizes, smaller
from .elementwise import COMPLEX_OF, COMPONENT
from .reductions import windowed_size
from .rules import (
    Query,
    RuleTable,
    attributes_as,
    expect,
    expect_arrays,
    expect_axes,
    expect_index,
    expect_kind,
    may_divide,
)

table = RuleTable()


def _result_type(query: Query) -> str:
    """The declared element type if there is one: products may be accumulated in another type than the operands'."""
    if query.declared is not None:
        expect(query.declared.is_array, f"expected an array shape, found {query.declared}")
        return query.declared.element_type
    left, right = query.operands[:2]
    return left.element_type if left.bits >= right.bits else right.element_type


def _expect_pairs(left: Shape, right: Shape, numbers: DotDimensionNumbers) -> None:
    """Batch and contracting dimensions of both sides belong together."""
    expect_axes((*numbers.lhs_batch, *numbers.lhs_contracting), left.rank, "lhs dimensions")
    expect_axes((*numbers.rhs_batch, *numbers.rhs_contracting), right.rank, "rhs dimensions")
    pairs = (
        ("batch", numbers.lhs_batch, numbers.rhs_batch),
        ("contracting", numbers.lhs_contracting, numbers.rhs_contracting),
    )
    for what, lhs, rhs in pairs:
        expect(len(lhs) == len(rhs), f"expected as many {what} dimensions on both sides, found {lhs} and {rhs}")
        fits = [left.dimensions[i] for i in lhs] == [right.dimensions[i] for i in rhs]
        expect(fits, f"expected {what} dimensions {list(lhs)} and {list(rhs)} of equal size, found {left} and {right}")


def _dot_sizes(left: Shape, right: Shape, numbers: DotDimensionNumbers, groups: Sequence[int] = ()) -> list[Dimension]:
    """Batch, free dimensions of lhs, free dimensions of rhs without `groups`."""
    free_left = _without(left, (*numbers.lhs_batch, *numbers.lhs_contracting))
    free_right = _without(right, (*numbers.rhs_batch, *numbers.rhs_contracting, *groups))
    return [*(left.dimensions[i] for i in numbers.lhs_batch), *free_left, *free_right]


@table.infers("dot")
def _dot(query: Query) -> Shape:
    expect_arrays(query)
    left, right = query.operands
    numbers = attributes_as(query, DotAttributes).dimension_numbers
    _expect_pairs(left, right, numbers)
    return array_shape(_result_type(query), _dot_sizes(left, right, numbers))


@table.infers("scaled-dot")
def _scaled_dot(query: Query) -> Shape:
    expect_arrays(query)
    left, right, *scales = query.operands
    numbers = attributes_as(query, DotAttributes).dimension_numbers
    _expect_pairs(left, right, numbers)
    for operand, scale in zip((left, right), scales):
        expect_kind(operand, ("float",), "an operand")
        expect_kind(scale, ("float",), "a scale")
        fits = scale.rank == operand.rank and all(
            block == size if 0 in (block, size) else may_divide(block, size)
            for size, block in zip(definite_sizes(operand), definite_sizes(scale))
        )
        expect(
            fits or scale.rank == 0,
            f"expected a scale for blocks of {operand}, as many dimensions that divide its own, found {scale}",
        )
    return array_shape(_result_type(query), _dot_sizes(left, right, numbers))


@table.infers("ragged-dot")
def _ragged_dot(query: Query) -> Shape:
    expect_arrays(query)
    left, right, sizes = query.operands
    attributes = attributes_as(query, RaggedDotAttributes)
    numbers, group_dims = attributes.dimension_numbers, attributes.rhs_group
    _expect_pairs(left, right, numbers)
    found = list(attributes.lhs_ragged)
    expect(len(found) == 1, f"expected 1 ragged dimension of lhs, found {found}")
    expect_axes(found, left.rank, "ragged dimension")
    expect_index(sizes, "group sizes")
    expect(sizes.rank >= 1, f"expected group sizes of at least 1 dimension, found {sizes}")
    (ragged,), groups = found, sizes.dimensions[-1]
    prefix = _ragged_prefix(left, numbers, ragged)
    wanted = [*(left.dimensions[axis] for axis in prefix), groups]
    fits = sizes.rank == 1 or list(sizes.dimensions) == wanted
    expect(fits, f"expected group sizes of dimensions {[groups]} or {wanted}, found {sizes}")
    if ragged in (*numbers.lhs_batch, *numbers.lhs_contracting):
        expect(not group_dims, f"expected no group dimension of rhs, found {list(group_dims)}")
    else:
        expect(len(group_dims) == 1, f"expected 1 group dimension of rhs, found {list(group_dims)}")
        expect_axes((*numbers.rhs_batch, *numbers.rhs_contracting, *group_dims), right.rank, "rhs dimensions")
        fits = right.dimensions[group_dims[0]] == groups
        expect(fits, f"expected {groups} groups in dimension {group_dims[0]} of rhs, found {right}")
    leading = [groups] if ragged in numbers.lhs_contracting else []
    return array_shape(_result_type(query), [*leading, *_dot_sizes(left, right, numbers, group_dims)])


def _ragged_prefix(left: Shape, numbers: DotDimensionNumbers, ragged: int) -> Sequence[int]:
    """Dimensions of lhs for whose every element there are group sizes of their own."""
    if ragged in numbers.lhs_batch:
        return numbers.lhs_batch[: numbers.lhs_batch.index(ragged)]
    if ragged in numbers.lhs_contracting:
        return (*numbers.lhs_batch, *numbers.lhs_contracting[: numbers.lhs_contracting.index(ragged)])
    taken = (*numbers.lhs_batch, *numbers.lhs_contracting)
    return (*numbers.lhs_batch, *(axis for axis in range(ragged) if axis not in taken))


def _without(shape: Shape, axes: Sequence[int]) -> list[Dimension]:
    return [size for axis, size in enumerate(shape.dimensions) if axis not in axes]


@table.infers("convolution")
def _convolution(query: Query) -> Shape:
    expect_arrays(query)
    attributes = attributes_as(query, ConvolutionAttributes)
    numbers, (data, kernel) = attributes.dimension_numbers, query.operands
    spatial = len(attributes.window.dimensions)
    roles = (
        ("input", data.rank, (numbers.input_batch, numbers.input_feature, *numbers.input_spatial)),
        ("kernel", kernel.rank,
         (numbers.kernel_input_feature, numbers.kernel_output_feature, *numbers.kernel_spatial)),
        ("output", spatial + 2, (numbers.output_batch, numbers.output_feature, *numbers.output_spatial)),
    )  # fmt: skip
    for what, rank, axes in roles:
        expect(rank == spatial + 2, f"expected a rank of {spatial + 2} for {spatial} window dimensions, found {rank}")
        expect(len(axes) == rank, f"expected {rank} {what} dimension numbers, found {list(axes)}")
        expect_axes(axes, rank, f"{what} dimension numbers")
    sizes: list[Integer] = [0] * (spatial + 2)
    data_sizes, kernel_sizes = definite_sizes(data), definite_sizes(kernel)
    sizes[numbers.output_batch], sizes[numbers.output_feature] = _channels(query, attributes)
    for index, row in enumerate(attributes.window.dimensions):
        found = kernel_sizes[numbers.kernel_spatial[index]]
        expect(found == row.size, f"expected a kernel as large as the window {row.size}, found {kernel}")
        size = data_sizes[numbers.input_spatial[index]]
        sizes[numbers.output_spatial[index]] = windowed_size(size, row, allow_empty=True)
    return array_shape(_result_type(query), sizes)


def _channels(query: Query, attributes: ConvolutionAttributes) -> tuple[Integer, Integer]:
    """Sizes of the output's batch and feature dimensions."""
    numbers, (data, kernel) = attributes.dimension_numbers, query.operands
    features, batches = attributes.feature_group_count, attributes.batch_group_count
    expect(features > 0 and batches > 0, f"expected positive group counts, found {features} and {batches}")
    expect(features == 1 or batches == 1, f"expected one group count of 1, found {features} and {batches}")
    data_sizes, kernel_sizes = definite_sizes(data), definite_sizes(kernel)
    batch, input_features = data_sizes[numbers.input_batch], data_sizes[numbers.input_feature]
    kernel_inputs = kernel_sizes[numbers.kernel_input_feature]
    output_features = kernel_sizes[numbers.kernel_output_feature]
    expect(
        input_features == kernel_inputs * features,
        f"expected {kernel_inputs * features} input features ({features} groups of {kernel_inputs}), found {data}",
    )
    expect(
        may_divide(features, output_features) and may_divide(batches, output_features),
        f"expected output features that {features * batches} groups divide, found {kernel}",
    )
    expect(may_divide(batches, batch), f"expected a batch that {batches} groups divide, found {data}")
    return batch // batches, output_features


@table.infers("fft")
def _fft(query: Query) -> Shape:
    expect_arrays(query)
    (operand,), attributes = query.operands, attributes_as(query, FftAttributes)
    length, kind = attributes.length, attributes.type
    expect(1 <= len(length) <= min(3, operand.rank), f"expected 1 to 3 lengths for {operand}, found {list(length)}")
    wanted: list[Integer] = list(length)
    if kind == "IRFFT":
        wanted[-1] = _half(length[-1])
    fits = list(operand.dimensions[-len(length) :]) == wanted
    expect(fits, f"expected an operand whose last dimensions are {wanted}, found {operand}")
    sizes, element_type = list(operand.dimensions), operand.element_type
    if kind == "RFFT":
        expect(element_type in COMPLEX_OF, f"expected an operand of type f32 or f64, found {operand}")
        sizes[-1] = _half(length[-1])
        return array_shape(COMPLEX_OF[element_type], sizes)
    expect_kind(operand, ("complex",), "an operand")
    if kind == "IRFFT":
        sizes[-1] = length[-1]
        return array_shape(COMPONENT[element_type], sizes)
    return operand


def _half(length: Integer) -> Integer:
    """Frequencies of so many real numbers, without those that are conjugates of others; of nothing nothing."""
    if isinstance(length, Size):
        return (length // 2 + 1) * smaller(length, 1)
    return length // 2 + 1 if length else 0


def _expect_square(shape: Shape) -> None:
    expect_kind(shape, ("float", "complex"), "a matrix")
    fits = shape.rank >= 2 and shape.dimensions[-1] == shape.dimensions[-2]
    expect(fits, f"expected square matrices, found {shape}")


@table.infers("cholesky")
def _cholesky(query: Query) -> Shape:
    attributes_as(query, CholeskyAttributes)
    _expect_square(query.operands[0])
    return query.operands[0]


@table.infers("triangular-solve")
def _triangular_solve(query: Query) -> Shape:
    matrix, right = query.operands
    _expect_square(matrix)
    axis = -2 if attributes_as(query, TriangularSolveAttributes).left_side else -1
    fits = right.is_array and right.element_type == matrix.element_type and right.rank == matrix.rank
    fits = fits and right.dimensions[:-2] == matrix.dimensions[:-2]
    fits = fits and right.dimensions[axis] == matrix.dimensions[-1]
    expect(fits, f"expected a right-hand side that fits the matrices {matrix}, found {right}")
    return right


def _feature_shape(query: Query) -> Shape:
    data, axis = query.operands[0], attributes_as(query, BatchNormAttributes).feature_index
    expect_kind(data, ("float",), "a first operand")
    expect_axes((axis,), data.rank, "feature index")
    return array_shape(data.element_type, (data.dimensions[axis],))


def _expect_features(query: Query, operands: Sequence[Shape]) -> Shape:
    wanted = _feature_shape(query)
    for operand in operands:
        fits = operand.is_array and operand.kind == "float" and operand.dimensions == wanted.dimensions
        expect(fits, f"expected an operand of shape {wanted}, found {operand}")
    return operands[0]


@table.infers("batch-norm-inference")
def _batch_norm_inference(query: Query) -> Shape:
    _expect_features(query, query.operands[1:])
    return query.operands[0]


@table.infers("batch-norm-training")
def _batch_norm_training(query: Query) -> Shape:
    features = _expect_features(query, query.operands[1:])
    return tuple_shape(query.operands[0], features, features)


@table.infers("batch-norm-grad")
def _batch_norm_grad(query: Query) -> Shape:
    data, gradient = query.operands[0], query.operands[4]
    features = _expect_features(query, query.operands[1:4])
    expect(gradient.dimensions == data.dimensions, f"expected a gradient of shape {data}, found {gradient}")
    return tuple_shape(data, features, features)
