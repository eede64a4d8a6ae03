"""Discrete Fourier transforms of pairs along one dimension: one dot for short ones, else a call of a kernel.

Sources: Cooley and Tukey 1965, Stockham 1966 for composite lengths; Bluestein 1970 for prime ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...hlo.ir.attributes import DotAttributes, DotDimensionNumbers
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Shape, array_shape
from ...hlo.ir.sizes import product_of
from ..complex.pair import Pair
from ..emit import Emitter
from ..linalg.kernel_calls import kernel_call
from . import plan

# PrecisionConfig HIGHEST: accelerators would round the operands
_HIGHEST = (2, 2)


def length_along(x: HloInstruction, axis: int) -> int:
    """Of one dimension, which must be known."""
    (length,) = Shape(x.shape.element_type, x.shape.dimensions[axis : axis + 1]).sizes
    return length


def transform(emit: Emitter, z: Pair, axis: int, sign: int) -> Pair:
    """Transform along one dimension, unscaled; `sign` is that of the exponent: -1 forward, 1 inverse."""
    n = length_along(z.re, axis)
    if n == 1:
        return z
    behind = product_of(z.re.shape.dimensions[axis + 1 :])
    is_short = n <= plan.DIRECT_LIMIT
    if not is_short and isinstance(behind, int) and behind >= plan.LANES[z.re.shape.element_type]:
        return _by_stages(emit, z, axis, sign)
    order = list(range(z.re.shape.rank))
    order[axis], order[-1] = order[-1], order[axis]
    moved = Pair(*(emit.transpose(part, order) for part in z))
    made = _direct(emit, moved, n, sign) if is_short else _by_stages(emit, moved, len(order) - 1, sign)
    return Pair(*(emit.transpose(part, order) for part in made))


def real_transform(emit: Emitter, x: HloInstruction) -> Pair:
    """First half of the forward transform of real rows, of which the length is even."""
    half = length_along(x, x.shape.rank - 1) // 2
    return Pair(*_call(emit, "real", (x,), x.shape.rank - 1, half, half + 1))


def real_inverse(emit: Emitter, z: Pair, length: int) -> HloInstruction:
    """Real rows of even length with a transform of which the first half is `z`, times the length."""
    (made,) = _call(emit, "hermitian", z, z.re.shape.rank - 1, length // 2, length)
    return made


def _direct(emit: Emitter, z: Pair, n: int, sign: int) -> Pair:
    """One dot of [re, im] with a matrix, along the last dimension."""
    sizes = z.re.shape.dimensions
    both = emit.concatenate([emit.reshape(part, (product_of(sizes[:-1]), n)) for part in z], 1)
    weights = emit.constant(plan.dft_matrix(n, sign), z.re.shape.element_type)
    numbers = DotDimensionNumbers(lhs_contracting=(1,), rhs_contracting=(1,))
    product = emit("dot", both, weights, attributes=DotAttributes(numbers, _HIGHEST))
    return Pair(*(emit.reshape(emit.slice(product, 1, begin, begin + n), sizes) for begin in (0, n)))


def _by_stages(emit: Emitter, z: Pair, axis: int, sign: int) -> Pair:
    """A kernel's; the inverse is the forward transform with real and imaginary parts in each other's place."""
    n = length_along(z.re, axis)
    if sign < 0:
        return Pair(*_call(emit, "complex", z, axis, n, n))
    im, re = _call(emit, "complex", (z.im, z.re), axis, n, n)
    return Pair(re, im)


def _call(
    emit: Emitter, kind: str, operands: Sequence[HloInstruction], axis: int, points: int, made: int
) -> list[HloInstruction]:
    """Call of the kernel ``fft``, whose results have `made` elements along `axis`."""
    shape = operands[0].shape
    element_type, sizes = shape.element_type, shape.dimensions
    before, behind = product_of(sizes[:axis]), product_of(sizes[axis + 1 :])
    columns = behind != 1
    chosen = plan.plan(points, element_type, columns, kind != "complex")
    table = emit.constant(np.concatenate(chosen.table), element_type)
    data = [emit.reshape(operand, (before, sizes[axis], behind)) for operand in operands]
    result = array_shape(element_type, (before, made, behind))
    results = [result] * (1 if kind == "hermitian" else 2)
    parameters = chosen.parameters(kind, columns)
    parts = kernel_call(emit.builder, "fft", parameters, [*data, table], results, 0, emit.metadata)
    return [emit.reshape(part, (*sizes[:axis], made, *sizes[axis + 1 :])) for part in parts]
