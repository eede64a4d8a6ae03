"""Entry parameters and results in their stored form, for rewrites that change the element types of a module."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..hlo.ir.builder import RewriteBuilder, transform
from ..hlo.ir.module import HloInstruction, HloModule
from ..hlo.ir.shape import Shape
from ..hlo.ir.storage import storage_shape
from .emit import Emitter

# (emitter, stored value, HLO's own shape) -> value that the rewritten module computes with, and the inverse
Expand = Callable[[Emitter, HloInstruction, Shape], HloInstruction]
Pack = Callable[[Emitter, HloInstruction, Shape], HloInstruction]
# (builder, emitter, old instruction, new operands) -> what takes its place, or None if it stays
Replacement = Callable[[RewriteBuilder, Emitter, HloInstruction, "tuple[HloInstruction, ...]"], "HloInstruction | None"]


def contains(shape: Shape, element_types: Collection[str]) -> bool:
    """Whether an array of one of `element_types` is in `shape`."""
    return any(array.element_type in element_types for array in shape.arrays())


def transform_with_stored_boundary(
    module: HloModule, element_types: Collection[str], expand: Expand, pack: Pack, replacement: Replacement
) -> HloModule:
    """`module` with replaced instructions, and entry parameters and results of `element_types` in their stored form.

    Parameters
    ----------
    module : HloModule
    element_types : collection of str
    expand, pack : callable
    replacement : callable
        Asked of all instructions but those entry parameters; has one for the root if that has one of `element_types`.
    """
    entry = frozenset(module.entry.instructions)

    def rule(
        builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        emit = Emitter(builder, old.metadata)
        stored = contains(old.shape, element_types)
        if old.opcode == "parameter" and old in entry and stored:
            value: HloInstruction | None = _entry_parameter(emit, old, element_types, expand)
        else:
            value = replacement(builder, emit, old, operands)
        if old is module.entry.root and stored:
            assert value is not None
            return _each_array(emit, value, old.shape, element_types, pack)
        return value

    return transform(module, rule)


def _entry_parameter(
    emit: Emitter, parameter: HloInstruction, element_types: Collection[str], expand: Expand
) -> HloInstruction:
    stored = emit.builder.add(
        "parameter",
        (),
        storage_shape(parameter.shape, element_types),
        parameter.attributes,
        name=parameter.name,
        metadata=parameter.metadata,
    )
    return _each_array(emit, stored, parameter.shape, element_types, expand)


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
