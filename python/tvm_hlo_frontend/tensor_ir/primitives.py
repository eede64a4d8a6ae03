"""Building blocks that TVM's simplifiers and LLVM cannot bend.

TVM folds floats as if they were reals and negates orderings as if there were no NaN; its index simplifier takes signed
integers for unbounded ones, and its LLVM code generator marks 32 and 64 bit additions, subtractions and
multiplications ``nsw`` or ``nuw``. What is built here keeps IEEE and two's complement whatever is fused around it.
All forms vectorise: `tir.isnan`, `tir.nearbyint` and calls of libm would turn a fused kernel into scalar code.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from .compat import call_intrinsic, dtype_of, free_variables, register_intrinsic, tir, xor

MANTISSA_BITS = {16: 10, 32: 23, 64: 52}


FMA, OPAQUE_VALUE, STORED_VALUE = "hlo_fma", "hlo_opaque_value", "hlo_stored_value"
# CallEffectKind
PURE, READS_STATE = 1, 2


def _argument(call: Any) -> Any:
    return call.args[0]


def _product_and_sum(call: Any) -> Any:
    return call.args[0] * call.args[1] + call.args[2]


def _llvm_fma(call: Any) -> Any:
    return call_intrinsic(dtype_of(call), "fma", *call.args)


# Intrinsics that are lowered after everything that simplifies: an fma for all targets (TVM's fma is LLVM's alone, and a
# rule for it would make TVM fuse every product and sum on the target), and two identities. TVM's passes inline the
# Lets of pure integers and follow those of other pure values into each use; what claims to read memory is left alone
# (but for StorageFlatten, whose time grows with the expression as if inlined).
register_intrinsic(FMA, PURE, {"default": _product_and_sum, "llvm": _llvm_fma})
register_intrinsic(OPAQUE_VALUE, PURE, {"default": _argument})
register_intrinsic(STORED_VALUE, READS_STATE, {"default": _argument})


class Scope:
    """Let bindings around one scalar expression, so that values used twice are computed (and compiled) once."""

    def __init__(self) -> None:
        self._bindings: list[tuple[Any, Any]] = []

    def bind(self, value: Any) -> Any:
        """`value` in a form that may be used several times."""
        if isinstance(value, (tir.Var, tir.IntImm, tir.FloatImm)):
            return value
        if dtype_of(value) == "bool":
            # a number, as C has no vectors of bool; a choice, as TVM's intervals fail on casts of vectors of And and Or
            return truth(self.bind(tir.Select(value, integer(1, "uint8"), integer(0, "uint8"))))
        variable = tir.Var("t", dtype_of(value))
        self._bindings.append((variable, call_intrinsic(dtype_of(value), STORED_VALUE, value)))
        return variable

    def close(self, result: Any) -> Any:
        """`result` inside the bindings that it needs."""
        needed = free_variables(result)
        for variable, value in reversed(self._bindings):
            if variable in needed:
                result = tir.Let(variable, value, result)
                needed |= free_variables(value)
        return result


def bits_of(dtype: str) -> int:
    """Width of a TVM dtype."""
    return 1 if dtype == "bool" else int("".join(c for c in dtype if c.isdigit()))


def is_float(x: Any) -> bool:
    """Whether it is of a floating-point dtype."""
    return dtype_of(x).startswith("float")


def is_signed(x: Any) -> bool:
    """Whether it is of a signed integer dtype."""
    return dtype_of(x).startswith("int")


# integers


def opaque(x: Any) -> Any:
    """The same integer, of which TVM knows nothing; free in the generated code."""
    return call_intrinsic(dtype_of(x), OPAQUE_VALUE, x)


def to_unsigned(x: Any) -> Any:
    """The same bits as an unsigned integer."""
    if isinstance(x, tir.IntImm) and is_signed(x):  # TVM refuses to cast a negative constant
        return integer(int(x) % (1 << bits_of(dtype_of(x))), "u" + dtype_of(x))
    return same_bits(x, "u" + dtype_of(x)) if is_signed(x) else x


def to_signed(x: Any) -> Any:
    """The same bits as a signed integer."""
    return x if is_signed(x) else same_bits(x, dtype_of(x)[1:])


def same_bits(x: Any, dtype: str) -> Any:
    """The bits of an integer as a type of the same width; free in the generated code.

    TVM casts the bounds that it knows of a Cast's operand, and ends with an error where the type lacks one of them.
    """
    # the bare reinterpretation of a constant zero does not compile
    concealed = xor(opaque(x), tir.const(0, dtype_of(x)))
    return call_intrinsic(dtype, "reinterpret", concealed)


def low_bits(x: Any, dtype: str) -> Any:
    """The low bits of an integer as an unsigned type."""
    return tir.Cast(dtype, same_bits(x, f"uint{bits_of(dtype_of(x))}"))


def same_sign_as(x: Any, dtype: str) -> Any:
    """The bits of an unsigned integer as `dtype` of the same width."""
    return to_signed(x) if dtype.startswith("int") else opaque(x)


def integer(value: int, dtype: str) -> Any:
    """Integer constant, in two halves where TVM would make a call of it: its vectorizer takes calls for changed
    expressions, and visits a product with such an index twice, Lets included, which it forbids itself."""
    if value < 1 << 63:
        return tir.const(value, dtype)
    high, low = tir.const(value >> 32, dtype), tir.const(value & 0xFFFFFFFF, dtype)
    return (opaque(high) << tir.const(32, dtype)) | low


# floats


def hide(x: Any) -> Any:
    """The same float, which TVM cannot recognise as a constant; free in the generated code."""
    return fma(x, tir.const(1.0, dtype_of(x)), tir.const(-0.0, dtype_of(x)))


def real(value: float, dtype: str) -> Any:
    """Float constant that TVM does not fold."""
    if np.isfinite(value):
        return hide(tir.const(float(value), dtype))
    return from_bits(integer(_bit_pattern(value, dtype), f"uint{bits_of(dtype)}"))


def _bit_pattern(value: float, dtype: str) -> int:
    code = {"float16": ("<e", "<H"), "float32": ("<f", "<I"), "float64": ("<d", "<Q")}[dtype]
    return struct.unpack(code[1], struct.pack(code[0], value))[0]


def fma(a: Any, b: Any, c: Any) -> Any:
    """a * b + c, fused or not as the target likes."""
    return call_intrinsic(dtype_of(a), FMA, a, b, c)


def add(a: Any, b: Any) -> Any:
    """a + b, rounded once."""
    return fma(a, tir.const(1.0, dtype_of(a)), b)


def subtract(a: Any, b: Any) -> Any:
    """a - b, rounded once."""
    return fma(b, tir.const(-1.0, dtype_of(a)), a)


def multiply(a: Any, b: Any) -> Any:
    """a * b, rounded once; -0.0 is the neutral element of addition."""
    return fma(a, b, tir.const(-0.0, dtype_of(a)))


def divide(a: Any, b: Any) -> Any:
    """a / b; TVM folds 0 / x and multiplies by the reciprocal of a constant."""
    return tir.Div(hide(a), hide(b))


def horner(x: Any, coefficients: Sequence[float]) -> Any:
    """Polynomial with the highest coefficient first; `x` must be bound."""
    result = tir.const(coefficients[0], dtype_of(x))
    for coefficient in coefficients[1:]:
        result = fma(result, x, tir.const(coefficient, dtype_of(x)))
    return result


def to_bits(x: Any) -> Any:
    """The bits of a float as an unsigned integer."""
    return tir.reinterpret(f"uint{bits_of(dtype_of(x))}", hide(x) if bits_of(dtype_of(x)) > 16 else x)


def from_bits(x: Any) -> Any:
    """The float with the bits of an unsigned integer."""
    return same_bits(x, f"float{bits_of(dtype_of(x))}")


def sign_mask(x: Any) -> Any:
    """The sign bit of a float type, unsigned."""
    bits = bits_of(dtype_of(x))
    return integer(1 << (bits - 1), f"uint{bits}")


def magnitude_mask(x: Any) -> Any:
    """All bits of a float type but the sign."""
    bits = bits_of(dtype_of(x))
    return tir.const((1 << (bits - 1)) - 1, f"uint{bits}")


def exponent_mask(x: Any) -> Any:
    """The exponent bits of a float type: the bits of infinity."""
    bits = bits_of(dtype_of(x))
    mantissa = MANTISSA_BITS[bits]
    return tir.const(((1 << (bits - 1 - mantissa)) - 1) << mantissa, f"uint{bits}")


def absolute(x: Any) -> Any:
    """|x|, NaN payload kept."""
    return from_bits(to_bits(x) & magnitude_mask(x))


def negate(x: Any) -> Any:
    """-x, for zero and NaN too."""
    return from_bits(to_bits(x) ^ sign_mask(x))


def copy_sign(magnitude: Any, sign: Any) -> Any:
    """The magnitude of one float with the sign of the other; `magnitude` must not be negative."""
    return from_bits(to_bits(magnitude) | (to_bits(sign) & sign_mask(sign)))


def select(condition: Any, x: Any, y: Any) -> Any:
    """One of two values, all of its bits: a choice of f16 goes through f32 where the machine has no f16, which quiets
    signalling NaN."""
    if dtype_of(x) != "float16":
        return tir.Select(condition, x, y)
    return from_bits(tir.Select(condition, to_bits(x), to_bits(y)))


def to_half(scope: Scope, x: Any) -> Any:
    """An f32 rounded to f16.

    LLVM 10 would narrow the operation under a bare cast to f16, and computes chains of f16 without rounding in between.
    """
    x = scope.bind(x)
    bits = to_bits(x)
    quiet = tir.const(1 << (MANTISSA_BITS[32] - 1), "uint32")
    return tir.Cast("float16", from_bits(tir.Select(is_nan(x), bits | quiet, bits)))


# conditions

_ORDERINGS = {"EQ": tir.EQ, "NE": tir.NE, "LT": tir.LT, "LE": tir.LE, "GT": tir.GT, "GE": tir.GE}


def truth(number: Any) -> Any:
    """Whether an integer is not zero."""
    # calls keep conditions out of TVM's common subexpressions, whose interval analysis fails on vectors of them, and so
    # does that of code generation: it finds a single point in a choice between equal values
    concealed = xor(opaque(number), tir.const(0, dtype_of(number)))
    return tir.NE(concealed, tir.const(0, dtype_of(number)))


def equal(x: Any, y: Any) -> Any:
    """Equality of integers."""
    return tir.EQ(opaque(x), y)


def compare_words(direction: str, a: Any, b: Any) -> Any:
    """Comparison of any two integers.

    Where one holds, TVM computes what bounds follow for either side, and ends the process where uint64 has none (of
    2^63 - 1 < x; TVM's constants are int64). From a number nothing follows.
    """
    # the index simplifier fails on differences with the lowest integer
    return truth(tir.Cast("uint8", _ORDERINGS[direction](opaque(a), opaque(b))))


def compare_numbers(direction: str, a: Any, b: Any) -> Any:
    """Comparison of floats of which neither is NaN; for NaN it may be true or false.

    TVM tells LLVM that there is no NaN (NoNaNsFPMath): in scalar code, so also in the remainder of every vectorised
    loop, ordered comparisons are true for NaN. Only tests of the bits can be relied on.
    """
    # Not(x < y) would become y <= x, and a bool in a Select a fact about its other branch
    return truth(tir.Cast("uint8", _ORDERINGS[direction](hide(a), b)))


def ordered(direction: str, a: Any, b: Any) -> Any:
    """Comparison of floats (to be bound) that is false for NaN, also after TVM has negated it."""
    return tir.And(compare_numbers(direction, a, b), tir.Not(tir.Or(is_nan(a), is_nan(b))))


def is_nan(x: Any) -> Any:
    """Whether a float (to be bound) is NaN, by its bits."""
    return tir.GT(to_bits(x) & magnitude_mask(x), exponent_mask(x))


def is_zero(x: Any) -> Any:
    """Whether a float is 0 or -0, by its bits."""
    mask = magnitude_mask(x)
    return equal(to_bits(x) & mask, tir.const(0, dtype_of(mask)))
