"""Operations whose shape is an operand, as `hlo/text/dynamic_script.py` hands them over, to opcodes of HLO."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..hlo.ir.attributes import (
    ConvolutionAttributes,
    ConvolutionDimensionNumbers,
    CustomCallAttributes,
    DimensionsAttributes,
    DynamicSliceAttributes,
    GatherAttributes,
    NoAttributes,
    PadAttributes,
    RngBitGeneratorAttributes,
    SliceAttributes,
    SortAttributes,
    TopKAttributes,
    TupleIndexAttributes,
    Window,
    WindowAttributes,
    WindowDimension,
)
from ..hlo.ir.builder import ComputationBuilder
from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Dimension, array_shape, tuple_shape
from ..hlo.ir.sizes import Size, expression, product_of, variable
from ..hlo.shape_inference.rules import one_or_tuple
from .size_walk import Walk, unknown

# before the target of a custom call whose last operands are the shapes of its results
SIZED = "shape.sized."
LAPACK = "lapack_"

Convert = Callable[[Walk, ComputationBuilder, HloInstruction, Sequence[HloInstruction]], HloInstruction]


def options(old: HloInstruction) -> dict[str, Any]:
    """Attributes of the operation."""
    text = old.attributes_as(CustomCallAttributes).backend_config
    return json.loads(text) if text else {}


def _axes(values: Any) -> tuple[int, ...]:
    return tuple(map(int, values))


def _broadcast(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    """Dimensions of size 1 are repeated as well: HLO drops them before."""
    return _broadcast_along(walk, builder, old, operands, _axes(options(old)["dimensions"]))


def _broadcast_of_xla(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    """What XLA's translation makes itself, of scalars next to unknown sizes."""
    text = old.attributes_as(CustomCallAttributes).backend_config.decode()
    return _broadcast_along(walk, builder, old, operands, _axes(re.findall(r"\d+", text)))


def _broadcast_along(
    walk: Walk,
    builder: ComputationBuilder,
    old: HloInstruction,
    operands: Sequence[HloInstruction],
    places: tuple[int, ...],
) -> HloInstruction:
    operand = operands[0]
    shape = walk.fitted(old.shape, walk.sizes(operands[1]), old)
    kept = [
        axis
        for axis, (size, place) in enumerate(zip(operand.shape.dimensions, places))
        if not (size == 1 and shape.dimensions[place] != 1)
    ]
    sizes = list(shape.dimensions)
    for axis in kept:
        sizes[places[axis]] = walk.equal(sizes[places[axis]], operand.shape.dimensions[axis], old)
    if len(kept) < operand.shape.rank:
        squeezed = array_shape(shape.element_type, [operand.shape.dimensions[axis] for axis in kept])
        operand = builder.add("reshape", [operand], squeezed, metadata=old.metadata)
    attributes = DimensionsAttributes(tuple(places[axis] for axis in kept))
    return walk.add(builder, old, [operand], array_shape(shape.element_type, sizes), "broadcast", attributes, ())


