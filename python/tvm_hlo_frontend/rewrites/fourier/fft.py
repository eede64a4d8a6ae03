"""fft as dots and kernels of real tensors (rule 53; XLA operation semantics: Fft)."""

from __future__ import annotations

from ...hlo.ir.attributes import DimensionsAttributes, FftAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..complex.pair import Pair
from ..emit import Emitter
from ..expansion import Expansion
from .plan import DIRECT_LIMIT
from .transform import real_inverse, real_transform, transform


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Any type, number of dimensions and length, between real, imag and complex for `split_complex` to remove."""
    attributes, (x,) = instruction.attributes_as(FftAttributes), operands
    emit = Emitter(builder, instruction.metadata)
    if not all(isinstance(size, int) for size in x.shape.dimensions[x.shape.rank - len(attributes.length) :]):
        return None
    if 0 in instruction.shape.dimensions:
        return emit.full(0, instruction.shape)
    lengths = attributes.length
    axes = range(x.shape.rank - len(lengths), x.shape.rank)
    if attributes.type == "RFFT":
        kept = _first_half(emit, x, lengths[-1])
        return emit("complex", *_all_axes(emit, kept, axes[:-1], -1))
    z = Pair(emit("real", x), emit("imag", x))
    if attributes.type == "FFT":
        return emit("complex", *_all_axes(emit, z, axes, -1))
    factor = 1.0
    for length in lengths:
        factor /= length
    if attributes.type == "IFFT":
        return emit("complex", *(emit("multiply", part, factor) for part in _all_axes(emit, z, axes, 1)))
    return emit("multiply", _real_rows(emit, _all_axes(emit, z, axes[:-1], 1), lengths[-1]), factor)


def _all_axes(emit: Emitter, z: Pair, axes: range, sign: int) -> Pair:
    for axis in reversed(axes):
        z = transform(emit, z, axis, sign)
    return z


def _by_halves(length: int) -> bool:
    """Whether real rows are transformed as complex ones of half the length."""
    return length > DIRECT_LIMIT and length % 2 == 0


def _first_half(emit: Emitter, x: HloInstruction, length: int) -> Pair:
    """Of the transform of real rows, whose other half it determines."""
    if _by_halves(length):
        return real_transform(emit, x)
    axis = x.shape.rank - 1
    z = transform(emit, Pair(x, emit.full(0, x.shape)), axis, -1)
    return Pair(*(emit.slice(part, axis, 0, length // 2 + 1) for part in z))


def _real_rows(emit: Emitter, z: Pair, length: int) -> HloInstruction:
    """Rows with a transform of which `z` is the first half, times the length."""
    if _by_halves(length):
        return real_inverse(emit, z, length)
    axis = z.re.shape.rank - 1
    return transform(emit, _hermitian(emit, z, axis, length), axis, 1).re


def _hermitian(emit: Emitter, z: Pair, axis: int, length: int) -> Pair:
    """All `length` elements of the spectrum of real data, of which the operand holds the first half.

    The imaginary parts of the first and of the middle element are ignored as they only reach the imaginary part of the
    result.
    """
    mirrored = (length - 1) // 2
    if mirrored == 0:
        return z

    def extended(part: HloInstruction, negative: bool) -> HloInstruction:
        tail = emit("reverse", emit.slice(part, axis, 1, mirrored + 1), attributes=DimensionsAttributes((axis,)))
        return emit.concatenate([part, emit("negate", tail) if negative else tail], axis)

    return Pair(extended(z.re, False), extended(z.im, True))


EXPANSIONS = {
    "fft": Expansion(
        _expand,
        summary="short ones are dots with constant matrices, else a kernel: Stockham, or Bluestein for large primes",
    )
}
