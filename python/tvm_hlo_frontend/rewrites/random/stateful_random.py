"""rng and rng-get-and-update-state behind an explicit seed (rule 88).

XLA's generators are seeded by the process, so their numbers cannot be reproduced; their distributions can. Each
instruction draws from a stream of its own, and draws the same numbers in every call of the compiled module. Loops and
branches with generators hand a count of trips along, so that every trip has numbers of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...hlo.ir.attributes import DimensionsAttributes, ParameterAttributes, RngAttributes, RngBitGeneratorAttributes
from ...hlo.ir.builder import ComputationBuilder, RewriteBuilder, transform
from ...hlo.ir.module import HloComputation, HloInstruction, HloModule
from ...hlo.ir.shape import Shape, array_shape, tuple_shape
from ..capabilities import Capabilities
from ..emit import Emitter
from ..inline_calls import inline_calls

# random bits taken for a float: its mantissa, so that every value is exact and below 1
MANTISSA_BITS = {"f64": 52, "f32": 23, "f16": 10, "bf16": 7}
BITS_OF_A_BYTE = 8
CONTROL_FLOW = frozenset({"while", "conditional"})
# the upper word of a generator's counter is the stream and, above so many bits, the trip
STREAM_BITS = 16
# where the counter of the second of two uniform numbers begins
SECOND_UNIFORM = 1 << 40
COUNT = array_shape("u64")
# for the support table
SEEDED = {
    "rng": "numbers of XLA's distribution from ThreeFry bits, with `rng_seed=`; refused without",
    "rng-get-and-update-state": "a count that starts at `rng_seed=`; refused without",
}


def seed_stateful_random(module: HloModule, capabilities: Capabilities) -> HloModule:
    """`module` with its stateful generators seeded, if `capabilities` has a seed; but for those in bodies of map,
    reduce and the like, which have no state, and those of narrow types."""
    seed = capabilities.rng_seed
    if seed is None or not any(instruction.opcode in SEEDED for instruction in module.instructions):
        return module
    # so that every call of a function has numbers of its own
    module = inline_calls(module, capabilities)
    return transform(module, _Seeding(module, seed))


class _Seeding:
    """Callback of `transform`: seeds generators, and threads the count through what has generators inside."""

    def __init__(self, module: HloModule, seed: int) -> None:
        self.seed = seed
        self.callers = _threaded_callers(module)
        self.threaded = {computation for caller in self.callers for computation in caller.called_computations}
        self.bodies = {caller.called_computations[0] for caller in self.callers if caller.opcode == "while"}
        conditions = {caller.called_computations[1] for caller in self.callers if caller.opcode == "while"}
        self.roots = {computation.root: computation for computation in self.threaded - conditions}
        places = [module.entry, *(c for c in module.computations if c in self.threaded)]
        drawn = [i for computation in places for i in computation.instructions if _is_supported(i)]
        self.streams = {instruction: number for number, instruction in enumerate(drawn)}
        self.by_name = {computation.name: computation for computation in self.threaded}
        # per computation in the making: what the old parameter was, and the count so far
        self.parameters: dict[ComputationBuilder, HloInstruction] = {}
        self.counts: dict[ComputationBuilder, HloInstruction] = {}

    def __call__(
        self, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        emit = Emitter(builder, old.metadata)
        if builder not in self.counts:
            self._begin(builder)
        value = self._replacement(emit, builder, old, operands)
        if old not in self.roots:
            return value
        if value is None:
            value = builder.copy(old, operands, [builder.rewritten(c) for c in old.called_computations])
        count = self.counts[builder]
        is_body = self.roots[old] in self.bodies
        return emit.tuple([value, emit("add", count, 1) if is_body else count])

    def _begin(self, builder: RewriteBuilder) -> None:
        """The count at the beginning of a computation: none in the entry, else the second part of its parameter."""
        computation = self.by_name.get(builder.name)
        if computation is None:
            self.counts[builder] = builder.constant(0, "u64")
            return
        (old,) = computation.parameters
        both = builder.parameter(0, tuple_shape(old.shape, COUNT), name=old.name)
        emit = Emitter(builder, old.metadata)
        self.parameters[builder], self.counts[builder] = emit.element(both, 0), emit.element(both, 1)

    def _replacement(
        self, emit: Emitter, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction | None:
        if old in self.streams:
            return self._drawn(emit, old, operands, self.counts[builder])
        if old in self.callers:
            return self._called(emit, builder, old, operands)
        if isinstance(old.attributes, ParameterAttributes):
            return self.parameters.get(builder)
        return None

    def _called(
        self, emit: Emitter, builder: RewriteBuilder, old: HloInstruction, operands: tuple[HloInstruction, ...]
    ) -> HloInstruction:
        """A loop or a conditional whose computations take and return the count as well."""
        first = 1 if old.opcode == "conditional" else 0
        count = self.counts[builder]
        inputs = [*operands[:first], *(emit.tuple([operand, count]) for operand in operands[first:])]
        called = [builder.rewritten(computation) for computation in old.called_computations]
        both = builder.add(
            old.opcode, inputs, tuple_shape(old.shape, COUNT), old.attributes, called, name=old.name,
            metadata=old.metadata,
        )  # fmt: skip
        self.counts[builder] = emit.element(both, 1)
        return emit.element(both, 0)

    def _drawn(
        self, emit: Emitter, old: HloInstruction, operands: tuple[HloInstruction, ...], count: HloInstruction
    ) -> HloInstruction:
        seed = emit.full(self.seed, COUNT)
        stream = emit("or", emit("shift-left", count, STREAM_BITS), self.streams[old])
        if old.opcode == "rng-get-and-update-state":
            return _vector(emit, seed, stream)
        return _draw(emit, old, operands, _Generator(seed, stream))


def _is_supported(instruction: HloInstruction) -> bool:
    """Whether it is a generator of a type that numbers are drawn of."""
    shape = instruction.shape
    whole = shape.kind in ("signed", "unsigned") and shape.bits >= BITS_OF_A_BYTE
    return instruction.opcode in SEEDED and (whole or shape.element_type in MANTISSA_BITS)


def _threaded_callers(module: HloModule) -> set[HloInstruction]:
    """Loops and conditionals in whose computations something is drawn, and those that share a computation with them."""
    callers = [instruction for instruction in module.instructions if instruction.opcode in CONTROL_FLOW]
    found: set[HloInstruction] = set()
    threaded: set[HloComputation] = set()
    while True:
        new = {
            caller
            for caller in callers
            if caller not in found and any(c in threaded or _draws(c, found) for c in caller.called_computations)
        }
        if not new:
            return found
        found |= new
        threaded |= {computation for caller in new for computation in caller.called_computations}


def _draws(computation: HloComputation, callers: set[HloInstruction]) -> bool:
    return any(instruction.opcode in SEEDED or instruction in callers for instruction in computation.instructions)


@dataclass(frozen=True)
class _Generator:
    """Key and upper word of the counter, as scalars."""

    seed: HloInstruction
    stream: HloInstruction


def _vector(emit: Emitter, *scalars: HloInstruction) -> HloInstruction:
    return emit.concatenate([emit.reshape(scalar, (1,)) for scalar in scalars], 0)


def _draw(
    emit: Emitter, instruction: HloInstruction, operands: tuple[HloInstruction, ...], generator: _Generator
) -> HloInstruction:
    shape = instruction.shape
    first, second = (_fill(emit, operand, shape) for operand in operands)
    if instruction.attributes_as(RngAttributes).distribution == "RNG_NORMAL":
        return emit("add", emit("multiply", _normal(emit, shape, generator), second), first)
    if shape.kind == "float":
        return emit("add", emit("multiply", _unit(emit, shape, generator), emit("subtract", second, first)), first)
    unsigned = array_shape(f"u{max(shape.bits, 8)}", shape.dimensions)
    low, high = (emit.bits(operand, unsigned.element_type) for operand in (first, second))
    offset = emit("remainder", _bits(emit, unsigned, generator), emit("subtract", high, low))
    return emit.bits(emit("add", offset, low), shape.element_type)


def _fill(emit: Emitter, scalar: HloInstruction, shape: Shape) -> HloInstruction:
    if scalar.shape.dimensions == shape.dimensions:
        return scalar
    return emit("broadcast", scalar, shape=shape, attributes=DimensionsAttributes(()))


def _bits(emit: Emitter, shape: Shape, generator: _Generator, begin: int = 0) -> HloInstruction:
    """Random bits of an unsigned `shape`; `begin` is where the counter begins."""
    seed = _vector(emit, generator.seed, emit.full(begin, COUNT), generator.stream)
    pair = emit(
        "rng-bit-generator",
        seed,
        shape=tuple_shape(seed.shape, shape),
        attributes=RngBitGeneratorAttributes("RNG_PHILOX"),
    )
    return emit.element(pair, 1)


def _unit(emit: Emitter, shape: Shape, generator: _Generator, begin: int = 0) -> HloInstruction:
    """Uniform floats in [0, 1)."""
    bits = 64 if shape.bits == 64 else 32
    kept = MANTISSA_BITS[shape.element_type]
    drawn = emit(
        "shift-right-logical", _bits(emit, array_shape(f"u{bits}", shape.dimensions), generator, begin), bits - kept
    )
    return emit("multiply", emit.convert(drawn, shape.element_type), math.ldexp(1.0, -kept))


def _normal(emit: Emitter, shape: Shape, generator: _Generator) -> HloInstruction:
    """Standard normal floats, by the Box-Muller transform of two uniform ones."""
    wide = array_shape("f64" if shape.bits == 64 else "f32", shape.dimensions)
    # 1 - u lies in (0, 1], where the logarithm is finite
    logarithm = emit("log", emit("subtract", emit.full(1.0, wide), _unit(emit, wide, generator)))
    radius = emit("sqrt", emit("multiply", logarithm, -2.0))
    angle = emit("multiply", _unit(emit, wide, generator, SECOND_UNIFORM), 2 * math.pi)
    return emit.convert(emit("multiply", radius, emit("cosine", angle)), shape.element_type)
