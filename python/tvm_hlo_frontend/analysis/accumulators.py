"""The types in which sums are formed."""

from __future__ import annotations

from ..hlo.ir.shape import BY_NAME
from .reducers import Reducer


def accumulator_type(lhs: str, rhs: str, result: str) -> str:
    """Element type in which products are formed and summed: the result's, for narrow floats at least f32.

    Integers wrap alike at every width above the result's, so a narrower result needs no wider sum.
    """
    if result == "pred":
        return "s32"
    if BY_NAME[result].kind != "float":
        return result
    floats = [name for name in ("f32", lhs, rhs, result) if BY_NAME[name].kind == "float"]
    return max(floats, key=lambda name: BY_NAME[name].bits)


def reduction_type(reducer: Reducer) -> str:
    """Element type to reduce in: the body's own, and f32 for sums and products of f16, which XLA widens as well."""
    wanted = reducer.accumulator_type
    return "f32" if wanted == "f16" and reducer.kind in ("sum", "product") else wanted
