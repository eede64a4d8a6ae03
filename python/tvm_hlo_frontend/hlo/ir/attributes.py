"""What an instruction carries besides operands: one frozen dataclass per kind of opcode. The fields are hlo.proto's in
Python's terms: literals are numpy arrays, enums their names, and what only compilers use is left out. Their metadata is
all that reads and writes protos and prints text, see ``codec.py``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

import numpy as np

from ...errors import HloVerificationError
from .backend_config import parse_backend_config
from .codec import proto
from .shape import Shape

Axes = tuple[int, ...]

_API_VERSIONS = (
    "API_VERSION_UNSPECIFIED", "API_VERSION_ORIGINAL", "API_VERSION_STATUS_RETURNING",
    "API_VERSION_STATUS_RETURNING_UNIFIED", "API_VERSION_TYPED_FFI",
)  # fmt: skip
_GATHER = "gather_dimension_numbers."
_SCATTER = "scatter_dimension_numbers."
_RAGGED = "ragged_dot_dimension_numbers."
_SOLVE = "triangular_solve_options."
_PADDING = "padding_config.dimensions."
_DIRECTIONS = ("EQ", "NE", "GE", "GT", "LE", "LT")
_COMPARISONS = ("FLOAT", "TOTALORDER", "SIGNED", "UNSIGNED")
_TRANSPOSES = ("TRANSPOSE_INVALID", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT")


@dataclass(frozen=True)
class NoAttributes:
    """Opcodes that are defined by their operands alone."""


@dataclass(frozen=True)
class ParameterAttributes:
    """parameter: its number among the computation's parameters."""

    number: int = field(metadata=proto("parameter_number", key=""))


@dataclass(frozen=True, eq=False)
class ConstantAttributes:
    """constant: the literal in logical (row-major) order; a tuple of literals for a tuple constant."""

    literal: Literal = field(metadata=proto("", "literal", key=""))


Literal = Union[np.ndarray, "tuple[Literal, ...]"]


@dataclass(frozen=True)
class TupleIndexAttributes:
    """get-tuple-element."""

    index: int = field(metadata=proto("tuple_index", key="index"))


@dataclass(frozen=True)
class DimensionsAttributes:
    """broadcast, transpose, reverse, concatenate, reduce, map, iota (one dimension), set/get-dimension-size,
    all-gather, all-to-all, reduce-scatter."""

    dimensions: Axes = field(metadata=proto("", "list", text="dimensions"))


@dataclass(frozen=True)
class CompareAttributes:
    """compare: direction EQ NE GE GT LE LT; type FLOAT TOTALORDER SIGNED UNSIGNED (never empty after reading)."""

    direction: str = field(metadata=proto("comparison_direction", "direction", names=_DIRECTIONS, key="direction"))
    type: str = field(metadata=proto("comparison_type", "comparison", names=_COMPARISONS, key="type"))


@dataclass(frozen=True)
class SliceAttributes:
    """slice: start inclusive, limit exclusive, stride, per dimension."""

    starts: Axes = field(metadata=proto("slice_dimensions.start", "column", text="slice"))
    limits: Axes = field(metadata=proto("slice_dimensions.limit", "column", key=""))
    strides: Axes = field(metadata=proto("slice_dimensions.stride", "column", absent=1, key=""))


@dataclass(frozen=True)
class PadAttributes:
    """pad: edge padding (may be negative) and interior padding, per dimension."""

    low: Axes = field(metadata=proto(_PADDING + "edge_padding_low", "column", text="padding"))
    high: Axes = field(metadata=proto(_PADDING + "edge_padding_high", "column", key=""))
    interior: Axes = field(metadata=proto(_PADDING + "interior_padding", "column", key=""))


@dataclass(frozen=True)
class WindowDimension:
    """One dimension of a window; dilations and stride of 0 are read as 1."""

    size: int = field(metadata=proto())
    stride: int = field(default=1, metadata=proto(absent=1))
    padding_low: int = field(default=0, metadata=proto())
    padding_high: int = field(default=0, metadata=proto())
    window_dilation: int = field(default=1, metadata=proto(absent=1))
    base_dilation: int = field(default=1, metadata=proto(absent=1))
    window_reversal: bool = field(default=False, metadata=proto())


