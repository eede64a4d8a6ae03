"""A custom-call of jaxlib's libraries for CUDA and ROCm taken apart: what it is called with, whatever its year."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from ...hlo.ir.attributes import CustomCallAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from .factorizations import Site
from .flags import ffi_attributes

_TARGET = re.compile(
    r"(?:(?:cu|hip)(?:solver|blas|sparse|hybrid)_(?P<routine>[a-z0-9]+?)(?:_batched|_f32|_f64|_real|_comp)?"
    r"|(?:cu|cuda|hip)_(?P<own>lu_pivots_to_permutation|threefry2x32))(?P<ffi>_ffi)?"
)
# jaxlib's SolverType and BlasType
_TYPES = ("f32", "f64", "c64", "c128")
# values of the libraries' enumerations, CUDA's and ROCm's
_LOWER, _UPPER = (0, 122), (1, 121)


@dataclass(frozen=True)
class GpuCall:
    """A custom-call taken apart.

    Attributes
    ----------
    site : Site
    shape : Shape
        Of the result.
    typed : bool
        Whether it is of the typed FFI, with named options; else the options are fields of a C struct.
    options : dict of str to int
        Of the typed FFI.
    opaque : bytes
        The C struct: jaxlib's SolverType or BlasType, then fields of four bytes.
    arrays : tuple of HloInstruction
    """

    site: Site
    shape: Shape
    typed: bool
    options: dict[str, int]
    opaque: bytes
    arrays: tuple[HloInstruction, ...]

    def field(self, offset: int) -> int | None:
        """The int at `offset` of the struct; None where there is none, or the struct is for another element type."""
        if len(self.opaque) < offset + 4:
            return None
        kind, value = (int(struct.unpack_from("<i", self.opaque, place)[0]) for place in (0, offset))
        names_operand = 0 <= kind < len(_TYPES) and _TYPES[kind] == self.arrays[0].shape.element_type
        return value if names_operand else None

    def choice(self, offset: int, true: tuple[int, ...], false: tuple[int, ...]) -> bool | None:
        """Whether the field at `offset` is one of `true`; None if it is of neither."""
        value = self.field(offset)
        return True if value in true else False if value in false else None

    @property
    def lower(self) -> bool | None:
        """Which triangle the call reads; None if it does not say."""
        if self.typed:
            return bool(self.options["lower"]) if "lower" in self.options else None
        return self.choice(4, _LOWER, _UPPER)


def gpu_routine_of(target: str) -> str | None:
    """The routine that a custom-call target of CUDA or ROCm names."""
    match = _TARGET.fullmatch(target)
    return (match["routine"] or match["own"]) if match else None


def taken_apart(site: Site, instruction: HloInstruction, operands: tuple[HloInstruction, ...]) -> GpuCall:
    """`instruction`, whose operands became `operands`, as a GpuCall."""
    attributes = instruction.attributes_as(CustomCallAttributes)
    # jaxlib's own two and those of hybrid solvers were typed before their names said so
    typed = attributes.api_version == "API_VERSION_TYPED_FFI" or attributes.target.endswith("_ffi")
    options = ffi_attributes(instruction) if typed else {}
    return GpuCall(site, instruction.shape, typed, options, attributes.backend_config, operands)
