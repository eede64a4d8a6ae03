"""Stages of a transform whose results come in order (Stockham), vectors along what lies side by side.

A stage takes the n = radix * m transforms of `width` neighbours apart: element i of neighbour q is at [i, start, lane]
of its view, where q = start + lane. Results p * radix + k of transforms over radix are neighbours of the next stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...tensor_ir import numbers as num
from ...tensor_ir.loops import Loops
from ...tensor_ir.numbers import Matrix
from ...tensor_ir.tiles import for_vectors, vector_of
from .butterflies import butterfly

# vectors of results that `dense` sums at a time
TOGETHER = 4

Table = Callable[[Any], Any]


@dataclass(frozen=True)
class Stage:
    """`m` transforms of `radix` elements for each of `width` neighbours; where their factors begin in the table."""

    radix: int
    m: int
    width: int
    offset: int


def butterflies(loops: Loops, stage: Stage, source: Matrix, target: Matrix, lanes: int, table: Table) -> None:
    """Transforms in registers, each vector along neighbours."""
    radix, m = stage.radix, stage.m
    lanes = vector_of(stage.width, lanes)
    with loops.loop(m, "p") as p:
        at = stage.offset + p * (2 * (radix - 1))
        # a transform that is the last has no factors behind it
        factors = [
            tuple(loops.values([table(at + 2 * k), table(at + 2 * k + 1)], "factor")) for k in range(radix - 1) if m > 1
        ]

        def transform(start: Any) -> None:
            with loops.vector(lanes) as lane:
                x = [source.load(loops, p + m * j, start, lane) for j in range(radix)]
                for k, z in enumerate(butterfly(loops, x)):
                    value = num.multiply(z, factors[k - 1]) if m > 1 and k > 0 else z
                    target[p * radix + k, start, lane] = value

        for_vectors(loops, stage.width, lanes, transform)


def dense(
    loops: Loops, stage: Stage, source: Matrix, target: Matrix, lanes: int, table: Table, folded: tuple[Matrix, Matrix]
) -> None:
    """Transforms that have no neighbours, as products with a matrix: vectors along the results.

    The table holds cosines [radix / 2 + 1, radix], sines, and real and imaginary parts of factors [m, radix].
    """
    _fold(loops, stage, source, lanes, folded)
    radix, m = stage.radix, stage.m
    lanes, together, rows = vector_of(radix, lanes), min(TOGETHER, m), radix // 2 + 1
    vectors = max(1, min(radix // lanes, TOGETHER // together))
    sines = stage.offset + rows * radix
    turns = sines + rows * radix

    def product(first: Any, start: Any) -> None:
        sums = [
            [num.scratch_vector(loops, lanes, source.dtype, 2, "sum") for _ in range(vectors)] for _ in range(together)
        ]
        for total in itertools.chain(*sums):
            with loops.vector(lanes) as lane:
                total[lane] = total.zero()
        with loops.loop(rows, "j") as j:
            for t, totals in enumerate(sums):
                (a, b), (c, d) = (part.load(loops, j * m + first + t) for part in folded)
                for v, total in enumerate(totals):
                    with loops.vector(lanes) as lane:
                        at = j * radix + start + v * lanes + lane
                        cosine, sine = loops.values([table(stage.offset + at), table(sines + at)], "root")
                        re, im = total[lane]
                        total[lane] = (re + cosine * a + sine * d, im + cosine * b - sine * c)
        for t, totals in enumerate(sums):
            for v, total in enumerate(totals):
                with loops.vector(lanes) as lane:
                    value = total.load(loops, lane)
                    if m > 1:
                        at = turns + (first + t) * radix + start + v * lanes + lane
                        value = num.multiply(value, (table(at), table(at + m * radix)))
                    target[first + t, start + v * lanes, lane] = value

    def products(first: Any) -> None:
        for_vectors(loops, radix, lanes * vectors, lambda start: product(first, start))

    for_vectors(loops, m, together, products)


def _fold(loops: Loops, stage: Stage, source: Matrix, lanes: int, folded: tuple[Matrix, Matrix]) -> None:
    """Sums and differences of elements j and radix - j, whose factors are conjugates; those without a partner alone."""
    radix, m = stage.radix, stage.m
    lanes = vector_of(m, lanes)
    sums, differences = folded

    def alone(j: int) -> None:
        def body(start: Any) -> None:
            with loops.vector(lanes) as lane:
                sums[j * m + start + lane] = source[m * j, start, lane]
                differences[j * m + start + lane] = differences.zero()

        for_vectors(loops, m, lanes, body)

    def pair(j: Any) -> None:
        def body(start: Any) -> None:
            with loops.vector(lanes) as lane:
                x, y = source.load(loops, m * j, start, lane), source.load(loops, m * (radix - j), start, lane)
                sums[j * m + start + lane] = num.add(x, y)
                differences[j * m + start + lane] = num.subtract(x, y)

        for_vectors(loops, m, lanes, body)

    alone(0)
    if radix % 2 == 0:
        alone(radix // 2)
    with loops.loop((radix - 1) // 2, "j") as step:
        pair(step + 1)
