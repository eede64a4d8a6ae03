"""Which element-wise HLO opcodes a native Relay operator means exactly.

Only those that earn it: AlterOpLayout and the fusion of dense and convolution epilogues see through Relay's own
operators. Everything else is as fast, and exact, as a map kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import relay

from ...hlo.ir.shape import BY_NAME
from ...kernels.dtypes import TVM_DTYPES
from ..values import Tensor

# TVM's LLVM keeps f16 sums and products in f32 between operations, so f16 is not here
_NATIVE_FLOATS = frozenset({"f32", "f64"})
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": relay.add, "subtract": relay.subtract, "multiply": relay.multiply,
}  # fmt: skip
# operators through which a constant stays the same number
_MOVEMENT = frozenset({"reshape", "transpose", "broadcast_to", "squeeze", "expand_dims"})


def native_map(opcode: str, result_type: str, operands: Sequence[Tensor], attributes: tuple) -> Any | None:
    """Relay expression with numpy broadcasting, or None where no operator of Relay means exactly `opcode`.

    Parameters
    ----------
    opcode : str
    result_type : str
        HLO element type of the result.
    operands : sequence of Tensor
    attributes : tuple
        As in `ScalarNode`.
    """
    if opcode == "convert":
        return _widening_cast(operands[0], result_type)
    if result_type not in _NATIVE_FLOATS:
        return None
    if opcode == "multiply" and any(not operand.dimensions for operand in operands):
        return None  # FoldConstant may find that it is 0; fusion writes the number down, and TIR takes x * 0 for 0
    if opcode in _ARITHMETIC:
        return _ARITHMETIC[opcode](*(operand.expr for operand in operands))
    if opcode in ("maximum", "minimum"):
        return _bounded(opcode, *operands)
    if opcode == "clamp":
        low, value, high = operands
        if _is_plain_constant(low) and _is_plain_constant(high) and not _is_zero(high, negative=True):
            return relay.minimum(high.expr, _maximum(low, value))
    return None


def _bounded(opcode: str, x: Tensor, y: Tensor) -> Any | None:
    """Of a constant and a variable: relay.maximum(constant, x) is NaN for a NaN in x, and x where they are equal;
    relay.maximum(x, constant) would drop NaN."""
    if not _is_plain_constant(x):
        x, y = y, x
    if not _is_plain_constant(x) or _is_constant(y):
        return None
    if opcode == "maximum":
        return _maximum(x, y)
    return None if _is_zero(x, negative=True) else relay.minimum(x.expr, y.expr)


def _maximum(constant: Tensor, x: Tensor) -> Any:
    larger = relay.maximum(constant.expr, x.expr)
    # the larger one of 0 and -0 comes out as -0, and nothing else is negative
    return relay.abs(larger) if _is_zero(constant, negative=False) else larger


def _widening_cast(x: Tensor, result_type: str) -> Any | None:
    """Casts that keep every value."""
    source, target = BY_NAME[x.element_type], BY_NAME[result_type]
    kinds = (source.kind, target.kind)
    widens = target.bits > source.bits and kinds in (("float", "float"), ("signed", "signed"), ("unsigned", "unsigned"))
    if widens and (x.element_type, result_type) != ("f16", "f64"):  # LLVM 10 has no such conversion on all CPUs
        return relay.cast(x.expr, TVM_DTYPES[result_type])
    return None


def _constant_of(x: Tensor) -> relay.Constant | None:
    expr = x.expr
    while isinstance(expr, relay.Call) and getattr(expr.op, "name", "") in _MOVEMENT:
        expr = expr.args[0]
    return expr if isinstance(expr, relay.Constant) else None


def _is_constant(x: Tensor) -> bool:
    return _constant_of(x) is not None


def _is_zero(constant: Tensor, negative: bool) -> bool:
    (number,) = _constant_of(constant).data.numpy().reshape(-1)  # type: ignore[union-attr]
    return bool(number == 0 and np.signbit(number) == negative)


def _is_plain_constant(x: Tensor) -> bool:
    """A constant of one element that is not NaN."""
    constant = _constant_of(x)
    if constant is None:
        return False
    values = constant.data.numpy()
    return bool(values.size == 1 and not np.isnan(values).any())
