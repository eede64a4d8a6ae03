"""Compares results bit by bit, and says of which bits HLO and XLA:CPU leave open what they are."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np

from tests.support.bits_values import bits
from tvm_hlo_frontend.hlo.ir.shape import BY_NAME, element_type_of

# what is left open, and why
ANY_NAN = "IEEE 754 leaves sign and payload of arithmetic's NaN open; XLA:CPU's depend on order and vectorisation"
ANY_PAYLOAD = "conversions between floats keep the sign of NaN; XLA:CPU's payloads differ between pairs of types"
QUIETED = "XLA:CPU selects, moves and changes signs of bf16 and f8 by way of wider types, which empties their payloads"
FLUSHED = "XLA:CPU takes subnormal operands for zeros and gives zeros for subnormal results; TVM has them all"
APPROXIMATE = "neither side rounds correctly; test_scalar_accuracy has the errors"
# the reasons that say something of NaN
_NAN = frozenset({ANY_NAN, ANY_PAYLOAD, QUIETED})


def is_float(array: np.ndarray) -> bool:
    return BY_NAME[element_type_of(array.dtype)].kind == "float"


def wide(array: np.ndarray) -> np.ndarray:
    """Floats as f64, anything else as zeros."""
    with np.errstate(all="ignore"):
        return array.astype(np.float64) if is_float(array) else np.zeros(array.shape)


def is_subnormal(array: np.ndarray) -> np.ndarray:
    """Where there is a number of 16 bits or more that flushing loses."""
    if not is_float(array) or array.dtype.itemsize == 1:
        return np.zeros(array.shape, bool)
    magnitude = np.abs(wide(array))
    return (magnitude != 0) & (magnitude < float(ml_dtypes.finfo(array.dtype).tiny))


def unequal(got: np.ndarray, want: np.ndarray, open_: frozenset[str] = frozenset()) -> np.ndarray:
    """Where bits differ that are not left open."""
    wrong = bits(got) != bits(want)
    a, b = wide(got), wide(want)
    both_nan = np.isnan(a) & np.isnan(b)
    if ANY_PAYLOAD in open_:
        both_nan &= np.signbit(a) == np.signbit(b)
    if open_ & _NAN:
        wrong &= ~both_nan
    if APPROXIMATE in open_:
        special = ~np.isfinite(a) | ~np.isfinite(b) | (a == 0) | (b == 0) | (np.signbit(a) != np.signbit(b))
        wrong &= special
    return wrong


def failures(
    name: str,
    operands: Sequence[np.ndarray],
    got: np.ndarray,
    want: np.ndarray,
    open_: frozenset[str] = frozenset(),
    of_xla: bool = True,
) -> list[str]:
    """A line for a result that differs: what, how often, and bits of operands and both results where it does first."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return [f"{name}: {got.dtype}{got.shape} instead of {want.dtype}{want.shape}"]
    wrong = unequal(got, want, open_)
    if of_xla and FLUSHED in open_:
        for array in (*operands, got, want):
            wrong &= ~is_subnormal(np.broadcast_to(array, got.shape) if array.shape in ((), (1,)) else array)
    if not wrong.any():
        return []
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = [array[at] if array.shape == got.shape else array for array in operands]
    there = ", ".join(f"0x{int(bits(x).reshape(-1)[0]):x}" for x in where if x.size == 1)
    source = "XLA" if of_xla else "IEEE 754"
    text = f"{name} [{element_type_of(got.dtype)}]: {int(wrong.sum())} of {wrong.size} differ, first at {at}"
    return [f"{text}: operands {there}, TVM 0x{int(bits(got)[at]):x}, {source} 0x{int(bits(want)[at]):x}"]


def assert_none(lines: Sequence[str]) -> None:
    assert not lines, "\n" + "\n".join(lines)
