"""Dynamic dimensions that are given the size of their bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..hlo.attributes import ConstantAttributes
from ..hlo.module import HloInstruction
from ..hlo.shape import Shape, Symbol


def at_bounds(shape: Shape) -> Shape:
    """`shape` with the bounds of dynamic dimensions as their sizes."""
    if shape.is_tuple:
        return Shape("tuple", tuple_shapes=tuple(at_bounds(part) for part in shape.tuple_shapes))
    sizes = (size.bound if isinstance(size, Symbol) and size.bound is not None else size for size in shape.dimensions)
    return Shape(shape.element_type, tuple(sizes), shape.minor_to_major, tiles=shape.tiles)


def sets_full_size(instruction: HloInstruction) -> bool:
    """Whether a set-dimension-size sets a constant that is the size already."""
    attributes: Any = instruction.attributes
    (dimension,) = attributes.dimensions
    operand, size = instruction.operands
    return _is_constant(size, at_bounds(operand.shape).dimensions[dimension])


def reshapes_to_full_size(instruction: HloInstruction) -> bool:
    """Whether the sizes that a dynamic-reshape is given are constants equal to those of its shape, where these are
    dynamic."""
    bounds = at_bounds(instruction.shape).dimensions
    rows = zip(instruction.operands[1:], instruction.shape.dimensions, bounds)
    return all(isinstance(declared, int) or _is_constant(size, bound) for size, declared, bound in rows)


def _is_constant(instruction: HloInstruction, wanted: Any) -> bool:
    attributes = instruction.attributes
    return isinstance(attributes, ConstantAttributes) and int(np.asarray(attributes.literal)) == wanted