def _reshape(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    shape = walk.fitted(old.shape, walk.sizes(operands[1]), old)
    for mine, other in _factors_in_order(operands[0].shape.dimensions, shape.dimensions):
        walk.equal(variable(mine), variable(other), old)
    walk.equal(product_of(operands[0].shape.dimensions), product_of(shape.dimensions), old)
    if shape.dimensions == operands[0].shape.dimensions:
        return operands[0]
    return walk.add(builder, old, operands[:1], shape, "reshape", NoAttributes(), ())


def _factors_in_order(ours: Sequence[Dimension], theirs: Sequence[Dimension]) -> Sequence[tuple[str, str]]:
    """Unknown sizes of two shapes with as many elements, where both have as many of them. Their product alone does not
    tell which is which; programs keep them in order."""
    have, want = _factors(ours), _factors(theirs)
    if have is None or want is None or len(have) != len(want) or _number_of(ours) != _number_of(theirs):
        return ()
    return list(zip([name for name in have if name not in want], [name for name in want if name not in have]))


def _number_of(dimensions: Sequence[Dimension]) -> int:
    """By which the unknown sizes of dimensions are multiplied in their product."""
    return int(expression(product_of(dimensions)).as_coeff_Mul()[0])


def _factors(dimensions: Sequence[Dimension]) -> list[str] | None:
    """Names of the unknown sizes whose product the dimensions are, but for a number; None if it is no such product."""
    found: list[str] = []
    for size in dimensions:
        powers = expression(size).as_powers_dict() if isinstance(size, Size) else {}
        known = {base: power for base, power in powers.items() if not base.is_number}
        if not all(base.is_Symbol and power.is_Integer for base, power in known.items()):
            return None
        found += sorted(base.name for base, power in known.items() for _ in range(int(power)))
    return found


def _iota(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    attributes = DimensionsAttributes((int(options(old)["dimension"]),))
    return walk.add(builder, old, (), walk.fitted(old.shape, walk.sizes(operands[0]), old), "iota", attributes, ())


def _pad(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    attributes: Any = PadAttributes(*map(walk.sizes, operands[2:]))  # type: ignore[arg-type]
    return walk.inferred(builder, old, operands[:2], "pad", attributes)


def _slice(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    sizes = _sizes_behind(walk, operands)
    if sizes is not None:
        return _slice_from_data(walk, builder, old, operands, sizes)
    attributes: Any = SliceAttributes(*map(walk.sizes, operands[1:]))  # type: ignore[arg-type]
    return walk.inferred(builder, old, operands[:1], "slice", attributes)


def _sizes_behind(walk: Walk, operands: Sequence[HloInstruction]) -> tuple[Dimension, ...] | None:
    """Sizes of a slice whose starts are data and whose limits are these and sizes, as in JAX's dynamic_slice."""
    _, start, limit, stride = operands
    if walk.elements.get(start) is not None or limit.opcode != "add" or start not in limit.operands:
        return None
    if set(walk.sizes(stride)) != {1}:
        unknown("it is a slice in steps from starts that are data")
    sizes = limit.operands[1] if limit.operands[0] is start else limit.operands[0]
    return walk.sizes(sizes)


def _slice_from_data(
    walk: Walk,
    builder: ComputationBuilder,
    old: HloInstruction,
    operands: Sequence[HloInstruction],
    sizes: tuple[Dimension, ...],
) -> HloInstruction:
    operand, vector = operands[:2]
    starts = []
    for axis in range(len(sizes)):
        one = builder.add("slice", [vector], attributes=SliceAttributes((axis,), (axis + 1,), (1,)))
        starts.append(builder.add("reshape", [one], array_shape(vector.shape.element_type)))
    attributes: Any = DynamicSliceAttributes(sizes)  # type: ignore[arg-type]
    return walk.inferred(builder, old, [operand, *starts], "dynamic-slice", attributes)


def _gather(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    given: Any = options(old)
    attributes: Any = GatherAttributes(
        offset_dims=_axes(given["offset_dims"]),
        collapsed_slice_dims=_axes(given["collapsed_slice_dims"]),
        start_index_map=_axes(given["start_index_map"]),
        index_vector_dim=given["index_vector_dim"],
        slice_sizes=walk.sizes(operands[2]),  # type: ignore[arg-type]
        operand_batching_dims=_axes(given["operand_batching_dims"]),
        start_indices_batching_dims=_axes(given["start_indices_batching_dims"]),
        indices_are_sorted=given["indices_are_sorted"],
    )
    return walk.inferred(builder, old, operands[:2], "gather", attributes)


def _convolution(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    given: Any = options(old)
    numbers: dict[str, Any] = {
        name: _axes(axes) if isinstance(axes, list) else axes for name, axes in given["dimension_numbers"].items()
    }
    dimension_numbers = ConvolutionDimensionNumbers(**numbers)
    paddings = walk.sizes(operands[2])
    kernel = operands[1].shape.dimensions
    window: list[Any] = [
        WindowDimension(
            size=kernel[dimension_numbers.kernel_spatial[index]],  # type: ignore[arg-type]
            stride=given["strides"][index],
            padding_low=paddings[2 * index],  # type: ignore[arg-type]
            padding_high=paddings[2 * index + 1],  # type: ignore[arg-type]
            window_dilation=given["window_dilation"][index],
            base_dilation=given["base_dilation"][index],
            window_reversal=given["reversal"][index],
        )
        for index in range(len(given["strides"]))
    ]
    attributes = ConvolutionAttributes(
        Window(tuple(window)), dimension_numbers, given["feature_group_count"], given["batch_group_count"]
    )
    return walk.inferred(builder, old, operands[:2], "convolution", attributes)


def _reduce_window(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    *arrays, size, stride, base, dilation, padding = operands
    columns = [walk.sizes(each) for each in (size, stride, base, dilation)]
    paddings = walk.sizes(padding)
    window: list[Any] = [
        WindowDimension(
            size=row[0],
            stride=row[1],
            padding_low=paddings[2 * index],  # type: ignore[arg-type]
            padding_high=paddings[2 * index + 1],  # type: ignore[arg-type]
            window_dilation=row[3],
            base_dilation=row[2],
        )
        for index, row in enumerate(zip(*columns))
    ]
    attributes = WindowAttributes(Window(tuple(window)))
    return walk.inferred(builder, old, arrays, "reduce-window", attributes, old.called_computations)


def _top_k(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    """chlo.top_k, and dynamic_top_k whose k is an operand."""
    operand = operands[0]
    if len(operands) > 1:
        (k,) = walk.sizes(operands[1])
    else:
        k = int(options(old)["k"])
    sizes = (*operand.shape.dimensions[:-1], k)
    shape = tuple_shape(array_shape(operand.shape.element_type, sizes), array_shape("s32", sizes))
    attributes: Any = TopKAttributes(k)  # type: ignore[arg-type]
    return walk.add(builder, old, [operand], shape, "topk", attributes, ())


_ALGORITHMS = {"DEFAULT": "RNG_DEFAULT", "THREE_FRY": "RNG_THREE_FRY", "PHILOX": "RNG_PHILOX"}


def _random_bits(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    said = str(options(old).get("rng_algorithm", ""))
    found = [name for word, name in _ALGORITHMS.items() if word in said]
    if not found:
        unknown(f"the random algorithm {said!r} is none of {', '.join(_ALGORITHMS)}")
    state, bits = old.shape.tuple_shapes
    drawn = walk.fitted(bits, walk.sizes(operands[1]), old)
    shape = tuple_shape(array_shape(state.element_type, state.dimensions), drawn)
    return walk.add(builder, old, operands[:1], shape, "rng-bit-generator", RngBitGeneratorAttributes(found[0]), ())


def _approximate_top_k(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    """What XLA makes of it on CPUs: the first k along a dimension after an exact sort."""
    given: Any = options(old)
    if not given.get("is_fallback"):
        unknown("approximate top-k is for TPUs alone")
    k, axis = int(given["top_k"]), int(given["reduction_dim"])
    arrays = operands[: len(old.shape.arrays())]
    shapes = [array.shape for array in arrays]
    attributes = SortAttributes(axis)
    walk.equal_operands(old, "sort", attributes, arrays)
    ordered = builder.add("sort", arrays, one_or_tuple(shapes), attributes, old.called_computations, name=old.name)
    parts = []
    for index, shape in enumerate(shapes):
        whole = ordered
        if len(shapes) > 1:
            whole = walk.add(builder, old, [ordered], shape, "get-tuple-element", TupleIndexAttributes(index), ())
        limits: Any = tuple(k if place == axis else size for place, size in enumerate(shape.dimensions))
        first = SliceAttributes((0,) * shape.rank, limits, (1,) * shape.rank)
        parts.append(walk.add(builder, old, [whole], array_shape(shape.element_type, limits), "slice", first, ()))
    return parts[0] if len(parts) == 1 else builder.add("tuple", parts, tuple_shape(*(part.shape for part in parts)))


def _erf(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    return walk.add(builder, old, operands, operands[0].shape, "erf", NoAttributes(), ())


def _update_slice(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    return walk.add(builder, old, operands, operands[0].shape, "dynamic-update-slice", NoAttributes(), ())


def _cast(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    return operands[0]


def sized_custom_call(
    walk: Walk, builder: ComputationBuilder, old: HloInstruction, operands: Sequence[HloInstruction]
) -> HloInstruction:
    """A custom call whose last operands are the shapes of its results: JAX's calls of LAPACK."""
    attributes, declared = old.attributes_as(CustomCallAttributes), old.shape.arrays()
    arrays, sizes = operands[: -len(declared)], operands[-len(declared) :]
    results = [walk.fitted(shape, walk.sizes(each), old) for shape, each in zip(declared, sizes)]
    layouts = tuple(
        replace(layout, dimensions=array.shape.dimensions)
        for layout, array in zip(attributes.operand_shapes_with_layout, arrays)
    )
    target = attributes.target.removeprefix(SIZED)
    if target.startswith(LAPACK) and arrays:
        matrices = arrays[0].shape.dimensions[:-2]  # all arrays and results are of the same batch
        for other in (*(array.shape for array in arrays[1:]), *results):
            for mine, theirs in zip(matrices, other.dimensions):
                walk.equal(mine, theirs, old)
    attributes = replace(attributes, target=target, operand_shapes_with_layout=layouts)
    return walk.add(
        builder,
        old,
        arrays,
        one_or_tuple(results) if not old.shape.is_tuple else tuple_shape(*results),
        None,
        attributes,
    )


# what takes a custom call's place, by its target
DYNAMIC_OPERATIONS: Mapping[str, Convert] = {
    "shape.dynamic_broadcast_in_dim": _broadcast,
    "mhlo.dynamic_broadcast_in_dim": _broadcast_of_xla,
    "shape.dynamic_reshape": _reshape,
    "shape.dynamic_iota": _iota,
    "shape.dynamic_pad": _pad,
    "shape.real_dynamic_slice": _slice,
    "shape.dynamic_gather": _gather,
    "shape.dynamic_conv": _convolution,
    "shape.top_k": _top_k,
    "shape.erf": _erf,
    "shape.cast": _cast,
    "shape.dynamic_update_slice": _update_slice,
    "shape.dynamic_approx_top_k": _approximate_top_k,
    "shape.dynamic_reduce_window": _reduce_window,
    "shape.dynamic_rng_bit_generator": _random_bits,
    "shape.dynamic_top_k": _top_k,
}
