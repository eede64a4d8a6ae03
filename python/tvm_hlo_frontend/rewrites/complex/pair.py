"""A complex tensor as two real ones."""

from __future__ import annotations

from typing import NamedTuple

from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, ELEMENT_TYPES, Shape, tuple_shape
from ..emit import Emitter

COMPONENT = {"c64": "f32", "c128": "f64"}
COMPLEX_TYPES = frozenset(row.name for row in ELEMENT_TYPES if row.kind == "complex")


class Pair(NamedTuple):
    """Real and imaginary part, of equal shapes."""

    re: HloInstruction
    im: HloInstruction


def is_complex(shape: Shape) -> bool:
    """Whether `shape` is an array of complex numbers."""
    return BY_NAME[shape.element_type].kind == "complex"


def component_shape(shape: Shape) -> Shape:
    """Shape of one component of a complex array."""
    return Shape(COMPONENT[shape.element_type], shape.dimensions, shape.minor_to_major)


def paired_shape(shape: Shape) -> Shape:
    """`shape` with every complex array as a tuple of its components."""
    return shape.map_arrays(
        lambda array: tuple_shape(component_shape(array), component_shape(array)) if is_complex(array) else array
    )


def components(emit: Emitter, value: HloInstruction) -> Pair:
    """The components of a value that stands for a complex array."""
    return Pair(emit.element(value, 0), emit.element(value, 1))
