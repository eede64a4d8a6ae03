"""All rules, by number."""

from __future__ import annotations

from . import conversions, devices, floats, indexing, integers, linalg, movement, products, reductions, structure
from .model import Rule

_PARTS = (integers, floats, conversions, movement, products, indexing, reductions, linalg, structure, devices)

RULES: tuple[Rule, ...] = tuple(rule for part in _PARTS for rule in part.RULES)
