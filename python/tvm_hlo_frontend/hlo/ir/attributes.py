"""What an instruction carries besides operands: one frozen dataclass per kind of opcode. The fields are hlo.proto's in
Python's terms: literals are numpy arrays, enums their names, and what only compilers use is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from .backend_config import parse_backend_config
from .shape import Shape


@dataclass(frozen=True)
class NoAttributes:
    """Opcodes that are defined by their operands alone."""


@dataclass(frozen=True)
class ParameterAttributes:
    """parameter: its number among the computation's parameters."""

    number: int


@dataclass(frozen=True, eq=False)
class ConstantAttributes:
    """constant: the literal in logical (row-major) order; a tuple of literals for a tuple constant."""

    literal: Literal


Literal = Union[np.ndarray, "tuple[Literal, ...]"]


@dataclass(frozen=True)
class TupleIndexAttributes:
    """get-tuple-element."""

    index: int


@dataclass(frozen=True)
class DimensionsAttributes:
    """broadcast, transpose, reverse, concatenate, reduce, map, iota (one dimension), set/get-dimension-size,
    all-gather, all-to-all, reduce-scatter."""

    dimensions: tuple[int, ...]


@dataclass(frozen=True)
class CompareAttributes:
    """compare: direction EQ NE GE GT LE LT; type FLOAT TOTALORDER SIGNED UNSIGNED (never empty after reading)."""

    direction: str
    type: str


