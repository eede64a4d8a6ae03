"""Attributes of an instruction as HLO text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..ir import attributes as attr
from ..ir.module import HloInstruction
from ..ir.shape import array_shape, default_layout

Words = list[str]
_PRINTERS: dict[type, Callable[[Any, HloInstruction], Words]] = {}
_PRECISIONS = ("default", "high", "highest")


def attribute_words(instruction: HloInstruction) -> Words:
    """``key=value`` for every attribute and called computation, in XLA's spelling."""
    printer = _PRINTERS.get(type(instruction.attributes))
    words = [] if printer is None else printer(instruction.attributes, instruction)
    return words + _called(instruction)


def quoted(text: str) -> str:
    """`text` in double quotes, control characters escaped."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(c if c.isprintable() else f"\\{ord(c):03o}" if ord(c) < 256 else "?" for c in plain) + '"'


def _prints(kind: type) -> Callable[[Callable[[Any, HloInstruction], Words]], Callable[[Any, HloInstruction], Words]]:
    def register(printer: Callable[[Any, HloInstruction], Words]) -> Callable[[Any, HloInstruction], Words]:
        _PRINTERS[kind] = printer
        return printer

    return register


def _braces(values: Iterable[object]) -> str:
    return "{" + ",".join(str(value) for value in values) + "}"


def _flag(name: str, value: bool) -> Words:
    return [f"{name}=true"] if value else []


_ROLES = {"select-and-scatter": ("select", "scatter"), "while": ("body", "condition"), "fusion": ("calls",)}
_LISTS = {"conditional": "branch_computations", "custom-call": "called_computations"}


def _called(instruction: HloInstruction) -> Words:
    names = [callee.name for callee in instruction.called_computations]
    if not names:
        return []
    if instruction.opcode == "conditional" and len(names) == 2 and instruction.operands[0].shape.kind == "pred":
        return [f"true_computation={names[0]}", f"false_computation={names[1]}"]
    if instruction.opcode in _LISTS:
        return [f"{_LISTS[instruction.opcode]}={_braces(names)}"]
    if instruction.opcode.startswith("async"):
        return [f"calls={name}" for name in names]
    return [f"{role}={name}" for role, name in zip(_ROLES.get(instruction.opcode, ("to_apply",)), names)]


@_prints(attr.TupleIndexAttributes)
def _tuple_index(attributes: attr.TupleIndexAttributes, instruction: HloInstruction) -> Words:
    return [f"index={attributes.index}"]


@_prints(attr.DimensionsAttributes)
def _dimensions(attributes: attr.DimensionsAttributes, instruction: HloInstruction) -> Words:
    if instruction.opcode == "iota":
        return [f"iota_dimension={dimension}" for dimension in attributes.dimensions]
    return ["dimensions=" + _braces(attributes.dimensions)]


@_prints(attr.CompareAttributes)
def _compare(attributes: attr.CompareAttributes, instruction: HloInstruction) -> Words:
    return [f"direction={attributes.direction}", f"type={attributes.type}"]


@_prints(attr.SliceAttributes)
def _slice(attributes: attr.SliceAttributes, instruction: HloInstruction) -> Words:
    rows = zip(attributes.starts, attributes.limits, attributes.strides)
    ranges = [f"[{start}:{limit}" + (f":{stride}]" if stride != 1 else "]") for start, limit, stride in rows]
    return ["slice={" + ", ".join(ranges) + "}"]


@_prints(attr.PadAttributes)
def _pad(attributes: attr.PadAttributes, instruction: HloInstruction) -> Words:
    rows = zip(attributes.low, attributes.high, attributes.interior)
    words = [f"{low}_{high}" + (f"_{interior}" if interior else "") for low, high, interior in rows]
    return ["padding=" + "x".join(words)] if words else []


def _window_words(window: attr.Window) -> Words:
    rows = window.dimensions
    if not rows:
        return []
    parts = ["size=" + "x".join(str(row.size) for row in rows)]
    if any(row.stride != 1 for row in rows):
        parts.append("stride=" + "x".join(str(row.stride) for row in rows))
    if any(row.padding_low or row.padding_high for row in rows):
        parts.append("pad=" + "x".join(f"{row.padding_low}_{row.padding_high}" for row in rows))
    if any(row.base_dilation != 1 for row in rows):
        parts.append("lhs_dilate=" + "x".join(str(row.base_dilation) for row in rows))
    if any(row.window_dilation != 1 for row in rows):
        parts.append("rhs_dilate=" + "x".join(str(row.window_dilation) for row in rows))
    if any(row.window_reversal for row in rows):
        parts.append("rhs_reversal=" + "x".join(str(int(row.window_reversal)) for row in rows))
    return ["window={" + " ".join(parts) + "}"]


@_prints(attr.WindowAttributes)
def _window(attributes: attr.WindowAttributes, instruction: HloInstruction) -> Words:
    return _window_words(attributes.window)


def _dot_words(numbers: attr.DotDimensionNumbers) -> Words:
    rows = (
        ("lhs_batch_dims", numbers.lhs_batch),
        ("lhs_contracting_dims", numbers.lhs_contracting),
        ("rhs_batch_dims", numbers.rhs_batch),
        ("rhs_contracting_dims", numbers.rhs_contracting),
    )
    return [f"{name}={_braces(axes)}" for name, axes in rows if axes]


def _precision(numbers: tuple[int, ...]) -> Words:
    if not any(numbers):
        return []
    return ["operand_precision=" + _braces(_PRECISIONS[n] if 0 <= n < len(_PRECISIONS) else n for n in numbers)]


@_prints(attr.DotAttributes)
def _dot(attributes: attr.DotAttributes, instruction: HloInstruction) -> Words:
    return _dot_words(attributes.dimension_numbers) + _precision(attributes.operand_precision)


@_prints(attr.RaggedDotAttributes)
def _ragged_dot(attributes: attr.RaggedDotAttributes, instruction: HloInstruction) -> Words:
    return [
        *_dot_words(attributes.dimension_numbers),
        "lhs_ragged_dims=" + _braces(attributes.lhs_ragged),
        "rhs_group_dims=" + _braces(attributes.rhs_group),
    ]


def _labels(named: dict[int, str], spatial: tuple[int, ...]) -> str:
    """One letter per dimension: what `named` says, else the number of the spatial dimension."""
    places = {**named, **{axis: str(index) for index, axis in enumerate(spatial)}}
    return "".join(places[axis] for axis in sorted(places))


@_prints(attr.ConvolutionAttributes)
def _convolution(attributes: attr.ConvolutionAttributes, instruction: HloInstruction) -> Words:
    numbers = attributes.dimension_numbers
    data = _labels({numbers.input_batch: "b", numbers.input_feature: "f"}, numbers.input_spatial)
    kernel = _labels({numbers.kernel_input_feature: "i", numbers.kernel_output_feature: "o"}, numbers.kernel_spatial)
    output = _labels({numbers.output_batch: "b", numbers.output_feature: "f"}, numbers.output_spatial)
    words = [*_window_words(attributes.window), f"dim_labels={data}_{kernel}->{output}"]
    if attributes.feature_group_count != 1:
        words.append(f"feature_group_count={attributes.feature_group_count}")
    if attributes.batch_group_count != 1:
        words.append(f"batch_group_count={attributes.batch_group_count}")
    return words + _precision(attributes.operand_precision)


@_prints(attr.BatchNormAttributes)
def _batch_norm(attributes: attr.BatchNormAttributes, instruction: HloInstruction) -> Words:
    return [f"epsilon={attributes.epsilon:.9g}", f"feature_index={attributes.feature_index}"]


@_prints(attr.ReducePrecisionAttributes)
def _reduce_precision(attributes: attr.ReducePrecisionAttributes, instruction: HloInstruction) -> Words:
    return [f"exponent_bits={attributes.exponent_bits}", f"mantissa_bits={attributes.mantissa_bits}"]


@_prints(attr.DynamicSliceAttributes)
def _dynamic_slice(attributes: attr.DynamicSliceAttributes, instruction: HloInstruction) -> Words:
    return ["dynamic_slice_sizes=" + _braces(attributes.sizes)]


@_prints(attr.GatherAttributes)
def _gather(attributes: attr.GatherAttributes, instruction: HloInstruction) -> Words:
    words = [
        "offset_dims=" + _braces(attributes.offset_dims),
        "collapsed_slice_dims=" + _braces(attributes.collapsed_slice_dims),
        "start_index_map=" + _braces(attributes.start_index_map),
    ]
    if attributes.operand_batching_dims:
        words.append("operand_batching_dims=" + _braces(attributes.operand_batching_dims))
        words.append("start_indices_batching_dims=" + _braces(attributes.start_indices_batching_dims))
    words.append(f"index_vector_dim={attributes.index_vector_dim}")
    words.append("slice_sizes=" + _braces(attributes.slice_sizes))
    return words + _flag("indices_are_sorted", attributes.indices_are_sorted)


@_prints(attr.ScatterAttributes)
def _scatter(attributes: attr.ScatterAttributes, instruction: HloInstruction) -> Words:
    words = [
        "update_window_dims=" + _braces(attributes.update_window_dims),
        "inserted_window_dims=" + _braces(attributes.inserted_window_dims),
        "scatter_dims_to_operand_dims=" + _braces(attributes.scatter_dims_to_operand_dims),
    ]
    if attributes.input_batching_dims:
        words.append("input_batching_dims=" + _braces(attributes.input_batching_dims))
        words.append("scatter_indices_batching_dims=" + _braces(attributes.scatter_indices_batching_dims))
    words.append(f"index_vector_dim={attributes.index_vector_dim}")
    words += _flag("indices_are_sorted", attributes.indices_are_sorted)
    return words + _flag("unique_indices", attributes.unique_indices)


@_prints(attr.SortAttributes)
def _sort(attributes: attr.SortAttributes, instruction: HloInstruction) -> Words:
    return ["dimensions=" + _braces([attributes.dimension]), *_flag("is_stable", attributes.is_stable)]


@_prints(attr.TopKAttributes)
def _topk(attributes: attr.TopKAttributes, instruction: HloInstruction) -> Words:
    return [f"k={attributes.k}", f"largest={str(attributes.largest).lower()}"]


@_prints(attr.FftAttributes)
def _fft(attributes: attr.FftAttributes, instruction: HloInstruction) -> Words:
    return [f"fft_type={attributes.type}", "fft_length=" + _braces(attributes.length)]


@_prints(attr.CholeskyAttributes)
def _cholesky(attributes: attr.CholeskyAttributes, instruction: HloInstruction) -> Words:
    return _flag("lower", attributes.lower)


@_prints(attr.TriangularSolveAttributes)
def _triangular_solve(attributes: attr.TriangularSolveAttributes, instruction: HloInstruction) -> Words:
    words = _flag("left_side", attributes.left_side) + _flag("lower", attributes.lower)
    return [*words, *_flag("unit_diagonal", attributes.unit_diagonal), f"transpose_a={attributes.transpose}"]


@_prints(attr.FusionAttributes)
def _fusion(attributes: attr.FusionAttributes, instruction: HloInstruction) -> Words:
    return [f"kind={attributes.kind}"]


@_prints(attr.CallAttributes)
def _call(attributes: attr.CallAttributes, instruction: HloInstruction) -> Words:
    return _flag("is_composite", attributes.is_composite)


@_prints(attr.CustomCallAttributes)
def _custom_call(attributes: attr.CustomCallAttributes, instruction: HloInstruction) -> Words:
    words = [f"custom_call_target={quoted(attributes.target)}"]
    words += _flag("custom_call_has_side_effect", attributes.has_side_effect)
    if attributes.api_version != "API_VERSION_ORIGINAL":
        words.append(f"api_version={attributes.api_version}")
    if attributes.operand_shapes_with_layout:
        # XLA wants the layout spelled out here, row-major too
        layouts = [f"{array_shape(s.element_type, s.dimensions)}{_braces(s.minor_to_major or default_layout(s.rank))}"
                   for s in attributes.operand_shapes_with_layout]  # fmt: skip
        words.append("operand_layout_constraints={" + ", ".join(layouts) + "}")
    if attributes.backend_config:
        words.append("backend_config=" + quoted(attributes.backend_config.decode("latin-1")))
    return words


@_prints(attr.RngAttributes)
def _rng(attributes: attr.RngAttributes, instruction: HloInstruction) -> Words:
    return [f"distribution={attributes.distribution.lower()}"]


@_prints(attr.RngBitGeneratorAttributes)
def _rng_bit_generator(attributes: attr.RngBitGeneratorAttributes, instruction: HloInstruction) -> Words:
    return [f"algorithm={attributes.algorithm.lower()}"]


@_prints(attr.RngStateAttributes)
def _rng_state(attributes: attr.RngStateAttributes, instruction: HloInstruction) -> Words:
    return [f"delta={attributes.delta}"]


@_prints(attr.CollectiveAttributes)
def _collective(attributes: attr.CollectiveAttributes, instruction: HloInstruction) -> Words:
    words = [f"channel_id={attributes.channel_id}"] if attributes.channel_id > 0 else []
    if attributes.source_target_pairs:
        words.append("source_target_pairs=" + _braces(map(_braces, attributes.source_target_pairs)))
    else:
        words.append("replica_groups=" + _braces(map(_braces, attributes.replica_groups)))
    return words + (["dimensions=" + _braces(attributes.dimensions)] if attributes.dimensions else [])


@_prints(attr.ScanAttributes)
def _scan(attributes: attr.ScanAttributes, instruction: HloInstruction) -> Words:
    words = ["dimensions=" + _braces([attributes.dimension]), f"num_carries={attributes.num_carries}"]
    return words + _flag("is_reverse", attributes.is_reverse) + _flag("is_associative", attributes.is_associative)


@_prints(attr.AsyncAttributes)
def _async(attributes: attr.AsyncAttributes, instruction: HloInstruction) -> Words:
    thread = attributes.execution_thread
    return [f"async_execution_thread={quoted(thread)}"] if thread else []
