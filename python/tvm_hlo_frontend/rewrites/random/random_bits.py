"""rng-bit-generator as integer arithmetic: ThreeFry and Philox, bit for bit as XLA expands them (rules 86, 87).

The generators are those of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): ThreeFry-2x32 with
20 rounds and Philox-4x32 with 10, on a counter of 64 or 128 bits. The rounds are the scalar body of a `map`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...hlo.ir.attributes import DimensionsAttributes, RngBitGeneratorAttributes
from ...hlo.ir.builder import ComputationBuilder, RewriteBuilder
from ...hlo.ir.module import HloComputation, HloInstruction
from ...hlo.ir.shape import Dimension, Shape, array_shape
from ...hlo.ir.sizes import product_of
from ..emit import Emitter
from ..expansion import Expansion

THREEFRY_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
THREEFRY_PARITY = 0x1BD11BDA
PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
PHILOX_WEYL = (0x9E3779B9, 0xBB67AE85)
PHILOX_ROUNDS = 10
U64 = array_shape("u64")


def _expand(
    builder: RewriteBuilder, instruction: HloInstruction, operands: tuple[HloInstruction, ...]
) -> HloInstruction | None:
    _, data = instruction.shape.tuple_shapes
    emit = Emitter(builder, instruction.metadata)
    algorithm = instruction.attributes_as(RngBitGeneratorAttributes).algorithm
    # XLA:CPU takes Philox for the default algorithm
    generate = _threefry_bits if algorithm == "RNG_THREE_FRY" else _philox_bits
    state, bits = generate(emit, operands[0], data.dimensions, data.bits)
    value = emit.convert(bits, f"u{data.bits}")
    if value.shape.element_type != data.element_type:
        value = emit.bits(value, data.element_type)
    return builder.add("tuple", [state, value], name=instruction.name, metadata=instruction.metadata)


# ---- words -----------------------------------------------------------------------------------------------------------


def _split(emit: Emitter, x: HloInstruction) -> tuple[HloInstruction, HloInstruction]:
    """Low and high word of u64."""
    return emit.convert(x, "u32"), emit.convert(emit("shift-right-logical", x, 32), "u32")


def _join(emit: Emitter, low: HloInstruction, high: HloInstruction) -> HloInstruction:
    """u64 of two words."""
    return emit("or", emit("shift-left", emit.convert(high, "u64"), 32), emit.convert(low, "u64"))


def _rotate(emit: Emitter, x: HloInstruction, bits: int) -> HloInstruction:
    return emit("or", emit("shift-left", x, bits), emit("shift-right-logical", x, 32 - bits))


def _word(emit: Emitter, state: HloInstruction, index: int) -> HloInstruction:
    """Element of the state, as a scalar."""
    return emit.reshape(emit.slice(state, 0, index, index + 1), ())


def _count(emit: Emitter, count: Dimension) -> HloInstruction:
    """0, 1, 2 … in u64."""
    return emit("iota", shape=array_shape("u64", (count,)), attributes=DimensionsAttributes((0,)))


def _plus(emit: Emitter, x: HloInstruction, numbers: HloInstruction) -> HloInstruction:
    """`x` and how many `numbers` there are."""
    (count,) = numbers.shape.dimensions
    if isinstance(count, int):
        return emit("add", x, count)
    size = emit("get-dimension-size", numbers, shape=array_shape("s32"), attributes=DimensionsAttributes((0,)))
    return emit("add", x, emit.convert(size, "u64"))


def _map(emit: Emitter, body: HloComputation, *operands: HloInstruction) -> HloInstruction:
    """`body` at every index; scalar operands belong to every element."""
    shape = next(operand.shape for operand in operands if operand.shape.dimensions)
    filled = [operand if operand.shape.dimensions else emit.along(operand, shape, ()) for operand in operands]
    return emit("map", *filled, shape=shape, attributes=DimensionsAttributes((0,)), called=[body])


def _vector(emit: Emitter, *scalars: HloInstruction) -> HloInstruction:
    return emit.concatenate([emit.reshape(scalar, (1,)) for scalar in scalars], 0)


# ---- ThreeFry --------------------------------------------------------------------------------------------------------


def _threefry_bits(
    emit: Emitter, state: HloInstruction, sizes: tuple[Any, ...], bits: int
) -> tuple[HloInstruction, HloInstruction]:
    """New state u64[2] = (key, counter), and bits in u32, or u64 for 64-bit results."""
    key, counter = _word(emit, state, 0), _word(emit, state, 1)
    counted, axis = (sizes, 0) if bits == 64 else _halved(sizes)
    numbers = _count(emit, product_of(counted))
    pairs = _map(emit, _threefry_body(), numbers, counter, key)
    new_state = _vector(emit, key, _plus(emit, counter, numbers))
    if bits == 64:
        return new_state, emit.reshape(pairs, sizes)
    even, odd = (emit.reshape(word, counted) for word in _split(emit, pairs))
    return new_state, _interleaved(emit, even, odd, sizes, axis)


def _halved(sizes: tuple[Any, ...]) -> tuple[tuple[Any, ...], int]:
    """Half of `sizes`, rounded up, along the first even dimension, else the largest; and that dimension.

    The bits depend on which it is, so sizes must be numbers up to there.
    """
    if not sizes:
        return (1,), 0
    sizes = Shape("u32", sizes).sizes
    even = [axis for axis, size in enumerate(sizes) if size % 2 == 0]
    axis = even[0] if even else int(np.argmax(sizes))
    return (*sizes[:axis], -(-sizes[axis] // 2), *sizes[axis + 1 :]), axis


def _interleaved(
    emit: Emitter, even: HloInstruction, odd: HloInstruction, sizes: tuple[Any, ...], axis: int
) -> HloInstruction:
    """Elements of `even` and `odd` in turn along `axis`, cut to `sizes`."""
    if not sizes:
        return emit.reshape(even, ())
    half: Any = even.shape.dimensions
    stacked = (*half[: axis + 1], 1, *half[axis + 1 :])
    pair = emit.concatenate([emit.reshape(even, stacked), emit.reshape(odd, stacked)], axis + 1)
    full = emit.reshape(pair, (*half[:axis], 2 * half[axis], *half[axis + 1 :]))
    return emit.slice(full, axis, 0, sizes[axis])


def _threefry_body() -> HloComputation:
    """(number, counter, key) -> both words of ThreeFry-2x32."""
    builder = ComputationBuilder("threefry_2x32")
    emit = Emitter(builder)
    number, counter, packed = (builder.parameter(index, U64) for index in range(3))
    words = _threefry_rounds(emit, _split(emit, packed), _split(emit, emit("add", counter, number)))
    return builder.build(_join(emit, *words))


def threefry_2x32(emit: Emitter, operands: Sequence[HloInstruction]) -> list[HloInstruction]:
    """Both words u32[...] of ThreeFry-2x32 for keys and counters (key 0, key 1, word 0, word 1), all u32[...]."""
    builder = ComputationBuilder("threefry_2x32_of_words")
    inside = Emitter(builder)
    key0, key1, x, y = (builder.parameter(index, array_shape("u32")) for index in range(4))
    body = builder.build(_join(inside, *_threefry_rounds(inside, (key0, key1), (x, y))))
    sizes = operands[0].shape.dimensions
    flat = [emit.reshape(operand, (product_of(sizes),)) for operand in operands]
    attributes = DimensionsAttributes((0,))
    pairs = emit("map", *flat, shape=array_shape("u64", flat[0].shape.dimensions), attributes=attributes, called=[body])
    return [emit.reshape(word, sizes) for word in _split(emit, pairs)]


def _threefry_rounds(
    emit: Emitter, key: tuple[HloInstruction, HloInstruction], words: tuple[HloInstruction, HloInstruction]
) -> tuple[HloInstruction, HloInstruction]:
    """20 rounds; the key is injected after every fourth."""
    schedule = [*key, emit("xor", emit("xor", key[0], key[1]), THREEFRY_PARITY)]
    x, y = (emit("add", word, part) for word, part in zip(words, key))
    for group in range(5):
        for rotation in THREEFRY_ROTATIONS[group % 2]:
            x = emit("add", x, y)
            y = emit("xor", _rotate(emit, y, rotation), x)
        x = emit("add", x, schedule[(group + 1) % 3])
        y = emit("add", emit("add", y, schedule[(group + 2) % 3]), group + 1)
    return x, y


# ---- Philox ----------------------------------------------------------------------------------------------------------


def _philox_bits(
    emit: Emitter, state: HloInstruction, sizes: tuple[Any, ...], bits: int
) -> tuple[HloInstruction, HloInstruction]:
    """New state and bits. The state is u64[3] = (key, low and high half of the counter); of u64[2] = (key, low) the
    key is the high half as well, as XLA takes the short state in reverse."""
    sizes = Shape("u32", sizes).sizes  # of unknown ones a pass of TVM may end the process
    long = state.shape.sizes[0] >= 3
    key, low = _word(emit, state, 0), _word(emit, state, 1)
    high = _word(emit, state, 2) if long else key
    count = math.prod(sizes) * (2 if bits == 64 else 1)
    blocks = -(-count // 4)
    numbers = _count(emit, blocks)
    pairs = [_map(emit, _philox_body(half), numbers, low, high, key) for half in (0, 1)]
    new_low = emit("add", low, blocks)
    wrapped = emit.convert(emit.compare("LT", new_low, low), "u64")
    new_state = _vector(emit, key, new_low, *([emit("add", high, wrapped)] if long else []))
    columns = pairs if bits == 64 else [word for pair in pairs for word in _split(emit, pair)]
    rows = emit.concatenate([emit.reshape(column, (blocks, 1)) for column in columns], 1)
    flat = emit.reshape(rows, (blocks * len(columns),))
    return new_state, emit.reshape(emit.slice(flat, 0, 0, math.prod(sizes)), sizes)


def _philox_body(half: int) -> HloComputation:
    """(number, counter low, counter high, key) -> words 2 * half and 2 * half + 1 of Philox-4x32 with 10 rounds."""
    builder = ComputationBuilder(f"philox_4x32_{half}")
    emit = Emitter(builder)
    number, low, high, packed = (builder.parameter(index, U64) for index in range(4))
    total = emit("add", low, number)
    carried = emit("add", high, emit.convert(emit.compare("LT", total, low), "u64"))
    words = [*_split(emit, total), *_split(emit, carried)]
    key = _split(emit, packed)
    for round_number in range(PHILOX_ROUNDS):
        if round_number:
            key = (emit("add", key[0], PHILOX_WEYL[0]), emit("add", key[1], PHILOX_WEYL[1]))
        (low0, high0), (low1, high1) = (
            _split(emit, emit("multiply", emit.convert(words[index], "u64"), multiplier))
            for index, multiplier in zip((0, 2), PHILOX_MULTIPLIERS)
        )
        words = [
            emit("xor", emit("xor", high1, words[1]), key[0]),
            low1,
            emit("xor", emit("xor", high0, words[3]), key[1]),
            low0,
        ]
    return builder.build(_join(emit, words[2 * half], words[2 * half + 1]))


EXPANSIONS = {"rng-bit-generator": Expansion(_expand, summary="the integer arithmetic of ThreeFry or Philox")}
