"""Integers of 1, 2 and 4 bits, carried as s8 and u8 that hold their values."""

from __future__ import annotations

from ...hlo.ir.module import HloInstruction
from ...hlo.ir.shape import BY_NAME, ELEMENT_TYPES
from ..emit import Emitter

NARROW_INTEGERS = frozenset(row.name for row in ELEMENT_TYPES if row.kind in ("signed", "unsigned") and row.bits < 8)


def wrapped(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """The value of the low bits of `x` (s8 or u8, as `element_type` has a sign)."""
    row = BY_NAME[element_type]
    if row.kind == "unsigned":
        return emit("and", x, (1 << row.bits) - 1)
    unused = 8 - row.bits
    return emit("shift-right-arithmetic", emit("shift-left", x, unused), unused)


def low_bits(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """The bits of a value as a non-negative number of its carrier."""
    return emit("and", x, (1 << BY_NAME[element_type].bits) - 1)


def saturated(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """convert of floats (rule 26): towards zero, limits beyond them, NaN is 0."""
    row = BY_NAME[element_type]
    signed = row.kind == "signed"
    values = 1 << row.bits
    low = -values // 2 if signed else 0
    limited = emit("clamp", emit.full(low, x.shape), x, emit.full(low + values - 1, x.shape))
    return emit.convert(limited, "s8" if signed else "u8")


def shift_right_logical(emit: Emitter, x: HloInstruction, amount: HloInstruction, element_type: str) -> HloInstruction:
    """Zeros come in above the type's own bits, not the carrier's; amounts are unsigned (rule 6)."""
    shifted = emit("shift-right-logical", low_bits(emit, x, element_type), amount)
    return wrapped(emit, shifted, element_type)


def shift_right_arithmetic(
    emit: Emitter, x: HloInstruction, amount: HloInstruction, element_type: str
) -> HloInstruction:
    """The type's own highest bit is the sign, also of unsigned types."""
    unused = 8 - BY_NAME[element_type].bits
    shifted = emit("shift-right-arithmetic", emit("shift-left", x, unused), amount)
    # the amount first: beyond the carrier's bits it leaves the sign alone
    return wrapped(emit, emit("shift-right-arithmetic", shifted, unused), element_type)


def leading_zeros(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """count-leading-zeros in the type's own width; wraps as XLA's result, which has the same type."""
    count = emit("count-leading-zeros", low_bits(emit, x, element_type))
    return wrapped(emit, emit("subtract", count, 8 - BY_NAME[element_type].bits), element_type)


def population_count(emit: Emitter, x: HloInstruction, element_type: str) -> HloInstruction:
    """popcnt of the type's own bits."""
    return wrapped(emit, emit("popcnt", low_bits(emit, x, element_type)), element_type)


def high_product(emit: Emitter, x: HloInstruction, y: HloInstruction, element_type: str) -> HloInstruction:
    """mulhi: products fit into the carrier."""
    row = BY_NAME[element_type]
    opcode = "shift-right-arithmetic" if row.kind == "signed" else "shift-right-logical"
    return wrapped(emit, emit(opcode, emit("multiply", x, y), row.bits), element_type)
