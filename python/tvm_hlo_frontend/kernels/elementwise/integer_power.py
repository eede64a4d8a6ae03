"""integer_power: x to the y in two's complement. A loop, because squaring as one expression grows exponentially."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from tvm import te

from ...tensor_ir.compat import dtype_of, tir
from ...tensor_ir.loops import Loops
from ...tensor_ir.primitives import Scope, bits_of, integer, is_signed, to_unsigned
from ..spec import KernelSpec
from ..table import KernelTable
from .scalar.integers import wrapping_multiply

table = KernelTable()


@table.kernel("integer_power", "extern")
def integer_power(spec: KernelSpec, inputs: Sequence[Any], results: Sequence[tuple[tuple[int, ...], str]]) -> list[Any]:
    """Base and exponent of one shape (HloEvaluator and rule 9)."""
    dimensions, dtype = results[0]

    def generate(ins: Sequence[Any], outs: Sequence[Any]) -> Any:
        loops = Loops()
        bases, exponents, result = (loops.array(buffer) for buffer in (*ins, outs[0]))
        state = loops.scratch(2, dtype, "state")
        with contextlib.ExitStack() as nest:
            index = [nest.enter_context(loops.loop(size, "i")) for size in dimensions]
            state[0], state[1] = integer(1, dtype), bases[index]
            with loops.loop(bits_of(dtype), "bit") as bit:
                _square_step(state, exponents[index], bit, dtype)
            base = bases[index]
            result[index] = _signed_result(state[0], base, exponents[index]) if is_signed(base) else state[0]
        return loops.finish()

    buffers = [tir.decl_buffer(tensor.shape, dtype_of(tensor), f"in{number}") for number, tensor in enumerate(inputs)]
    out = te.extern(
        [tuple(dimensions)], list(inputs), generate, dtype=[dtype], in_buffers=buffers, name="hlo_integer_power"
    )
    return [out]


def _square_step(state: Any, exponent: Any, bit: Any, dtype: str) -> None:
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
    dtype = dtype_of(power)
    zero, one, minus_one = (integer(value, dtype) for value in (0, 1, -1))
    of_minus_one = tir.Select(tir.NE(exponent & one, zero), minus_one, one)
    inverse = tir.Select(tir.EQ(base, one), one, tir.Select(tir.EQ(base, minus_one), of_minus_one, zero))
    return tir.Select(exponent < zero, inverse, power)
