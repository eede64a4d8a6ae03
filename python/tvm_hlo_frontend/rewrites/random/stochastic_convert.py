"""stochastic-convert from floats to signed integers (rule 34; XLA's StochasticConvertDecomposer)."""

from __future__ import annotations

from ...hlo.ir.builder import RewriteBuilder
from ...hlo.ir.module import HloInstruction
from ..emit import Emitter
from ..expansion import Expansion


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    """Away from zero if the random number, as a fraction of 1, is below the fraction of the magnitude, else towards
    zero; limits of the integer beyond them, NaN is 0."""
    emit, (x, random), target = Emitter(builder, instruction.metadata), operands, instruction.shape
    magnitude = emit("abs", x)
    whole = emit("floor", magnitude)
    fraction = emit("subtract", magnitude, whole)
    if x.shape.element_type == "f16":  # which ends below 2^16
        fraction = emit.convert(fraction, "f32")
    threshold = emit.convert(emit("multiply", fraction, 2.0**random.shape.bits), random.shape.element_type)
    below = emit.convert(whole, target.element_type)
    rounded = emit.select(emit.compare("LT", random, threshold), emit("add", below, 1), below)
    signed = emit.select(emit.compare("LT", emit("sign", x), 0), emit("negate", rounded), rounded)
    low, high = -(1 << (target.bits - 1)), (1 << (target.bits - 1)) - 1
    signed = emit.select(emit.compare("LE", x, low), low, signed)
    return emit.select(emit.compare("GE", x, high), high, signed)


def _is_to_signed(instruction: HloInstruction) -> bool:
    """XLA has no other."""
    return instruction.shape.kind == "signed"


EXPANSIONS = {"stochastic-convert": Expansion(_expand, _is_to_signed)}
