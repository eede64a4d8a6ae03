"""Kernels without f16, for devices whose compiler may have none: its numbers are words of 16 bits in memory and f32 in
between, rounded after each operation.

That is what the operations of f16 give: f32 has more than twice the digits of f16, and two more, so that the sum,
difference, product, quotient and root of two f16, rounded to f32 and then to f16, are rounded as if once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm.ir import Call, Expr, PointerType, PrimType, TensorLoad

from ...errors import ConversionError
from ...tensor_ir.compat import dtype_of, is_buffer, tir
from ...tensor_ir.primitives import bits_of, integer
from .words import EXTERN, REINTERPRET, name_of

HALF, WORD, WIDE = "float16", "uint16", "float32"
FROM_HALF, TO_HALF = "hlo_from_half", "hlo_to_half"
ARITHMETIC = (tir.Add, tir.Sub, tir.Mul, tir.Div, tir.Mod, tir.Min, tir.Max)
# a call whose result is one of its operands
CHOICE = "if_then_else"
# integers alone, as compilers of devices differ in what their conversions do to NaN; a NaN stays one, its sign and the
# digits that both types have are kept
FUNCTIONS = f"""
#ifndef HLO_HALF
#define HLO_HALF
float {FROM_HALF}(ushort half_bits) {{
  uint bits = half_bits;
  uint sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) return as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  if (rest >= 0x400u) return as_float(sign | ((rest << 13) + 0x38000000u));
  if (rest == 0u) return as_float(sign);
  uint shift = clz(rest) - 21u;
  return as_float(sign | ((113u - shift) << 23) | ((rest << shift) & 0x3ffu) << 13);
}}
ushort {TO_HALF}(float x) {{
  uint bits = as_uint(x);
  uint sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) {{
    uint payload = rest >> 13 & 0x3ffu;
    return (ushort)(sign | 0x7c00u | (payload ? payload : 0x200u));
  }}
  if (rest >= 0x477ff000u) return (ushort)(sign | 0x7c00u);
  if (rest >= 0x38800000u) return (ushort)(sign | (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13);
  if (rest < 0x33000000u) return (ushort)sign;
  uint shift = 126u - (rest >> 23), digits = (rest & 0x7fffffu) | 0x800000u;
  uint whole = digits >> shift, left = digits & ((1u << shift) - 1u), middle = 1u << (shift - 1u);
  return (ushort)(sign | (whole + (left > middle || (left == middle && (whole & 1u)) ? 1u : 0u)));
}}
#endif
"""


def with_functions(code: str) -> str:
    """The text of a kernel behind that of the functions that it calls, which other kernels may have brought before."""
    return FUNCTIONS + code if FROM_HALF in code or TO_HALF in code else code


@tvm.transform.module_pass(opt_level=0, name="hlo.HalfInWords")
def half_in_words(mod: Any, context: Any) -> Any:
    """Kernels that are lowered to what their language has, without f16."""
    updated = mod.clone()
    for variable, function in mod.functions_items():
        updated.update_func(variable, without_half(function))
    return updated


def without_half(function: Any) -> Any:
    """A kernel, lowered to what its language has, without f16.

    Raises
    ------
    ConversionError
        If something of f16 is left, such as a conversion from f64, which would round twice.
    """
    variables: dict[Any, Any] = {}

    def variable(node: Any) -> Any:
        if node not in variables:
            variables[node] = _changed(node)
        return variables[node]

    made = tvm_ffi.structural_map(
        function,
        [
            (tir.Var, variable),
            (tir.FloatImm, _constant),
            (TensorLoad, _load),
            (tir.BufferStore, _store),
            (tir.Cast, _cast),
            (ARITHMETIC, _arithmetic),
            ((tir.Let, tir.Select), _choice),
            (Call, _call),
        ],
    )
    if made.same_as(function):
        return function
    made = tir.PrimFunc(made.params, made.body, made.ret_type, made.attrs)
    _refuse_half(made)
    return made


def rounded(x: Any) -> Any:
    """An f32 rounded to f16, as f32."""
    return tir.call_pure_extern(WIDE, FROM_HALF, tir.call_pure_extern(WORD, TO_HALF, x))


def word(x: Any) -> Any:
    """The bits of an f16 that is given as f32."""
    if isinstance(x, Call) and name_of(x) == EXTERN and str(x.args[0].value) == FROM_HALF:
        return x.args[1]
    return tir.call_pure_extern(WORD, TO_HALF, x)


def _changed(variable: Any) -> Any:
    """What a variable becomes: a pointer to words, a buffer of them, or an f32."""
    kind = variable.ty
    if isinstance(kind, PointerType):
        if not isinstance(kind.element_type, PrimType) or str(kind.element_type.dtype) != HALF:
            return variable
        return tir.Var(variable.name, PointerType(PrimType(WORD), kind.storage_scope))
    if not _is(variable, HALF):
        return variable
    return variable.with_dtype(WORD) if is_buffer(variable) else tir.Var(variable.name, WIDE)


def _is(value: Any, dtype: str) -> bool:
    """Whether a value or a buffer is of a dtype."""
    return getattr(value.ty, "dtype", None) is not None and dtype_of(value) == dtype


# what has f16 for its type, with operands that are f32 by now


def _constant(number: Any) -> Any:
    if not _is(number, HALF):
        return number
    bits = int(np.array(number.value, WIDE).view("uint32"))
    return tir.call_pure_extern(WIDE, "as_float", integer(bits, "uint32"))


def _load(load: Any) -> Any:
    if not _is(load, HALF):
        return load
    return tir.call_pure_extern(WIDE, FROM_HALF, tir.BufferLoad(load.source, load.indices))


def _store(store: Any) -> Any:
    # of words into words it has been one before
    if not _is(store.buffer, WORD) or not _is(store.value, WIDE):
        return store
    return tir.BufferStore(store.buffer, word(store.value), store.indices)


def _cast(cast: Any) -> Any:
    if _is(cast, WIDE) and _is(cast.value, WIDE):
        return cast.value
    if not _is(cast, HALF) or _is(cast.value, "float64"):
        return cast
    return rounded(cast.value if _is(cast.value, WIDE) else tir.Cast(WIDE, cast.value))


def _arithmetic(operation: Any) -> Any:
    return rounded(type(operation)(operation.a, operation.b)) if _is(operation, HALF) else operation


def _choice(choice: Any) -> Any:
    if not _is(choice, HALF):
        return choice
    if isinstance(choice, tir.Let):
        return tir.Let(choice.var, choice.value, choice.body)
    return tir.Select(choice.condition, choice.true_value, choice.false_value)


def _call(call: Any) -> Any:
    name = name_of(call)
    if name == REINTERPRET:
        (value,) = call.args
        if _is(call, HALF):
            bits = value if _is(value, WORD) else tir.reinterpret(WORD, value)
            return tir.call_pure_extern(WIDE, FROM_HALF, bits)
        if _is(value, WIDE) and bits_of(dtype_of(call)) == bits_of(HALF):
            return word(value) if _is(call, WORD) else tir.reinterpret(dtype_of(call), word(value))
        return call
    if not _is(call, HALF):
        return call
    wide = Call(call.op, call.args, call.attrs, call.ty_args, ret_ty=WIDE)
    return wide if name == CHOICE else rounded(wide)


def _refuse_half(function: Any) -> None:
    """ConversionError if anything of f16 is left."""
    left: list[Any] = []

    def find(node: Any) -> None:
        if _is(node, HALF):
            left.append(node)

    tvm_ffi.structural_walk(function.body, (Expr, find))
    if left:
        raise ConversionError(f"{left[0]} cannot be computed without f16 as exactly as with it")
