"""Exponentials, logarithms, powers and trigonometry.

f64 calls libm. In f32 what models spend their time on is written out, because calls of libm do not vectorise; the rest
calls libm too. f16 is computed in f32.
"""

from __future__ import annotations

from typing import Any

from ....analysis.scalar_expression import ScalarNode
from ....tensor_ir import primitives as p
from ....tensor_ir.compat import dtype_of, tir
from ....tensor_ir.primitives import Scope, bits_of, real
from . import polynomials
from .table import ScalarTable

table = ScalarTable()

_FLOAT = ("float",)

# opcode -> the function of C's math.h; the f32 one ends in f
_LIBM = {
    "acos": "acos", "acosh": "acosh", "asin": "asin", "asinh": "asinh", "atan": "atan", "atan2": "atan2",
    "atanh": "atanh", "cbrt": "cbrt", "cosine": "cos", "cosh": "cosh", "erf": "erf", "exponential": "exp",
    "exponential-minus-one": "expm1", "log": "log", "log-plus-one": "log1p", "power": "pow", "sine": "sin",
    "sinh": "sinh", "tan": "tan", "tanh": "tanh",
}  # fmt: skip
_WRITTEN_OUT = {
    "exponential": polynomials.exponential,
    "exponential-minus-one": polynomials.exponential_minus_one,
    "log": polynomials.logarithm,
    "log-plus-one": polynomials.logarithm_plus_one,
    "tanh": polynomials.tanh,
    "logistic": polynomials.logistic,
    "erf": polynomials.erf,
}


@table.scalar(*_LIBM, kinds=_FLOAT)
def transcendental(scope: Scope, node: ScalarNode, *operands: Any) -> Any:
    """As C's math library has it, special values included."""
    dtype = dtype_of(operands[0])
    if bits_of(dtype) == 32:
        if node.opcode in _WRITTEN_OUT:
            return _WRITTEN_OUT[node.opcode](scope, *operands)
        return tir.call_pure_extern(dtype, _LIBM[node.opcode] + "f", *operands)
    return tir.call_pure_extern(dtype, _LIBM[node.opcode], *operands)


@table.scalar("logistic", kinds=_FLOAT)
def logistic(scope: Scope, node: ScalarNode, x: Any) -> Any:
    """1 / (1 + exp(-x)): 0 where the exponential overflows."""
    if bits_of(dtype_of(x)) == 32:
        return polynomials.logistic(scope, x)
    one = real(1.0, dtype_of(x))
    return p.divide(one, p.add(one, tir.call_pure_extern(dtype_of(x), "exp", p.negate(x))))
