"""LAPACK and BLAS custom-calls of JAX on the CPU, typed FFI (``lapack_spotrf_ffi``) and the older interface."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...hlo.ir.attributes import ConstantAttributes, DimensionsAttributes, TriangularSolveAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape
from . import eigenproblems
from . import factorizations as lapack
from .factorizations import Site
from .flags import ffi_attributes, leading_scalars

_TARGET = re.compile(r"(?:lapack|blas)_[sdcz](?P<routine>[a-z0-9]+?)(?P<ffi>_ffi)?")
_TRANSPOSES = ("NO_TRANSPOSE", "TRANSPOSE", "ADJOINT")


@dataclass(frozen=True)
class LapackCall:
    """A custom-call taken apart.

    Attributes
    ----------
    site : Site
    shape : Shape
        Of the result.
    options : dict of str to int
        Attributes of the typed FFI; empty for the older interface.
    scalars : list of int or None
        Leading scalars of the older interface; empty for the typed FFI.
    arrays : list of HloInstruction
        The operands behind those.
    """

    site: Site
    shape: Shape
    options: dict[str, int]
    scalars: list[int | None]
    arrays: list[HloInstruction]

    def is_char(self, option: str, char: str) -> bool:
        """Whether an option of the typed FFI is `char`."""
        return self.options[option] == ord(char)

    def zeros(self, count: int) -> list[HloInstruction]:
        """Zeros for the first `count` results."""
        return [self.site.filled(0, shape) for shape in self.shape.tuple_shapes[:count]]


Handler = Callable[[LapackCall], "list[HloInstruction] | None"]


def routine_of(target: str) -> tuple[str, bool] | None:
    """(routine without its type letter, whether it is of the typed FFI) of a custom-call target."""
    match = _TARGET.fullmatch(target)
    return (match["routine"], match["ffi"] is not None) if match else None


def expand_lapack(
    site: Site, instruction: HloInstruction, target: str, operands: tuple[HloInstruction, ...]
) -> list[HloInstruction] | None:
    """Results of a LAPACK custom-call, or None if it is none that is known."""
    found = routine_of(target)
    if found is None or found[0] not in ROUTINES:
        return None
    routine, is_ffi = found
    scalars = [] if is_ffi else leading_scalars(operands)
    options = ffi_attributes(instruction) if is_ffi else {}
    call = LapackCall(site, instruction.shape, options, scalars, list(operands[len(scalars) :]))
    return ROUTINES[routine](call)


def _potrf(call: LapackCall) -> list[HloInstruction] | None:
    lower = call.is_char("uplo", "L") if call.options else call.scalars[0]
    return None if lower is None else lapack.potrf(call.site, call.arrays[0], bool(lower))


def _trsm(call: LapackCall) -> list[HloInstruction] | None:
    *scale, a, b = call.arrays
    if call.options:
        left, lower, unit = (call.is_char(*pair) for pair in (("side", "L"), ("uplo", "L"), ("diag", "U")))
        transpose: int | None = "NTC".index(chr(call.options["trans_x"]))
    else:
        left, lower, transpose, unit = call.scalars[:4]  # type: ignore[assignment]
    if None in (left, lower, transpose, unit):
        return None
    if scale and not _is_one(scale[0]):
        factor = call.site.add("broadcast", scale, b.shape, DimensionsAttributes(()))
        b = call.site.add("multiply", [b, factor])
    attributes = TriangularSolveAttributes(bool(left), bool(lower), bool(unit), _TRANSPOSES[transpose or 0])
    return [call.site.add("triangular-solve", [a, b], None, attributes)]


def _is_one(scalar: HloInstruction) -> bool:
    attributes = scalar.attributes
    return (
        isinstance(attributes, ConstantAttributes)
        and not isinstance(attributes.literal, tuple)
        and bool((attributes.literal == 1).all())
    )


def _getrf(call: LapackCall) -> list[HloInstruction]:
    factors, pivots, info, _ = lapack.getrf(call.site, call.arrays[0], one_based=True)
    return [factors, pivots, info]


def _geqrf(call: LapackCall) -> list[HloInstruction]:
    return lapack.geqrf(call.site, call.arrays[0])


def _geqp3(call: LapackCall) -> list[HloInstruction] | None:
    return lapack.geqp3(call.site, call.arrays[0]) if lapack.has_no_fixed_columns(call.arrays[1]) else None


def _orgqr(call: LapackCall) -> list[HloInstruction]:
    return [lapack.orgqr(call.site, *call.arrays)]


def _ormqr(call: LapackCall) -> list[HloInstruction] | None:
    if not call.options:
        return None
    a, taus, c = call.arrays
    return [lapack.ormqr(call.site, a, taus, c, bool(call.options["left"]), bool(call.options["transpose"]))]


def _syevd(call: LapackCall) -> list[HloInstruction] | None:
    lower = call.is_char("uplo", "L") if call.options else call.scalars[0]
    return None if lower is None else lapack.syevd(call.site, call.arrays[0], bool(lower))


def _gesdd(call: LapackCall) -> list[HloInstruction] | None:
    a, u = call.arrays[0], call.shape.tuple_shapes[2]
    m, n = a.shape.dimensions[-2:]
    full = u.dimensions[-1] == m and call.shape.tuple_shapes[3].dimensions[-2] == n
    if call.options and chr(call.options["mode"]) not in "ASN":
        return None
    compute_uv = not call.is_char("mode", "N") if call.options else call.scalars[1] != 0
    # the first result is the overwritten matrix, which says nothing
    return [a, *lapack.gesdd(call.site, a, bool(full), compute_uv)]


def _gtsv(call: LapackCall) -> list[HloInstruction]:
    *bands, b = call.arrays
    return lapack.gtsv(call.site, bands, b)


def _geev(call: LapackCall) -> list[HloInstruction] | None:
    a = call.arrays[0]
    if call.options:
        left, right = call.is_char("compute_left", "V"), call.is_char("compute_right", "V")
        return eigenproblems.geev(call.site, a, left, right)
    jobs = call.scalars[2:4]
    if None in jobs:
        return None
    results = eigenproblems.geev(call.site, a, *(job == ord("V") for job in jobs))
    # the older interface has its workspace in front
    return [*call.zeros(2 if a.shape.kind == "complex" else 3), *results]


def _gees(call: LapackCall) -> list[HloInstruction] | None:
    a = call.arrays[0]
    mode, sort = (call.options["mode"], call.options["sort"]) if call.options else call.scalars[2:4]
    # a sort needs a function that selects, which no custom-call can carry
    if mode is None or sort != ord("N"):
        return None
    t, z, *values, sdim, info = eigenproblems.gees(call.site, a, mode == ord("V"))
    if call.options:
        return [t, z, *values, sdim, info]
    workspace = call.zeros(2)[1:] if a.shape.kind == "complex" else []
    return [t, *workspace, *values, z, sdim, info]


def _gehrd(call: LapackCall) -> list[HloInstruction] | None:
    low, high = (call.options["low"], call.options["high"]) if call.options else call.scalars[1:3]
    return None if low is None or high is None else eigenproblems.gehrd(call.site, call.arrays[0], low, high)


def _sytrd(call: LapackCall) -> list[HloInstruction] | None:
    lower = call.is_char("uplo", "L") if call.options else call.scalars[1]
    return None if lower is None else eigenproblems.sytrd(call.site, call.arrays[0], bool(lower))


ROUTINES: dict[str, Handler] = {
    "potrf": _potrf,
    "trsm": _trsm,
    "getrf": _getrf,
    "geqrf": _geqrf,
    "geqp3": _geqp3,
    "orgqr": _orgqr,
    "ungqr": _orgqr,
    "ormqr": _ormqr,
    "unmqr": _ormqr,
    "syevd": _syevd,
    "heevd": _syevd,
    "gesdd": _gesdd,
    "gesvd": _gesdd,
    "gtsv": _gtsv,
    "geev": _geev,
    "gees": _gees,
    "gehrd": _gehrd,
    "sytrd": _sytrd,
    "hetrd": _sytrd,
}
