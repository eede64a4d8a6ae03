"""Which program a seed is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tools.fuzz import arithmetic, bodies, indices, movement, special, sums, wild
from tools.fuzz.program import Program, random_program

TABLE = (
    *arithmetic.STEPS,
    *movement.STEPS,
    *sums.STEPS,
    *indices.STEPS,
    *wild.STEPS,
    *bodies.STEPS,
    *special.STEPS,
)
# seeds mean other programs when one of these changes
_SOURCES = (
    "generator", "kinds", "program", "arithmetic", "movement", "sums", "indices", "wild", "bodies", "special",
)  # fmt: skip


def program_of(seed: int, steps: int) -> Program:
    """The program of a seed."""
    return random_program(seed, steps, TABLE)


def digest() -> str:
    """A name of the generator as it is now."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in _SOURCES)).hexdigest()[:10]
