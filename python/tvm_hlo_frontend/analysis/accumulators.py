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


# integers up to this magnitude are f32s, and so are their sums
EXACT_IN_F32 = 1 << 24
# the largest magnitudes of integers whose products are the faster ones as f32s
_MAGNITUDES = {"s8": 128, "u8": 255}


def exact_depth(lhs: str, rhs: str) -> int:
    """How many products of these element types may be summed in f32, exactly and in any order; 0 if none may."""
    if lhs not in _MAGNITUDES or rhs not in _MAGNITUDES:
        return 0
    return EXACT_IN_F32 // (_MAGNITUDES[lhs] * _MAGNITUDES[rhs])


def product_type(lhs: str, rhs: str, result: str, depth: int) -> str:
    """`accumulator_type` of sums of `depth` products; f32 where sums of narrow integers are exact in it."""
    return "f32" if result == "s32" and depth <= exact_depth(lhs, rhs) else accumulator_type(lhs, rhs, result)


def reduction_type(reducer: Reducer) -> str:
    """Element type to reduce in: the body's own, and f32 for sums and products of f16, which XLA widens as well."""
    wanted = reducer.accumulator_type
    return "f32" if wanted == "f16" and reducer.kind in ("sum", "product") else wanted
