"""Mutations of bytes and of text, without any knowledge of what they mean."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_NUMBERS = (b"0", b"-1", b"1", b"2147483648", b"1099511627776", b"4611686018427387904", b"9" * 40, b"1e999", b"nan")
_TOKEN = re.compile(rb"[A-Za-z_][\w.-]*|\d+|[^\w\s]")


def mutated_bytes(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Bits flipped, parts cut out, put in, doubled, or taken from another input."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(data)) if data else 0
        length = rng.choice((1, 2, 4, 16, 64))
        kind = rng.randrange(6)
        if kind == 0 and data:
            for _ in range(rng.choice((1, 1, 2, 8))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[place : place + rng.choice((length, length, len(data)))]
        elif kind == 2:
            data[place:place] = rng.randbytes(length)
        elif kind == 3:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 100))
        elif kind == 4 and data:
            data[place] = rng.choice((0, 1, 127, 128, 255))
        else:
            other = rng.choice(seeds)
            start = rng.randrange(len(other))
            data[place : place + length] = other[start : start + length]
    return bytes(data)


def mutated_text(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """Words and numbers changed, dropped, doubled, or taken from another text."""
    text = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 4))):
        tokens = list(_TOKEN.finditer(text))
        if not tokens:
            break
        chosen, kind = rng.choice(tokens), rng.randrange(5)
        others = list(_TOKEN.finditer(rng.choice(seeds)))
        new = rng.choice(others).group() if others else b""
        if chosen.group().isdigit() and rng.random() < 0.6:
            new = rng.choice(_NUMBERS)
        elif kind == 0:
            new = b""
        elif kind == 1:
            new = chosen.group() * rng.choice((2, 1000))
        text = text[: chosen.start()] + new + text[chosen.end() :]
    return text if rng.random() < 0.9 else mutated_bytes([text or b"x"], rng)
