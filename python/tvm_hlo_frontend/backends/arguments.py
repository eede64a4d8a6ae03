"""Arguments of virtual machines in memory that stays: making one of TVM's arrays takes longer than a small call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Arguments:
    """TVM's arrays for the arguments of one executor, whose calls come one at a time.

    Parameters
    ----------
    make : callable
        ``make(array)`` gives one of TVM's arrays as `array` is, and a numpy array on its memory.
    """

    def __init__(self, make: Callable[[np.ndarray], tuple[Any, np.ndarray]]) -> None:
        self._make = make
        self._held: list[tuple[Any, np.ndarray]] = []

    def placed(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """TVM's arrays with the values of `arrays`, until the next call."""
        if [memory.shape for _, memory in self._held] != [array.shape for array in arrays]:
            self._held = [self._make(array) for array in arrays]
        for (_, memory), array in zip(self._held, arrays):
            np.copyto(memory, array, casting="no")
        return [held for held, _ in self._held]
