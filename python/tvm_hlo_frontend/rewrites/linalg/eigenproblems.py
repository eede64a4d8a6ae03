"""Eigenvalues of general matrices, Schur, Hessenberg and tridiagonal forms by kernels, in LAPACK's terms.

Each takes matrices [..., n, n] and gives instructions; names of results are LAPACK's.
"""

from __future__ import annotations

from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape, array_shape
from ...hlo.shape_inference.rules import expect
from .factorizations import Site, batch_of, real_type, square_size
from .kernel_calls import PART_TYPE

_COMPLEX_TYPE = {part: whole for whole, part in PART_TYPE.items()}


def geev(site: Site, a: HloInstruction, left: bool, right: bool) -> list[HloInstruction]:
    """(eigenvalues, left, right eigenvectors, info): eigenvalues of real matrices are (real, imaginary parts).

    Zeros for vectors that are not wanted.
    """
    vectors = array_shape(_COMPLEX_TYPE.get(a.shape.element_type, a.shape.element_type), a.shape.dimensions)
    square_size(a)
    values, info = _eigenvalues(a), array_shape("s32", batch_of(a))
    wanted = [vectors] * (left + right)
    made = site.call("geev", {"left": left, "right": right}, [a], [*values, *wanted, info])
    found = iter(made[len(values) : -1])
    sides = [next(found) if is_wanted else site.filled(0, vectors) for is_wanted in (left, right)]
    return [*made[: len(values)], *sides, made[-1]]


def gees(site: Site, a: HloInstruction, vectors: bool) -> list[HloInstruction]:
    """(T, Z, eigenvalues, sdim, info) of A = Z T Z^H: eigenvalues of real matrices are (real, imaginary parts).

    Eigenvalues are not sorted, so sdim is 0; zeros for Z if it is not wanted.
    """
    square_size(a)
    info = array_shape("s32", batch_of(a))
    wanted = [a.shape] * (1 + vectors)
    made = site.call("gees", {"vectors": vectors}, [a], [*wanted, *_eigenvalues(a), info])
    z = made[1] if vectors else site.filled(0, a.shape)
    return [made[0], z, *made[len(wanted) : -1], site.filled(0, info), made[-1]]


def gehrd(site: Site, a: HloInstruction, low: int, high: int) -> list[HloInstruction]:
    """(Hessenberg form with the reflectors below it, taus, info); `low` and `high` count from 1."""
    batch, n = batch_of(a), square_size(a)
    expect(1 <= low <= high <= n, f"expected 1 <= low <= high <= {n}, found {low} and {high}")
    taus = array_shape(a.shape.element_type, (*batch, n - 1))
    info = site.filled(0, array_shape("s32", batch))
    if n == 1:
        return [a, site.filled(0, taus), info]
    return [*site.call("hessenberg", {"low": low, "high": high}, [a], [a.shape, taus]), info]


def sytrd(site: Site, a: HloInstruction, lower: bool) -> list[HloInstruction]:
    """(tridiagonal form with the reflectors in one triangle, diagonal, elements beside it, taus, info)."""
    batch, n, real = batch_of(a), square_size(a), real_type(a.shape.element_type)
    diagonal, beside = array_shape(real, (*batch, n)), array_shape(real, (*batch, n - 1))
    taus = array_shape(a.shape.element_type, (*batch, n - 1))
    info = site.filled(0, array_shape("s32", batch))
    if n == 1:
        part, packed = a, a
        if a.shape.kind == "complex":
            part = site.add("real", [a])
            packed = site.add("complex", [part, site.filled(0, part.shape)])
        return [packed, site.add("reshape", [part], diagonal), site.filled(0, beside), site.filled(0, taus), info]
    made = site.call("tridiagonal_form", {"lower": lower}, [a], [a.shape, diagonal, beside, taus])
    return [*made, info]


def _eigenvalues(a: HloInstruction) -> list[Shape]:
    shape = array_shape(a.shape.element_type, a.shape.dimensions[:-1])
    return [shape] if a.shape.kind == "complex" else [shape, shape]
