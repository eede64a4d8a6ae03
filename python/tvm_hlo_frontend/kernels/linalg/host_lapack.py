"""Functions of the host's LAPACK that compiled modules call while they run, by SciPy.

Only eigenvalues of general matrices (geev) and Schur forms (gees) need them. Whoever makes the code of a kernel that
calls them registers them; a process that loads an exported library imports `deploy.host_lapack`, or registers functions
of its own under the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm

from ...errors import HostFunctionError
from ..spec import HOST_PREFIX

# info of XLA's geev for a matrix with NaN or infinity, which LAPACK never sees
NOT_FINITE = -4

Arrays = Sequence[Any]


def geev(parts: int, left: int, right: int, *arrays: Any) -> None:
    """Eigenvalues and eigenvectors of general matrices.

    Parameters
    ----------
    parts : int
        1 for real matrices, 2 for complex ones, whose real and imaginary parts are arrays of their own.
    left, right : int
        Whether left and right eigenvectors are wanted.
    *arrays : tvm.nd.NDArray
        Matrices[B, n, n]; then the results: eigenvalues[B, n], the left and the right eigenvectors[B, n, n] that are
        wanted, each as real and imaginary parts, and info[B] s32. Vectors are columns of length 1. info is LAPACK's,
        or -4 for a matrix with NaN or infinity; where it is not 0 everything else is NaN.

    Raises
    ------
    HostFunctionError
        If SciPy is missing.
    """
    matrices, results = _complex_or_real(arrays[:parts]), arrays[parts:]
    library = _lapack("geev")
    routine = getattr(library, _letter(matrices.dtype) + "geev")
    size = getattr(library, _letter(matrices.dtype) + "geev_lwork")
    lwork = _work_size(size(matrices.shape[-1], compute_vl=left, compute_vr=right)[0])
    made = [
        _geev_of_one(routine, matrix, lwork, left, right) if np.isfinite(matrix).all() else _failed(matrix, NOT_FINITE)
        for matrix in matrices
    ]
    wanted = [0, *([1] if left else []), *([2] if right else [])]
    stacked = [np.stack([one[index] for one in made]) for index in wanted]
    _store(results, [part for array in stacked for part in (array.real, array.imag)] + [[one[3] for one in made]])


def gees(parts: int, vectors: int, *arrays: Any) -> None:
    """Schur forms A = Z T Z^H.

    Parameters
    ----------
    parts : int
        As for `geev`.
    vectors : int
        Whether Z is wanted.
    *arrays : tvm.nd.NDArray
        Matrices[B, n, n]; then the results: T[B, n, n], Z[B, n, n] if wanted, eigenvalues[B, n] as real and imaginary
        parts, and info[B] s32. T and Z have the parts that the matrices have.

    Raises
    ------
    HostFunctionError
        If SciPy is missing.
    """
    matrices, results = _complex_or_real(arrays[:parts]), arrays[parts:]
    routine = getattr(_lapack("gees"), _letter(matrices.dtype) + "gees")

    def run(matrix: np.ndarray, lwork: int) -> tuple:
        form, _, *values, basis, work, info = routine(_select, matrix, compute_v=vectors, lwork=lwork)
        return form, basis, values[0] + 1j * values[1] if len(values) == 2 else values[0], info, work

    lwork = _work_size(run(matrices[0], -1)[-1][0])
    made = [run(matrix, lwork) for matrix in matrices]
    tensors = [np.stack([one[index] for one in made]) for index in ((0, 1) if vectors else (0,))]
    values = np.stack([one[2] for one in made])
    forms = [part for array in tensors for part in (array.real, array.imag)[:parts]]
    _store(results, [*forms, values.real, values.imag, [one[3] for one in made]])


def _geev_of_one(routine: Any, matrix: np.ndarray, lwork: int, left: int, right: int) -> tuple:
    """(eigenvalues, left vectors, right vectors, info) of one matrix, complex."""
    *values, first, second, info = routine(matrix, compute_vl=left, compute_vr=right, lwork=lwork)
    if info:
        return _failed(matrix, info)
    if len(values) == 1:
        return values[0], first, second, info
    real, imaginary = values
    vectors = [_unpacked(imaginary, packed) for packed in (first, second)]
    return real + 1j * imaginary, *vectors, info


def _unpacked(imaginary: np.ndarray, packed: np.ndarray) -> np.ndarray:
    """Complex eigenvectors of a real matrix: of a conjugate pair LAPACK gives the first one, as two columns."""
    vectors = packed.astype(np.result_type(packed, np.complex64))
    if packed.shape[-1] == len(imaginary):  # else not computed
        first = np.flatnonzero(imaginary > 0)
        vectors[:, first] = packed[:, first] + 1j * packed[:, first + 1]
        vectors[:, first + 1] = vectors[:, first].conj()
    return vectors


def _failed(matrix: np.ndarray, info: int) -> tuple:
    nan = np.full_like(matrix, np.nan, dtype=np.result_type(matrix, np.complex64))
    return nan[0], nan, nan, info


def _complex_or_real(parts: Arrays) -> np.ndarray:
    arrays = [part.numpy() for part in parts]
    return arrays[0] if len(arrays) == 1 else arrays[0] + 1j * arrays[1]


def _store(results: Arrays, values: Sequence[Any]) -> None:
    for result, value in zip(results, values, strict=True):
        result.copyfrom(np.asarray(value, result.dtype, order="C"))


def _letter(dtype: np.dtype) -> str:
    return {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}[dtype.name]


def _work_size(optimal: Any) -> int:
    """A size that came as a float, which may have been rounded down."""
    return int(np.nextafter(np.real(optimal), np.inf)) + 1


def _select(*eigenvalue: Any) -> None:
    """What gees asks which eigenvalues come first, were they to be sorted."""


def _lapack(routine: str) -> Any:
    try:
        from scipy.linalg import lapack
    except ImportError as error:
        raise HostFunctionError(
            f"{HOST_PREFIX}{routine} computes with SciPy's LAPACK, and SciPy cannot be imported ({error}): "
            "install scipy"
        ) from error
    return lapack


def register() -> None:
    """Make the functions known to TVM in this process, under the names that compiled modules call; a function that
    somebody has registered under such a name stays."""
    if hasattr(tvm, "register_global_func"):
        from tvm_ffi import register_error

        register_error(HostFunctionError.__name__, HostFunctionError)  # else it would arrive as a RuntimeError
        add = tvm.register_global_func
    else:  # its name until TVM 0.20
        add = tvm.register_func
    for name, function in (("geev", geev), ("gees", gees)):
        if tvm.get_global_func(HOST_PREFIX + name, allow_missing=True) is None:
            add(HOST_PREFIX + name, function)
