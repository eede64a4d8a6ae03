"""HloInstructionProto to typed attributes: one small function per class of attributes, found by the opcode's row.

A proto3 field that is absent reads as zero, so every default that is not zero is put back here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import HloVerificationError
from ..ir import attributes as attr
from ..ir.literal import decode_literal
from ..ir.shape import Shape
from ..shape_inference.signatures import ATTRIBUTE_TYPES
from .shapes import shape_from_proto

FFT_TYPES = ("FFT", "IFFT", "RFFT", "IRFFT")
RNG_DISTRIBUTIONS = ("RNG_INVALID", "RNG_UNIFORM", "RNG_NORMAL")
RNG_ALGORITHMS = ("RNG_DEFAULT", "RNG_THREE_FRY", "RNG_PHILOX")
TRANSPOSES = ("TRANSPOSE_INVALID", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT")
API_VERSIONS = (
    "API_VERSION_UNSPECIFIED",
    "API_VERSION_ORIGINAL",
    "API_VERSION_STATUS_RETURNING",
    "API_VERSION_STATUS_RETURNING_UNIFIED",
    "API_VERSION_TYPED_FFI",
)
COMPARISON_DIRECTIONS = ("EQ", "NE", "GE", "GT", "LE", "LT")
COMPARISON_TYPES = ("FLOAT", "TOTALORDER", "SIGNED", "UNSIGNED")
_MAX_DEVICES = 1 << 20  # more than any machine; a damaged proto must not allocate without end

Reader = Callable[[Any, Sequence[Shape], str], attr.Attributes]
# by class of attributes
_READERS: dict[type, Reader] = {}


def read_attributes(proto: Any, operand_shapes: Sequence[Shape], where: str) -> attr.Attributes:
    """Typed attributes of an instruction.

    Parameters
    ----------
    proto : HloInstructionProto
    operand_shapes : sequence of Shape
        Needed where a default depends on the operands' type.
    where : str
        Name of the instruction, for messages.

    Raises
    ------
    HloParseError, HloVerificationError
        If a field holds what no module may hold.
    """
    reader = _READERS.get(ATTRIBUTE_TYPES.get(proto.opcode, attr.NoAttributes))
    return attr.NoAttributes() if reader is None else reader(proto, operand_shapes, where)


def _reads(kind: type) -> Callable[[Reader], Reader]:
    """Register the reader of a class of attributes."""

    def register(reader: Reader) -> Reader:
        _READERS[kind] = reader
        return reader

    return register


def _name(names: Sequence[str], number: int, what: str, where: str) -> str:
    if not 0 <= number < len(names):
        raise HloVerificationError(f"{where}: unknown {what} number {number}")
    return names[number]


@_reads(attr.ParameterAttributes)
def _parameter(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.ParameterAttributes(proto.parameter_number)


@_reads(attr.ConstantAttributes)
def _constant(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    if not proto.HasField("literal"):
        raise HloVerificationError(f"{where}: constant without a literal")
    return attr.ConstantAttributes(decode_literal(proto.literal, where))


@_reads(attr.TupleIndexAttributes)
def _tuple_index(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.TupleIndexAttributes(proto.tuple_index)


@_reads(attr.DimensionsAttributes)
def _dimensions(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.DimensionsAttributes(tuple(proto.dimensions))


@_reads(attr.CompareAttributes)
def _compare(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    direction = proto.comparison_direction
    if direction not in COMPARISON_DIRECTIONS:
        raise HloVerificationError(f"{where}: unknown comparison direction {direction!r}")
    default = default_comparison_type(operands[0] if operands else None)
    kind = proto.comparison_type or default
    if kind not in COMPARISON_TYPES:
        raise HloVerificationError(f"{where}: unknown comparison type {kind!r}")
    if proto.comparison_order:
        ordered = _ordered(proto.comparison_order, default, where)
        if proto.comparison_type and kind != ordered:
            raise HloVerificationError(f"{where}: comparison type {kind} contradicts order {proto.comparison_order}")
        kind = ordered
    return attr.CompareAttributes(direction, kind)


def _ordered(order: str, default: str, where: str) -> str:
    """The comparison type that `order` means, which XLA writes in its place since 2026; integers have one order."""
    if order not in ("PARTIAL", "TOTAL"):
        raise HloVerificationError(f"{where}: unknown comparison order {order!r}")
    if order == "PARTIAL":
        return "FLOAT"
    return "TOTALORDER" if default == "FLOAT" else default


def default_comparison_type(operand: Shape | None) -> str:
    """What an empty comparison_type means: XLA derives it from the first operand's element type."""
    if operand is None or not operand.is_array or operand.kind in ("float", "complex"):
        return "FLOAT"
    return "SIGNED" if operand.kind == "signed" else "UNSIGNED"