@dataclass(frozen=True)
class Window:
    """Window of convolution, reduce-window, select-and-scatter."""

    dimensions: tuple[WindowDimension, ...] = field(metadata=proto("", "messages", message=WindowDimension))


@dataclass(frozen=True)
class WindowAttributes:
    """reduce-window and select-and-scatter."""

    window: Window = field(metadata=proto("", "message", message=Window, text="window"))


@dataclass(frozen=True)
class DotDimensionNumbers:
    """Dimension numbers of dot."""

    lhs_contracting: Axes = field(
        default=(), metadata=proto("lhs_contracting_dimensions", "list", key="lhs_contracting_dims", hide=(), place=1)
    )
    rhs_contracting: Axes = field(
        default=(), metadata=proto("rhs_contracting_dimensions", "list", key="rhs_contracting_dims", hide=(), place=3)
    )
    lhs_batch: Axes = field(
        default=(), metadata=proto("lhs_batch_dimensions", "list", key="lhs_batch_dims", hide=(), place=0)
    )
    rhs_batch: Axes = field(
        default=(), metadata=proto("rhs_batch_dimensions", "list", key="rhs_batch_dims", hide=(), place=2)
    )


@dataclass(frozen=True)
class DotAttributes:
    """dot; operand_precision as PrecisionConfig numbers (0 default, 1 high, 2 highest)."""

    dimension_numbers: DotDimensionNumbers = field(
        metadata=proto("dot_dimension_numbers", "message", message=DotDimensionNumbers)
    )
    operand_precision: Axes = field(
        default=(), metadata=proto("precision_config.", "list", empty=(0, 0), text="precision")
    )


@dataclass(frozen=True)
class RaggedDotAttributes:
    """ragged-dot."""

    dimension_numbers: DotDimensionNumbers = field(
        metadata=proto(_RAGGED + "dot_dimension_numbers", "message", message=DotDimensionNumbers)
    )
    lhs_ragged: Axes = field(
        default=(), metadata=proto(_RAGGED + "lhs_ragged_dimensions", "list", key="lhs_ragged_dims")
    )
    rhs_group: Axes = field(default=(), metadata=proto(_RAGGED + "rhs_group_dimensions", "list", key="rhs_group_dims"))


@dataclass(frozen=True)
class ConvolutionDimensionNumbers:
    """Where batch, feature and spatial dimensions stand in input, kernel and output."""

    input_batch: int = field(metadata=proto("input_batch_dimension"))
    input_feature: int = field(metadata=proto("input_feature_dimension"))
    input_spatial: Axes = field(metadata=proto("input_spatial_dimensions", "list"))
    kernel_input_feature: int = field(metadata=proto("kernel_input_feature_dimension"))
    kernel_output_feature: int = field(metadata=proto("kernel_output_feature_dimension"))
    kernel_spatial: Axes = field(metadata=proto("kernel_spatial_dimensions", "list"))
    output_batch: int = field(metadata=proto("output_batch_dimension"))
    output_feature: int = field(metadata=proto("output_feature_dimension"))
    output_spatial: Axes = field(metadata=proto("output_spatial_dimensions", "list"))


@dataclass(frozen=True)
class ConvolutionAttributes:
    """convolution."""

    window: Window = field(metadata=proto("", "message", message=Window, text="window"))
    dimension_numbers: ConvolutionDimensionNumbers = field(
        metadata=proto("convolution_dimension_numbers", "message", message=ConvolutionDimensionNumbers, text="labels")
    )
    feature_group_count: int = field(default=1, metadata=proto(absent=1, hide=1))
    batch_group_count: int = field(default=1, metadata=proto(absent=1, hide=1))
    operand_precision: Axes = field(
        default=(), metadata=proto("precision_config.", "list", empty=(0, 0), text="precision")
    )


@dataclass(frozen=True)
class BatchNormAttributes:
    """batch-norm-inference, -training, -grad."""

    epsilon: float = field(metadata=proto(text="float"))
    feature_index: int = field(metadata=proto())


@dataclass(frozen=True)
class ReducePrecisionAttributes:
    """reduce-precision."""

    exponent_bits: int = field(metadata=proto())
    mantissa_bits: int = field(metadata=proto())


