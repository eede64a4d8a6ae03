"""Vector registers of a target, and the register tiles that keep its multiply-adders busy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm.target.codegen import llvm_version_major, target_has_features

# multiply-adds and loads that begin in one cycle, cycles until a sum can be added to, instructions of one cycle
MULTIPLY_ADDS, LOADS, LATENCY, INSTRUCTIONS = 2, 2, 4, 4
# of a load from the first-level cache that is not hidden behind arithmetic, in cycles
NEAR_LOAD = 0.1
# of a load of weights that comes from the second-level cache and is not hidden behind arithmetic, in cycles
FAR_LOAD = 0.008  # per byte
# the last LLVM that moves sums from register to register, or to memory, where more than half of the registers hold some
MOVES_SUMS = 10


@dataclass(frozen=True)
class Registers:
    """`count` vector registers of `bits`; whether an operand in memory can be one number for all lanes; how many of the
    registers may hold sums, by default all that nothing else needs."""

    bits: int
    count: int
    broadcasts: bool = False
    most_sums: int | None = None

    def lanes(self, dtype: str) -> int:
        """Elements of one register."""
        return max(1, self.bits // max(32, np.dtype(dtype).itemsize * 8))

    def tile(self, positions: int, vectors: int) -> tuple[int, int]:
        """Positions and vectors, divisors of these, that are best taken together."""
        found = [
            (self.cycles(by, at), -sums_per_load(by, at), at, by)
            for at in range(1, positions + 1)
            for by in range(1, vectors + 1)
            if positions % at == 0 and vectors % by == 0
        ]
        return min(found)[2:]

    def cycles(self, vectors: int, positions: int) -> float:
        """Cycles per vector of products of a tile of `vectors` by `positions`; infinite if it needs more registers."""
        sums = vectors * positions
        if sums + vectors + (positions > 1) > self.count or (self.most_sums is not None and sums > self.most_sums):
            return float("inf")
        loads = vectors + positions
        instructions = sums + vectors + (0 if self.broadcasts else positions)
        needed = max(sums / MULTIPLY_ADDS, loads / LOADS, instructions / INSTRUCTIONS, LATENCY)
        return (needed + NEAR_LOAD * loads + FAR_LOAD * vectors * self.bits / 8) / sums


def sums_per_load(vectors: int, positions: int) -> float:
    """Sums of a tile per operand that is loaded for them."""
    return vectors * positions / (vectors + positions)


AVX512, AVX, OTHER_X86, OTHER = Registers(512, 32, True), Registers(256, 16), Registers(128, 16), Registers(128, 32)


def registers_of(target: Any) -> Registers:
    """What LLVM has for `target`, and makes use of."""
    if target.kind.name != "llvm":
        return OTHER
    features = (("avx512f", AVX512), ("avx", AVX), ("sse2", OTHER_X86))
    found = next((each for feature, each in features if target_has_features(feature, target)), OTHER)
    return found if llvm_version_major() > MOVES_SUMS else dataclasses.replace(found, most_sums=found.count // 2)
