"""Errors of arrays relative to their magnitude, and what each dtype is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# relative to an element's magnitude plus the root mean square of its array; other dtypes must be equal
TOLERANCES = {
    "bfloat16": 1e-2,
    "float16": 2e-3,
    "float32": 1e-4,
    "float64": 1e-12,
    "complex64": 1e-4,
    "complex128": 1e-12,
}


def judge_metadata(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> list[str]:
    """Differences in number, shape and dtype."""
    if len(got) != len(wanted):
        return [f"{len(got)} results instead of {len(wanted)}"]
    pairs = enumerate(zip(got, wanted))
    return [
        f"result {index}: {ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
        for index, (ours, theirs) in pairs
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype)
    ]


def judge_arrays(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> list[str]:
    """One entry per result that is not the wanted one within the tolerance of its dtype."""
    faults = []
    for index, (ours, theirs) in enumerate(zip(got, wanted)):
        found = difference(ours, theirs)
        if found.wrong:
            faults.append(
                f"result {index}: {found.wrong} of {found.size} differ, error {found.error:.2g}, "
                f"first at {list(found.where)}: TVM {ours[found.where]}, XLA {theirs[found.where]}"
            )
    return faults


@dataclass(frozen=True)
class Difference:
    """How two arrays of one shape and dtype differ.

    Attributes
    ----------
    wrong, size : int
        Elements beyond the tolerance, and all elements.
    error : float
        Largest relative error, see `relative_errors`.
    where : tuple of int
        Index of the first wrong element; empty if there is none, or for a scalar.
    finite : bool
        Whether anything of the wanted array is finite, so that its numbers say something.
    """

    wrong: int
    size: int
    error: float
    where: tuple[int, ...]
    finite: bool


def difference(got: np.ndarray, wanted: np.ndarray, rtol: float | None = None) -> Difference:
    """Compare two arrays.

    Parameters
    ----------
    got, wanted : numpy.ndarray
        Of one shape and dtype.
    rtol : float, optional
        Relative error that floats and complex numbers may have; by default that of `TOLERANCES`. Everything else must
        be equal.
    """
    errors = relative_errors(got, wanted)
    allowed = TOLERANCES.get(wanted.dtype.name, 0.0)
    wrong = ~(errors <= (allowed if rtol is None or not allowed else rtol))
    where = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else ()
    finite = not wanted.size or not is_float(wanted.dtype) or bool(np.isfinite(wanted).any())
    return Difference(int(wrong.sum()), wanted.size, float(errors.max(initial=0.0)), where, finite)


def is_float(dtype: np.dtype) -> bool:
    """Whether a dtype has NaN: floats of any width, and complex numbers."""
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat", "float"))


def relative_errors(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Error of each element: 0 where equal, infinite where only one of the two is NaN or infinite."""
    if wanted.dtype.name not in TOLERANCES:
        return np.where((got == wanted) | ((got != got) & (wanted != wanted)), 0.0, np.inf)
    if wanted.dtype.kind == "c":
        same = agree(got.real, wanted.real) & agree(got.imag, wanted.imag)
        a, b = got.astype(np.complex128), wanted.astype(np.complex128)
    else:
        same = agree(got, wanted)
        a, b = got.astype(np.float64), wanted.astype(np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    with np.errstate(all="ignore"):
        error = np.abs(a - b) / np.maximum(np.abs(b) + scale_of(b), tiny_of(wanted.dtype))
    error = np.where(both, error, 0.0)
    return np.where(same, error, np.inf)


def agree(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where both are finite, or both the same NaN or infinity."""
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    return finite | (a == b) | (np.isnan(a) & np.isnan(b))


def tiny_of(dtype: np.dtype) -> float:
    """What numbers at least count as: denormals may be flushed."""
    return float(np.finfo(np.float64 if dtype in ("float64", "complex128") else np.float32).tiny)


def scale_of(array: np.ndarray) -> float:
    """Root mean square of the finite elements."""
    magnitudes = np.abs(array[np.isfinite(array)])
    return float(np.sqrt(np.mean(np.square(magnitudes)))) if magnitudes.size else 0.0
