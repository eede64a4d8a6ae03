"""One-dimensional discrete Fourier transforms of pairs, along the last dimension, as dots and products.

Sources: Cooley and Tukey 1965 for composite lengths; Bluestein 1970 for prime ones.
"""

from __future__ import annotations

import numpy as np

from ...hlo.ir.attributes import DotAttributes, DotDimensionNumbers
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import Dimension, Shape
from ...hlo.ir.sizes import product_of
from ..complex.arithmetic import multiply
from ..complex.pair import Pair
from ..emit import Emitter
from . import plan

# PrecisionConfig HIGHEST: accelerators would round the operands
_HIGHEST = (2, 2)


def transform_last(emit: Emitter, z: Pair, sign: int) -> Pair:
    """Transform of rows [..., n], unscaled; `sign` is that of the exponent: -1 forward, 1 inverse."""
    sizes = z.re.shape.dimensions
    rows, n = product_of(sizes[:-1]), sizes[-1]
    matrix = Pair(*(emit.reshape(part, (rows, n)) for part in z))
    return Pair(*(emit.reshape(part, sizes) for part in _transform(emit, matrix, sign)))


def _transform(emit: Emitter, z: Pair, sign: int) -> Pair:
    n = _length(z)
    inner = plan.factor(n)
    if n == 1:
        return z
    if inner is None:
        return _bluestein(emit, z, sign)
    return _direct(emit, z, sign) if inner == n else _composite(emit, z, inner, sign)


def _length(z: Pair) -> int:
    """Of the rows: the only size that must be known."""
    (length,) = Shape(z.re.shape.element_type, z.re.shape.dimensions[-1:]).sizes
    return length


def _direct(emit: Emitter, z: Pair, sign: int) -> Pair:
    """One dot of [re, im] with a matrix."""
    n = _length(z)
    both = emit.concatenate(z, 1)
    weights = emit.constant(plan.dft_matrix(n, sign), z.re.shape.element_type)
    numbers = DotDimensionNumbers(lhs_contracting=(1,), rhs_contracting=(1,))
    product = emit("dot", both, weights, attributes=DotAttributes(numbers, _HIGHEST))
    return Pair(emit.slice(product, 1, 0, n), emit.slice(product, 1, n, 2 * n))


def _composite(emit: Emitter, z: Pair, n1: int, sign: int) -> Pair:
    """n = n1 * n2: transforms of n1, twiddle factors, transforms of n2."""
    rows, n = z.re.shape.dimensions[0], _length(z)
    n2 = n // n1

    def regroup(part: HloInstruction, sizes: tuple[Dimension, Dimension, Dimension], last: int) -> HloInstruction:
        swapped = emit.transpose(emit.reshape(part, sizes), (0, 2, 1))
        return emit.reshape(swapped, (product_of((rows, n // last)), last))

    inner = _transform(emit, Pair(*(regroup(part, (rows, n1, n2), n1) for part in z)), sign)
    inner = Pair(*(emit.reshape(part, (rows, n2, n1)) for part in inner))
    turned = multiply(emit, inner, _constant(emit, plan.twiddles(n1, n2, sign), inner, (1, 2)))
    outer = _transform(emit, Pair(*(regroup(part, (rows, n2, n1), n2) for part in turned)), sign)
    return Pair(*(emit.reshape(regroup(part, (rows, n1, n2), n1), (rows, n)) for part in outer))


def _constant(emit: Emitter, values: np.ndarray, like: Pair, dimensions: tuple[int, ...]) -> Pair:
    shape = like.re.shape
    parts = (emit.constant(part, shape.element_type) for part in (values.real, values.imag))
    return Pair(*(emit.along(part, shape, dimensions) for part in parts))


def _bluestein(emit: Emitter, z: Pair, sign: int) -> Pair:
    """A convolution with a chirp, through transforms of a power of two."""
    n = _length(z)
    length = plan.padded_length(n)
    wave = _constant(emit, plan.chirp(n, sign), z, (1,))
    padded = Pair(*(emit.pad_end(part, 1, length) for part in multiply(emit, z, wave)))
    spectrum = _transform(emit, padded, -1)
    filtered = multiply(emit, spectrum, _constant(emit, plan.chirp_filter(n, length, sign), spectrum, (1,)))
    convolved = _transform(emit, filtered, 1)
    return multiply(emit, Pair(*(emit.slice(part, 1, 0, n) for part in convolved)), wave)
