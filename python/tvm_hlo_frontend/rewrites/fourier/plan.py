"""How a transform of n elements is taken apart, and its constants, computed in double precision."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# a dot is as fast as anything up to here, as accurate, and may be part of the kernel of a whole loop
DIRECT_LIMIT = 16
# elements of the transforms that are products with a matrix within the kernel; larger primes go Bluestein's way
DENSE_LIMIT = 64
# primes of which transforms in registers are made
RADICES = (8, 4, 2, 3, 5, 7, 11, 13)
# elements of a vector, which neighbours should fill
LANES = {"f32": 16, "f64": 8}
# costs of an element in a stage in registers, where a multiply-add of a vector in a matrix product costs 1 / lanes
STAGE_COST = 0.8


@dataclass
class Plan:
    """What the kernel ``fft`` does, and its constants.

    Attributes
    ----------
    points : int
        Complex elements of a transform.
    length : int
        Elements of the transforms by stages: `points`, or more for Bluestein's way.
    stages : list of dict
        In order: radix, transforms of it for each neighbour, neighbours, where its factors begin in the table.
    chirp, filter, ends : int
        Where Bluestein's chirp and filter, and the factors between the halves of real data begin; -1 without.
    table : list of numpy.ndarray
        Constants one after the other.
    """

    points: int
    length: int
    stages: list[dict[str, int]] = field(default_factory=list)
    chirp: int = -1
    filter: int = -1
    ends: int = -1
    table: list[np.ndarray] = field(default_factory=list)

    def add(self, *arrays: np.ndarray) -> int:
        """Append constants; where they begin."""
        offset = sum(len(part) for part in self.table)
        self.table += [array.ravel() for array in arrays]
        return offset

    def add_parts(self, values: np.ndarray) -> int:
        """Append real parts, then imaginary parts."""
        return self.add(values.real, values.imag)

    def parameters(self, kind: str, columns: bool) -> dict[str, Any]:
        """Of the kernel."""
        names = ("points", "length", "stages", "chirp", "filter", "ends")
        return {"kind": kind, "columns": columns, **{name: getattr(self, name) for name in names}}


def plan(points: int, element_type: str, columns: bool, halves: bool = False) -> Plan:
    """The plan for transforms of `points` complex elements.

    Parameters
    ----------
    points : int
    element_type : str
        Of a part.
    columns : bool
        Whether vectors go along columns.
    halves : bool
        Whether the complex elements are real ones in pairs.
    """
    lanes = LANES[element_type]
    radices = best_radices(points, lanes, columns)
    length = points if radices is not None else padded_length(points, lanes, columns)
    made = Plan(points, length)
    width, n = (lanes if columns else 1), length
    for number, radix in enumerate(radices or best_radices(length, lanes, columns) or ()):
        n //= radix
        offset = _dense_constants(made, radix, n) if number == 0 and not columns else _factors(made, radix, n)
        made.stages.append({"radix": radix, "m": n, "width": width, "offset": offset})
        width *= radix
    if radices is None:
        made.chirp = made.add_parts(chirp(points))
        made.filter = made.add_parts(chirp_filter(points, length))
    if halves:
        made.ends = made.add_parts(unit_roots(np.arange(points), 2 * points, -1))
    return made


def best_radices(n: int, lanes: int, columns: bool) -> tuple[int, ...] | None:
    """Sizes of the stages for n elements, the cheapest; None if a prime among them is too large."""
    if columns:
        return _small_radices(n)
    found = [(cost, radices) for radices, cost in _candidates(n, lanes)]
    return min(found)[1] if found else None


def _candidates(n: int, lanes: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Stages that begin with a matrix product, with their costs for an element."""
    for first in range(2, min(n, DENSE_LIMIT) + 1):
        rest = _small_radices(n // first) if n % first == 0 else None
        if rest is not None:
            cost, width = _overlap(first, lanes) * 2 * (first // 2 + 1) / lanes, first
            for radix in rest:
                cost += STAGE_COST * _overlap(width, lanes)
                width *= radix
            yield (first, *rest), cost


def _overlap(width: int, lanes: int) -> float:
    """Elements that vectors along so many compute, over their number: the last one reaches into the one before it."""
    return -(-width // min(lanes, 1 << (width.bit_length() - 1))) * lanes / width


def _small_radices(n: int) -> tuple[int, ...] | None:
    """n as a product of RADICES."""
    radices = []
    for radix in RADICES:
        while n % radix == 0:
            radices.append(radix)
            n //= radix
    return tuple(radices) if n == 1 else None


@functools.cache
def padded_length(n: int, lanes: int, columns: bool) -> int:
    """The cheapest product of small primes in which Bluestein's convolution fits, of whole vectors."""
    least = 2 * n - 1
    sizes = [lanes * 2**a * 3**b * 5**c for a in range(least.bit_length()) for b in range(3) for c in range(3)]

    def cost(size: int) -> float:
        if columns:
            return size * len(_small_radices(size) or ())
        return size * min(cost for _, cost in _candidates(size, lanes))

    return min((size for size in sizes if least <= size <= 2 * least + lanes), key=cost)


def _dense_constants(made: Plan, radix: int, m: int) -> int:
    """Cosines and sines [radix / 2 + 1, radix] of a matrix product, and the factors [m, radix] behind it."""
    roots = unit_roots(np.outer(np.arange(radix // 2 + 1), np.arange(radix)), radix, 1)
    offset = made.add_parts(roots)
    if m > 1:
        made.add_parts(unit_roots(np.outer(np.arange(m), np.arange(radix)), radix * m, -1))
    return offset


def _factors(made: Plan, radix: int, m: int) -> int:
    """Real and imaginary parts [m, radix - 1, 2] of the factors behind transforms in registers."""
    if m == 1:
        return made.add()
    turns = unit_roots(np.outer(np.arange(m), np.arange(1, radix)), radix * m, -1)
    return made.add(np.stack([turns.real, turns.imag], -1))


def unit_roots(products: np.ndarray, n: int, sign: int) -> np.ndarray:
    """exp(sign * 2 pi i * products / n), with the angle reduced exactly in integers first."""
    angle = 2 * np.pi * (products % n) / n
    return np.cos(angle) + 1j * sign * np.sin(angle)


def dft_matrix(n: int, sign: int) -> np.ndarray:
    """Real matrix [2n, 2n] that takes (re, im) of n elements to (re, im) of their transform, as rows of weights."""
    index = np.arange(n)
    roots = unit_roots(np.outer(index, index), n, sign)
    return np.block([[roots.real, -roots.imag], [roots.imag, roots.real]])


def chirp(n: int) -> np.ndarray:
    """exp(-pi i * k^2 / n)."""
    index = np.arange(n, dtype=np.int64)
    return unit_roots(index * index, 2 * n, -1)


def chirp_filter(n: int, length: int) -> np.ndarray:
    """Transform of the conjugate chirp, wrapped around `length`, divided by `length`."""
    wave = np.conj(chirp(n))
    padded = np.zeros(length, np.complex128)
    padded[:n] = wave
    padded[length - n + 1 :] = wave[1:][::-1]
    return np.fft.fft(padded) / length
