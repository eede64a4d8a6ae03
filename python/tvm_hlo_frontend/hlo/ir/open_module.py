"""Modules whose sizes are open: shapes with `Size`, and what must hold of the sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .module import HloModule
from .shape import Dimension


@dataclass(frozen=True)
class SizeCheck:
    """What must hold of the sizes of a call.

    Attributes
    ----------
    left, right : int or Size
    relation : str
        ``==``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
    origin : str
        Who says so: the instruction, and the line of the user's program where it is known.
    """

    left: Dimension
    relation: str
    right: Dimension
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


@dataclass(frozen=True)
class OpenModule:
    """A module of which one serves arrays of many shapes.

    Attributes
    ----------
    module : HloModule
        Every dimension is a number or a `Size` of unknown sizes, which dimensions of the entry's parameters tell.
    checks : tuple of SizeCheck
    values : mapping of str to int
        Unknown sizes that a parameter's value tells, as its number: a scalar of integers.
    """

    module: HloModule
    checks: tuple[SizeCheck, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)
