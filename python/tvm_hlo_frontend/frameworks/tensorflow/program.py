"""A TensorFlow program of any kind as one function and the specs of its inputs: what is lowered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Program:
    """A function, ready to lower.

    Attributes
    ----------
    function : ConcreteFunction
    input_names : tuple of str
        One per flat input, captured tensors not included.
    specs : tuple of tf.TensorSpec
        One per flat input; with static shapes when it is lowered.
    result_names : tuple of str
        One per flat output.
    weights : mapping of int to numpy.ndarray
        Values of flat inputs that are weights (constants of a graph), by position.
    variable_names : mapping of int to str
        Names of captured variables that the function does not know itself, by ``id`` of their handle.
    owner : object
        What keeps variables alive while the function is lowered.
    """

    function: Any
    input_names: tuple[str, ...]
    specs: tuple[Any, ...]
    result_names: tuple[str, ...]
    weights: Mapping[int, np.ndarray] = field(default_factory=dict)
    variable_names: Mapping[int, str] = field(default_factory=dict)
    owner: Any = None

    @property
    def captured(self) -> list[Any]:
        """Captured tensors: handles of variables, and constants of the surrounding program."""
        return list(self.function.captured_inputs)
