"""Factorisations held to what defines them: vectors are unique only up to signs, phases and equal eigenvalues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tvm_hlo_frontend.oracle.tolerance import TOLERANCES, judge_arrays, tiny_of

Arrays = Sequence[np.ndarray]


def judge_svd(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """s is XLA's; u and vt are orthonormal and u·s·vt is the matrix."""
    faults = judge_arrays(got[:1], wanted[:1])
    if len(got) == 1:
        return faults
    kind = arguments[0].dtype
    s, u, vt = (wide(array) for array in got)
    rank = s.shape[-1]
    faults += orthonormal(kind, "u", u) + orthonormal(kind, "vt", adjoint(vt))
    return faults + close(kind, "u·s·vt", (u[..., :rank] * s[..., None, :]) @ vt[..., :rank, :], wide(arguments[0]))


def judge_eigh(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """Eigenvalues are XLA's, in its order; vectors are orthonormal and a·v = v·w, a taken from one triangle."""
    faults = judge_arrays(got[1:], wanted[1:])
    kind = arguments[0].dtype
    v, w = wide(got[0]), wide(got[1])
    given = wide(arguments[0])
    half = np.tril(given, -1) if params["lower"] else np.triu(given, 1)
    diagonal = np.real(np.diagonal(given, axis1=-2, axis2=-1))
    matrix = half + adjoint(half) + diagonal[..., None] * np.eye(given.shape[-1])
    return faults + orthonormal(kind, "v", v) + close(kind, "a·v - v·w", matrix @ v, v * w[..., None, :])


def judge_qr(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """q is orthonormal, r upper triangular, and q·r the matrix."""
    kind = arguments[0].dtype
    q, r = wide(got[0]), wide(got[1])
    faults = [] if np.array_equal(r, np.triu(r)) else ["r is not upper triangular"]
    return faults + orthonormal(kind, "q", q) + close(kind, "q·r", q @ r, wide(arguments[0]))


def judge_eig(params: Mapping[str, Any], arguments: Arrays, got: Arrays, wanted: Arrays) -> list[str]:
    """Eigenvalues are XLA's in some order; right vectors hold a·v = v·w, left ones vᴴ·a = w·vᴴ, all of length 1."""
    kind = arguments[0].dtype
    matrix, w, right_w = wide(arguments[0]), wide(got[0]), wide(wanted[0])
    faults = close(kind, "eigenvalues", matched(w, right_w), right_w)
    vectors = [wide(array) for array in got[1:]]
    if params["compute_left_eigenvectors"]:
        left = vectors.pop(0)
        faults += close(kind, "vᴴ·a", adjoint(left) @ matrix, w[..., :, None] * adjoint(left)) + unit(
            kind, "left vectors", left
        )
    if params["compute_right_eigenvectors"]:
        right = vectors.pop(0)
        faults += close(kind, "a·v", matrix @ right, right * w[..., None, :]) + unit(kind, "right vectors", right)
    return faults


def wide(array: np.ndarray) -> np.ndarray:
    """In double precision, so that the check adds no error of its own."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def adjoint(matrix: np.ndarray) -> np.ndarray:
    """Conjugate transpose of the last two axes."""
    return np.conj(np.swapaxes(matrix, -1, -2))


def matched(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The values of each row in the order in which `wanted` has those next to them; each is taken once."""
    result = np.empty_like(values)
    for place in np.ndindex(values.shape[:-1]):
        left = list(values[place])
        result[place] = [left.pop(int(np.argmin(np.abs(np.array(left) - target)))) for target in wanted[place]]
    return result


def orthonormal(kind: np.dtype, name: str, matrix: np.ndarray) -> list[str]:
    """A fault if the columns are not orthonormal."""
    product = adjoint(matrix) @ matrix
    return close(kind, f"{name}ᴴ·{name}", product, np.broadcast_to(np.eye(matrix.shape[-1]), product.shape))


def unit(kind: np.dtype, name: str, matrix: np.ndarray) -> list[str]:
    """A fault if the columns do not have length 1."""
    lengths = np.linalg.norm(matrix, axis=-2)
    return close(kind, f"length of {name}", lengths, np.ones_like(lengths))


def close(kind: np.dtype, name: str, got: np.ndarray, wanted: np.ndarray) -> list[str]:
    """A fault if two matrices differ by more than `kind` may; NaN differs from everything."""
    scale = max(float(np.max(np.abs(wanted), initial=0.0)), tiny_of(kind))
    error = float(np.max(np.abs(got - wanted), initial=0.0)) / scale
    return [] if error <= TOLERANCES[kind.name] else [f"{name}: error {error:.2g}"]