@dataclass(frozen=True)
class DynamicSliceAttributes:
    """dynamic-slice: sizes of the slice."""

    sizes: Axes = field(metadata=proto("dynamic_slice_sizes", "list"))


@dataclass(frozen=True)
class GatherAttributes:
    """gather, names of GatherDimensionNumbers."""

    offset_dims: Axes = field(metadata=proto(_GATHER, "list"))
    collapsed_slice_dims: Axes = field(metadata=proto(_GATHER, "list"))
    start_index_map: Axes = field(metadata=proto(_GATHER, "list"))
    index_vector_dim: int = field(metadata=proto(_GATHER, place=1))
    slice_sizes: Axes = field(metadata=proto("gather_slice_sizes", "list", key="slice_sizes", place=1))
    operand_batching_dims: Axes = field(default=(), metadata=proto(_GATHER, "list", hide=()))
    start_indices_batching_dims: Axes = field(
        default=(), metadata=proto(_GATHER, "list", beside="operand_batching_dims")
    )
    indices_are_sorted: bool = field(default=False, metadata=proto(text="flag", place=1))


@dataclass(frozen=True)
class ScatterAttributes:
    """scatter, names of ScatterDimensionNumbers."""

    update_window_dims: Axes = field(metadata=proto(_SCATTER, "list"))
    inserted_window_dims: Axes = field(metadata=proto(_SCATTER, "list"))
    scatter_dims_to_operand_dims: Axes = field(metadata=proto(_SCATTER, "list"))
    index_vector_dim: int = field(metadata=proto(_SCATTER, place=1))
    input_batching_dims: Axes = field(default=(), metadata=proto(_SCATTER, "list", hide=()))
    scatter_indices_batching_dims: Axes = field(
        default=(), metadata=proto(_SCATTER, "list", beside="input_batching_dims")
    )
    indices_are_sorted: bool = field(default=False, metadata=proto(text="flag", place=1))
    unique_indices: bool = field(default=False, metadata=proto(text="flag", place=1))


@dataclass(frozen=True)
class SortAttributes:
    """sort."""

    dimension: int = field(metadata=proto("dimensions", "one", text="one"))
    is_stable: bool = field(default=False, metadata=proto(text="flag"))


@dataclass(frozen=True)
class TopKAttributes:
    """topk along the last dimension."""

    k: int = field(metadata=proto())
    largest: bool = field(default=True, metadata=proto(text="lower"))


@dataclass(frozen=True)
class FftAttributes:
    """fft: type FFT, IFFT, RFFT or IRFFT, over the last len(length) dimensions."""

    type: str = field(metadata=proto("fft_type", "enum", names=("FFT", "IFFT", "RFFT", "IRFFT"), what="FFT type"))
    length: Axes = field(metadata=proto("fft_length", "list"))


@dataclass(frozen=True)
class CholeskyAttributes:
    """cholesky."""

    lower: bool = field(metadata=proto("cholesky_options.", text="flag"))


@dataclass(frozen=True)
class TriangularSolveAttributes:
    """triangular-solve: transpose is NO_TRANSPOSE, TRANSPOSE or ADJOINT."""

    left_side: bool = field(metadata=proto(_SOLVE, text="flag"))
    lower: bool = field(metadata=proto(_SOLVE, text="flag"))
    unit_diagonal: bool = field(metadata=proto(_SOLVE, text="flag"))
    transpose: str = field(
        metadata=proto(_SOLVE + "transpose_a", "enum", names=_TRANSPOSES, what="transpose", absent=1)
    )


@dataclass(frozen=True)
class FusionAttributes:
    """fusion."""

    kind: str = field(metadata=proto("fusion_kind", key="kind"))


@dataclass(frozen=True)
class CallAttributes:
    """call: whether it is a composite, and its name then."""

    is_composite: bool = field(default=False, metadata=proto(text="flag"))


