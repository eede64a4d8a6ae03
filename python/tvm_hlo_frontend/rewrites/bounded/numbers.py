"""Scalars that are sizes: arithmetic, and which are equal without a look at their values."""

from __future__ import annotations

from ...analysis.known_integers import known_integer
from ...hlo.ir.attributes import SliceAttributes, TupleIndexAttributes
from ...hlo.ir.module import HloInstruction
from ..emit import Emitter, Operand

# arithmetic that leads to equal numbers from equal ones, as deep as sizes are computed
_ARITHMETIC = frozenset({"add", "subtract", "multiply", "divide", "maximum", "minimum"})
MAX_DEPTH = 8


def same_number(a: HloInstruction, b: HloInstruction, depth: int = MAX_DEPTH) -> bool:
    """Whether two s32 scalars are equal, as far as the way they are computed tells."""
    (a, at), (b, bt) = origin(a), origin(b)
    if a is b:
        return at == bt
    if a.shape.dimensions or b.shape.dimensions or depth == 0:
        return False
    known = known_integer(a) if a.opcode == b.opcode == "constant" else None
    if known is not None:
        return known == known_integer(b)
    alike = a.opcode == b.opcode and a.opcode in _ARITHMETIC and a.shape.element_type == b.shape.element_type
    return alike and all(same_number(x, y, depth - 1) for x, y in zip(a.operands, b.operands))


def origin(x: HloInstruction) -> tuple[HloInstruction, int]:
    """Where the only element of an array of integers comes from: an instruction, and the number of its element."""
    number = 0
    while True:
        attributes, operands = x.attributes, x.operands
        if _hands_over(x):
            x = operands[0]
        elif x.opcode == "broadcast" and not operands[0].shape.dimensions:
            x, number = operands[0], 0
        elif isinstance(attributes, SliceAttributes) and x.shape.rank == 1:
            x, number = operands[0], attributes.starts[0] + number * attributes.strides[0]
        elif x.opcode == "concatenate" and x.shape.rank == 1:
            part = 0
            while number >= operands[part].shape.sizes[0]:
                number -= operands[part].shape.sizes[0]
                part += 1
            x = operands[part]
        elif isinstance(attributes, TupleIndexAttributes) and operands[0].opcode == "tuple":
            x = operands[0].operands[attributes.index]
        else:
            return x, number


def _hands_over(x: HloInstruction) -> bool:
    """Whether its elements are those of its operand; sizes are s32, and s64 on the way."""
    if x.opcode == "convert":
        return {x.shape.element_type, x.operands[0].shape.element_type} <= {"s32", "s64"}
    return x.opcode in ("copy", "reshape", "bitcast", "opt-barrier") and x.operands[0].shape.is_array


def merged(emit: Emitter, a: HloInstruction, b: HloInstruction) -> HloInstruction:
    """The size of an element-wise result of arrays of sizes `a` and `b`, see `padded.aligned`."""
    if same_number(a, b):
        return a
    less, more = emit("minimum", a, b), emit("maximum", a, b)
    return emit.select(emit.compare("EQ", less, 1), more, less)


def held(emit: Emitter, size: HloInstruction, bound: int) -> HloInstruction:
    """A number from 0 to `bound`: `size` itself, unless it lies outside of them."""
    known = known_integer(size)
    if known is not None:
        return emit.full(max(0, min(known, bound)), size.shape)
    inner, _ = origin(size)
    if inner.opcode == "minimum" and inner.operands[0].opcode == "maximum":
        low, high = known_integer(inner.operands[0].operands[1]), known_integer(inner.operands[1])
        if low == 0 and high is not None and high <= bound:
            return size
    return emit("minimum", emit("maximum", size, 0), bound)


def as_size(emit: Emitter, number: HloInstruction, bound: int) -> HloInstruction:
    """An integer scalar as a size."""
    return held(emit, emit.convert(number, "s32"), bound)


def divided_up(emit: Emitter, x: HloInstruction, divisor: int) -> HloInstruction:
    """`x` over `divisor`, rounded up, at least 0."""
    x = emit("maximum", x, 0)
    return x if divisor == 1 else emit("divide", plus(emit, x, divisor - 1), divisor)


def plus(emit: Emitter, x: HloInstruction, number: int) -> HloInstruction:
    """Their sum."""
    return emit("add", x, number) if number else x


def times(emit: Emitter, x: HloInstruction, factor: Operand) -> HloInstruction:
    """Their product."""
    return x if factor == 1 else emit("multiply", x, factor)


def over(emit: Emitter, x: HloInstruction, divisor: int) -> HloInstruction:
    """Their quotient, of numbers that are not negative."""
    return x if divisor == 1 else emit("divide", x, divisor)
