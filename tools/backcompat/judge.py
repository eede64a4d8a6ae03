"""Whether results are those that JAX saved: factorisations by what defines them, all else element by element."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tools.conformance.factorisations import adjoint, close, matched, orthonormal, unit, wide
from tvm_hlo_frontend.oracle.tolerance import judge_arrays, judge_metadata

from .saved import SavedModule

Arrays = Sequence[np.ndarray]
Judge = Callable[[SavedModule, Arrays], "list[str]"]


def judge(saved: SavedModule, got: Arrays) -> list[str]:
    """What is wrong with the results of a module, empty if nothing is."""
    assert saved.expected is not None
    faults = judge_metadata(got, saved.expected)
    if faults:
        return faults
    chosen = next((judge for pattern, judge in JUDGES if re.search(pattern, saved.name)), judge_elements)
    return chosen(saved, got)


def judge_elements(saved: SavedModule, got: Arrays) -> list[str]:
    """Every result is the saved one."""
    return judge_arrays(got, saved.expected)


def judge_eigh(saved: SavedModule, got: Arrays) -> list[str]:
    """Eigenvalues are the saved ones, vectors are orthonormal, and v·w·vᴴ is the same matrix as of the saved ones."""
    kind = got[0].dtype

    def matrix(results: Arrays) -> np.ndarray:
        v, w = map(wide, results)
        return (v * w[..., None, :]) @ adjoint(v)

    faults = close(kind, "eigenvalues", wide(got[1]), wide(saved.expected[1]))
    faults += orthonormal(kind, "v", wide(got[0]))
    return faults + close(kind, "v·w·vᴴ", matrix(got), matrix(saved.expected))


def judge_svd(saved: SavedModule, got: Arrays) -> list[str]:
    """Singular values are the saved ones, vectors are orthonormal, and u·s·vt is the matrix."""
    kind = got[0].dtype
    u, s, vt = map(wide, got)
    rank = s.shape[-1]
    faults = close(kind, "singular values", s, wide(saved.expected[1]))
    faults += orthonormal(kind, "u", u) + orthonormal(kind, "v", adjoint(vt))
    rebuilt = (u[..., :rank] * s[..., None, :]) @ vt[..., :rank, :]
    return faults + close(kind, "u·s·vt", rebuilt, wide(saved.inputs[0]))


def judge_qr(saved: SavedModule, got: Arrays) -> list[str]:
    """q is orthonormal, r upper triangular, and q·r the same matrix as of the saved ones."""
    kind = got[0].dtype
    (q, r), (saved_q, saved_r) = map(wide, got), map(wide, saved.expected)
    faults = [] if np.array_equal(r, np.triu(r)) else ["r is not upper triangular"]
    return faults + orthonormal(kind, "q", q) + close(kind, "q·r", q @ r, saved_q @ saved_r)


def judge_schur(saved: SavedModule, got: Arrays) -> list[str]:
    """z is orthonormal, t upper triangular but for pairs of real matrices, and z·t·zᴴ the matrix."""
    kind = got[0].dtype
    t, z = map(wide, got)
    below = np.tril(t, -1 if t.dtype.kind == "c" else -2)
    faults = ["t is not triangular"] if below.any() else []
    return faults + orthonormal(kind, "z", z) + close(kind, "z·t·zᴴ", z @ t @ adjoint(z), wide(saved.inputs[0]))


def judge_eig(saved: SavedModule, got: Arrays) -> list[str]:
    """Eigenvalues are the saved ones in some order; vectors of length 1 hold a·v = v·w and vᴴ·a = w·vᴴ for the matrix
    of 0, 1, 2 … that JAX takes here."""
    kind = got[0].dtype
    w, left, right = map(wide, got)
    n = w.shape[-1]
    matrix = np.arange(n * n, dtype=np.float64).reshape(n, n)
    saved_w = wide(saved.expected[0])
    faults = close(kind, "eigenvalues", matched(w, saved_w), saved_w)
    size = np.abs(saved_w).max()
    for name, found in (
        ("a·v - v·w", matrix @ right - right * w),
        ("vᴴ·a - w·vᴴ", adjoint(left) @ matrix - w[:, None] * adjoint(left)),
    ):
        faults += close(kind, name, 1 + found / size, np.ones_like(found))
    return faults + unit(kind, "left vectors", left) + unit(kind, "right vectors", right)


JUDGES: tuple[tuple[str, Judge], ...] = (
    (r"_eigh_|^tpu_Eigh", judge_eigh),
    (r"_eig_", judge_eig),
    (r"_svd_", judge_svd),
    (r"_qr_|^tpu_Qr", judge_qr),
    (r"_schur_", judge_schur),
)
