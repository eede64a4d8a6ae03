"""Entry parameters and results in their stored form, for rewrites that change the element types of a module."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..hlo.ir.module import HloInstruction
from ..hlo.ir.shape import Shape
from ..hlo.ir.storage import storage_shape
from .emit import Emitter

# (emitter, stored value, HLO's own shape) -> value that the rewritten module computes with, and the inverse
Expand = Callable[[Emitter, HloInstruction, Shape], HloInstruction]
Pack = Callable[[Emitter, HloInstruction, Shape], HloInstruction]


def contains(shape: Shape, element_types: Collection[str]) -> bool:
    """Whether an array of one of `element_types` is in `shape`."""
    return any(array.element_type in element_types for array in shape.arrays())


def entry_parameter(
    emit: Emitter, parameter: HloInstruction, element_types: Collection[str], expand: Expand
) -> HloInstruction:
    """The parameter in its stored form, expanded."""
    stored = emit.builder.add(
        "parameter",
        (),
        storage_shape(parameter.shape, element_types),
        parameter.attributes,
        name=parameter.name,
        metadata=parameter.metadata,
    )
    return _each_array(emit, stored, parameter.shape, element_types, expand)


def entry_result(
    emit: Emitter, value: HloInstruction, shape: Shape, element_types: Collection[str], pack: Pack
) -> HloInstruction:
    """`value`, which stands for a value of `shape`, in its stored form."""
    return _each_array(emit, value, shape, element_types, pack)


def _each_array(
    emit: Emitter, value: HloInstruction, shape: Shape, element_types: Collection[str], change: Expand
) -> HloInstruction:
    if not contains(shape, element_types):
        return value
    if not shape.is_tuple:
        return change(emit, value, shape)
    parts = [
        _each_array(emit, emit.element(value, index), part, element_types, change)
        for index, part in enumerate(shape.tuple_shapes)
    ]
    return emit.tuple(parts)
