"""What the compiler of a device's language knows by another name than C, and constants that TVM prints with fewer
digits than they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...tensor_ir.compat import HAS_TE_SCHEDULES, dtype_of, tir
from ...tensor_ir.primitives import FMA, OPAQUE_VALUE, STORED_VALUE, bits_of, integer
from ...tensor_ir.trees import Call, mapped

EXTERN, REINTERPRET = "call_pure_extern", "reinterpret"
# OpenCL knows a choice by types of this width, which C gives to narrower numbers, and TVM to its condition
CHOICE_BITS = 32
# OpenCL's names of signed integers, by width
INTEGERS = {8: "char", 16: "short", 32: "int", 64: "long"}
# intrinsics whose value is that of their operand
UNCHANGED = (OPAQUE_VALUE, STORED_VALUE)
# functions of C's math.h that kernels call; those of f32 end in f
MATH = frozenset(
    "acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf exp expm1 fmod log log1p pow sin sinh tan tanh".split()
)


@dataclass(frozen=True)
class Words:
    """Words of one language.

    Attributes
    ----------
    from_bits : mapping of str to (str, str)
        By float dtype the function that takes a number's bits for the number, and the type of those.
    printed : mapping of str to callable
        By float dtype how TVM prints a constant, as a number that is read back.
    function : callable
        ``function(name)``: what a function of C's math.h is called.
    same_bits : mapping of str to str
        By dtype the function that takes a number of as many bits for one of it, where TVM's own words for that do not
        compile.
    """

    from_bits: Mapping[str, tuple[str, str]]
    printed: Mapping[str, Callable[[float], float]]
    function: Callable[[str], str]
    same_bits: Mapping[str, str]


def _without_suffix(name: str) -> str:
    """The name for f64, which in OpenCL is that for all types."""
    return name[:-1] if name not in MATH and name[:-1] in MATH else name


def _seven_digits(value: float) -> float:
    return float(f"{value:e}")


def _fifteen_decimals(value: float) -> float:
    return float(f"{value:.15f}")


# TVM 0.17 takes the address of what a choice or a conversion gives
_AS_TYPE = {
    **{f"int{bits}": f"({name})" for bits, name in INTEGERS.items()},
    **{f"uint{bits}": f"(u{name})" for bits, name in INTEGERS.items()},
    "float32": "as_float",
    "float64": "as_double",
}

WORDS = {
    "cuda": Words(
        {"float32": ("__uint_as_float", "uint32"), "float64": ("__longlong_as_double", "int64")},
        {"float32": float, "float64": _fifteen_decimals},
        str,
        {},
    ),
    "opencl": Words(
        {"float32": ("as_float", "uint32"), "float64": ("as_double", "uint64")},
        {"float32": _seven_digits, "float64": _seven_digits},
        _without_suffix,
        _AS_TYPE if HAS_TE_SCHEDULES else {},
    ),
}


def in_words_of(function: Any, words: Words) -> Any:
    """`function` with the words of a language."""

    def constant(node: Any) -> Any:
        dtype, value = dtype_of(node), float(node.value)
        if dtype not in words.from_bits or is_read_back(value, words.printed[dtype](value), dtype):
            return node
        name, kind = words.from_bits[dtype]
        return tir.call_pure_extern(dtype, name, integer(bits_of_number(value, dtype, kind), kind))

    def call(node: Any) -> Any:
        name = name_of(node)
        if name == REINTERPRET:
            made = bits_of_constant(node)
            return _same_bits(node, words) if made is node else made
        if name != EXTERN:
            return node
        function, *operands = node.args
        return tir.call_pure_extern(dtype_of(node), words.function(str(function.value)), *operands)

    def choice(node: Any) -> Any:
        wide = bits_of(dtype_of(node)) == CHOICE_BITS
        return node if wide else tir.if_then_else(node.condition, node.true_value, node.false_value)

    # constants last: their bits are read by then
    body = mapped(function.body, [(Call, call), (tir.Select, choice)])
    return function.with_body(mapped(body, (tir.FloatImm, constant)))


def _same_bits(call: Any, words: Words) -> Any:
    """A call that takes a number's bits for another's, in the words of a language."""
    dtype = dtype_of(call)
    if dtype not in words.same_bits:
        return call
    name, (value,) = words.same_bits[dtype], call.args
    if dtype_of(value).startswith("float"):
        name = f"as_{name.strip('()')}"
    return tir.call_pure_extern(dtype, name, value)


def name_of(call: Any) -> str:
    """Name of the intrinsic that is called; empty for a function."""
    return str(getattr(call.op, "name", "")).rpartition(".")[2]


def bits_of_constant(call: Any) -> Any:
    """The integer that a constant float is reinterpreted as, which TVM would take the address of; others as they
    are."""
    value, dtype = call.args[0], dtype_of(call)
    while isinstance(value, Call) and (name_of(value) in UNCHANGED or is_hidden(value)):
        value = value.args[0]
    if not isinstance(value, tir.FloatImm) or not dtype.startswith("uint"):
        return call
    return integer(bits_of_number(float(value.value), dtype_of(value), dtype), dtype)


def is_hidden(call: Any) -> bool:
    """Whether a call is `tensor_ir.primitives.hide`."""
    if name_of(call) != FMA:
        return False
    return [str(float(each.value)) if isinstance(each, tir.FloatImm) else "" for each in call.args[1:]] == [
        "1.0",
        "-0.0",
    ]


def bits_of_number(value: float, dtype: str, kind: str) -> int:
    """The bits of a float as an integer of a type."""
    return int(np.array(value, dtype).view(kind))


def is_read_back(value: float, printed: float, dtype: str) -> bool:
    """Whether a constant is what the compiler reads; it knows no words for what is not finite."""
    kind = np.dtype(dtype).type
    return bool(np.isfinite(value) and kind(printed) == kind(value))
