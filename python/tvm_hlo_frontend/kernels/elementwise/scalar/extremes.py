"""maximum and minimum of floats, as IEEE 754-2019 has them: NaN if either is, and 0 above -0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....tensor_ir.compat import HAS_TE_SCHEDULES, call_intrinsic, dtype_of, register_intrinsic, tir
from ....tensor_ir.primitives import PURE, Scope, integer

MAXIMUM, MINIMUM = "hlo_maximum", "hlo_minimum"
_INFINITY = {16: 0x7C00, 32: 0x7F800000, 64: 0x7FF0000000000000}


def maximum(x: Any, y: Any) -> Any:
    """The larger of two floats."""
    return call_intrinsic(dtype_of(x), MAXIMUM, x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two floats."""
    return call_intrinsic(dtype_of(x), MINIMUM, x, y)


def _constant(value: int, dtype: str) -> Any:
    """Unsigned constant, scalar or vector."""
    base, _, lanes = dtype.partition("x")
    number = integer(value, base)
    return tir.Broadcast(number, int(lanes)) if lanes else number


def _lowering(is_maximum: bool) -> Callable[[Any], Any]:
    """What stands for a call in the end, scalar or vector: each operand is written once in the expression that TVM
    fuses and vectorises. NaN is seen on the bits. The last choice is one of floats: LLVM 10 does not vectorise loops
    that store floats made of bits."""

    def lower(call: Any) -> Any:
        one, other = call.args
        if isinstance(one, tir.Var) and one.same_as(other):  # TVM 0.17 simplifies a comparison with itself only once
            return one
        dtype = dtype_of(call)
        base, _, lanes = dtype.partition("x")
        bits = int(base.removeprefix("float"))
        # unsigned: of signed words TVM's code generator takes differences, which overflow
        word = f"uint{bits}" + (f"x{lanes}" if lanes else "")
        signless = (1 << (bits - 1)) - 1
        magnitude, infinity = _constant(signless, word), _constant(_INFINITY[bits], word)
        scope = Scope()
        x, y = (scope.bind(argument) for argument in call.args)
        first, second = (scope.bind(tir.reinterpret(word, value)) for value in (x, y))
        # of equal numbers this is y, so what is left is x being the zero that wins
        number = scope.bind(tir.Select(x > y if is_maximum else x < y, x, y))
        found = tir.reinterpret(word, number)
        if is_maximum:
            wins, signed = tir.EQ(first, _constant(0, word)), found & magnitude
        else:
            sign = _constant(signless + 1, word)
            wins, signed = tir.EQ(first, sign), found | sign
        number = tir.Select(wins, tir.reinterpret(dtype, signed), number)
        has_nan = tir.Or(tir.GT(first & magnitude, infinity), tir.GT(second & magnitude, infinity))
        return scope.close(tir.Select(has_nan, x + y, number))

    return lower


def _lowerings(is_maximum: bool) -> dict[str, Callable[[Any], Any]]:
    """By kind of target."""
    default = _lowering(is_maximum)
    if HAS_TE_SCHEDULES:  # LLVM 10 calls libm for its own
        return {"default": default}

    def lower(call: Any) -> Any:
        dtype = dtype_of(call)
        if dtype.partition("x")[0] not in ("float32", "float64"):  # others are computed in f32 and converted back
            return default(call)
        return tir.call_llvm_pure_intrin(dtype, "llvm.maximum" if is_maximum else "llvm.minimum", *call.args)

    return {"default": default, "llvm": lower}


register_intrinsic(MAXIMUM, PURE, _lowerings(True))
register_intrinsic(MINIMUM, PURE, _lowerings(False))
