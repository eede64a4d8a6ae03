"""convolution of images whose sizes are known only at run time: tiles of output channels by positions, which are
counted through all spatial dimensions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...tensor_ir.compat import proves_equal, tir
from ...tensor_ir.loops import Loops, extents, extern_with_workspace, wide
from .. import plans
from ..spec import KernelSpec
from .sums import convert_sum

# positions of a tile by its vectors; what is left over is taken in halves
POSITIONS = {4: 7, 2: 8, 1: 8}
# pieces of an image, for the threads
PIECES = 8

Results = Sequence[tuple[tuple[Any, ...], str]]


@dataclass(frozen=True)
class _Problem:
    """Sizes and parameters of a convolution.

    Attributes
    ----------
    batch, channels : expression
        Of the data.
    source, reach, result : sequence of expression
        Spatial sizes of the data, of what the windows reach and of the result.
    outputs, depth : int
        All output channels; input channels of a group.
    window : sequence of int
    parameters : dict
        Of the spec.
    lanes, vectors : int
        Of a tile of output channels.
    """

    batch: Any
    channels: Any
    source: Sequence[Any]
    reach: Sequence[Any]
    result: Sequence[Any]
    outputs: int
    depth: int
    window: Sequence[int]
    parameters: dict[str, Any]
    lanes: int
    vectors: int

    @property
    def tile(self) -> int:
        """Output channels of a tile."""
        return self.lanes * self.vectors

    @property
    def accumulator(self) -> str:
        """In which sums are formed."""
        return str(self.parameters["accumulator"])

    @property
    def is_plain(self) -> bool:
        """Whether windows read the data and nothing beside or between it."""
        steps, lows = self.parameters["base_dilation"], self.parameters["low"]
        inside = [proves_equal(size, reach) for size, reach in zip(self.source, self.reach)]
        return all(inside) and not any(lows) and all(step == 1 for step in steps)


def channel_tile(outputs: Any, accumulator: str) -> tuple[int, int]:
    """Lanes and vectors of a tile that divides the output channels of a group; no lanes if there are too few."""
    if not isinstance(outputs, int):
        return 0, 0
    lanes = plans.channel_lanes(outputs, accumulator)
    return lanes, next((vectors for vectors in POSITIONS if lanes and outputs % (vectors * lanes) == 0), 0)


def is_for(dimensions: Sequence[Any], weight_sizes: Sequence[Any], groups: int, accumulator: str) -> bool:
    """Whether `open_convolution` is for a convolution: an image of unknown sizes, a kernel of known ones."""
    known = all(isinstance(size, int) and size for size in weight_sizes)
    if not known or all(isinstance(size, int) for size in dimensions[2:]):
        return False
    return channel_tile(weight_sizes[0] // groups, accumulator)[0] > 0


def open_convolution(spec: KernelSpec, inputs: Sequence[Any], results: Results, reach: Sequence[Any]) -> list[Any]:
    """The kernel `convolution`, see `is_for`.

    Parameters
    ----------
    spec, inputs, results
        As of all kernels.
    reach : sequence of expression
        How far the windows reach in every spatial dimension, padding included.
    """
    data, weight = inputs
    window = extents(weight.shape)
    outputs, depth = int(window[0]), int(window[1])
    lanes, vectors = channel_tile(outputs // spec.parameters["groups"], spec.parameters["accumulator"])
    (dimensions, dtype) = results[0]
    problem = _Problem(
        wide(data.shape[0]), wide(data.shape[1]), [wide(size) for size in data.shape[2:]],
        [wide(size) for size in reach], [wide(size) for size in dimensions[2:]],
        outputs, depth, [int(size) for size in window[2:]], spec.parameters, lanes, vectors,
    )  # fmt: skip

    def generate(loops: Loops, ins: list[Any], outs: list[Any]) -> None:
        source = ins[0] if problem.is_plain else _padded(loops, problem, ins[0])
        _Tiles(loops, problem, source, _packed(loops, problem, ins[1]), outs[0], dtype).all()

    return extern_with_workspace(inputs, results, generate, "hlo_open_convolution")


def _padded(loops: Loops, problem: _Problem, data: Any) -> Any:
    """Holes and padding filled with zeros."""
    total = _product([tir.max(size, wide(0)) for size in problem.reach])  # of no windows
    made = loops.scratch(problem.batch * problem.channels * total, problem.accumulator, "padded")
    steps, lows = problem.parameters["base_dilation"], problem.parameters["low"]
    with loops.loop(problem.batch * problem.channels, "image", parallel=True) as image:
        *outer, width = problem.reach
        with loops.loop(_product(outer), "row") as row:
            rows = _unravel(row, outer)
            with loops.loop(width, "column") as column:
                inside, place = [], image
                for p, low, step, size in zip([*rows, column], lows, steps, problem.source):
                    offset = p - wide(low)
                    inside += [offset >= 0, offset < (size - 1) * step + 1]
                    inside += [tir.EQ(tir.indexmod(offset, wide(step)), wide(0))] if step > 1 else []
                    place = place * size + (tir.indexdiv(offset, wide(step)) if step > 1 else offset)
                value = data[place].astype(problem.accumulator)
                made[(image * _product(outer) + row) * width + column] = tir.if_then_else(
                    tir.all(*inside), value, tir.const(0, problem.accumulator)
                )
    return made


def _packed(loops: Loops, problem: _Problem, weight: Any) -> Any:
    """The output channels of one tile side by side."""
    length = problem.depth * math.prod(problem.window)
    made = loops.scratch(problem.outputs * length, problem.accumulator, "weights")
    with loops.loop(problem.outputs // problem.tile, "tile", parallel=True) as tile:
        with loops.loop(length, "term") as term:
            with loops.loop(problem.tile, "output") as output:
                value = weight[(tile * problem.tile + output) * length + term].astype(problem.accumulator)
                made[(tile * length + term) * problem.tile + output] = value
    return made


class _Tiles:
    """All tiles of the result, from padded data and packed weights."""

    def __init__(self, loops: Loops, problem: _Problem, data: Any, weight: Any, out: Any, dtype: str) -> None:
        self.loops, self.problem, self.data, self.weight = loops, problem, data, weight
        self.out, self.dtype = out, dtype
        self.positions, self.size = _product(problem.result), _product(problem.reach)

    def all(self) -> None:
        """Pieces of images by tiles of output channels, whose weights stay near."""
        problem, most = self.problem, wide(POSITIONS[self.problem.vectors])
        whole = tir.indexdiv(self.positions, most)
        piece = tir.indexdiv(whole + (PIECES - 1), wide(PIECES))
        tiles = wide(problem.outputs // problem.tile)
        with self.loops.loop(tiles * problem.batch * PIECES, "task", parallel=True) as task:
            tile, n, part = self.loops.values(
                [
                    tir.indexdiv(task, problem.batch * PIECES),
                    tir.indexmod(tir.indexdiv(task, wide(PIECES)), problem.batch),
                    tir.indexmod(task, wide(PIECES)),
                ],
                "place",
            )
            first, last = self.loops.values(
                [tir.min(part * piece, whole), tir.min(part * piece + piece, whole)], "piece"
            )
            with self.loops.loop(last - first, "step") as step:
                self._tile(tile, n, (first + step) * most, POSITIONS[problem.vectors])
            with self.loops.when(tir.EQ(part, wide(PIECES - 1))):
                self._rest(tile, n, whole * most)

    def _rest(self, tile: Any, n: Any, first: Any) -> None:
        """The positions that fill no tile."""
        for count in (4, 2, 1):
            with self.loops.when(self.positions - first >= count):
                self._tile(tile, n, first, count)
            (first,) = self.loops.values(
                [first + tir.Select(self.positions - first >= count, wide(count), wide(0))], "first"
            )

    def _tile(self, tile: Any, n: Any, first: Any, count: int) -> None:
        """Sums of one tile in registers, then its elements."""
        loops, problem, kind = self.loops, self.problem, self.problem.accumulator
        starts = loops.values([self._start(tile, n, first + p) for p in range(count)], "start")
        cells = list(itertools.product(range(problem.vectors), range(count)))
        sums = {cell: loops.scratch(problem.lanes, kind, "sum") for cell in cells}
        for cell in cells:
            with loops.vector(problem.lanes) as lane:
                sums[cell][lane] = tir.const(0, kind)
        for term, offset in self._terms():
            (at,) = loops.values([(tile * wide(self._length) + term) * wide(problem.tile)], "weights")
            factors = loops.values([self.data[start + offset].astype(kind) for start in starts], "factor")
            for v, p in cells:
                with loops.vector(problem.lanes) as lane:
                    product = factors[p] * self.weight[at + v * problem.lanes + lane]
                    sums[v, p][lane] = sums[v, p][lane] + product
        self._store(tile, n, first, count, sums)

    @property
    def _length(self) -> int:
        return self.problem.depth * math.prod(self.problem.window)

    def _start(self, tile: Any, n: Any, position: Any) -> Any:
        """Where the window of a position begins in the data, in the first channel of the tile's group."""
        problem = self.problem
        group = tir.indexdiv(tile * wide(problem.tile), wide(problem.outputs // problem.parameters["groups"]))
        place = n * problem.channels + group * wide(problem.depth)
        for index, stride, size in zip(_unravel(position, problem.result), problem.parameters["stride"], problem.reach):
            place = place * size + index * wide(stride)
        return place

    def _terms(self) -> Iterator[tuple[Any, Any]]:
        """Number and place in the data of the terms of a sum, for all statements in the body of a `for`."""
        problem = self.problem
        with self.loops.loop(wide(problem.depth), "channel") as channel:
            with self.loops.loop(wide(math.prod(problem.window)), "tap") as tap:
                place = channel
                taps = _unravel(tap, [wide(size) for size in problem.window])
                for index, gap, size in zip(taps, problem.parameters["window_dilation"], problem.reach):
                    place = place * size + index * wide(gap)
                term, offset = self.loops.values([channel * wide(math.prod(problem.window)) + tap, place], "term")
                yield term, offset

    def _store(self, tile: Any, n: Any, first: Any, count: int, sums: dict[tuple[int, int], Any]) -> None:
        """By way of memory in which the positions of a channel are neighbours."""
        loops, problem = self.loops, self.problem
        lined = loops.scratch(problem.tile * count, problem.accumulator, "lined")
        for (v, p), each in sums.items():
            with loops.vector(problem.lanes) as lane:
                lined[p * problem.tile + v * problem.lanes + lane] = each[lane]
        with loops.loop(wide(problem.tile), "output") as output:
            row = (n * wide(problem.outputs) + tile * wide(problem.tile) + output) * self.positions + first
            for p in range(count):
                self.out[row + p] = convert_sum(lined[p * problem.tile + output], self.dtype)


def _product(sizes: Sequence[Any]) -> Any:
    return math.prod(sizes, start=wide(1))


def _unravel(place: Any, sizes: Sequence[Any]) -> list[Any]:
    """Index of a place in row-major order."""
    index: list[Any] = []
    for size in reversed(sizes[1:]):
        index.append(tir.indexmod(place, size))
        place = tir.indexdiv(place, size)
    return [place, *index[::-1]] if sizes else []
