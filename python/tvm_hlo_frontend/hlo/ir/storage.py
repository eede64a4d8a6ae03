"""How element types that TVM tensors lack are stored in main's parameters and results.

Storage keeps the size of HLO's own type: a bf16 weight stays 16 bits, a complex array is the same memory seen as real
numbers with a last dimension of 2.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from .shape import BY_NAME, ELEMENT_TYPES, Shape, array_shape

# element type -> what one element is stored as: bits of floats, values of integers, two components of complex numbers
STORAGE: dict[str, str] = {
    **{row.name: "u8" for row in ELEMENT_TYPES if row.kind == "float" and row.bits <= 8},
    **{row.name: "s8" for row in ELEMENT_TYPES if row.kind == "signed" and row.bits < 8},
    **{row.name: "u8" for row in ELEMENT_TYPES if row.kind == "unsigned" and row.bits < 8},
    "bf16": "u16",
    "c64": "f32",
    "c128": "f64",
}


def storage_shape(shape: Shape, element_types: Collection[str]) -> Shape:
    """`shape` with arrays of `element_types` as they are stored; a complex one gets a last dimension of 2."""

    def stored(array: Shape) -> Shape:
        if array.element_type not in element_types:
            return array
        components = (2,) if array.kind == "complex" else ()
        return array_shape(STORAGE[array.element_type], (*array.dimensions, *components))

    return shape.map_arrays(stored)


def to_storage(array: np.ndarray, element_type: str, stored: str) -> np.ndarray:
    """`array` of HLO's `element_type` as the array of `stored` that main takes; a view where the bits are the same."""
    if element_type == stored:
        return array
    kind, dtype = BY_NAME[element_type].kind, array_shape(stored).numpy_dtype
    if kind in ("signed", "unsigned"):
        return array.astype(dtype)
    contiguous = np.asarray(array, order="C")
    if kind == "complex":
        return contiguous.reshape(*array.shape, 1).view(dtype)
    return contiguous.view(dtype)


def from_storage(array: np.ndarray, element_type: str) -> np.ndarray:
    """Inverse of `to_storage`."""
    if element_type not in STORAGE:
        return array
    kind, dtype = BY_NAME[element_type].kind, array_shape(element_type).numpy_dtype
    if array.dtype == dtype or array.dtype != array_shape(STORAGE[element_type]).numpy_dtype:
        return array
    if kind in ("signed", "unsigned"):
        return array.astype(dtype)
    contiguous = np.asarray(array, order="C")
    return contiguous.view(dtype).reshape(array.shape[:-1]) if kind == "complex" else contiguous.view(dtype)
