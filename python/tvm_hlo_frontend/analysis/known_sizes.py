"""Sizes of dynamic dimensions that are known before the module runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import HloVerificationError
from ..hlo.ir.attributes import DimensionsAttributes
from ..hlo.ir.module import HloComputation, HloInstruction
from ..hlo.ir.shape import Dimension, Shape, Symbol, array_shape
from ..hlo.shape_inference import infer_shape
from ..hlo.shape_inference.rules import largest
from .known_integers import known_integer

# elements of these stand where those of the operand do
_SAME_DIMENSIONS = frozenset({"convert", "stochastic-convert"})


def at_bounds(shape: Shape) -> Shape:
    """`shape` with the bounds of dynamic dimensions as their sizes."""

    def static(array: Shape) -> Shape:
        sizes = tuple(map(largest, array.dimensions))
        return Shape(array.element_type, sizes, array.minor_to_major, tiles=array.tiles)

    return shape.map_arrays(static)


def sets_full_size(instruction: HloInstruction) -> bool:
    """Whether a set-dimension-size sets a constant that is the size already."""
    (dimension,) = instruction.attributes_as(DimensionsAttributes).dimensions
    operand, size = instruction.operands
    return known_integer(size) == at_bounds(operand.shape).dimensions[dimension]


def known_shape(
    instruction: HloInstruction, operands: Sequence[HloInstruction], called: Sequence[HloComputation]
) -> Shape | None:
    """Static shape of an instruction whose shape is declared dynamic; None where it does not follow.

    Parameters
    ----------
    instruction : HloInstruction
    operands : sequence of HloInstruction
        What became of its operands; of static shapes.
    called : sequence of HloComputation
        What became of the computations that it calls.
    """
    if not all(computation.root.shape.is_static for computation in called):
        return None
    found = _followed(instruction, operands, called)
    return found if found is not None and found.is_static and _fits(found, instruction.shape) else None


def _followed(
    instruction: HloInstruction, operands: Sequence[HloInstruction], called: Sequence[HloComputation]
) -> Shape | None:
    opcode, declared, attributes = instruction.opcode, instruction.shape, instruction.attributes
    if opcode in _SAME_DIMENSIONS:
        return array_shape(declared.element_type, operands[0].shape.dimensions)
    if opcode in ("reshape", "bitcast-convert"):
        return _reshaped(instruction, operands[0])
    if opcode == "dynamic-reshape":
        return _given(declared, operands[0].shape.element_count, operands[1:])
    if opcode == "broadcast":
        dimensions: list[Dimension] = list(declared.dimensions)
        axes = instruction.attributes_as(DimensionsAttributes).dimensions
        for size, axis in zip(operands[0].shape.dimensions, axes):
            dimensions[axis] = size
        return array_shape(declared.element_type, dimensions)
    try:
        return infer_shape(opcode, [operand.shape for operand in operands], attributes, called)
    except HloVerificationError:  # attributes are for the bound, or a called computation takes a dynamic shape
        return None


def _reshaped(instruction: HloInstruction, operand: HloInstruction) -> Shape | None:
    """Shape of a reshape or bitcast-convert: all at its bounds, or as before, or the one open size that is left."""
    declared, before = instruction.shape, at_bounds(instruction.operands[0].shape)
    bounds = at_bounds(declared)
    if operand.shape.dimensions == before.dimensions:
        return bounds
    if before.dimensions == bounds.dimensions:
        return array_shape(declared.element_type, operand.shape.dimensions)
    fixed = [size for size in declared.dimensions if isinstance(size, int)]
    rest, over = divmod(operand.shape.element_count, max(1, math.prod(fixed)))
    if instruction.opcode != "reshape" or len(fixed) != declared.rank - 1 or over or 0 in fixed:
        return None
    return array_shape(declared.element_type, [size if isinstance(size, int) else rest for size in declared.dimensions])


def _given(declared: Shape, count: int, sizes: Sequence[HloInstruction]) -> Shape | None:
    """Shape of a dynamic-reshape of `count` elements to these sizes."""
    given = [size if isinstance(size, int) else known_integer(value) for size, value in zip(declared.dimensions, sizes)]
    known = [size for size in given if size is not None]
    fits = len(known) == declared.rank and math.prod(known) == count and all(size >= 0 for size in known)
    return array_shape(declared.element_type, known) if fits else None


def _fits(found: Shape, declared: Shape) -> bool:
    """Whether `found` is what `declared` says, with sizes up to the bounds."""
    if found.is_tuple or declared.is_tuple:
        both = found.is_tuple and declared.is_tuple and len(found.tuple_shapes) == len(declared.tuple_shapes)
        return both and all(map(_fits, found.tuple_shapes, declared.tuple_shapes))
    if found.element_type != declared.element_type or found.rank != declared.rank:
        return False
    return all(map(_within, found.sizes, declared.dimensions))


def _within(size: int, declared: Dimension) -> bool:
    if isinstance(declared, Symbol):
        return declared.bound is not None and size <= declared.bound
    return size == declared
