"""Arguments of virtual machines: large arrays where they lie, small ones in memory that stays, since making one of
TVM's arrays takes longer than a small call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# what compiled code takes for granted of the memory of tensors
ALIGNMENT = 64
# from here on a copy takes longer than to have one of TVM's arrays on the memory of another
LARGE_BYTES = 1 << 15


class Arguments:
    """TVM's arrays for the arguments of one executor, whose calls come one at a time.

    Parameters
    ----------
    make : callable
        ``make(array)`` gives one of TVM's arrays as `array` is, and a numpy array on its memory.
    borrow : callable
        ``borrow(array)`` gives one of TVM's arrays on the memory of `array`, which begins at a multiple of `ALIGNMENT`
        and may be read-only.
    """

    def __init__(
        self, make: Callable[[np.ndarray], tuple[Any, np.ndarray]], borrow: Callable[[np.ndarray], Any]
    ) -> None:
        self._make = make
        self._borrow = borrow
        self._tensors: list[Any] = []
        self._memories: list[np.ndarray | None] = []  # of tensors that are copies

    def placed(self, arrays: Sequence[np.ndarray]) -> tuple[list[Any], bool]:
        """TVM's arrays with the values of `arrays`, which are contiguous, until the next call or for as long as those
        live; and whether any of them is another one than in the call before."""
        others = len(arrays) != len(self._tensors)
        if others:
            self._tensors, self._memories = [None] * len(arrays), [None] * len(arrays)
        for number, array in enumerate(arrays):
            memory = self._memories[number]
            if array.nbytes >= LARGE_BYTES and is_aligned(array):
                self._tensors[number], self._memories[number] = self._borrow(array), None
            elif memory is not None and memory.shape == array.shape:
                np.copyto(memory, array, casting="no")
                continue
            else:
                self._tensors[number], self._memories[number] = self._make(array)
            others = True
        return self._tensors, others


def aligned_empty(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An array of any values in memory that compiled code may use."""
    count = math.prod(shape) * dtype.itemsize
    memory = np.empty(count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count].view(dtype).reshape(shape)


def is_aligned(array: np.ndarray) -> bool:
    """Whether compiled code may read an array that is contiguous where it lies."""
    return array.ctypes.data % ALIGNMENT == 0
