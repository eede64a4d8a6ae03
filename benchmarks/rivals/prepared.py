"""What a contestant makes of a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

THREADS = 2


@dataclass(frozen=True)
class Prepared:
    """A compiled row with its arguments in place.

    Attributes
    ----------
    call : callable
        Runs it once and waits; this is timed.
    results : callable
        To its results as numpy arrays, flat.
    """

    call: Callable[[], Any]
    results: Callable[[], list[np.ndarray]]


class MissingError(Exception):
    """Why a contestant does not take a row."""


def flat(value: Any) -> list[Any]:
    """Leaves of nested lists, tuples and mappings, None left out."""
    if value is None:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in flat(part)]
    return [value]
