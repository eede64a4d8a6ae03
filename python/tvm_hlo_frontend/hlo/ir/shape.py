"""Element types, dimensions and shapes, with the names and numbers of xla_data.proto."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Union

import ml_dtypes
import numpy as np

from ...errors import StaticSizeError


@dataclass(frozen=True)
class ElementType:
    """One row of xla_data.proto's PrimitiveType.

    Attributes
    ----------
    name : str
        Name in HLO text, for instance ``"bf16"``.
    number : int
        PrimitiveType number.
    numpy_dtype : numpy.dtype or None
        The dtype that holds one element per item; None for tuple, token, opaque and buffer.
    bits : int
        Significant bits of one element (0 where there is no array).
    kind : str
        One of ``pred signed unsigned float complex other``.
    """

    name: str
    number: int
    numpy_dtype: np.dtype | None
    bits: int
    kind: str


def _element_type(name: str, number: int, dtype: object, bits: int, kind: str) -> ElementType:
    return ElementType(name, number, None if dtype is None else np.dtype(dtype), bits, kind)  # type: ignore[call-overload]


ELEMENT_TYPES: tuple[ElementType, ...] = (
    _element_type("pred", 1, np.bool_, 1, "pred"),
    _element_type("s1", 30, np.int8, 1, "signed"),
    _element_type("s2", 26, ml_dtypes.int2, 2, "signed"),
    _element_type("s4", 21, ml_dtypes.int4, 4, "signed"),
    _element_type("s8", 2, np.int8, 8, "signed"),
    _element_type("s16", 3, np.int16, 16, "signed"),
    _element_type("s32", 4, np.int32, 32, "signed"),
    _element_type("s64", 5, np.int64, 64, "signed"),
    _element_type("u1", 31, np.uint8, 1, "unsigned"),
    _element_type("u2", 27, ml_dtypes.uint2, 2, "unsigned"),
    _element_type("u4", 22, ml_dtypes.uint4, 4, "unsigned"),
    _element_type("u8", 6, np.uint8, 8, "unsigned"),
    _element_type("u16", 7, np.uint16, 16, "unsigned"),
    _element_type("u32", 8, np.uint32, 32, "unsigned"),
    _element_type("u64", 9, np.uint64, 64, "unsigned"),
    _element_type("f16", 10, np.float16, 16, "float"),
    _element_type("f32", 11, np.float32, 32, "float"),
    _element_type("f64", 12, np.float64, 64, "float"),
    _element_type("bf16", 16, ml_dtypes.bfloat16, 16, "float"),
    _element_type("f8e5m2", 19, ml_dtypes.float8_e5m2, 8, "float"),
    _element_type("f8e4m3", 28, ml_dtypes.float8_e4m3, 8, "float"),
    _element_type("f8e4m3fn", 20, ml_dtypes.float8_e4m3fn, 8, "float"),
    _element_type("f8e4m3b11fnuz", 23, ml_dtypes.float8_e4m3b11fnuz, 8, "float"),
    _element_type("f8e5m2fnuz", 24, ml_dtypes.float8_e5m2fnuz, 8, "float"),
    _element_type("f8e4m3fnuz", 25, ml_dtypes.float8_e4m3fnuz, 8, "float"),
    _element_type("f8e3m4", 29, ml_dtypes.float8_e3m4, 8, "float"),
    _element_type("f8e8m0fnu", 33, ml_dtypes.float8_e8m0fnu, 8, "float"),
    _element_type("f4e2m1fn", 32, ml_dtypes.float4_e2m1fn, 4, "float"),
    _element_type("c64", 15, np.complex64, 64, "complex"),
    _element_type("c128", 18, np.complex128, 128, "complex"),
    _element_type("tuple", 13, None, 0, "other"),
    _element_type("opaque", 14, None, 0, "other"),
    _element_type("token", 17, None, 0, "other"),
    _element_type("buffer", 34, None, 0, "other"),
)
BY_NAME = {row.name: row for row in ELEMENT_TYPES}
BY_NUMBER = {row.number: row for row in ELEMENT_TYPES}
_BY_DTYPE = {row.numpy_dtype: row.name for row in ELEMENT_TYPES if row.numpy_dtype is not None and row.bits != 1}
_BY_DTYPE[np.dtype(np.bool_)] = "pred"


@dataclass(frozen=True)
class Symbol:
    """A dimension whose size is known only at run time.

    Attributes
    ----------
    name : str
        Name for messages, equal names mean equal sizes.
    bound : int or None
        Upper bound of a bounded dynamic dimension, None if unbounded.
    """

    name: str
    bound: int | None = None

    def __str__(self) -> str:
        return f"<={self.bound}" if self.bound is not None else "?"


Dimension = Union[int, Symbol]


@dataclass(frozen=True)
class Shape:
    """Shape of an HLO value, as in xla::Shape.

    Attributes
    ----------
    element_type : str
        Name of the element type; ``"tuple"`` for tuples.
    dimensions : tuple of int or Symbol
        Logical dimensions of an array.
    minor_to_major : tuple of int or None
        Physical layout; None means row-major. It never affects the meaning of anything but `bitcast`.
    tuple_shapes : tuple of Shape
        Parts of a tuple.
    tiles : tuple of tuple of int
        Tiles of the physical layout, which plays no part in comparisons of shapes.
    """

    element_type: str
    dimensions: tuple[Dimension, ...] = ()
    minor_to_major: tuple[int, ...] | None = None
    tuple_shapes: tuple[Shape, ...] = ()
    tiles: tuple[tuple[int, ...], ...] = field(default=(), compare=False)

    @property
    def is_tuple(self) -> bool:
        """Whether it is a tuple."""
        return self.element_type == "tuple"

    @cached_property
    def is_array(self) -> bool:
        """Whether it is an array, not a tuple or token."""
        return BY_NAME[self.element_type].numpy_dtype is not None

    @cached_property
    def is_static(self) -> bool:
        """Whether all dimensions are numbers."""
        if self.is_tuple:
            return all(part.is_static for part in self.tuple_shapes)
        return all(isinstance(size, int) for size in self.dimensions)

    @property
    def parts(self) -> tuple[Shape, ...]:
        """The elements of a tuple; of anything else itself alone."""
        return self.tuple_shapes if self.is_tuple else (self,)

    def leaves(self) -> tuple[Shape, ...]:
        """Arrays and tokens within it, depth first."""
        return tuple(leaf for part in self.tuple_shapes for leaf in part.leaves()) if self.is_tuple else (self,)

    def arrays(self) -> tuple[Shape, ...]:
        """Arrays within it, depth first; tokens are left out."""
        return self._arrays

    @cached_property
    def _arrays(self) -> tuple[Shape, ...]:
        return tuple(leaf for leaf in self.leaves() if leaf.is_array)

    def map_arrays(self, change: Callable[[Shape], Shape]) -> Shape:
        """It with `change` of every array in the array's place; tokens stay, and a change may be a tuple."""
        if self.is_tuple:
            return tuple_shape(*(part.map_arrays(change) for part in self.tuple_shapes))
        return change(self) if self.is_array else self

    def paths(self) -> list[tuple[int, ...]]:
        """Where the arrays are: indices of tuple elements, in the order of `arrays`; ``[()]`` for an array, none for a
        token."""
        if self.is_tuple:
            return [(index, *path) for index, part in enumerate(self.tuple_shapes) for path in part.paths()]
        return [()] if self.is_array else []

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.dimensions)

    @property
    def kind(self) -> str:
        """Kind of the element type: ``float``, ``signed`` and so on."""
        return BY_NAME[self.element_type].kind

    @property
    def bits(self) -> int:
        """Bits of an element."""
        return BY_NAME[self.element_type].bits

    @property
    def numpy_dtype(self) -> np.dtype:
        """numpy's dtype of an element; TypeError if there is none."""
        dtype = BY_NAME[self.element_type].numpy_dtype
        if dtype is None:
            raise TypeError(f"{self.element_type} has no numpy dtype")
        return dtype

    @property
    def sizes(self) -> tuple[int, ...]:
        """Static dimensions; StaticSizeError names the first dimension that is a Symbol."""
        for index, size in enumerate(self.dimensions):
            if not isinstance(size, int):
                raise StaticSizeError(f"dimension {index} of {self} is not static")
        return self.dimensions  # type: ignore[return-value]

    @property
    def element_count(self) -> int:
        """Number of elements."""
        return math.prod(self.sizes)

    def same_type(self, other: Shape) -> bool:
        """Equal up to the physical layout."""
        if self.is_tuple or other.is_tuple:
            return (
                self.element_type == other.element_type
                and len(self.tuple_shapes) == len(other.tuple_shapes)
                and all(a.same_type(b) for a, b in zip(self.tuple_shapes, other.tuple_shapes))
            )
        return self.element_type == other.element_type and self.dimensions == other.dimensions

    def __str__(self) -> str:
        if self.is_tuple:
            return "(" + ", ".join(str(part) for part in self.tuple_shapes) + ")"
        text = f"{self.element_type}[{','.join(str(size) for size in self.dimensions)}]"
        if self.minor_to_major is not None and self.minor_to_major != default_layout(self.rank):
            text += "{" + ",".join(str(axis) for axis in self.minor_to_major) + "}"
        return text


def default_layout(rank: int) -> tuple[int, ...]:
    """minor_to_major of a row-major array of `rank` dimensions."""
    return tuple(range(rank))[::-1]


def array_shape(element_type: str, dimensions: Sequence[Dimension] = ()) -> Shape:
    """Row-major array shape."""
    if element_type not in BY_NAME:
        raise ValueError(f"unknown element type {element_type!r}")
    return Shape(element_type, tuple(dimensions))


def tuple_shape(*parts: Shape) -> Shape:
    """Tuple of `parts`."""
    return Shape("tuple", tuple_shapes=tuple(parts))


def element_type_of(dtype: np.dtype) -> str:
    """Element type of a numpy dtype; TypeError if HLO has none."""
    name = _BY_DTYPE.get(np.dtype(dtype))
    if name is None:
        raise TypeError(f"HLO has no element type for numpy dtype {dtype}")
    return name
