"""fft as dots, products and movement of real tensors (rule 53; XLA operation semantics: Fft)."""

from __future__ import annotations

from ...hlo.ir.attributes import DimensionsAttributes, FftAttributes
from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..complex.pair import Pair
from ..emit import Emitter
from ..expansion import Expansion
from .transform import transform_last


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
        z = _along(emit, Pair(x, emit.full(0, x.shape)), axes[-1], -1)
        kept = Pair(*(emit.slice(part, axes[-1], 0, lengths[-1] // 2 + 1) for part in z))
        return emit("complex", *_all_axes(emit, kept, axes[:-1], -1))
    z = Pair(emit("real", x), emit("imag", x))
    if attributes.type == "FFT":
        return emit("complex", *_all_axes(emit, z, axes, -1))
    factor = 1.0
    for length in lengths:
        factor /= length
    if attributes.type == "IFFT":
        return emit("complex", *(emit("multiply", part, factor) for part in _all_axes(emit, z, axes, 1)))
    z = _hermitian(emit, _all_axes(emit, z, axes[:-1], 1), axes[-1], lengths[-1])
    return emit("multiply", _along(emit, z, axes[-1], 1).re, factor)


def _all_axes(emit: Emitter, z: Pair, axes: range, sign: int) -> Pair:
    for axis in reversed(axes):
        z = _along(emit, z, axis, sign)
    return z


def _along(emit: Emitter, z: Pair, axis: int, sign: int) -> Pair:
    """Unscaled transform along one dimension."""
    order = list(range(z.re.shape.rank))
    order[axis], order[-1] = order[-1], order[axis]
    moved = Pair(*(emit.transpose(part, order) for part in z))
    return Pair(*(emit.transpose(part, order) for part in transform_last(emit, moved, sign)))


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
        summary="dots with constant matrices, by Cooley-Tukey for composite lengths and Bluestein for large primes",
    )
}
