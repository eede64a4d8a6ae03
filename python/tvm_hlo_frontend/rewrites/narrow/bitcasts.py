"""bitcast-convert to and from narrow types (rule 32)."""

from __future__ import annotations

from ...hlo.ir.attributes import DimensionsAttributes
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, Shape, array_shape
from ..emit import Emitter
from .floats import NARROW_FLOATS, from_bits, to_bits
from .integers import NARROW_INTEGERS, wrapped

_UNSIGNED = {8: "u8", 16: "u16", 32: "u32", 64: "u64"}


def bitcast_convert(emit: Emitter, x: HloInstruction, source: str, target: Shape) -> HloInstruction:
    """Value of `target`, as carried, with the bits of `x`, which carries `source`."""
    words = _words_of(emit, x, source)
    have, want = BY_NAME[source].bits, BY_NAME[target.element_type].bits
    if have < 8 and want > have:
        groups = min(want, 8) // have
        words = _join(emit, words, have, groups, want == have * groups)
        have *= groups
    if want < 8 and have > want:
        if have > 8:
            words = _reinterpret(emit, words, 8)
        words = _split(emit, words, min(have, 8), want, target)
        have = want
    elif have != want:
        words = _reinterpret(emit, words, want)
    words = emit.reshape(words, target.dimensions)
    return _value_of(emit, words, target)


def _words_of(emit: Emitter, x: HloInstruction, source: str) -> HloInstruction:
    """Unsigned words with the bits of `x`; u8 for everything below 8 bits."""
    row = BY_NAME[source]
    if source in NARROW_FLOATS:
        return to_bits(emit, x, source)
    if source in NARROW_INTEGERS:
        return emit("and", emit.convert(x, "u8"), (1 << row.bits) - 1)
    return x if row.kind == "unsigned" else emit.bits(x, _UNSIGNED[row.bits])


def _value_of(emit: Emitter, words: HloInstruction, target: Shape) -> HloInstruction:
    name, row = target.element_type, BY_NAME[target.element_type]
    if name in NARROW_FLOATS:
        return from_bits(emit, words, name)
    if name in NARROW_INTEGERS:
        return wrapped(emit, emit.convert(words, "s8" if row.kind == "signed" else "u8"), name)
    return words if row.kind == "unsigned" else emit.bits(words, name)


def _reinterpret(emit: Emitter, words: HloInstruction, bits: int) -> HloInstruction:
    """bitcast-convert between unsigned words of whole bytes."""
    sizes, have = words.shape.sizes, words.shape.bits
    if bits < have:
        sizes = (*sizes, have // bits)
    elif bits > have:
        if sizes[-1] != bits // have:
            sizes = (*sizes[:-1], sizes[-1] * have // bits, bits // have)
            words = emit.reshape(words, sizes)
        sizes = sizes[:-1]
    return emit("bitcast-convert", words, shape=array_shape(_UNSIGNED[bits], sizes))


def _join(emit: Emitter, words: HloInstruction, bits: int, groups: int, drop: bool) -> HloInstruction:
    """`groups` words of `bits` each into one, the first lowest; the last dimension shrinks, or goes with `drop`."""
    sizes = words.shape.sizes
    words = emit.reshape(words, (*sizes[:-1], sizes[-1] // groups, groups))
    axis = len(sizes)
    joined: HloInstruction | None = None
    for index in range(groups):
        part = emit.slice(words, axis, index, index + 1)
        part = emit.reshape(part, part.shape.dimensions[:-1])
        part = emit("shift-left", part, index * bits)
        joined = part if joined is None else emit("or", joined, part)
    assert joined is not None
    return emit.reshape(joined, sizes[:-1]) if drop else joined


def _split(emit: Emitter, words: HloInstruction, have: int, want: int, target: Shape) -> HloInstruction:
    """Words of `have` bits (in u8) into parts of `want` bits, the lowest first, as the last dimension."""
    sizes = words.shape.sizes
    shape = array_shape("u8", (*sizes, have // want))
    amounts = emit("iota", shape=shape, attributes=DimensionsAttributes((len(sizes),)))
    shifted = emit("shift-right-logical", emit.along(words, shape, range(len(sizes))), emit("multiply", amounts, want))
    return emit.reshape(emit("and", shifted, (1 << want) - 1), target.dimensions)