@_reads(attr.SliceAttributes)
def _slice(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    rows = proto.slice_dimensions
    return attr.SliceAttributes(
        tuple(row.start for row in rows), tuple(row.limit for row in rows), tuple(row.stride or 1 for row in rows)
    )


@_reads(attr.PadAttributes)
def _pad(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    rows = proto.padding_config.dimensions
    return attr.PadAttributes(
        tuple(row.edge_padding_low for row in rows),
        tuple(row.edge_padding_high for row in rows),
        tuple(row.interior_padding for row in rows),
    )


def _read_window(proto: Any) -> attr.Window:
    return attr.Window(
        tuple(
            attr.WindowDimension(
                row.size,
                row.stride or 1,
                row.padding_low,
                row.padding_high,
                row.window_dilation or 1,
                row.base_dilation or 1,
                row.window_reversal,
            )
            for row in proto.dimensions
        )
    )


@_reads(attr.WindowAttributes)
def _window(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.WindowAttributes(_read_window(proto.window))


def _read_dot_dimensions(proto: Any) -> attr.DotDimensionNumbers:
    return attr.DotDimensionNumbers(
        tuple(proto.lhs_contracting_dimensions),
        tuple(proto.rhs_contracting_dimensions),
        tuple(proto.lhs_batch_dimensions),
        tuple(proto.rhs_batch_dimensions),
    )


@_reads(attr.DotAttributes)
def _dot(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.DotAttributes(
        _read_dot_dimensions(proto.dot_dimension_numbers), tuple(proto.precision_config.operand_precision)
    )


@_reads(attr.RaggedDotAttributes)
def _ragged_dot(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    numbers = proto.ragged_dot_dimension_numbers
    return attr.RaggedDotAttributes(
        _read_dot_dimensions(numbers.dot_dimension_numbers),
        tuple(numbers.lhs_ragged_dimensions),
        tuple(numbers.rhs_group_dimensions),
    )


@_reads(attr.ConvolutionAttributes)
def _convolution(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    numbers = proto.convolution_dimension_numbers
    return attr.ConvolutionAttributes(
        _read_window(proto.window),
        attr.ConvolutionDimensionNumbers(
            input_batch=numbers.input_batch_dimension,
            input_feature=numbers.input_feature_dimension,
            input_spatial=tuple(numbers.input_spatial_dimensions),
            kernel_input_feature=numbers.kernel_input_feature_dimension,
            kernel_output_feature=numbers.kernel_output_feature_dimension,
            kernel_spatial=tuple(numbers.kernel_spatial_dimensions),
            output_batch=numbers.output_batch_dimension,
            output_feature=numbers.output_feature_dimension,
            output_spatial=tuple(numbers.output_spatial_dimensions),
        ),
        proto.feature_group_count or 1,
        proto.batch_group_count or 1,
        tuple(proto.precision_config.operand_precision),
    )


@_reads(attr.BatchNormAttributes)
def _batch_norm(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.BatchNormAttributes(proto.epsilon, proto.feature_index)


@_reads(attr.ReducePrecisionAttributes)
def _reduce_precision(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.ReducePrecisionAttributes(proto.exponent_bits, proto.mantissa_bits)


@_reads(attr.DynamicSliceAttributes)
def _dynamic_slice(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.DynamicSliceAttributes(tuple(proto.dynamic_slice_sizes))


@_reads(attr.GatherAttributes)
def _gather(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    numbers = proto.gather_dimension_numbers
    return attr.GatherAttributes(
        offset_dims=tuple(numbers.offset_dims),
        collapsed_slice_dims=tuple(numbers.collapsed_slice_dims),
        start_index_map=tuple(numbers.start_index_map),
        index_vector_dim=numbers.index_vector_dim,
        slice_sizes=tuple(proto.gather_slice_sizes),
        operand_batching_dims=tuple(numbers.operand_batching_dims),
        start_indices_batching_dims=tuple(numbers.start_indices_batching_dims),
        indices_are_sorted=proto.indices_are_sorted,
    )


@_reads(attr.ScatterAttributes)
def _scatter(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    numbers = proto.scatter_dimension_numbers
    return attr.ScatterAttributes(
        update_window_dims=tuple(numbers.update_window_dims),
        inserted_window_dims=tuple(numbers.inserted_window_dims),
        scatter_dims_to_operand_dims=tuple(numbers.scatter_dims_to_operand_dims),
        index_vector_dim=numbers.index_vector_dim,
        input_batching_dims=tuple(numbers.input_batching_dims),
        scatter_indices_batching_dims=tuple(numbers.scatter_indices_batching_dims),
        indices_are_sorted=proto.indices_are_sorted,
        unique_indices=proto.unique_indices,
    )


@_reads(attr.SortAttributes)
def _sort(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    if len(proto.dimensions) != 1:
        raise HloVerificationError(f"{where}: sort along {len(proto.dimensions)} dimensions, expected 1")
    return attr.SortAttributes(proto.dimensions[0], proto.is_stable)


@_reads(attr.TopKAttributes)
def _topk(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.TopKAttributes(proto.k, proto.largest)


@_reads(attr.FftAttributes)
def _fft(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.FftAttributes(_name(FFT_TYPES, proto.fft_type, "FFT type", where), tuple(proto.fft_length))


@_reads(attr.CholeskyAttributes)
def _cholesky(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.CholeskyAttributes(proto.cholesky_options.lower)


@_reads(attr.TriangularSolveAttributes)
def _triangular_solve(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    options = proto.triangular_solve_options
    transpose = _name(TRANSPOSES, options.transpose_a or 1, "transpose", where)
    return attr.TriangularSolveAttributes(options.left_side, options.lower, options.unit_diagonal, transpose)


@_reads(attr.FusionAttributes)
def _fusion(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.FusionAttributes(proto.fusion_kind)


@_reads(attr.CallAttributes)
def _call(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.CallAttributes(proto.is_composite)


@_reads(attr.CustomCallAttributes)
def _custom_call(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    number = proto.custom_call_api_version
    version = API_VERSIONS[number or 1] if 0 <= number < len(API_VERSIONS) else f"API_VERSION_{number}"
    layouts = proto.operand_shapes_with_layout if proto.constrain_layout else ()
    return attr.CustomCallAttributes(
        proto.custom_call_target,
        version,
        proto.backend_config,
        proto.custom_call_has_side_effect,
        tuple(shape_from_proto(layout, where) for layout in layouts),
    )


@_reads(attr.RngAttributes)
def _rng(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.RngAttributes(_name(RNG_DISTRIBUTIONS, proto.distribution, "random distribution", where))


@_reads(attr.RngBitGeneratorAttributes)
def _rng_bit_generator(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.RngBitGeneratorAttributes(_name(RNG_ALGORITHMS, proto.rng_algorithm, "random algorithm", where))


@_reads(attr.RngStateAttributes)
def _rng_state(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.RngStateAttributes(proto.delta)


@_reads(attr.CollectiveAttributes)
def _collective(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.CollectiveAttributes(
        _replica_groups(proto, where),
        tuple((pair.source, pair.target) for pair in proto.source_target_pairs),
        tuple(proto.dimensions),
        proto.channel_id,
    )


def _replica_groups(proto: Any, where: str) -> tuple[tuple[int, ...], ...]:
    devices = proto.collective_device_list
    for compact in (devices.iota_replica_group_list, proto.iota_collective_device_list):
        if compact.num_replica_groups:
            return _expand_iota_groups(compact, where)
    return tuple(tuple(group.replica_ids) for group in devices.replica_groups or proto.replica_groups)


def _expand_iota_groups(compact: Any, where: str) -> tuple[tuple[int, ...], ...]:
    """IotaReplicaGroupListProto: iota, reshaped, transposed, and cut into groups."""
    groups, size = compact.num_replica_groups, compact.num_devices_per_group
    shape, order = list(compact.iota_reshape_dims), list(compact.iota_transpose_perm)
    fits = groups >= 0 <= size and groups * size <= _MAX_DEVICES and math.prod(shape) == groups * size
    if not fits or min(shape, default=1) < 0 or sorted(order) != list(range(len(shape))):
        raise HloVerificationError(f"{where}: inconsistent iota replica groups")
    devices = np.arange(groups * size).reshape(shape).transpose(order).reshape(groups, size)
    return tuple(tuple(int(device) for device in group) for group in devices)


@_reads(attr.ScanAttributes)
def _scan(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    if len(proto.dimensions) != 1:
        raise HloVerificationError(f"{where}: scan along {len(proto.dimensions)} dimensions, expected 1")
    tri_state_true = 1
    return attr.ScanAttributes(
        proto.dimensions[0], proto.num_carries, proto.is_reverse, proto.is_associative == tri_state_true
    )


@_reads(attr.AsyncAttributes)
def _async(proto: Any, operands: Sequence[Shape], where: str) -> attr.Attributes:
    return attr.AsyncAttributes(proto.async_execution_thread)
