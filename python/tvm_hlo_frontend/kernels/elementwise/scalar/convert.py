"""convert and bitcast-convert."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....analysis.scalar_expression import ScalarNode
from ....errors import UnsupportedInstruction
from ....tensor_ir import primitives as p
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import (
    Scope,
    bits_of,
    compare_numbers,
    integer,
    is_nan,
    low_bits,
    opaque,
    real,
    same_sign_as,
    to_signed,
    to_unsigned,
)
from ...dtypes import TVM_DTYPES
from .table import ScalarTable

table = ScalarTable()


@table.scalar("convert", kinds=("pred",))
def convert_predicate(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """1 for true, 0 for false."""
    dtype = TVM_DTYPES[node.element_type]
    return x if dtype == "bool" else tir.Cast(dtype, opaque(tir.Cast("uint8", x)))


@table.scalar("convert", kinds=("integer",))
def convert_integer(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """To pred: x != 0; to an integer: the low bits; to a float: rounded once."""
    dtype = TVM_DTYPES[node.element_type]
    if dtype == "bool":
        return p.truth(x)
    if dtype == "float16":
        # beyond f32's integers everything is infinite in f16, so this rounds once
        return tir.Cast("float16", tir.Cast("float32", opaque(x)))
    if dtype.startswith("float"):
        return tir.Cast(dtype, opaque(x))
    return resize(x, dtype)


def resize(x: Any, dtype: str) -> Any:
    """An integer as another integer type, modulo 2^bits."""
    source, target = bits_of(dtype_of(x)), bits_of(dtype)
    if target > source:
        kind = "int" if dtype_of(x).startswith("int") else "uint"
        return same_sign_as(to_unsigned(tir.Cast(f"{kind}{target}", x)), dtype)
    # through unsigned: TVM would keep bounds of the wider value over a narrowing cast
    return same_sign_as(low_bits(x, f"uint{target}"), dtype)


@table.scalar("convert", kinds=("float",))
def convert_float(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """To pred: x != 0, NaN too; to an integer: towards zero, saturating, NaN to 0; to a float: nearest even."""
    dtype = TVM_DTYPES[node.element_type]
    if dtype == "bool":
        return tir.Not(p.is_zero(x))
    if not dtype.startswith("float"):
        return _saturate(scope, tir.Cast("float32", x) if dtype_of(x) == "float16" else x, dtype)
    if dtype == dtype_of(x):
        return x
    if (dtype_of(x), dtype) == ("float64", "float16"):
        return p.to_half(scope, _round_to_odd(scope, x))
    if dtype == "float16":
        return p.to_half(scope, x)
    if (dtype_of(x), dtype) == ("float16", "float64"):
        return tir.Cast("float64", tir.Cast("float32", x))
    return tir.Cast(dtype, x)


def _round_to_odd(scope: Scope, x: Any) -> Any:
    """f64 to f32 so that rounding the result again is like rounding once: inexact results get an odd mantissa."""
    x = scope.bind(x)
    near = scope.bind(tir.Cast("float32", x))
    back = scope.bind(tir.Cast("float64", near))
    bits = p.to_bits(near)
    one, zero = integer(1, "uint32"), integer(0, "uint32")
    is_beyond = compare_numbers("GT", p.absolute(back), p.absolute(x))
    towards_zero = bits - tir.Select(is_beyond, one, zero)
    is_exact = tir.Or(compare_numbers("EQ", back, x), is_nan(x))
    return p.from_bits(tir.Select(is_exact, bits, towards_zero | one))


def _saturate(scope: Scope, x: Any, dtype: str) -> Any:
    """ElementalIrEmitter EmitFPToSI and FPToUI: towards zero, out of range to the nearest end, NaN to 0."""
    x = scope.bind(x)
    bits = bits_of(dtype)
    signed = dtype.startswith("int")
    lowest, highest = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    below, above = float(lowest), _largest_not_above(highest, dtype_of(x))
    # the cast itself is undefined out of range, so the value is brought into range first
    low = tir.Select(compare_numbers("GT", x, real(below, dtype_of(x))), x, real(below, dtype_of(x)))
    low = scope.bind(tir.Select(is_nan(x), real(0.0, dtype_of(x)), low))
    inside = tir.Select(compare_numbers("LT", low, real(above, dtype_of(x))), low, real(above, dtype_of(x)))
    result = _truncate(inside, dtype)
    if int(above) == highest:
        return result
    return tir.Select(
        compare_numbers("GE", low, real(float(highest + 1), dtype_of(x))), integer(highest, dtype), result
    )


def _truncate(x: Any, dtype: str) -> Any:
    """An integer from a float in range."""
    if bits_of(dtype) < 32:
        return resize(opaque(tir.Cast("int32", x)), dtype)
    return opaque(tir.Cast(dtype, x))


def _largest_not_above(limit: int, dtype: str) -> float:
    value = np.dtype(dtype).type(limit)
    return float(value if int(value) <= limit else np.nextafter(value, np.dtype(dtype).type(0)))


@table.scalar("bitcast-convert")
def bitcast_convert(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """The same bits as another type of the same width."""
    dtype = TVM_DTYPES[node.element_type]
    if dtype == dtype_of(x):
        return x
    if "bool" in (dtype, dtype_of(x)) or bits_of(dtype) != bits_of(dtype_of(x)):
        raise UnsupportedInstruction(f"a bitcast from {dtype_of(x)} to {dtype} is not element-wise")
    word = p.to_bits(x) if p.is_float(x) else opaque(to_unsigned(x))
    if dtype.startswith("float"):
        return p.from_bits(word)
    return to_signed(word) if dtype.startswith("int") else word
