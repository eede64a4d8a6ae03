"""A divided and compiled program for one set of input shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..deploy.executable import Executable
from .bridge.interface import Bridge
from .partition import Division


@dataclass(frozen=True)
class Variant:
    """A program for one set of input shapes.

    Attributes
    ----------
    division : Division
    executables : dict of str to Executable
        By the cluster's name.
    function : ConcreteFunction
        Of flat tensors.
    bridge : Bridge
        What runs the executables in it.
    """

    division: Division
    executables: dict[str, Executable]
    function: Any
    bridge: Bridge
