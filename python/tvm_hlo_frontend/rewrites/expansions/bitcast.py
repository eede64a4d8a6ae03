"""bitcast as movement of elements: the operand's buffer, in its layout, read in the result's (rules 32, 83).

Optimised HLO has them where a transpose or a reshape moves nothing in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, Shape, array_shape, default_layout
from ..complex.pair import COMPONENT
from ..emit import Emitter
from ..expansion import Expansion

BITS_OF_A_BYTE = 8


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Bitcasts of tiled layouts, and of packed elements to another type, stay."""
    source, target, (x,) = instruction.operands[0].shape, instruction.shape, operands
    if source.same_type(target) and (not source.is_array or _same_layout(source, target)):
        return x
    if not is_decidable(source, target):
        return None
    emit = Emitter(builder, instruction.metadata)
    stored = _moved(emit, x, _major_to_minor(source))
    if _is_element_wise(source, target):
        stored = emit.bits(stored, target.element_type)
    elif source.element_type != target.element_type:
        stored = _reinterpreted(emit, _flat(emit, stored), target.element_type)
    order = _major_to_minor(target)
    stored = _reshaped(emit, stored, [target.sizes[axis] for axis in order])
    return _moved(emit, stored, [order.index(axis) for axis in range(target.rank)])


def is_decidable(source: Shape, target: Shape) -> bool:
    """Whether the order of elements in memory follows from layouts of `source` and `target`."""
    if not (source.is_array and target.is_array and source.is_static and target.is_static):
        return False
    if source.tiles or target.tiles:
        return False
    # several of them share a byte, or each has one of its own: the layout does not say
    packed = any(shape.bits < BITS_OF_A_BYTE and shape.kind != "pred" for shape in (source, target))
    return source.element_type == target.element_type or not packed


def _is_element_wise(source: Shape, target: Shape) -> bool:
    """Whether every element becomes one of another type."""
    plain = all(shape.kind not in ("complex", "pred") for shape in (source, target))
    return plain and source.element_type != target.element_type and source.bits == target.bits


def _major_to_minor(shape: Shape) -> list[int]:
    """Dimensions in the order in which memory has them."""
    layout = default_layout(shape.rank) if shape.minor_to_major is None else shape.minor_to_major
    return list(layout[::-1])


def _same_layout(source: Shape, target: Shape) -> bool:
    return _major_to_minor(source) == _major_to_minor(target) and source.tiles == target.tiles


def _moved(emit: Emitter, x: HloInstruction, permutation: Sequence[int]) -> HloInstruction:
    """transpose; a reshape where only dimensions of size 1 change places."""
    sizes = x.shape.sizes
    kept = [axis for axis in permutation if sizes[axis] != 1]
    if kept == sorted(kept):
        return _reshaped(emit, x, [sizes[axis] for axis in permutation])
    return emit.transpose(x, permutation)


def _reshaped(emit: Emitter, x: HloInstruction, sizes: Sequence[int]) -> HloInstruction:
    """reshape; of a reshape at once."""
    return emit.reshape(x.operands[0] if x.opcode == "reshape" else x, sizes)


def _flat(emit: Emitter, x: HloInstruction) -> HloInstruction:
    return _reshaped(emit, x, (math.prod(x.shape.sizes),))


def _reinterpreted(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """The bytes of a vector as elements of another type, little endian."""
    if x.shape.kind == "complex":
        parts = [emit.reshape(emit(part, x), (*x.shape.sizes, 1)) for part in ("real", "imag")]
        return _reinterpreted(emit, _flat(emit, emit.concatenate(parts, 1)), element_type)
    if x.shape.kind == "pred":
        return _reinterpreted(emit, emit.convert(x, "u8"), element_type)
    if BY_NAME[element_type].kind == "complex":
        pairs = _reinterpreted(emit, x, COMPONENT[element_type])
        pairs = emit.reshape(pairs, (pairs.shape.sizes[0] // 2, 2))
        return emit("complex", *(_flat(emit, emit.slice(pairs, 1, part, part + 1)) for part in (0, 1)))
    if element_type == "pred":
        return emit.compare("NE", _reinterpreted(emit, x, "u8"), 0)
    if x.shape.element_type == element_type:
        return x
    (count,), old, new = x.shape.sizes, x.shape.bits, BY_NAME[element_type].bits
    if old < new:
        x = emit.reshape(x, (count * old // new, new // old))
        return emit("bitcast-convert", x, shape=array_shape(element_type, x.shape.sizes[:1]))
    sizes = (count, old // new) if old > new else (count,)
    return _flat(emit, emit("bitcast-convert", x, shape=array_shape(element_type, sizes)))


EXPANSIONS = {"bitcast": Expansion(_expand)}