@dataclass(frozen=True)
class CustomCallAttributes:
    """custom-call: api_version is the name of the CustomCallApiVersion, backend_config the raw bytes.

    operand_shapes_with_layout, where there are any, are the layouts that the callee wants (LAPACK: column-major);
    they never change the logical values.
    """

    target: str = field(metadata=proto("custom_call_target", text="quoted"))
    api_version: str = field(
        default="API_VERSION_ORIGINAL",
        metadata=proto(
            "custom_call_api_version",
            "api_version",
            names=_API_VERSIONS,
            absent=1,
            key="api_version",
            hide="API_VERSION_ORIGINAL",
            place=2,
        ),
    )
    backend_config: bytes = field(default=b"", metadata=proto(text="bytes", hide=b"", place=4))
    has_side_effect: bool = field(default=False, metadata=proto("custom_call_has_side_effect", text="flag", place=1))
    operand_shapes_with_layout: tuple[Shape, ...] = field(
        default=(), metadata=proto("", "layouts", key="operand_layout_constraints", text="layouts", hide=(), place=3)
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options in backend_config by name, see `parse_backend_config`."""
        return parse_backend_config(self.backend_config)


@dataclass(frozen=True)
class RngAttributes:
    """rng: distribution RNG_UNIFORM or RNG_NORMAL."""

    distribution: str = field(
        metadata=proto(
            "", "enum", names=("RNG_INVALID", "RNG_UNIFORM", "RNG_NORMAL"), what="random distribution", text="lower"
        )
    )


@dataclass(frozen=True)
class RngBitGeneratorAttributes:
    """rng-bit-generator: RNG_DEFAULT, RNG_THREE_FRY or RNG_PHILOX."""

    algorithm: str = field(
        metadata=proto(
            "rng_algorithm",
            "enum",
            names=("RNG_DEFAULT", "RNG_THREE_FRY", "RNG_PHILOX"),
            what="random algorithm",
            key="algorithm",
            text="lower",
        )
    )


@dataclass(frozen=True)
class RngStateAttributes:
    """rng-get-and-update-state."""

    delta: int = field(metadata=proto())


@dataclass(frozen=True)
class CollectiveAttributes:
    """Collectives: groups of replica ids, source-target pairs, dimensions where the opcode has them."""

    replica_groups: tuple[Axes, ...] = field(
        default=(), metadata=proto("collective_device_list.", "replica_groups", text="replica_groups")
    )
    source_target_pairs: tuple[tuple[int, int], ...] = field(default=(), metadata=proto("", "pairs", hide=()))
    dimensions: Axes = field(default=(), metadata=proto("", "list", hide=()))
    channel_id: int = field(default=0, metadata=proto(text="channel", place=-1))


@dataclass(frozen=True)
class ScanAttributes:
    """scan: dimension, number of carries, direction, associativity."""

    dimension: int = field(metadata=proto("dimensions", "one", text="one"))
    num_carries: int = field(metadata=proto())
    is_reverse: bool = field(default=False, metadata=proto(text="flag"))
    is_associative: bool = field(default=False, metadata=proto("", "tri_state", text="flag"))


@dataclass(frozen=True)
class AsyncAttributes:
    """async-start, -update, -done: the thread that runs them."""

    execution_thread: str = field(default="", metadata=proto("async_execution_thread", text="quoted", hide=""))


Attributes = Union[
    NoAttributes, ParameterAttributes, ConstantAttributes, TupleIndexAttributes, DimensionsAttributes,
    CompareAttributes, SliceAttributes, PadAttributes, WindowAttributes, DotAttributes, RaggedDotAttributes,
    ConvolutionAttributes, BatchNormAttributes, ReducePrecisionAttributes, DynamicSliceAttributes, GatherAttributes,
    ScatterAttributes, SortAttributes, TopKAttributes, FftAttributes, CholeskyAttributes, TriangularSolveAttributes,
    FusionAttributes, CallAttributes, CustomCallAttributes, RngAttributes, RngBitGeneratorAttributes,
    RngStateAttributes, CollectiveAttributes, ScanAttributes, AsyncAttributes,
]  # fmt: skip

AttributeType = TypeVar("AttributeType", bound=Attributes)


def of_class(attributes: Attributes, kind: type[AttributeType], owner: str = "") -> AttributeType:
    """`attributes`, which belong to `owner`; HloVerificationError if they are not of class `kind`."""
    if isinstance(attributes, kind):
        return attributes
    where = f"{owner}: " if owner else ""
    raise HloVerificationError(f"{where}expected {kind.__name__}, found {type(attributes).__name__}")
