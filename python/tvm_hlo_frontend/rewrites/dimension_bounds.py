"""Bounds that the user gives for unknown sizes."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import SignatureError
from ..hlo.ir.open_module import OpenModule, SizeCheck
from ..hlo.ir.sizes import variable
from .substitute_sizes import unknown_sizes

ORIGIN = "dimension_bounds"


def with_bounds(opened: OpenModule, bounds: Mapping[str, Any]) -> OpenModule:
    """An open module whose sizes are checked against bounds too.

    Parameters
    ----------
    opened : OpenModule
    bounds : mapping of str to (int, int)
        Least and greatest number of an unknown size, by its name.

    Raises
    ------
    SignatureError
        If no size has one of the names, or a pair is none of numbers in order.
    """
    if not bounds:
        return opened
    names = unknown_sizes(opened)
    strangers = [name for name in bounds if name not in names]
    if strangers:
        there = f"its unknown sizes are {', '.join(names)}" if names else "it has no unknown sizes"
        raise SignatureError(f"dimension_bounds name {', '.join(strangers)}, which the module does not have: {there}")
    checks = []
    for name, pair in bounds.items():
        size, (low, high) = variable(name), _pair(name, pair)
        checks += [SizeCheck(size, ">=", low, ORIGIN), SizeCheck(size, "<=", high, ORIGIN)]
    return replace(opened, checks=tuple(dict.fromkeys((*opened.checks, *checks))))


def _pair(name: str, pair: Any) -> tuple[int, int]:
    try:
        low, high = map(operator.index, pair)
    except (TypeError, ValueError):
        raise SignatureError(f"the bounds of {name} are {pair!r}, not (least, greatest)") from None
    if not 0 <= low <= high:
        raise SignatureError(f"the bounds of {name} are {low} and {high}, not 0 <= least <= greatest")
    return low, high
