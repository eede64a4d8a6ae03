"""What a model of the demo and the tests is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tvm_hlo_frontend.frameworks.lowered import LoweredModule

SEED = 7


@dataclass(frozen=True, eq=False)
class ModelInstance:
    """A model ready to convert.

    Attributes
    ----------
    lowered : LoweredModule
        HLO with the weights as parameters.
    inputs : list of numpy.ndarray
        One array per HLO parameter that is no weight, in order.
    other_inputs : list of numpy.ndarray
        Different values of the same shapes.
    reference : callable
        The framework itself: arrays as `inputs` to the list of its numpy results.
    module : torch.nn.Module, optional
        The model itself, where it is one of PyTorch.
    """

    lowered: LoweredModule
    inputs: list[np.ndarray]
    other_inputs: list[np.ndarray]
    reference: Callable[..., list[np.ndarray]]
    module: Any = None

    def arguments(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """All HLO arguments: `inputs` with the weights between them."""
        rest = iter(inputs)
        values = self.lowered.parameter_values
        return [values[n] if n in values else next(rest) for n in range(len(self.lowered.input_names))]


@dataclass(frozen=True)
class Model:
    """A model of the demo: `make()` builds it, once per process.

    Attributes
    ----------
    name, framework : str
    make : callable
        To a ModelInstance.
    small : bool
        Whether building it takes seconds rather than minutes.
    loops : bool
        Whether it has control flow that needs Relay's virtual machine.
    """

    name: str
    framework: str
    make: Callable[[], ModelInstance]
    small: bool
    loops: bool


def built_once(
    name: str, framework: str, make: Callable[[], ModelInstance], small: bool = True, loops: bool = False
) -> Model:
    """Model that `make` builds when it is first asked for."""
    return Model(name, framework, functools.cache(make), small, loops)
