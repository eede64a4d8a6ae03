"""Arrays of bounded dimensions as `Padded`: the elements up to the bounds, and a scalar for every size.

What lies behind a size has no meaning, and no rule lets it into what lies before one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...analysis.known_sizes import at_bounds
from ...errors import UnsupportedInstruction
from ...hlo.ir.attributes import Attributes, DimensionsAttributes, DynamicSliceAttributes
from ...hlo.ir.builder import ComputationBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import Shape, Symbol, array_shape, tuple_shape
from ..emit import Emitter
from .numbers import merged, same_number

SIZE = array_shape("s32")
# sizes by dimension
Sizes = Mapping[int, HloInstruction]


@dataclass(frozen=True)
class Padded:
    """An array whose dimensions may have sizes of their own.

    Attributes
    ----------
    value : HloInstruction
        Of static shape, the bounds.
    sizes : mapping of int to HloInstruction
        An s32 scalar from 0 to the bound for each dimension that is not as large as the bound always.
    """

    value: HloInstruction
    sizes: Sizes = field(default_factory=dict)

    def size(self, emit: Emitter, axis: int) -> HloInstruction:
        """The size of a dimension, which is a constant if it has none of its own."""
        return self.sizes.get(axis) or emit.full(self.bounds[axis], SIZE)

    @property
    def bounds(self) -> tuple[int, ...]:
        """Of the dimensions."""
        return self.value.shape.sizes


@dataclass(frozen=True)
class Case:
    """One instruction of the old module on what became of its operands.

    Attributes
    ----------
    emit : Emitter
    old : HloInstruction
    operands : tuple of Padded
    called : tuple of HloComputation
        What became of the computations that it calls.
    """

    emit: Emitter
    old: HloInstruction
    operands: tuple[Padded, ...]
    called: tuple[HloComputation, ...] = ()

    @property
    def builder(self) -> ComputationBuilder:
        """That of the new computation."""
        return self.emit.builder

    def on(
        self, values: Iterable[HloInstruction], shape: Shape | None = None, attributes: Attributes | None = None
    ) -> HloInstruction:
        """The instruction on static arrays; of its own shape with the bounds for sizes, unless there is another."""
        old = self.old
        return self.builder.add(
            old.opcode,
            list(values),
            shape or at_bounds(old.shape),
            attributes or old.attributes,
            self.called,
            name=old.name,
            metadata=old.metadata,
        )


# what takes the place of an instruction; several arrays where its result is a tuple
Rule = Callable[[Case], "Padded | list[Padded]"]


def open_axes(shape: Shape) -> list[int]:
    """Dimensions of an array that have sizes of their own."""
    return [axis for axis, size in enumerate(shape.dimensions) if isinstance(size, Symbol)]


def carried_shape(shape: Shape) -> Shape:
    """`shape` with a tuple for each array of bounded dimensions: of the array at its bounds, and of its sizes."""

    def carried(array: Shape) -> Shape:
        sizes = [SIZE] * len(open_axes(array))
        return tuple_shape(at_bounds(array), *sizes) if sizes else array

    return shape.map_arrays(carried)


def unpacked(emit: Emitter, value: HloInstruction, shape: Shape) -> Padded:
    """Inverse of `packed`."""
    axes = open_axes(shape)
    if not axes:
        return Padded(value)
    return Padded(emit.element(value, 0), {axis: emit.element(value, 1 + place) for place, axis in enumerate(axes)})


def packed(emit: Emitter, padded: Padded, shape: Shape) -> HloInstruction:
    """`padded` as the new module carries an array that the old one says to be of `shape`.

    Raises
    ------
    UnsupportedInstruction
        If the dimensions with sizes are others than those of `shape`.
    """
    axes = open_axes(shape)
    for axis in padded.sizes:
        if axis not in axes:
            raise UnsupportedInstruction(
                f"dimension {axis} has a size known only at run time, but the module says {shape.dimensions[axis]}"
            )
    for axis in axes:
        if axis not in padded.sizes:
            raise UnsupportedInstruction(f"the size of dimension {axis} of {shape} does not follow from its operands")
    return emit.tuple([padded.value, *(padded.sizes[axis] for axis in axes)]) if axes else padded.value


# ---- shorthand for rules ---------------------------------------------------------------------------------------------


def inside(emit: Emitter, shape: Shape, axis: int, size: HloInstruction) -> HloInstruction:
    """For each element of `shape` whether its index along `axis` is below `size`."""
    indices = array_shape("s32", shape.dimensions)
    iota = emit("iota", shape=indices, attributes=DimensionsAttributes((axis,)))
    return emit.compare("LT", iota, emit.along(size, indices, ()))


def masked(emit: Emitter, value: HloInstruction, sizes: Sizes, fill: HloInstruction) -> HloInstruction:
    """`value` with the scalar `fill` behind the sizes."""
    for axis, size in sizes.items():
        value = emit.select(inside(emit, value.shape, axis, size), value, emit.along(fill, value.shape, ()))
    return value


def zero_of(emit: Emitter, value: HloInstruction) -> HloInstruction:
    """Scalar 0 of the element type."""
    return emit.full(0, array_shape(value.shape.element_type))


def dynamic_slice(
    emit: Emitter, x: HloInstruction, starts: Mapping[int, HloInstruction], sizes: Sequence[int]
) -> HloInstruction:
    """dynamic-slice that begins at 0 along dimensions without a start; these are s32."""
    begin = [starts.get(axis) or emit.full(0, SIZE) for axis in range(x.shape.rank)]
    return emit("dynamic-slice", x, *begin, attributes=DynamicSliceAttributes(tuple(sizes)))


def update(
    emit: Emitter, x: HloInstruction, part: HloInstruction, starts: Mapping[int, HloInstruction]
) -> HloInstruction:
    """dynamic-update-slice, starts as for `dynamic_slice`."""
    begin = [starts.get(axis) or emit.full(0, SIZE) for axis in range(x.shape.rank)]
    return emit("dynamic-update-slice", x, part, *begin)


def aligned(
    emit: Emitter, operands: Sequence[Padded], skipped: frozenset[int] = frozenset()
) -> tuple[list[HloInstruction], dict[int, HloInstruction]]:
    """Arrays of equal bounds as an element-wise instruction takes them, and the sizes of its result.

    A static dimension next to one with a size has that size, as in XLA: its elements behind it do not count. Of two
    sizes the smaller one counts, but an array of size 1 is broadcast along a greater one (XLA's DynamicPadder).
    Scalars, and dimensions in `skipped`, are left as they are.
    """
    rank = max(each.value.shape.rank for each in operands)
    arrays = [each for each in operands if each.value.shape.rank == rank]
    sizes = {}
    for axis in range(rank):
        found = [each.sizes[axis] for each in arrays if axis in each.sizes]
        if found and axis not in skipped:
            sizes[axis] = functools.reduce(functools.partial(merged, emit), found)
    return [_stretched(emit, each, sizes) if each.value.shape.rank == rank else each.value for each in operands], sizes


def _stretched(emit: Emitter, padded: Padded, sizes: Sizes) -> HloInstruction:
    """The first element along dimensions of size 1, where the result has more."""
    value = padded.value
    for axis, size in padded.sizes.items():
        if axis not in sizes or same_number(size, sizes[axis]):
            continue
        alone = emit("and", emit.compare("EQ", size, 1), emit.compare("LT", size, sizes[axis]))
        others = [place for place in range(value.shape.rank) if place != axis]
        first = emit.reshape(emit.slice(value, axis, 0, 1), [value.shape.dimensions[place] for place in others])
        which = emit.along(alone, value.shape, ())
        value = emit.select(which, emit.along(first, value.shape, others), value)
    return value


def kept(padded: Padded, axes: Mapping[int, int], value: HloInstruction) -> Padded:
    """`value` with sizes of `padded`: those of the dimensions that are keys, at the dimensions that are values."""
    return replace(padded, value=value, sizes={axes[a]: size for a, size in padded.sizes.items() if a in axes})


def refuse(reason: str) -> UnsupportedInstruction:
    """What a rule raises."""
    return UnsupportedInstruction(f"{reason} would have to know a size that is known only at run time")