@dataclass(frozen=True)
class SliceAttributes:
    """slice: start inclusive, limit exclusive, stride, per dimension."""

    starts: tuple[int, ...]
    limits: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class PadAttributes:
    """pad: edge padding (may be negative) and interior padding, per dimension."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    interior: tuple[int, ...]


@dataclass(frozen=True)
class WindowDimension:
    """One dimension of a window; dilations and stride of 0 are read as 1."""

    size: int
    stride: int = 1
    padding_low: int = 0
    padding_high: int = 0
    window_dilation: int = 1
    base_dilation: int = 1
    window_reversal: bool = False


@dataclass(frozen=True)
class Window:
    """Window of convolution, reduce-window, select-and-scatter."""

    dimensions: tuple[WindowDimension, ...]


@dataclass(frozen=True)
class WindowAttributes:
    """reduce-window and select-and-scatter."""

    window: Window


@dataclass(frozen=True)
class DotDimensionNumbers:
    """Dimension numbers of dot."""

    lhs_contracting: tuple[int, ...] = ()
    rhs_contracting: tuple[int, ...] = ()
    lhs_batch: tuple[int, ...] = ()
    rhs_batch: tuple[int, ...] = ()


@dataclass(frozen=True)
class DotAttributes:
    """dot; operand_precision as PrecisionConfig numbers (0 default, 1 high, 2 highest)."""

    dimension_numbers: DotDimensionNumbers
    operand_precision: tuple[int, ...] = ()


@dataclass(frozen=True)
class RaggedDotAttributes:
    """ragged-dot."""

    dimension_numbers: DotDimensionNumbers
    lhs_ragged: tuple[int, ...] = ()
    rhs_group: tuple[int, ...] = ()


@dataclass(frozen=True)
class ConvolutionDimensionNumbers:
    """Where batch, feature and spatial dimensions stand in input, kernel and output."""

    input_batch: int
    input_feature: int
    input_spatial: tuple[int, ...]
    kernel_input_feature: int
    kernel_output_feature: int
    kernel_spatial: tuple[int, ...]
    output_batch: int
    output_feature: int
    output_spatial: tuple[int, ...]


@dataclass(frozen=True)
class ConvolutionAttributes:
    """convolution."""

    window: Window
    dimension_numbers: ConvolutionDimensionNumbers
    feature_group_count: int = 1
    batch_group_count: int = 1
    operand_precision: tuple[int, ...] = ()


@dataclass(frozen=True)
class BatchNormAttributes:
    """batch-norm-inference, -training, -grad."""

    epsilon: float
    feature_index: int


@dataclass(frozen=True)
class ReducePrecisionAttributes:
    """reduce-precision."""

    exponent_bits: int
    mantissa_bits: int


@dataclass(frozen=True)
class DynamicSliceAttributes:
    """dynamic-slice: sizes of the slice."""

    sizes: tuple[int, ...]


@dataclass(frozen=True)
class GatherAttributes:
    """gather, names of GatherDimensionNumbers."""

    offset_dims: tuple[int, ...]
    collapsed_slice_dims: tuple[int, ...]
    start_index_map: tuple[int, ...]
    index_vector_dim: int
    slice_sizes: tuple[int, ...]
    operand_batching_dims: tuple[int, ...] = ()
    start_indices_batching_dims: tuple[int, ...] = ()
    indices_are_sorted: bool = False


@dataclass(frozen=True)
class ScatterAttributes:
    """scatter, names of ScatterDimensionNumbers."""

    update_window_dims: tuple[int, ...]
    inserted_window_dims: tuple[int, ...]
    scatter_dims_to_operand_dims: tuple[int, ...]
    index_vector_dim: int
    input_batching_dims: tuple[int, ...] = ()
    scatter_indices_batching_dims: tuple[int, ...] = ()
    indices_are_sorted: bool = False
    unique_indices: bool = False


@dataclass(frozen=True)
class SortAttributes:
    """sort."""

    dimension: int
    is_stable: bool = False


@dataclass(frozen=True)
class TopKAttributes:
    """topk along the last dimension."""

    k: int
    largest: bool = True


@dataclass(frozen=True)
class FftAttributes:
    """fft: type FFT, IFFT, RFFT or IRFFT, over the last len(length) dimensions."""

    type: str
    length: tuple[int, ...]


@dataclass(frozen=True)
class CholeskyAttributes:
    """cholesky."""

    lower: bool


@dataclass(frozen=True)
class TriangularSolveAttributes:
    """triangular-solve: transpose is NO_TRANSPOSE, TRANSPOSE or ADJOINT."""

    left_side: bool
    lower: bool
    unit_diagonal: bool
    transpose: str


@dataclass(frozen=True)
class FusionAttributes:
    """fusion."""

    kind: str


@dataclass(frozen=True)
class CallAttributes:
    """call: whether it is a composite, and its name then."""

    is_composite: bool = False


@dataclass(frozen=True)
class CustomCallAttributes:
    """custom-call: api_version is the name of the CustomCallApiVersion, backend_config the raw bytes.

    operand_shapes_with_layout, where there are any, are the layouts that the callee wants (LAPACK: column-major);
    they never change the logical values.
    """

    target: str
    api_version: str = "API_VERSION_ORIGINAL"
    backend_config: bytes = b""
    has_side_effect: bool = False
    operand_shapes_with_layout: tuple[Shape, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """The options in backend_config by name, see `parse_backend_config`."""
        return parse_backend_config(self.backend_config)


@dataclass(frozen=True)
class RngAttributes:
    """rng: distribution RNG_UNIFORM or RNG_NORMAL."""

    distribution: str


@dataclass(frozen=True)
class RngBitGeneratorAttributes:
    """rng-bit-generator: RNG_DEFAULT, RNG_THREE_FRY or RNG_PHILOX."""

    algorithm: str


@dataclass(frozen=True)
class RngStateAttributes:
    """rng-get-and-update-state."""

    delta: int


@dataclass(frozen=True)
class CollectiveAttributes:
    """Collectives: groups of replica ids, source-target pairs, dimensions where the opcode has them."""

    replica_groups: tuple[tuple[int, ...], ...] = ()
    source_target_pairs: tuple[tuple[int, int], ...] = ()
    dimensions: tuple[int, ...] = ()
    channel_id: int = 0


@dataclass(frozen=True)
class ScanAttributes:
    """scan: dimension, number of carries, direction, associativity."""

    dimension: int
    num_carries: int
    is_reverse: bool = False
    is_associative: bool = False


@dataclass(frozen=True)
class AsyncAttributes:
    """async-start, -update, -done: the thread that runs them."""

    execution_thread: str = ""


Attributes = Union[
    NoAttributes,
    ParameterAttributes,
    ConstantAttributes,
    TupleIndexAttributes,
    DimensionsAttributes,
    CompareAttributes,
    SliceAttributes,
    PadAttributes,
    WindowAttributes,
    DotAttributes,
    RaggedDotAttributes,
    ConvolutionAttributes,
    BatchNormAttributes,
    ReducePrecisionAttributes,
    DynamicSliceAttributes,
    GatherAttributes,
    ScatterAttributes,
    SortAttributes,
    TopKAttributes,
    FftAttributes,
    CholeskyAttributes,
    TriangularSolveAttributes,
    FusionAttributes,
    CallAttributes,
    CustomCallAttributes,
    RngAttributes,
    RngBitGeneratorAttributes,
    RngStateAttributes,
    CollectiveAttributes,
    ScanAttributes,
    AsyncAttributes,
]
