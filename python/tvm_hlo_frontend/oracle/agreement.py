"""Whether results of one program are those of another, up to rounding: what holds of whole models in any order of
additions, and not of a wrong operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from .tolerance import is_float

# greatest difference, as a part of the greatest finite magnitude that the wanted result has: what another order of
# additions makes is far below it, what a wrong lowering makes is far above
TOLERANCE = {"float64": 1e-6, "float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2, "complex128": 1e-6, "complex64": 1e-3}
# of floats that are narrower still
NARROW = 0.5
# where little but rounding is left of a result, as of the gradient of a bias before a batch norm, it may differ by this
# many times what the rounding of the arguments makes of it, within the tolerance of the greatest magnitude of all
OF_ROUNDING = 100.0

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Disagreement:
    """One result that differs.

    Attributes
    ----------
    result : int
        Its position.
    kind : str
        How its shape or type differs; empty if they are the same.
    where : tuple of int
        The first element that differs.
    got, wanted : object
        Its values.
    wrong, size : int
        Elements that differ, and all elements.
    difference, allowed : float
        The greatest difference, infinite if only one of the two is finite, or of integers; and what is allowed.
    """

    result: int
    kind: str = ""
    where: tuple[int, ...] = ()
    got: Any = None
    wanted: Any = None
    wrong: int = 0
    size: int = 0
    difference: float = np.inf
    allowed: float = 0.0


def disagreement(
    got: Arrays,
    wanted: Arrays,
    tolerance: float | None = None,
    arguments: Arrays = (),
    again: Callable[[Arrays], Arrays] | None = None,
) -> Disagreement | None:
    """The first result that differs, or None.

    Parameters
    ----------
    got, wanted : sequence of numpy.ndarray
        Results of both sides, as many.
    tolerance : float, optional
        For floating point and complex numbers, in the place of `TOLERANCE`. All else must be equal.
    arguments : sequence of numpy.ndarray
        What the results were computed from.
    again : callable, optional
        Computes the wanted results from other arguments: those rounded otherwise, where it matters.
    """
    rounded: Arrays = ()
    for number, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            said = f"{ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
            return Disagreement(number, said)
        differences, allowed = _differences(ours, theirs), _allowed(theirs, tolerance)
        if (differences <= allowed).all():
            continue
        if again is not None and allowed:
            rounded = rounded or again([rounded_otherwise(each) for each in arguments])
            greatest = max(_allowed(each, tolerance) for each in (*arguments, *wanted))
            noise = float(_differences(rounded[number], theirs).max(initial=0.0))
            allowed += min(OF_ROUNDING * noise, greatest)
        wrong = ~(differences <= allowed)  # also where it is no number
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            count, most = int(wrong.sum()), float(differences.max())
            return Disagreement(number, "", where, ours[where], theirs[where], count, ours.size, most, allowed)
    return None


def _differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of each element; infinite where one of the two is not finite and the other is something else, or of integers."""
    if not is_float(theirs.dtype):
        return np.where(ours == theirs, 0.0, np.inf)
    wide = np.complex128 if theirs.dtype.kind == "c" else np.float64
    a, b = ours.astype(wide), theirs.astype(wide)
    same = (a == b) | ((a != a) & (b != b))
    with np.errstate(all="ignore"):
        apart = np.abs(a - b)
    return np.where(same, 0.0, np.where(np.isfinite(a) & np.isfinite(b), apart, np.inf))


def _allowed(wanted: np.ndarray, tolerance: float | None) -> float:
    if not is_float(wanted.dtype):
        return 0.0
    part = TOLERANCE.get(wanted.dtype.name, NARROW) if tolerance is None else tolerance
    magnitudes = np.abs(wanted.astype(np.complex128 if wanted.dtype.kind == "c" else np.float64))
    return part * float(magnitudes[np.isfinite(magnitudes)].max(initial=0.0))


def rounded_otherwise(array: np.ndarray) -> np.ndarray:
    """Floating point numbers that were rounded up or down by chance; what are none as they are."""
    if not is_float(array.dtype) or array.dtype.kind == "c":
        return array
    signs = np.random.default_rng(0).integers(0, 2, array.shape) * 2 - 1
    with np.errstate(all="ignore"):
        return (array.astype(np.float64) * (1 + signs * float(ml_dtypes.finfo(array.dtype).eps))).astype(array.dtype)
