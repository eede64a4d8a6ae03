"""integer_power: x to the y in two's complement. A loop, because squaring as one expression grows exponentially."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tvm
from tvm import te, tir

from .definitions import kernel
from .scalar.integers import wrapping_multiply
from .scalar.primitives import Scope, bits_of, integer, is_signed, to_unsigned
from .spec import KernelSpec


@kernel("integer_power", "extern")
def integer_power(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Base and exponent of one shape (HloEvaluator and rule 9)."""
    dimensions, dtype = results[0]
    count = 1
    for size in dimensions:
        count = count * size

    def generate(ins: Sequence[Any], outs: Sequence[Any]) -> Any:
        builder = tvm.tir.ir_builder.create()
        bases, exponents = (builder.buffer_ptr(buffer) for buffer in ins)
        result = builder.buffer_ptr(outs[0])
        state = builder.allocate(dtype, (2,), name="state", scope="local")
        with builder.for_range(0, count, name="i") as i:
            state[0], state[1] = integer(1, dtype), bases[i]
            with builder.for_range(0, bits_of(dtype), name="bit") as bit:
                _square_step(builder, state, exponents[i], bit, dtype)
            result[i] = state[0] if not is_signed(bases[i]) else _signed_result(state[0], bases[i], exponents[i])
        return builder.get()

    buffers = [tir.decl_buffer(tensor.shape, tensor.dtype, f"in{number}") for number, tensor in enumerate(inputs)]
    out = te.extern(
        [tuple(dimensions)], list(inputs), generate, dtype=[dtype], in_buffers=buffers, name="hlo_integer_power"
    )
    return [out]


def _square_step(builder: Any, state: Any, exponent: Any, bit: Any, dtype: str) -> None:
    """result *= square where the exponent has the bit, square *= square."""
    word = f"uint{bits_of(dtype)}"
    is_set = tir.NE((to_unsigned(exponent) >> tir.Cast(word, bit)) & integer(1, word), integer(0, word))
    factor = tir.Select(is_set, state[1], integer(1, dtype))
    state[0] = _product(state[0], factor)
    state[1] = _product(state[1], state[1])


def _product(x: Any, y: Any) -> Any:
    scope = Scope()
    return scope.close(wrapping_multiply(scope, x, y))


def _signed_result(power: Any, base: Any, exponent: Any) -> Any:
    """A negative exponent gives 0 but for the bases 1 and -1."""
    dtype = power.dtype
    zero, one, minus_one = (integer(value, dtype) for value in (0, 1, -1))
    of_minus_one = tir.Select(tir.NE(exponent & one, zero), minus_one, one)
    inverse = tir.Select(tir.EQ(base, one), one, tir.Select(tir.EQ(base, minus_one), of_minus_one, zero))
    return tir.Select(exponent < zero, inverse, power)
