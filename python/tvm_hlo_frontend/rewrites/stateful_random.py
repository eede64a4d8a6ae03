"""rng and rng-get-and-update-state behind an explicit seed (rule 88).

XLA's generators are seeded by the process, so their numbers cannot be reproduced; their distributions can. Each
instruction draws from a stream of its own, and draws the same numbers in every call of the compiled module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..hlo.attributes import DimensionsAttributes, RngBitGeneratorAttributes, TupleIndexAttributes
from ..hlo.builder import RewriteBuilder, transform
from ..hlo.module import HloInstruction, HloModule
from ..hlo.shape import Shape, array_shape, tuple_shape
from .capabilities import Capabilities
from .emit import Emitter

# random bits taken for a float: its mantissa, so that every value is exact and below 1
MANTISSA_BITS = {"f64": 52, "f32": 23, "f16": 10, "bf16": 7}
STATEFUL = ("rng", "rng-get-and-update-state")


def seed_stateful_random(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with its stateful generators seeded, if `capabilities` has a seed; in the entry only, since
    an instruction of a loop would draw the same numbers in every trip."""
    seed = capabilities.rng_seed
    found = [instruction for instruction in module.entry.instructions if instruction.opcode in STATEFUL]
    if seed is None or not found:
        return module
    stream = {instruction: number for number, instruction in enumerate(found)}

    def expand(
        builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        if instruction not in stream:
            return None
        emit = Emitter(builder, instruction.metadata)
        if instruction.opcode == "rng-get-and-update-state":
            return builder.constant(np.array([seed, stream[instruction]], np.uint64))
        return _draw(emit, instruction, operands, np.array([seed, 0, stream[instruction]], np.uint64))

    return transform(module, expand)


def _draw(
    emit: Emitter, instruction: HloInstruction, operands: tuple[HloInstruction, ...], state: np.ndarray
) -> HloInstruction:
    attributes: Any = instruction.attributes
    shape = instruction.shape
    first, second = (_fill(emit, operand, shape) for operand in operands)
    if attributes.distribution == "RNG_NORMAL":
        return emit("add", emit("multiply", _normal(emit, shape, state), second), first)
    if shape.kind == "float":
        return emit("add", emit("multiply", _unit(emit, shape, state), emit("subtract", second, first)), first)
    unsigned = array_shape(f"u{max(shape.bits, 8)}", shape.dimensions)
    low, high = (emit.bits(operand, unsigned.element_type) for operand in (first, second))
    offset = emit("remainder", _bits(emit, unsigned, state), emit("subtract", high, low))
    return emit.bits(emit("add", offset, low), shape.element_type)


def _fill(emit: Emitter, scalar: HloInstruction, shape: Shape) -> HloInstruction:
    if scalar.shape.dimensions == shape.dimensions:
        return scalar
    return emit("broadcast", scalar, shape=shape, attributes=DimensionsAttributes(()))


def _bits(emit: Emitter, shape: Shape, state: np.ndarray) -> HloInstruction:
    """Random bits of an unsigned `shape`."""
    seed = emit.constant(state, "u64")
    pair = emit(
        "rng-bit-generator",
        seed,
        shape=tuple_shape(seed.shape, shape),
        attributes=RngBitGeneratorAttributes("RNG_PHILOX"),
    )
    return emit("get-tuple-element", pair, attributes=TupleIndexAttributes(1))


def _unit(emit: Emitter, shape: Shape, state: np.ndarray) -> HloInstruction:
    """Uniform floats in [0, 1)."""
    bits = 64 if shape.bits == 64 else 32
    kept = MANTISSA_BITS[shape.element_type]
    drawn = emit("shift-right-logical", _bits(emit, array_shape(f"u{bits}", shape.dimensions), state), bits - kept)
    return emit("multiply", emit.convert(drawn, shape.element_type), math.ldexp(1.0, -kept))


def _normal(emit: Emitter, shape: Shape, state: np.ndarray) -> HloInstruction:
    """Standard normal floats, by the Box-Muller transform of two uniform ones."""
    wide = array_shape("f64" if shape.bits == 64 else "f32", shape.dimensions)
    other = state.copy()
    other[1] += 1 << 40
    # 1 - u lies in (0, 1], where the logarithm is finite
    logarithm = emit("log", emit("subtract", emit.full(1.0, wide), _unit(emit, wide, state)))
    radius = emit("sqrt", emit("multiply", logarithm, -2.0))
    angle = emit("multiply", _unit(emit, wide, other), 2 * math.pi)
    return emit.convert(emit("multiply", radius, emit("cosine", angle)), shape.element_type)
