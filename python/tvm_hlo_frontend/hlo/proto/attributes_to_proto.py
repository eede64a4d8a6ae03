"""Typed attributes to the fields of HloInstructionProto: the inverse of ``attributes_from_proto.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir import attributes as attr
from ..ir.literal import encode_literal
from ..ir.shape import Shape
from .attributes_from_proto import API_VERSIONS, FFT_TYPES, RNG_ALGORITHMS, RNG_DISTRIBUTIONS, TRANSPOSES
from .shapes import shape_to_proto

Writer = Callable[[Any, Any, Shape], None]
_WRITERS: dict[type, Writer] = {}


def write_attributes(attributes: attr.Attributes, shape: Shape, proto: Any) -> None:
    """Set the fields of `proto` (an HloInstructionProto) that `attributes` stand for.

    Parameters
    ----------
    attributes : Attributes
    shape : Shape
        Shape of the instruction, which a constant's literal takes over.
    proto : HloInstructionProto
    """
    writer = _WRITERS.get(type(attributes))
    if writer is not None:
        writer(attributes, proto, shape)


def _writes(attribute_type: type) -> Callable[[Writer], Writer]:
    def register(writer: Writer) -> Writer:
        _WRITERS[attribute_type] = writer
        return writer

    return register


@_writes(attr.ParameterAttributes)
def _parameter(attributes: attr.ParameterAttributes, proto: Any, shape: Shape) -> None:
    proto.parameter_number = attributes.number


@_writes(attr.ConstantAttributes)
def _constant(attributes: attr.ConstantAttributes, proto: Any, shape: Shape) -> None:
    proto.literal.CopyFrom(encode_literal(attributes.literal, shape))


@_writes(attr.TupleIndexAttributes)
def _tuple_index(attributes: attr.TupleIndexAttributes, proto: Any, shape: Shape) -> None:
    proto.tuple_index = attributes.index


@_writes(attr.DimensionsAttributes)
def _dimensions(attributes: attr.DimensionsAttributes, proto: Any, shape: Shape) -> None:
    proto.dimensions.extend(attributes.dimensions)


@_writes(attr.CompareAttributes)
def _compare(attributes: attr.CompareAttributes, proto: Any, shape: Shape) -> None:
    proto.comparison_direction = attributes.direction
    proto.comparison_type = attributes.type


@_writes(attr.SliceAttributes)
def _slice(attributes: attr.SliceAttributes, proto: Any, shape: Shape) -> None:
    for start, limit, stride in zip(attributes.starts, attributes.limits, attributes.strides, strict=True):
        proto.slice_dimensions.add(start=start, limit=limit, stride=stride)


@_writes(attr.PadAttributes)
def _pad(attributes: attr.PadAttributes, proto: Any, shape: Shape) -> None:
    proto.padding_config.SetInParent()
    for low, high, interior in zip(attributes.low, attributes.high, attributes.interior, strict=True):
        proto.padding_config.dimensions.add(edge_padding_low=low, edge_padding_high=high, interior_padding=interior)


def _write_window(window: attr.Window, proto: Any) -> None:
    proto.SetInParent()
    for row in window.dimensions:
        proto.dimensions.add(
            size=row.size,
            stride=row.stride,
            padding_low=row.padding_low,
            padding_high=row.padding_high,
            window_dilation=row.window_dilation,
            base_dilation=row.base_dilation,
            window_reversal=row.window_reversal,
        )


@_writes(attr.WindowAttributes)
def _window(attributes: attr.WindowAttributes, proto: Any, shape: Shape) -> None:
    _write_window(attributes.window, proto.window)


def _write_dot_dimensions(numbers: attr.DotDimensionNumbers, proto: Any) -> None:
    proto.SetInParent()
    proto.lhs_contracting_dimensions.extend(numbers.lhs_contracting)
    proto.rhs_contracting_dimensions.extend(numbers.rhs_contracting)
    proto.lhs_batch_dimensions.extend(numbers.lhs_batch)
    proto.rhs_batch_dimensions.extend(numbers.rhs_batch)


@_writes(attr.DotAttributes)
def _dot(attributes: attr.DotAttributes, proto: Any, shape: Shape) -> None:
    _write_dot_dimensions(attributes.dimension_numbers, proto.dot_dimension_numbers)
    proto.precision_config.operand_precision.extend(attributes.operand_precision or (0, 0))


@_writes(attr.RaggedDotAttributes)
def _ragged_dot(attributes: attr.RaggedDotAttributes, proto: Any, shape: Shape) -> None:
    numbers = proto.ragged_dot_dimension_numbers
    _write_dot_dimensions(attributes.dimension_numbers, numbers.dot_dimension_numbers)
    numbers.lhs_ragged_dimensions.extend(attributes.lhs_ragged)
    numbers.rhs_group_dimensions.extend(attributes.rhs_group)
    proto.precision_config.operand_precision.extend((0, 0))


@_writes(attr.ConvolutionAttributes)
def _convolution(attributes: attr.ConvolutionAttributes, proto: Any, shape: Shape) -> None:
    _write_window(attributes.window, proto.window)
    source, target = attributes.dimension_numbers, proto.convolution_dimension_numbers
    target.SetInParent()
    target.input_batch_dimension = source.input_batch
    target.input_feature_dimension = source.input_feature
    target.input_spatial_dimensions.extend(source.input_spatial)
    target.kernel_input_feature_dimension = source.kernel_input_feature
    target.kernel_output_feature_dimension = source.kernel_output_feature
    target.kernel_spatial_dimensions.extend(source.kernel_spatial)
    target.output_batch_dimension = source.output_batch
    target.output_feature_dimension = source.output_feature
    target.output_spatial_dimensions.extend(source.output_spatial)
    proto.feature_group_count = attributes.feature_group_count
    proto.batch_group_count = attributes.batch_group_count
    proto.precision_config.operand_precision.extend(attributes.operand_precision or (0, 0))


@_writes(attr.BatchNormAttributes)
def _batch_norm(attributes: attr.BatchNormAttributes, proto: Any, shape: Shape) -> None:
    proto.epsilon = attributes.epsilon
    proto.feature_index = attributes.feature_index


@_writes(attr.ReducePrecisionAttributes)
def _reduce_precision(attributes: attr.ReducePrecisionAttributes, proto: Any, shape: Shape) -> None:
    proto.exponent_bits = attributes.exponent_bits
    proto.mantissa_bits = attributes.mantissa_bits


@_writes(attr.DynamicSliceAttributes)
def _dynamic_slice(attributes: attr.DynamicSliceAttributes, proto: Any, shape: Shape) -> None:
    proto.dynamic_slice_sizes.extend(attributes.sizes)


@_writes(attr.GatherAttributes)
def _gather(attributes: attr.GatherAttributes, proto: Any, shape: Shape) -> None:
    numbers = proto.gather_dimension_numbers
    numbers.SetInParent()
    for name in ("offset_dims", "collapsed_slice_dims", "start_index_map", "operand_batching_dims",
                 "start_indices_batching_dims"):  # fmt: skip
        getattr(numbers, name).extend(getattr(attributes, name))
    numbers.index_vector_dim = attributes.index_vector_dim
    proto.gather_slice_sizes.extend(attributes.slice_sizes)
    proto.indices_are_sorted = attributes.indices_are_sorted


@_writes(attr.ScatterAttributes)
def _scatter(attributes: attr.ScatterAttributes, proto: Any, shape: Shape) -> None:
    numbers = proto.scatter_dimension_numbers
    numbers.SetInParent()
    for name in ("update_window_dims", "inserted_window_dims", "scatter_dims_to_operand_dims", "input_batching_dims",
                 "scatter_indices_batching_dims"):  # fmt: skip
        getattr(numbers, name).extend(getattr(attributes, name))
    numbers.index_vector_dim = attributes.index_vector_dim
    proto.indices_are_sorted = attributes.indices_are_sorted
    proto.unique_indices = attributes.unique_indices


@_writes(attr.SortAttributes)
def _sort(attributes: attr.SortAttributes, proto: Any, shape: Shape) -> None:
    proto.dimensions.append(attributes.dimension)
    proto.is_stable = attributes.is_stable


@_writes(attr.TopKAttributes)
def _topk(attributes: attr.TopKAttributes, proto: Any, shape: Shape) -> None:
    proto.k = attributes.k
    proto.largest = attributes.largest


@_writes(attr.FftAttributes)
def _fft(attributes: attr.FftAttributes, proto: Any, shape: Shape) -> None:
    proto.fft_type = FFT_TYPES.index(attributes.type)
    proto.fft_length.extend(attributes.length)


@_writes(attr.CholeskyAttributes)
def _cholesky(attributes: attr.CholeskyAttributes, proto: Any, shape: Shape) -> None:
    proto.cholesky_options.SetInParent()
    proto.cholesky_options.lower = attributes.lower


@_writes(attr.TriangularSolveAttributes)
def _triangular_solve(attributes: attr.TriangularSolveAttributes, proto: Any, shape: Shape) -> None:
    options = proto.triangular_solve_options
    options.left_side = attributes.left_side
    options.lower = attributes.lower
    options.unit_diagonal = attributes.unit_diagonal
    options.transpose_a = TRANSPOSES.index(attributes.transpose)


@_writes(attr.FusionAttributes)
def _fusion(attributes: attr.FusionAttributes, proto: Any, shape: Shape) -> None:
    proto.fusion_kind = attributes.kind


@_writes(attr.CallAttributes)
def _call(attributes: attr.CallAttributes, proto: Any, shape: Shape) -> None:
    proto.is_composite = attributes.is_composite


@_writes(attr.CustomCallAttributes)
def _custom_call(attributes: attr.CustomCallAttributes, proto: Any, shape: Shape) -> None:
    proto.custom_call_target = attributes.target
    version = attributes.api_version
    known = version in API_VERSIONS
    proto.custom_call_api_version = API_VERSIONS.index(version) if known else int(version.rpartition("_")[2])
    proto.backend_config = attributes.backend_config
    proto.custom_call_has_side_effect = attributes.has_side_effect
    proto.constrain_layout = bool(attributes.operand_shapes_with_layout)
    for layout in attributes.operand_shapes_with_layout:
        proto.operand_shapes_with_layout.add().CopyFrom(shape_to_proto(layout))


@_writes(attr.RngAttributes)
def _rng(attributes: attr.RngAttributes, proto: Any, shape: Shape) -> None:
    proto.distribution = RNG_DISTRIBUTIONS.index(attributes.distribution)


@_writes(attr.RngBitGeneratorAttributes)
def _rng_bit_generator(attributes: attr.RngBitGeneratorAttributes, proto: Any, shape: Shape) -> None:
    proto.rng_algorithm = RNG_ALGORITHMS.index(attributes.algorithm)


@_writes(attr.RngStateAttributes)
def _rng_state(attributes: attr.RngStateAttributes, proto: Any, shape: Shape) -> None:
    proto.delta = attributes.delta


@_writes(attr.CollectiveAttributes)
def _collective(attributes: attr.CollectiveAttributes, proto: Any, shape: Shape) -> None:
    for group in attributes.replica_groups:
        proto.collective_device_list.replica_groups.add().replica_ids.extend(group)
    for source, target in attributes.source_target_pairs:
        proto.source_target_pairs.add(source=source, target=target)
    proto.dimensions.extend(attributes.dimensions)
    proto.channel_id = attributes.channel_id


@_writes(attr.ScanAttributes)
def _scan(attributes: attr.ScanAttributes, proto: Any, shape: Shape) -> None:
    proto.dimensions.append(attributes.dimension)
    proto.num_carries = attributes.num_carries
    proto.is_reverse = attributes.is_reverse
    proto.is_associative = 1 if attributes.is_associative else 2  # TriState TRUE and FALSE


@_writes(attr.AsyncAttributes)
def _async(attributes: attr.AsyncAttributes, proto: Any, shape: Shape) -> None:
    proto.async_execution_thread = attributes.execution_thread
