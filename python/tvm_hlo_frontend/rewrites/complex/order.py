"""The order of complex numbers, as XLA:CPU has it (rule 18)."""

from __future__ import annotations

from ...hlo.ir.module import HloInstruction
from ..emit import Emitter
from .pair import Pair


def compare(emit: Emitter, direction: str, z: Pair, w: Pair) -> HloInstruction:
    """EQ and NE by both components; LT and GT lexicographic; LE and GE by the real parts alone."""
    if direction in ("LE", "GE"):
        return emit.compare(direction, z.re, w.re)
    real, imaginary = (emit.compare(direction, x, y) for x, y in zip(z, w))
    if direction in ("EQ", "NE"):
        return emit("and" if direction == "EQ" else "or", real, imaginary)
    return emit("or", real, emit("and", emit.compare("EQ", z.re, w.re), imaginary))


def _choose(emit: Emitter, direction: str, z: Pair, w: Pair) -> Pair:
    first = compare(emit, direction, z, w)
    return Pair(*(emit.select(first, x, y) for x, y in zip(z, w)))


def maximum(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """The first operand if its real part is no less."""
    return _choose(emit, "GE", z, w)


def minimum(emit: Emitter, z: Pair, w: Pair) -> Pair:
    """The first operand if its real part is no greater."""
    return _choose(emit, "LE", z, w)
